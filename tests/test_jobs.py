"""Jobs: exactly one process runs a due job, and a job that fails stops no other."""

import threading

import pytest
from flask import Flask

from alice import clock, database, engines
from alice.clock import days, minutes
from alice.jobs import Job, Scheduler, claim, run_due
from tests.cast import Cast
from tests.conftest import Eventually, Rows
from tests.connections import every_connection_lent


def test_a_job_runs_once_in_its_time_whoever_looks(app: Flask, frozen_clock: int) -> None:
    done: list[str] = []
    job = Job("count", minutes(5), lambda: done.append("run"))
    threads = [threading.Thread(target=run_due, args=([job],)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == ["run"]

    clock.advance(minutes(5) - 1)
    run_due([job])
    assert done == ["run"]
    clock.advance(1)
    run_due([job])
    assert done == ["run", "run"]


def test_a_job_that_fails_is_logged_and_ends_no_other(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    def fail() -> None:
        raise LookupError("oh dear")

    run_due([Job("fails", minutes(5), fail), Job("works", minutes(5), lambda: done.append("run"))])

    assert done == ["run"]
    assert "the job fails failed" in caplog.text


def test_a_lease_is_taken_by_one(app: Flask, connection: None) -> None:
    job = Job("count", minutes(5), lambda: None)

    assert [claim(job), claim(job)] == [True, False]


@pytest.mark.parametrize(
    ("ahead", "due"), [(0, True), (1, False), (minutes(60), False), (minutes(60) + 1, True)]
)
def test_a_lease_that_a_wrong_clock_set_too_far_ahead_holds_nothing_up(
    app: Flask, connection: None, frozen_clock: int, ahead: int, due: bool
) -> None:
    database.execute("INSERT INTO job_leases VALUES ('count', ?)", frozen_clock + ahead)

    assert claim(Job("count", minutes(5), lambda: None)) is due


def test_a_job_that_finds_the_database_locked_is_due_again_later(
    app: Flask, frozen_clock: int, caplog: pytest.LogCaptureFixture
) -> None:
    def wait() -> None:
        raise engines.Unavailable("every database connection is in use")

    run_due([Job("waits", minutes(5), wait)])

    assert "the job waits waits for the database: every database connection is in use" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_job_that_deletes_waits_for_a_second_look_when_the_clock_has_jumped(
    app: Flask, connection: None, frozen_clock: int, caplog: pytest.LogCaptureFixture
) -> None:
    """It was due for more than a day: the clock may be wrong. An hour later it is believed."""
    deletes = Job("deletes", minutes(5), lambda: None, deletes=True)
    other = Job("other", minutes(5), lambda: None)
    assert (claim(deletes), claim(other)) == (True, True)

    clock.advance(days(31))
    assert (claim(deletes), claim(other)) == (False, True)
    clock.advance(minutes(59))
    assert claim(deletes) is False
    clock.advance(minutes(1))
    assert claim(deletes) is True
    assert caplog.text.count("the job deletes waits an hour: the clock is 30 days ahead") == 1


def test_a_job_that_deletes_goes_on_when_the_clock_is_set_right(
    app: Flask, connection: None, frozen_clock: int
) -> None:
    deletes = Job("deletes", minutes(5), lambda: None, deletes=True)
    assert claim(deletes) is True
    clock.advance(days(31))
    assert claim(deletes) is False

    clock.advance(minutes(6) - days(31))
    assert claim(deletes) is True


@pytest.mark.parametrize(("late", "runs"), [(days(1), True), (days(1) + 1, False)])
def test_a_job_that_deletes_may_be_late_by_a_day(
    app: Flask, connection: None, frozen_clock: int, late: int, runs: bool
) -> None:
    database.execute("INSERT INTO job_leases VALUES ('deletes', ?)", frozen_clock - late)

    assert claim(Job("deletes", minutes(5), lambda: None, deletes=True)) is runs


def test_the_session_cleanup_is_a_job(app: Flask, cast: Cast, db: Rows, frozen_clock: int) -> None:
    """Staff that did nothing for two hours is signed out, and its sessions go; readers' stay."""
    clock.advance(clock.hours(2))
    run_due(app.extensions["alice"].scheduler._jobs)

    kept = {user_id for (user_id,) in db.query("SELECT user_id FROM sessions")}
    assert kept == {cast.reader.id, cast.newcomer.id}


def test_a_scheduler_stops_at_once(app: Flask) -> None:
    scheduler = Scheduler([])
    scheduler.start()
    scheduler.stop()

    assert not any(thread.name == "jobs" for thread in threading.enumerate())


def test_jobs_go_on_after_all_connections_were_lent(
    app: Flask, monkeypatch: pytest.MonkeyPatch, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(database.alice_db.obj, "_wait_timeout", 0.2)
    done = threading.Event()
    scheduler = Scheduler([Job("count", minutes(5), done.set)], look_every=0.05)
    with every_connection_lent():
        with pytest.raises(engines.Unavailable), database.connected():
            pass
        scheduler.start()
        eventually(lambda: "jobs wait for the database" in caplog.text)

    assert done.wait(30)
    scheduler.stop()
