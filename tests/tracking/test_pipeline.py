"""The pipeline: every event once, in order, in the visit it belongs to."""

import threading
from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b
from typing import Any, NamedTuple
from uuid import uuid4

import peewee
import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alice import clock, database
from alice.clock import days, hours, minutes
from alice.engines import Unavailable
from alice.errors import NotFound
from alice.tracking import pipeline
from alice.tracking.log import event, recording, visit
from alice.tracking.log import strings as text
from alice.tracking.log.caller import Caller
from alice.tracking.log.campaign import NO_CAMPAIGN, Campaign
from alice.tracking.log.event import Kind
from alice.tracking.log.event_property import PropertyType, properties
from alice.tracking.log.hit import Hit, VisitDetails, VisitKey
from alice.tracking.log.strings import Strings
from alice.tracking.log.visit import Dialect, Expired, Progress
from alice.tracking.log.visitor import VisitorKey
from alice.tracking.pipeline import Tracking
from alice.tracking.site import SiteRow
from tests.conftest import Counted, EventRows
from tests.tracking.calling import site as sites

VIEW = Hit(Kind.PAGE_VIEW, path="/")

pytestmark = pytest.mark.usefixtures("events_connection")


class Stage(NamedTuple):
    """A visit of anna's, and what is needed to do something in it."""

    tracking: Tracking
    site: SiteRow
    key: VisitKey
    caller: Caller
    number: int


@pytest.fixture
def key(tracking: Tracking, site: SiteRow) -> VisitKey:
    return VisitKey(Dialect.EVENT_TRACKER, tracking.visitors.known(site, "user:alice"), "session-1")


def test_events_of_a_visit_are_numbered_from_one(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller
) -> None:
    first = tracking.record(site, key, caller, VisitDetails, [VIEW, VIEW])
    second = tracking.record(site, key, caller, VisitDetails, [VIEW])

    assert (first.sequences, second.sequences) == ([1, 2], [3])
    assert second.visit.number == first.visit.number


def test_an_event_sent_again_is_answered_as_the_first_time_and_changes_nothing(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, events_db: EventRows
) -> None:
    hit = Hit(Kind.PAGE_VIEW, id=str(uuid4()))
    first = tracking.record(site, key, caller, VisitDetails, [VIEW, hit])
    tracking.record(site, key._replace(session_id="session-2"), caller, VisitDetails, [VIEW])
    before = events_db.query("SELECT * FROM visits ORDER BY number")
    again = tracking.record(site, key, caller, VisitDetails, [hit])

    assert (first.sequences, first.created) == ([1, 2], [True, True])
    assert (again.sequences, again.created, again.visit) == ([2], [False], first.visit)
    assert events_db.query("SELECT * FROM visits ORDER BY number") == before


def test_a_retry_with_something_new_adds_only_that(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller
) -> None:
    old, new = Hit(Kind.CUSTOM, "a", id=str(uuid4())), Hit(Kind.CUSTOM, "b", id=str(uuid4()))
    tracking.record(site, key, caller, VisitDetails, [old])
    again = tracking.record(site, key, caller, VisitDetails, [VIEW, old, new, VIEW, new, VIEW])

    assert again.sequences == [2, 1, 3, 4, 3, 5]
    assert again.created == [True, False, True, True, False, True]
    assert (again.visit.sequence, again.visit.page_views) == (5, 3)
    anew = tracking.record(site, key, caller, VisitDetails, [new, old])
    assert (anew.sequences, anew.created, anew.visit) == ([3, 1], [False, False], again.visit)


def test_an_id_is_known_on_its_own_site_only(
    tracking: Tracking, site: SiteRow, other_site: SiteRow, key: VisitKey, caller: Caller
) -> None:
    hit = Hit(Kind.PAGE_VIEW, id=str(uuid4()))
    tracking.record(site, key, caller, VisitDetails, [hit])

    assert tracking.record(other_site, key, caller, VisitDetails, [hit]).created == [True]
    assert tracking.record(site, key, caller, VisitDetails, [hit]).created == [False]
    assert tracking.record(other_site, key, caller, VisitDetails, [hit]).created == [False]


