"""When a visit ends: by its idle timeout, by a job, and never by a clock that was set back."""

import pytest

from alice import clock, database
from alice.clock import minutes
from alice.engines import Unavailable
from alice.tracking import pipeline
from alice.tracking.log import recording, visit
from alice.tracking.log.caller import Caller
from alice.tracking.log.hit import VisitDetails, VisitKey
from alice.tracking.log.visit import Expired, Progress
from alice.tracking.pipeline import Tracking
from alice.tracking.site import SiteRow
from tests.conftest import EventRows
from tests.tracking.pipeline.conftest import VIEW

pytestmark = pytest.mark.usefixtures("events_connection")


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


def test_activity_postpones_the_end_of_a_visit(
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


def test_a_clock_that_jumps_back_moves_no_visit_back(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, frozen_clock: int, events_db: EventRows
) -> None:
    tracking.record(site, key, caller, VisitDetails, [VIEW])
    seen = clock.now()
    clock.advance(-minutes(10))
    tracking.record(site, key, caller, VisitDetails, [VIEW])

    assert events_db.query("SELECT last_at, due_at FROM visits") == [(seen, seen + minutes(30))]


def test_a_visit_that_is_over_never_changes(
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


def test_an_event_of_a_visit_that_is_closed_meanwhile_is_a_503(
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


def test_all_due_visits_are_closed_in_steps_and_no_others(
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
