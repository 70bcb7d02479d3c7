"""Which visit a hit is counted in, and that no other changes."""

import threading
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import uuid4

import peewee
import pytest

from alice import clock, database
from alice.clock import days, minutes
from alice.errors import NotFound
from alice.tracking.log import visit
from alice.tracking.log.caller import Caller
from alice.tracking.log.event import Kind
from alice.tracking.log.hit import Hit, VisitDetails, VisitKey
from alice.tracking.log.visit import Dialect
from alice.tracking.pipeline import Tracking
from alice.tracking.site import SiteRow
from tests.conftest import Counted, EventRows
from tests.tracking.calling import site as sites
from tests.tracking.pipeline.conftest import (
    ADA,
    IDENTIFY,
    VIEW,
)

pytestmark = pytest.mark.usefixtures("events_connection")


def test_events_of_a_visit_are_numbered_from_one(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller
) -> None:
    first = tracking.record(site, key, caller, VisitDetails, [VIEW, VIEW])
    second = tracking.record(site, key, caller, VisitDetails, [VIEW])

    assert (first.sequences, second.sequences) == ([1, 2], [3])
    assert second.visit.number == first.visit.number


def test_threads_share_a_visit_without_gaps(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, events_db: EventRows
) -> None:
    tracking.recorder.start()

    def send() -> None:
        for _ in range(10):
            tracking.record(site, key, caller, VisitDetails, [VIEW])

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tracking.recorder.stop()

    rows = events_db.query("SELECT sequence FROM events ORDER BY seq")
    assert [sequence for (sequence,) in rows] == [*range(1, 61)]
    assert events_db.one("SELECT COUNT(*) FROM visits") == 1


class Stage(NamedTuple):
    """A visit of anna's, and what is needed to do something in it."""

    tracking: Tracking
    site: SiteRow
    key: VisitKey
    caller: Caller
    number: int


@pytest.mark.parametrize(
    "do",
    [
        lambda it: it.tracking.record(it.site, it.key, it.caller, VisitDetails, [VIEW]),
        lambda it: it.tracking.record(it.site, it.key, it.caller, lambda: ADA, IDENTIFY),
        lambda it: it.tracking.append(it.number, [VIEW], ADA),
        lambda it: it.tracking.open(it.site, it.key, it.caller, ADA),
        lambda it: it.tracking.touch(it.number),
        lambda it: it.tracking.renew(
            it.site, it.key._replace(session_id="renewed"), it.caller, ADA, it.key.session_id
        ),
        lambda it: visit.close(database.events, it.number, clock.now()),
    ],
    ids=["record", "identify", "append", "open", "touch", "renew", "close"],
)
def test_changing_a_visit_changes_no_other(
    tracking: Tracking,
    site: SiteRow,
    other_site: SiteRow,
    key: VisitKey,
    caller: Caller,
    frozen_clock: int,
    events_db: EventRows,
    do: Callable[["Stage"], object],
) -> None:
    mine = tracking.open(site, key, caller, VisitDetails()).number
    for where, whose in (
        (site, key._replace(session_id="session-2")),
        (site, key._replace(visitor=tracking.visitors.known(site, "bob"), session_id="session-3")),
        (site, key._replace(dialect=Dialect.USER_TRACKER)),
        (other_site, key),
    ):
        tracking.open(where, whose, caller, VisitDetails())
    before, *others = events_db.query("SELECT * FROM visits ORDER BY number")
    clock.advance(minutes(1))
    do(Stage(tracking, site, key, caller, mine))

    after, *others_after = events_db.query("SELECT * FROM visits ORDER BY number LIMIT 5")
    assert after != before
    assert others_after == others


def test_an_event_is_counted_in_its_own_visitors_visit(
    tracking: Tracking, site: SiteRow, other_site: SiteRow, caller: Caller
) -> None:
    anna, bob = (
        VisitKey(Dialect.LITTLESTATS, tracking.visitors.known(site, name)) for name in ("anna", "bob")
    )
    first = tracking.record(site, anna, caller, VisitDetails, [VIEW]).visit.number
    tracking.record(site, bob, caller, VisitDetails, [VIEW])
    tracking.record(other_site, anna, caller, VisitDetails, [VIEW])
    tracking.record(site, anna._replace(dialect=Dialect.EVENT_TRACKER), caller, VisitDetails, [VIEW])
    again = tracking.record(site, anna, caller, VisitDetails, [VIEW])

    assert (again.visit.number, again.sequences) == (first, [2])


def test_of_several_visits_of_a_visitor_the_newest_is_continued(
    tracking: Tracking, site: SiteRow, caller: Caller, frozen_clock: int
) -> None:
    key = VisitKey(Dialect.LITTLESTATS, tracking.visitors.known(site, "anna"))
    tracking.record(site, key, caller, VisitDetails, [VIEW])
    clock.advance(minutes(31))
    newest = tracking.record(site, key, caller, VisitDetails, [VIEW])
    again = tracking.record(site, key, caller, VisitDetails, [VIEW])

    assert again.visit.number == newest.visit.number
    assert (newest.sequences, again.sequences) == ([1], [2])