def test_a_visit_that_is_closed_meanwhile_is_asked_for_again(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, events_db: EventRows
) -> None:
    """As another process may do it on PostgreSQL, where only appends take turns."""
    number = tracking.record(site, key, caller, VisitDetails, [VIEW]).visit.number

    def operation(db: database.Log) -> None:
        visit.close(db, number, clock.now())
        recording.advance(db, number, Progress(events=1), clock.now())

    with pytest.raises(Unavailable):
        tracking.recorder.submit(operation)
    assert events_db.query("SELECT sequence, closed_at FROM visits") == [(1, None)]


def test_an_event_that_is_erased_meanwhile_is_asked_for_again(app: Flask) -> None:
    with pytest.raises(Unavailable):
        visit.counted(database.events, 1)


def test_a_visit_ends_after_its_idle_time_and_a_new_one_follows(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, frozen_clock: int
) -> None:
    first = tracking.open(site, key, caller, VisitDetails(), minutes(5))
    clock.advance(minutes(5))
    same = tracking.record(site, key, caller, VisitDetails, [VIEW])
    clock.advance(minutes(5) + 1)
    new = tracking.record(site, key, caller, VisitDetails, [VIEW])

    assert same.visit.number == first.number
    assert new.visit.number > first.number
    assert (same.sequences, new.sequences) == ([1], [1])


SOMEBODY = [Hit(Kind.IDENTIFY)]
ADA = VisitDetails(
    path="/tea", referrer="rabbit.example", language="fr", user_id="ada", identity={"plan": "free"}
)


