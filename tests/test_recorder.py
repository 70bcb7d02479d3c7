"""Group commit: a result of submit() is committed, and an operation that fails affects no other."""

import sqlite3
import threading
from collections.abc import Iterable, Iterator

import peewee
import pytest
from flask import Flask

from alice import clock, database
from alice.database import Log, Queries, alice_db
from alice.engines import Unavailable
from alice.recorder import Recorder
from tests.conftest import Eventually, Rows
from tests.connections import every_connection_lent


def put(db: Log, key: str, count: int = 1) -> int:
    """An operation: one row in a table that has a key."""
    return db.execute(
        "INSERT INTO throttles (key, window_started_at, count) VALUES (?, ?, ?)", key, clock.now(), count
    )


def kept() -> set[str]:
    """The keys that operations of a test have put."""
    return {key for (key,) in Rows().query("SELECT key FROM throttles")}


@pytest.fixture
def started(app: Flask) -> Iterator[Recorder]:
    """A recorder with a writer thread, which does not let touched values wait for long."""
    recorder = Recorder(alice_db, database.ACTIVITY_LOG, touch_every=0.05)
    recorder.start()
    yield recorder
    recorder.stop()


@pytest.fixture(params=["with a writer thread", "without"])
def any_recorder(request: pytest.FixtureRequest, app: Flask) -> Iterator[Recorder]:
    recorder = app.extensions["alice"].recorder
    if request.param == "with a writer thread":
        recorder.start()
    with database.connected():
        yield recorder
    recorder.stop()


def test_submit_answers_the_result_of_what_is_committed(any_recorder: Recorder) -> None:
    assert any_recorder.submit(lambda db: put(db, "a")) == 1
    assert kept() == {"a"}


def test_an_operation_that_fails_raises_and_leaves_nothing(any_recorder: Recorder) -> None:
    def fail(db: Log) -> None:
        put(db, "b")
        raise LookupError("no")

    with pytest.raises(LookupError):
        any_recorder.submit(fail)
    assert any_recorder.submit(lambda db: put(db, "c")) == 1
    assert kept() == {"c"}


def test_touched_values_that_could_not_be_written_now_are_written_next_time(app: Flask, db: Rows) -> None:
    recorder = Recorder(alice_db, database.ACTIVITY_LOG)
    failures = [peewee.OperationalError("database is locked")]

    def write(db: Queries, values: Iterable[tuple]) -> None:
        if failures:
            raise failures.pop()
        write_counts(db, values)

    recorder.touch(write, "older", 1)
    recorder.touch(write, "newer", 1)
    with pytest.raises(peewee.OperationalError):
        recorder.flush()
    recorder.touch(write, "newer", 2)
    recorder.flush()

    assert dict(db.query("SELECT key, count FROM throttles")) == {"older": 1, "newer": 2}


def test_an_ordinary_refusal_keeps_the_connection(started: Recorder) -> None:
    def refuse(db: Log) -> None:
        raise LookupError("no")

    with database.connected():
        before = alice_db.connection()
        with pytest.raises(LookupError):
            started.submit(refuse)
        assert alice_db.connection() is before