def test_a_session_id_finds_the_newest_visit_of_its_dialect_site_and_user(
    tracking: Tracking, site: SiteRow, other_site: SiteRow, caller: Caller, frozen_clock: int
) -> None:
    def opened(where: SiteRow, dialect: Dialect, name: str, user_id: str | None = None) -> int:
        key = VisitKey(dialect, tracking.visitors.known(site, f"{user_id}"), name)
        return tracking.open(where, key, caller, VisitDetails(user_id=user_id)).number

    user_tracker, event_tracker = Dialect.USER_TRACKER, Dialect.EVENT_TRACKER
    opened(site, user_tracker, "tab", "ada")
    clock.advance(minutes(31))
    adas = opened(site, user_tracker, "tab", "ada")
    bobs = opened(site, user_tracker, "tab", "bob")
    other_name = opened(site, user_tracker, "other tab", "ada")
    other_dialect = opened(site, event_tracker, "tab", "ada")
    elsewhere = opened(other_site, user_tracker, "tab", "ada")

    def found(*of: Any) -> int:
        return tracking.find(*of).number

    assert found(user_tracker, "tab", site.number, "ada") == adas
    assert found(user_tracker, "tab", site.number, "bob") == bobs
    assert found(user_tracker, "tab", site.number) == bobs
    assert found(user_tracker, "other tab", site.number, "ada") == other_name
    assert found(event_tracker, "tab", site.number, "ada") == other_dialect
    assert found(user_tracker, "tab", other_site.number, "ada") == elsewhere
    assert tracking.find(user_tracker, "tab", site.number, "eve") is None


def test_find_anywhere_finds_the_oldest_open_visit_else_the_newest(
    tracking: Tracking,
    site: SiteRow,
    other_site: SiteRow,
    doomed: SiteRow,
    key: VisitKey,
    caller: Caller,
    frozen_clock: int,
) -> None:
    def found() -> int:
        return tracking.find_anywhere(Dialect.EVENT_TRACKER, "session-1").number

    over = tracking.open(site, key, caller, VisitDetails()).number
    clock.advance(minutes(30) + 1)  # it is over, though not closed yet
    assert found() == over
    first = tracking.open(site, key, caller, VisitDetails()).number
    clock.advance(1)
    second = tracking.open(other_site, key, caller, VisitDetails()).number
    clock.advance(1)
    third = tracking.open(doomed, key, caller, VisitDetails()).number
    tracking.open(site, key._replace(session_id="session-2"), caller, VisitDetails())
    tracking.open(site, key._replace(dialect=Dialect.USER_TRACKER), caller, VisitDetails())
    assert found() == first

    clock.advance(minutes(30) - 2)
    assert found() == first  # just so
    clock.advance(1)
    assert found() == second
    visit.close(database.events, second, clock.now())
    assert found() == third
    clock.advance(days(1))
    assert found() == third


@pytest.mark.parametrize(
    ("name", "was", "comes", "goes_on"),
    [
        ("tab", None, None, True),
        ("tab", None, "ada", True),
        ("tab", "ada", "ada", True),
        ("tab", "ada", None, False),
        ("tab", "ada", "bob", False),
        (None, None, "ada", True),
        (None, "ada", "ada", True),
        (None, "ada", None, True),
        (None, "ada", "bob", False),
    ],
)
def test_a_visit_never_has_two_users(
    tracking: Tracking,
    site: SiteRow,
    key: VisitKey,
    caller: Caller,
    frozen_clock: int,
    events_db: EventRows,
    name: str | None,
    was: str | None,
    comes: str | None,
    goes_on: bool,
) -> None:
    of = key._replace(session_id=name)
    first = tracking.open(site, of, caller, VisitDetails(user_id=was)).number
    second = tracking.open(site, of, caller, VisitDetails(user_id=comes)).number

    assert (second == first) is goes_on
    assert events_db.query("SELECT user_id, closed_at FROM visits ORDER BY number") == (
        [(was or comes, None)] if goes_on else [(was, frozen_clock), (comes, None)]
    )


def test_several_visits_are_appended_to_all_or_nothing(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, events_db: EventRows
) -> None:
    cannot_be_kept = Hit(10**30)
    other = key._replace(session_id="session-2")
    with pytest.raises((OverflowError, peewee.DataError)):
        tracking.record_all(
            site, caller, [(key, VisitDetails(), [VIEW]), (other, VisitDetails(), [cannot_be_kept])]
        )

    assert events_db.one("SELECT COUNT(*) FROM visits") == 0


def test_an_event_of_a_site_that_is_removed_meanwhile_is_refused_and_leaves_nothing(
    tracking: Tracking, doomed: SiteRow, key: VisitKey, caller: Caller, events_db: EventRows
) -> None:
    sites.remove(doomed.id)
    with pytest.raises(NotFound):
        tracking.record(doomed, key, caller, VisitDetails, [VIEW])

    assert [events_db.one(f"SELECT COUNT(*) FROM {table}") for table in ("visits", "visitors", "events")] == [
        0,
        0,
        0,
    ]


def test_an_event_costs_at_most_four_statements_and_nine_where_it_opens_a_visit(
    tracking: Tracking, site: SiteRow, caller: Caller, counted: Counted
) -> None:
    def cost(visitor: str, path: str) -> int:
        key = VisitKey(Dialect.LITTLESTATS, tracking.visitors.known(site, visitor))
        hit = Hit(Kind.PAGE_VIEW, path=path, id=str(uuid4()))
        with counted(database.events_db) as statements:
            tracking.record(site, key, caller, lambda: ADA, [hit])
        return len(statements)

    lock = database.is_postgresql()  # one more statement locks the log
    assert cost("anna", "/new") - lock <= 9
    assert cost("anna", "/new") - lock <= 4
    assert cost("bob", "/new") - lock <= 9
    assert cost("bob", "/newer") - lock <= 6