@pytest.mark.parametrize(
    "do",
    [
        lambda it: it.tracking.record(it.site, it.key, it.caller, VisitDetails, [VIEW]),
        lambda it: it.tracking.record(it.site, it.key, it.caller, lambda: ADA, SOMEBODY),
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
def test_what_happens_in_a_visit_changes_no_other(
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


def test_an_event_goes_to_its_visitors_own_visit_though_others_came_since(
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


def test_a_visitor_of_several_visits_goes_on_with_the_newest(
    tracking: Tracking, site: SiteRow, caller: Caller, frozen_clock: int
) -> None:
    key = VisitKey(Dialect.LITTLESTATS, tracking.visitors.known(site, "anna"))
    tracking.record(site, key, caller, VisitDetails, [VIEW])
    clock.advance(minutes(31))
    newest = tracking.record(site, key, caller, VisitDetails, [VIEW])
    again = tracking.record(site, key, caller, VisitDetails, [VIEW])

    assert again.visit.number == newest.visit.number
    assert (newest.sequences, again.sequences) == ([1], [2])


def test_a_name_finds_the_newest_visit_of_its_dialect_site_and_user(
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


def test_of_all_sites_visits_of_a_name_the_oldest_live_one_is_found_else_the_newest(
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


def test_a_visit_that_is_over_is_touched_by_nothing(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, frozen_clock: int, events_db: EventRows
) -> None:
    closed = tracking.open(site, key, caller, VisitDetails()).number
    due = tracking.open(site, key._replace(session_id="session-2"), caller, VisitDetails()).number
    visit.close(database.events, closed, frozen_clock)
    clock.advance(minutes(30) + 1)
    before = events_db.query("SELECT * FROM visits ORDER BY number")
    for number in (closed, due):
        tracking.touch(number)
        with pytest.raises(Expired):
            tracking.append(number, [VIEW])

    assert events_db.query("SELECT * FROM visits ORDER BY number") == before
    visit.close(database.events, closed, clock.now())
    assert events_db.query("SELECT * FROM visits ORDER BY number") == before


def test_a_sign_of_life_puts_the_end_of_a_visit_off(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, frozen_clock: int, events_db: EventRows
) -> None:
    opened = tracking.open(site, key, caller, VisitDetails(), minutes(5))
    for do in (
        lambda: tracking.touch(opened.number),
        lambda: tracking.open(site, key, caller, VisitDetails()),
        lambda: tracking.record(site, key, caller, VisitDetails, [VIEW]),
    ):
        clock.advance(minutes(5))
        do()
        seen = events_db.query("SELECT started_at, last_at, due_at, closed_at FROM visits")
        assert seen == [(frozen_clock, clock.now(), clock.now() + minutes(5), None)]


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


def test_a_job_closes_visits_without_any_traffic(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, frozen_clock: int, events_db: EventRows
) -> None:
    tracking.record(site, key, caller, VisitDetails, [VIEW])
    assert visit.close_due(database.events, clock.now()) == 0
    due_at = clock.now() + minutes(30)
    clock.advance(minutes(30) + 1)

    assert visit.close_due(database.events, clock.now()) == 1
    assert events_db.one("SELECT closed_at FROM visits") == due_at
    assert events_db.one("SELECT COUNT(*) FROM events") == 1


def test_all_visits_that_are_due_are_closed_however_many_they_are_and_no_others(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, frozen_clock: int, events_db: EventRows
) -> None:
    def opened(name: str, idle_ms: int) -> int:
        return tracking.open(site, key._replace(session_id=name), caller, VisitDetails(), idle_ms).number

    closed, _, lives = opened("closed", minutes(5)), opened("due", minutes(5)), opened("lives", minutes(6))
    visit.close(database.events, closed, frozen_clock + 1)
    columns = (
        "site_number, visitor_number, dialect, started_at, last_at, due_at, sequence, page_views, "
        "interactions, engaged_ms, is_bot, session_id"
    )
    for _ in range(10):  # 1024: more than a step
        events_db.execute(
            f"INSERT INTO visits ({columns}) SELECT {columns} FROM visits WHERE session_id = 'due'"
        )
    clock.advance(minutes(6))

    assert visit.close_due(database.events, clock.now(), 1) == 1
    pipeline.close_visits()
    counts = dict(events_db.query("SELECT closed_at, COUNT(*) FROM visits GROUP BY closed_at"))
    assert counts == {None: 1, frozen_clock + 1: 1, frozen_clock + minutes(5): 1024}
    assert visit.find(database.events, visit.numbered(lives)).closed_at is None
    assert visit.close_due(database.events, clock.now()) == 0
    clock.advance(1)
    assert visit.close_due(database.events, clock.now()) == 1


def test_an_event_for_a_visit_that_is_over_is_refused(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, frozen_clock: int, events_db: EventRows
) -> None:
    opened = tracking.open(site, key, caller, VisitDetails())
    assert tracking.append(opened.number, [VIEW]).sequences == [1]
    clock.advance(minutes(30) + 1)

    for number in (opened.number, opened.number + 1):
        with pytest.raises(Expired):
            tracking.append(number, [VIEW])
    assert events_db.one("SELECT COUNT(*) FROM events") == 1


def test_a_renewed_visit_carries_on_where_its_visitor_came_from(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, frozen_clock: int, events_db: EventRows
) -> None:
    details = VisitDetails(path="/landing", referrer="rabbit.example", context={"campaign_id": "c-1"})
    old = tracking.open(site, key, caller, details)
    clock.advance(minutes(31))
    new = tracking.renew(site, key._replace(session_id="session-2"), caller, VisitDetails(), "session-1")

    assert (new.sequence, new.renewed_from) == (0, old.number)
    assert new.context == {"campaign_id": "c-1"}
    columns = "SELECT landing_path, referrer_host, bucket FROM visits WHERE number = ?"
    assert events_db.query(columns, new.number) == events_db.query(columns, old.number)


def test_a_renewal_that_names_a_variant_means_it(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, events_db: EventRows
) -> None:
    tracking.open(site, key, caller, VisitDetails(ab_test="t", ab_variant="old"))
    new = tracking.renew(
        site, key._replace(session_id="session-2"), caller, VisitDetails(ab_variant="new"), "session-1"
    )

    sql = "SELECT {} FROM visits WHERE number = ?"
    assert events_db.one(sql.format("ab_test"), new.number) == "t"
    assert events_db.one(sql.format("ab_variant"), new.number) == "new"


EVERYTHING = VisitDetails(
    path="/tea",
    referrer="rabbit.example",
    campaign=Campaign("hatter", "mail", "spring", "tea", "cup"),
    language="fr",
    timezone="Europe/London",
    screen="1280x800",
    ab_test="hat",
    ab_variant="10/6",
    user_id="ada",
    context={"campaign_id": "c-1"},
)
ELSEWHERE = VisitDetails(
    path="/other",
    referrer="hare.example",
    campaign=Campaign("hare", "web", "autumn", "milk", "jug"),
    ab_test="coat",
    ab_variant="long",
)


def words(events_db: EventRows, number: int) -> dict[str, str]:
    """The attributes that a visit has."""
    return {
        column: word
        for column in visit.ATTRIBUTES
        for (word,) in events_db.query(f"SELECT {column} FROM visits WHERE number = ?", number)
        if word is not None
    }


DEVICE = {
    "device": "desktop",
    "browser": "Chrome",
    "os": "Windows",
    "language": "fr",
    "screen": "1280x800",
    "timezone": "Europe/London",
    "country": "GB",
    "country_source": "timezone",
}
CAME = {
    "landing_path": "/tea",
    "referrer_host": "rabbit.example",
    "utm_source": "hatter",
    "utm_medium": "mail",
    "utm_campaign": "spring",
    "utm_term": "tea",
    "utm_content": "cup",
    "bucket": "hatter|mail|spring",
}
VARIANT = {"ab_test": "hat", "ab_variant": "10/6"}


def test_a_visit_keeps_what_it_is_told_when_it_opens(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, frozen_clock: int, events_db: EventRows
) -> None:
    opened = tracking.open(site, key, caller, EVERYTHING)

    assert words(events_db, opened.number) == DEVICE | CAME | VARIANT
    assert (opened.session_id, opened.user_id, opened.context) == ("session-1", "ada", {"campaign_id": "c-1"})
    assert (opened.started_at, opened.last_at, opened.due_at) == (
        frozen_clock,
        frozen_clock,
        frozen_clock + minutes(30),
    )
    assert (opened.site_number, opened.dialect, opened.is_bot) == (site.number, Dialect.EVENT_TRACKER, 0)
    assert (opened.sequence, opened.page_views, opened.interactions, opened.engaged_ms) == (0, 0, 0, 0)
    assert (opened.closed_at, opened.renewed_from, opened.idle_ms) == (None, None, minutes(30))
    assert visit.find(database.events, visit.numbered(opened.number)) == opened


def test_a_program_is_marked_and_of_no_browser_nothing_is_said(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, events_db: EventRows
) -> None:
    bot = tracking.open(site, key, caller._replace(user_agent="curl/8.0"), VisitDetails())
    unknown = key._replace(session_id="session-2")
    unsaid = tracking.open(site, unknown, caller._replace(user_agent=None, environ={}), VisitDetails())

    assert (bot.is_bot, unsaid.is_bot) == (1, 0)
    assert words(events_db, bot.number)["language"] == "en-GB"
    assert words(events_db, unsaid.number) == {}


def test_a_visit_learns_where_it_came_from_until_its_first_page_and_other_things_later(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, events_db: EventRows
) -> None:
    number = tracking.open(site, key, caller, VisitDetails()).number
    known = {"device": "desktop", "browser": "Chrome", "os": "Windows", "language": "en-GB"}
    assert words(events_db, number) == known
    came = {name: word for name, word in CAME.items() if name != "landing_path"}
    untested = replace(EVERYTHING, ab_test=None, ab_variant=None)
    tracking.append(number, [Hit(Kind.PAGE_VIEW, path="/first")], untested)
    known |= came | {"landing_path": "/first", "exit_path": "/first"}
    assert words(events_db, number) == known

    tracking.append(number, [Hit(Kind.PAGE_VIEW, path="/second")], ELSEWHERE)
    known |= {"exit_path": "/second", "ab_test": "coat", "ab_variant": "long"}
    assert words(events_db, number) == known
    tracking.append(number, [Hit(Kind.CUSTOM, "tea", path="/third")], EVERYTHING)
    assert words(events_db, number) == known
    tracking.open(site, key, caller, EVERYTHING)
    assert words(events_db, number) == known | {
        name: DEVICE[name] for name in ("screen", "timezone", "country", "country_source")
    }


def test_a_view_is_asked_where_it_came_from_once(
    tracking: Tracking, site: SiteRow, caller: Caller, events_db: EventRows
) -> None:
    """That of a visit's first page; whatever came before it may be left over from an earlier one."""
    key = VisitKey(Dialect.LITTLESTATS, tracking.visitors.known(site, "anna"))
    asked: list[VisitDetails] = []

    def arrive(details: VisitDetails) -> Callable[[], VisitDetails]:
        return lambda: asked.append(details) or details

    tracking.record(site, key, caller, arrive(VisitDetails()), [Hit(Kind.HEARTBEAT)])
    tracking.record(site, key, caller, arrive(EVERYTHING), [Hit(Kind.HEARTBEAT)])
    tracking.record(site, key, caller, arrive(EVERYTHING), [Hit(Kind.PAGE_VIEW, path="/tea")])
    tracking.record(site, key, caller, arrive(ELSEWHERE), [Hit(Kind.PAGE_VIEW, path="/other")])
    told = tracking.record(site, key, caller, arrive(ELSEWHERE), [Hit(Kind.HEARTBEAT)])

    assert asked == [VisitDetails(), EVERYTHING]
    assert told.sequences == [5]
    assert words(events_db, told.visit.number)["referrer_host"] == "rabbit.example"


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
def test_a_visit_is_never_two_peoples(
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


def test_who_somebody_is_is_kept_of_those_who_are_known_by_consent(
    tracking: Tracking,
    site: SiteRow,
    other_site: SiteRow,
    caller: Caller,
    frozen_clock: int,
    events_db: EventRows,
) -> None:
    def said(who: VisitorKey, user_id: str | None, identity: dict | None, where: SiteRow = site) -> None:
        details = VisitDetails(user_id=user_id, identity=identity)
        tracking.record(where, VisitKey(Dialect.LITTLESTATS, who), caller, lambda: details, SOMEBODY)

    anna, bob = (tracking.visitors.known(site, name) for name in ("anna", "bob"))
    said(tracking.visitors.anonymous(site, caller), "ada", {"plan": "free"})
    said(anna, None, {"plan": "free"})
    said(anna, "ada", None)
    assert events_db.query("SELECT * FROM identities") == []

    said(anna, "ada", {"plan": "free"})
    said(bob, "ada", {"plan": "gold"})
    said(anna, "eve", {})
    said(anna, "ada", {}, other_site)
    clock.advance(1)
    said(anna, "ada", {"plan": "none"})
    assert events_db.query(
        "SELECT site_number, user_id, data, seen_at FROM identities ORDER BY site_number, user_id, data"
    ) == [
        (site.number, "ada", '{"plan":"gold"}', frozen_clock),
        (site.number, "ada", '{"plan":"none"}', frozen_clock + 1),
        (site.number, "eve", "{}", frozen_clock),
        (other_site.number, "ada", "{}", frozen_clock),
    ]


def test_a_renewal_ends_the_old_visit_when_it_was_over_and_tells_the_new_one_what_it_knew(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, frozen_clock: int, events_db: EventRows
) -> None:
    details = replace(EVERYTHING, context={"campaign_id": "c-1", "page_id": "p-1"})
    old = tracking.open(site, key, caller, details)
    asked = VisitDetails(
        path="/other", referrer="hare.example", ab_variant="tall", context={"page_id": "p-2"}
    )
    clock.advance(minutes(29))
    new = tracking.renew(site, key._replace(session_id="new"), caller, asked, "session-1", minutes(5))
    clock.advance(minutes(31))
    newer = tracking.renew(site, key._replace(session_id="newer"), caller, VisitDetails(user_id="eve"), "new")

    assert (new.user_id, newer.user_id) == ("ada", "eve")
    assert (new.renewed_from, newer.renewed_from) == (old.number, new.number)
    assert new.context == newer.context == {"campaign_id": "c-1", "page_id": "p-2"}
    assert (new.idle_ms, newer.idle_ms) == (minutes(5), minutes(30))
    assert words(events_db, new.number) == CAME | {
        "ab_test": "hat",
        "ab_variant": "tall",
        "device": "desktop",
        "browser": "Chrome",
        "os": "Windows",
        "language": "en-GB",
    }
    assert events_db.query("SELECT closed_at FROM visits ORDER BY number") == [
        (frozen_clock + minutes(29),),
        (new.due_at,),
        (None,),
    ]


def test_a_renewal_of_a_visit_that_came_from_nowhere_keeps_what_is_asked_for(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, events_db: EventRows
) -> None:
    tracking.open(site, key, caller, VisitDetails(ab_test="coat"))
    new = tracking.renew(site, key._replace(session_id="new"), caller, EVERYTHING, "session-1")

    assert words(events_db, new.number) == DEVICE | CAME | VARIANT


def test_a_visit_has_a_bucket_once_something_is_said_of_where_it_came_from(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, events_db: EventRows
) -> None:
    def bucket(**said: Any) -> str | None:
        opened = tracking.open(site, key._replace(session_id=str(said)), caller, VisitDetails(**said))
        return words(events_db, opened.number).get("bucket")

    assert (bucket(), bucket(campaign=NO_CAMPAIGN)) == (None, None)
    assert bucket(path="/") == "Direct"
    assert bucket(referrer="rabbit.example") == "rabbit.example"
    assert bucket(campaign=Campaign("hatter")) == "hatter|unknown|unknown"


@pytest.mark.parametrize("old", [None, "nowhere", "session-1"])
def test_renewing_nothing_or_a_visit_of_the_same_name_opens_or_resumes_it(
    tracking: Tracking,
    site: SiteRow,
    other_site: SiteRow,
    key: VisitKey,
    caller: Caller,
    frozen_clock: int,
    old: str | None,
) -> None:
    tracking.open(other_site, key._replace(session_id="nowhere"), caller, EVERYTHING)
    opened = tracking.renew(site, key, caller, VisitDetails(), old, minutes(5))
    clock.advance(minutes(5))
    resumed = tracking.renew(site, key, caller, VisitDetails(), old, minutes(6))

    assert (opened.renewed_from, opened.closed_at, opened.context) == (None, None, {})
    assert resumed == opened._replace(last_at=clock.now(), due_at=clock.now() + minutes(5))


def test_a_visit_knows_what_happened_in_it(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, events_db: EventRows
) -> None:
    hits = [
        Hit(Kind.PAGE_VIEW, path="/a"),
        Hit(Kind.CUSTOM, "bought", path="/a"),
        Hit(Kind.PAGE_EXIT, path="/a", engaged_ms=4000),
        Hit(Kind.PAGE_VIEW, path="/b"),
        Hit(Kind.HEARTBEAT, path="/b", engaged_ms=2500),
    ]
    tracking.record(site, key, caller, lambda: VisitDetails(path="/a"), hits)

    assert events_db.query("SELECT page_views, interactions, engaged_ms FROM visits") == [(2, 1, 6500)]
    landing, left = events_db.query("SELECT landing_path, exit_path FROM visits")[0]
    assert (landing, left) == ("/a", "/b")


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


def test_a_report_of_more_time_than_has_passed_is_not_counted(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, frozen_clock: int, events_db: EventRows
) -> None:
    """An hour may have passed before the visit was opened; and no report claims more."""

    def engaged(ms: int) -> tuple[int, int | None]:
        tracking.record(site, key, caller, VisitDetails, [Hit(Kind.HEARTBEAT, engaged_ms=ms)])
        counted = events_db.one("SELECT engaged_ms FROM visits")
        return counted, events_db.query("SELECT engaged_ms FROM events ORDER BY seq DESC")[0][0]

    assert engaged(0) == engaged(-5) == (0, None)
    assert engaged(hours(2)) == (hours(1), hours(1))
    assert engaged(1) == (hours(1), 1)
    clock.advance(minutes(1))
    assert engaged(minutes(1) + 1) == (hours(1), minutes(1) + 1)
    assert engaged(minutes(1)) == (hours(1) + minutes(1), minutes(1))


def test_an_event_that_somebody_meant_is_an_interaction(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, events_db: EventRows
) -> None:
    def counts(kind: Kind) -> bool:
        session = key._replace(session_id=kind.name)
        tracking.record(site, session, caller, VisitDetails, [Hit(kind)])
        return bool(events_db.one("SELECT interactions FROM visits WHERE session_id = ?", kind.name))

    assert [kind for kind in Kind if counts(kind)] == [
        Kind.CUSTOM,
        Kind.CLICK,
        Kind.FORM_INTERACTION,
        Kind.FORM_SUBMIT,
        Kind.CONVERSION,
        Kind.ENGAGEMENT,
    ]
    assert events_db.query("SELECT session_id FROM visits WHERE page_views > 0") == [("PAGE_VIEW",)]


@pytest.mark.parametrize(("ahead", "kept"), [(minutes(5), 0), (-days(1), -days(1)), (-days(30), -days(7))])
def test_the_clients_clock_is_kept_as_far_as_it_can_be_believed(
    tracking: Tracking,
    site: SiteRow,
    key: VisitKey,
    caller: Caller,
    frozen_clock: int,
    events_db: EventRows,
    ahead: int,
    kept: int,
) -> None:
    tracking.record(site, key, caller, VisitDetails, [Hit(Kind.PAGE_VIEW, occurred_at=frozen_clock + ahead)])

    assert events_db.query("SELECT occurred_at, received_at FROM events") == [
        (frozen_clock + kept, frozen_clock)
    ]


def test_a_clock_that_jumps_back_moves_no_visit_back(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, frozen_clock: int, events_db: EventRows
) -> None:
    tracking.record(site, key, caller, VisitDetails, [VIEW])
    seen = clock.now()
    clock.advance(-minutes(10))
    tracking.record(site, key, caller, VisitDetails, [VIEW])

    assert events_db.query("SELECT last_at, due_at FROM visits") == [(seen, seen + minutes(30))]


def test_the_numbers_that_rows_keep_mean_what_they_always_meant() -> None:
    assert {kind.name: int(kind) for kind in Kind} == {
        "PAGE_VIEW": 1,
        "CUSTOM": 2,
        "PAGE_EXIT": 3,
        "HEARTBEAT": 4,
        "IDENTIFY": 5,
        "CLICK": 6,
        "SCROLL": 7,
        "HOVER": 8,
        "FORM_INTERACTION": 9,
        "FORM_SUBMIT": 10,
        "CONVERSION": 11,
        "ENGAGEMENT": 12,
        "SYSTEM": 13,
    }
    assert {dialect.name: int(dialect) for dialect in Dialect} == {
        "USER_TRACKER": 1,
        "EVENT_TRACKER": 2,
        "LITTLESTATS": 3,
    }
    assert {type.name: int(type) for type in PropertyType} == {
        "STRING": 1,
        "NUMBER": 2,
        "BOOLEAN": 3,
        "DATE": 4,
        "JSON": 5,
    }


def test_properties_keep_their_types(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, events_db: EventRows
) -> None:
    said = {
        "text": "caucus-race",
        "whole": 42,
        "part": 9.99,
        "exact": 2**53,
        "big": 2**53 + 1,
        "yes": True,
        "no": False,
        "day": "2025-01-20",
        "moment": "2025-01-20T10:30:00Z",
        "no day": "2025-13-20",
        "short": "2025-01",
        "long": "some-thing-else",
        "year": "2025 was a good year",
        "nothing": None,
        "week": "2025-W03",
        "bare": "20250120T1030",
        "nested": {"x": [1, 2.5, "three"]},
        "list": [],
        "huge": -1e300,
    }
    tracking.record(site, key, caller, VisitDetails, [Hit(Kind.CUSTOM, "all", properties=said)])
    seq = events_db.one("SELECT seq FROM events")

    assert properties([seq]) == {seq: said}
    assert {name: type(value) for name, value in properties([seq])[seq].items()} == {
        name: type(value) for name, value in said.items()
    }
    rows = events_db.query(
        "SELECT s.text, p.type, p.text, p.number FROM event_properties p JOIN strings s ON s.number = p.key"
    )
    kept = {name: tuple(rest) for name, *rest in rows}
    day = 1_737_331_200_000  # 2025-01-20 in ms
    assert kept == {
        "text": (1, "caucus-race", None), "no day": (1, "2025-13-20", None), "short": (1, "2025-01", None),
        "long": (1, "some-thing-else", None), "year": (1, "2025 was a good year", None),
        "whole": (2, None, 42), "part": (2, None, 9.99), "exact": (2, None, 2**53), "huge": (2, None, -1e300),
        "yes": (3, None, 1), "no": (3, None, 0), "day": (4, "2025-01-20", day),
        "moment": (4, "2025-01-20T10:30:00Z", day + minutes(630)), "big": (5, "9007199254740993", None),
        "nothing": (5, "null", None), "week": (1, "2025-W03", None), "bare": (1, "20250120T1030", None),
        "nested": (5, '{"x":[1,2.5,"three"]}', None), "list": (5, "[]", None),
    }  # fmt: skip


def test_properties_of_many_events_are_each_ones_own(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, events_db: EventRows
) -> None:
    """However many there are: databases bound the number of parameters of a statement."""
    hits = [
        Hit(Kind.CUSTOM, "tea", properties={"cups": number, "of": f"guest {number}"}) for number in range(501)
    ]
    tracking.record(site, key, caller, VisitDetails, [VIEW, *hits])
    view, *seqs = [seq for (seq,) in events_db.query("SELECT seq FROM events ORDER BY sequence")]

    assert properties([view, *seqs]) == {
        view: {},
        **{seq: {"cups": number, "of": f"guest {number}"} for number, seq in enumerate(seqs)},
    }


def test_a_process_forgets_strings_and_no_event_does(
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


def test_a_process_remembers_so_many_texts_and_no_more(
    tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    strings = Strings()
    asked: list[Any] = []

    def is_remembered(name: str) -> bool:
        asked.clear()
        number(tracking, strings, {name})
        return not any("strings" in query.sql for query in asked)

    database.events_db.query_hooks.append(asked.append)
    number(tracking, strings, {"a", "b"})
    assert is_remembered("a") and is_remembered("b")
    monkeypatch.setattr(text, "CACHED", 3)
    strings = Strings()
    number(tracking, strings, {"a", "b"})
    assert is_remembered("a") and is_remembered("b")
    number(tracking, strings, {"c"})
    assert is_remembered("c") and not is_remembered("a")
    database.events_db.query_hooks.remove(asked.append)


def test_texts_are_numbered_once_by_whichever_process(tracking: Tracking) -> None:
    """However many there are: databases bound the number of parameters of a statement."""
    many = {f"/{number}" for number in range(1001)}
    one, other = Strings(), Strings()
    numbers = number(tracking, one, {"/0", None}) | number(tracking, one, many)

    assert len(set(numbers.values())) == 1002 and numbers[None] is None
    assert number(tracking, other, many | {None}) == numbers
    assert text.texts([*numbers.values(), *numbers.values()]) == {n: t for t, n in numbers.items()}


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


@pytest.mark.parametrize(
    ("id", "at", "kept"),
    [
        ("01890000-0000-7000-8000-0000000000AB", 1000, "018900000000700080000000000000ab"),
        ("tea-1", None, blake2b(b"tea-1", digest_size=16).hexdigest()),
        ("tea-1", 0x0189_0000_0001, "018900000001" + blake2b(b"tea-1", digest_size=10).hexdigest()),
        ("tea-1", -1, "ffffffffffff" + blake2b(b"tea-1", digest_size=10).hexdigest()),
    ],
)
def test_a_clients_id_is_kept_in_16_bytes_that_stay_the_same(id: str, at: int | None, kept: str) -> None:
    assert event.id_bytes(id, at).hex() == kept
    assert len(kept) == 32


IDS = [str(uuid4()) for _ in range(6)]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(st.sampled_from(IDS), min_size=1, max_size=5), min_size=1, max_size=6))
def test_however_often_and_in_whatever_batches_each_id_counts_once(
    tracking: Tracking,
    site: SiteRow,
    caller: Caller,
    events_db: EventRows,
    batches: list[list[str]],
) -> None:
    session = str(uuid4())
    key = VisitKey(Dialect.EVENT_TRACKER, tracking.visitors.known(site, session), session)
    expected: dict[str, int] = {}
    for batch in batches:
        hits = [Hit(Kind.CUSTOM, "x", id=f"{session}{id}") for id in batch]
        recorded = tracking.record(site, key, caller, VisitDetails, hits)
        for id, sequence, created in zip(batch, recorded.sequences, recorded.created, strict=True):
            assert created == (id not in expected)
            assert expected.setdefault(id, len(expected) + 1) == sequence

    number = events_db.one("SELECT MAX(number) FROM visits")
    rows = events_db.query("SELECT sequence FROM events WHERE visit_number = ? ORDER BY seq", number)
    assert [sequence for (sequence,) in rows] == [*range(1, len(expected) + 1)]
