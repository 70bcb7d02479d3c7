"""What events add to their visit, and which times and numbers are stored."""

import pytest

from alice import clock
from alice.clock import days, hours, minutes
from alice.tracking.log.caller import Caller
from alice.tracking.log.event import Kind
from alice.tracking.log.event_property import PropertyType
from alice.tracking.log.hit import Hit, VisitDetails, VisitKey
from alice.tracking.log.visit import Dialect
from alice.tracking.pipeline import Tracking
from alice.tracking.site import SiteRow
from tests.conftest import EventRows

pytestmark = pytest.mark.usefixtures("events_connection")


def test_a_visit_counts_its_events(
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


def test_deliberate_actions_are_interactions(
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


def test_engaged_time_beyond_the_age_of_the_visit_is_not_counted(
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


@pytest.mark.parametrize(("ahead", "kept"), [(minutes(5), 0), (-days(1), -days(1)), (-days(30), -days(7))])
def test_the_clients_time_is_stored_within_the_last_7_days(
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


@pytest.mark.engine("sqlite")
def test_the_numbers_of_kinds_dialects_and_types_never_change() -> None:
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