def test_a_touch_writer_that_fails_does_not_end_the_recorder(
    started: Recorder, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(db: Queries, values: Iterable[tuple]) -> None:
        raise LookupError("no")

    started.touch(fail, "a", 1)
    eventually(lambda: "heartbeats were lost" in caplog.text)
    started.touch(write_counts, "b", 1)

    eventually(lambda: kept() == {"b"})


def test_submit_inside_a_transaction_raises(any_recorder: Recorder) -> None:
    with database.transaction(), pytest.raises(RuntimeError, match="transaction"):
        any_recorder.submit(lambda db: put(db, "d"))


def test_many_threads_are_committed_together_and_a_bad_one_alone_fails(started: Recorder) -> None:
    outcomes: dict[str, object] = {}
    barrier = threading.Barrier(40)

    def work(name: str) -> None:
        barrier.wait()
        try:
            outcomes[name] = started.submit(lambda db: put(db, "same" if name.startswith("bad") else name))
        except Exception as error:  # noqa: BLE001 - it is what the test looks at
            outcomes[name] = error

    names = [f"good{n}" for n in range(35)] + [f"bad{n}" for n in range(5)]
    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # Of the operations that write the same key one is first; the others fail, and no other operation does.
    assert sum(isinstance(outcome, Exception) for outcome in outcomes.values()) == 4
    assert kept() == {name for name in names if name.startswith("good")} | {"same"}


def test_a_full_queue_is_unavailable(app: Flask, eventually: Eventually) -> None:
    """One operation may wait, and one more that the writer thread has taken out of the queue."""
    recorder = Recorder(alice_db, database.ACTIVITY_LOG, queue_size=1)
    recorder.start()
    outcomes: dict[str, object] = {}

    def work(name: str) -> None:
        try:
            outcomes[name] = recorder.submit(lambda db: put(db, name))
        except Unavailable as refusal:
            outcomes[name] = refusal

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcde"]
    with recorder._writing:
        for thread in threads:
            thread.start()
        eventually(lambda: len(outcomes) >= 3)
    for thread in threads:
        thread.join()
    recorder.stop()

    assert len([outcome for outcome in outcomes.values() if isinstance(outcome, Unavailable)]) in (3, 4)
    assert kept() == {name for name, outcome in outcomes.items() if outcome == 1}


def test_a_recorder_that_was_stopped_can_start_again(started: Recorder) -> None:
    started.stop()
    started.start()
    with started._writing:
        waiting = threading.Thread(target=started.submit, args=(lambda db: put(db, "again"),))
        waiting.start()
    waiting.join()

    assert kept() == {"again"}


def test_stop_drains_what_waits(started: Recorder) -> None:
    threads = [
        threading.Thread(target=started.submit, args=(lambda db, n=n: put(db, f"k{n}"),)) for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    started.touch(write_counts, "touched", 5)
    started.stop()

    assert kept() == {f"k{n}" for n in range(20)} | {"touched"}


def test_after_the_end_nothing_waits_for_a_thread_that_is_gone(started: Recorder) -> None:
    thread = started._thread
    started.stop()
    started._thread = thread  # as a request sees it that began before the end

    with started._writing, pytest.raises(Unavailable):
        started.submit(lambda db: put(db, "late"))
    assert kept() == set()


def test_touch_keeps_the_last_value_of_each_key(app: Flask, db: Rows) -> None:
    recorder = app.extensions["alice"].recorder
    for count in range(10):
        recorder.touch(write_counts, "a", count)
        recorder.touch(write_counts, "b", count * 2)
    recorder.flush()

    assert dict(db.query("SELECT key, count FROM throttles")) == {"a": 9, "b": 18}


def test_touched_values_are_written_within_seconds(started: Recorder, eventually: Eventually) -> None:
    started.touch(write_counts, "a", 1)

    eventually(lambda: kept() == {"a"})


@pytest.mark.engine("sqlite")  # PostgreSQL has no lock on the whole database
def test_a_locked_database_is_unavailable_and_recovers(app: Flask, started: Recorder) -> None:
    started.submit(lambda db: put(db, "before"))
    started.submit(lambda db: db.query("PRAGMA busy_timeout = 50"))  # of the writer's connection
    path = alice_db.obj.database
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable):
        started.submit(lambda db: put(db, "refused"))
    blocker.execute("ROLLBACK")
    blocker.close()

    assert started.submit(lambda db: put(db, "after")) == 1
    assert kept() == {"before", "after"}


@pytest.mark.engine("sqlite")  # SQLite can be told how large a file may grow
def test_a_full_disk_is_unavailable_loses_nothing_and_recovers(app: Flask, started: Recorder) -> None:
    started.submit(lambda db: put(db, "before"))

    def fill(db: Log) -> None:
        pages = db.query("PRAGMA page_count")[0][0]
        db.query(f"PRAGMA max_page_count = {pages}")
        for n in range(10_000):
            put(db, "x" * 200 + str(n))

    with pytest.raises(Unavailable):
        started.submit(fill)
    assert started.submit(lambda db: put(db, "after")) == 1
    assert kept() == {"before", "after"}


def write_counts(db: Queries, values: Iterable[tuple]) -> None:
    db.execute_many(
        "INSERT INTO throttles (key, window_started_at, count) VALUES (?, 0, ?) "
        "ON CONFLICT (key) DO UPDATE SET count = excluded.count",
        list(values),
    )


def test_operations_are_committed_while_every_connection_of_the_pool_is_in_use(
    app: Flask, started: Recorder
) -> None:
    with every_connection_lent():
        assert started.submit(lambda db: put(db, "a")) == 1

    assert kept() == {"a"}
