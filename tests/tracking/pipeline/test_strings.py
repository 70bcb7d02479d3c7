"""Strings are stored once under a number, and each process caches some."""

from typing import Any

import peewee
import pytest

from alice import database
from alice.tracking.log import strings as text
from alice.tracking.log.caller import Caller
from alice.tracking.log.event import Kind
from alice.tracking.log.hit import Hit, VisitDetails, VisitKey
from alice.tracking.log.strings import Strings
from alice.tracking.pipeline import Tracking
from alice.tracking.site import SiteRow
from tests.conftest import EventRows

pytestmark = pytest.mark.usefixtures("events_connection")


def test_events_keep_their_strings_when_the_cache_is_emptied(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, events_db: EventRows, monkeypatch: Any
) -> None:
    monkeypatch.setattr(text, "CACHED", 5)
    for number in range(12):  # of which a process remembers a few
        hits = [Hit(Kind.PAGE_VIEW, path=f"/{number}"), Hit(Kind.CUSTOM, "tea", path="/0")]
        tracking.record(site, key, caller, VisitDetails, hits)

    paths = events_db.query(
        "SELECT s.text FROM events e LEFT JOIN strings s ON s.number = e.path ORDER BY seq"
    )
    assert [path for (path,) in paths] == [path for n in range(12) for path in (f"/{n}", "/0")]


def test_the_cache_of_strings_is_bounded(tracking: Tracking, monkeypatch: pytest.MonkeyPatch) -> None:
    strings = Strings()
    statements: list[Any] = []

    def is_remembered(name: str) -> bool:
        statements.clear()
        number(tracking, strings, {name})
        return not any("strings" in query.sql for query in statements)

    database.events_db.query_hooks.append(statements.append)
    number(tracking, strings, {"a", "b"})
    assert is_remembered("a") and is_remembered("b")
    monkeypatch.setattr(text, "CACHED", 3)
    strings = Strings()
    number(tracking, strings, {"a", "b"})
    assert is_remembered("a") and is_remembered("b")
    number(tracking, strings, {"c"})
    assert is_remembered("c") and not is_remembered("a")
    database.events_db.query_hooks.remove(statements.append)


def test_texts_have_the_same_numbers_in_every_process(tracking: Tracking) -> None:
    """More than one statement can have parameters for."""
    many = {f"/{number}" for number in range(1001)}
    one, other = Strings(), Strings()
    numbers = number(tracking, one, {"/0", None}) | number(tracking, one, many)

    assert len(set(numbers.values())) == 1002 and numbers[None] is None
    assert number(tracking, other, many | {None}) == numbers
    assert text.texts([*numbers.values(), *numbers.values()]) == {n: t for t, n in numbers.items()}


def test_a_text_of_an_event_that_was_not_kept_gets_its_number_later(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, events_db: EventRows
) -> None:
    """The number that it had in the undone transaction belongs to another text now."""
    with pytest.raises((OverflowError, peewee.DataError)):
        tracking.record(site, key, caller, VisitDetails, [Hit(10**30, path="/undone")])
    for path in ("/other", "/undone"):
        tracking.record(site, key, caller, VisitDetails, [Hit(Kind.PAGE_VIEW, path=path)])

    sql = "SELECT s.text FROM events e JOIN strings s ON s.number = e.path ORDER BY e.seq"
    assert events_db.query(sql) == [("/other",), ("/undone",)]


def number(tracking: Tracking, strings: Strings, texts: set[str | None]) -> dict[str | None, int | None]:
    """The numbers of these texts, in a committed transaction."""
    numbers = tracking.recorder.submit(lambda db: strings.numbers(db, texts))
    strings.keep(numbers)
    return {name: numbers[name] for name in texts}
