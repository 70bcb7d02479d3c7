"""Sixteen threads that append activities: the recorder beside a plain lock with a transaction each."""

import threading
import time
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from alice import clock, database
from alice.activity import log
from alice.activity.types import Activity, ActivityType
from alice.database import Log
from alice.ids import new_id
from alice.recorder import Recorder
from tests.bench.conftest import Report, Row
from tests.bench.seeding import BOOK, Person, Site

THREADS = 16
SLICE = 0.5  # seconds in which one of the two writes

Operation = Callable[[Log], object]
Submit = Callable[[Operation], object]


@pytest.fixture
def readers(small_site: Site) -> Iterator[list[Person]]:
    """A reader for each thread, on a database that is bound."""
    database.bind(small_site.settings)
    yield small_site.active[:THREADS]
    database.disconnect()


@pytest.fixture
def recorder(readers: list[Person]) -> Iterator[Recorder]:
    recorder = Recorder(database.alice_db, database.ACTIVITY_LOG)
    recorder.start()
    yield recorder
    recorder.stop()


def test_writers_wait_less_than_with_a_plain_lock(
    recorder: Recorder, readers: list[Person], seconds: float, report: Report
) -> None:
    lock = threading.Lock()

    def locked(operation: Operation) -> None:
        with lock, database.appending() as db:
            operation(db)

    recorded, plain = _waits([recorder.submit, locked], readers, seconds)

    detail = f"{recorded:.1f} / {plain:.1f} ms, the 10th percentile of the slices' p99"
    report.check(Row("writers_p99", recorded / plain, 0.5, "times a plain lock", detail))


def _waits(ways: list[Submit], readers: list[Person], seconds: float) -> list[float]:
    """Let both ways write in turns; return the 10th percentile of the p99 of their slices, in ms."""
    slices: list[list[float]] = [[] for _ in ways]
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or not slices[-1]:
        for way, found in zip(ways, slices, strict=True):
            taken = sorted(_slice(way, readers))
            found.append(taken[len(taken) * 99 // 100])
    return [sorted(found)[len(found) // 10] for found in slices]


def _slice(submit: Submit, readers: list[Person]) -> list[float]:
    """Let every reader's thread write for a while; return how long each activity took, in ms."""
    taken: list[float] = []
    until = time.perf_counter() + SLICE
    threads = [threading.Thread(target=_write, args=(submit, reader, until, taken)) for reader in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken


def _write(submit: Submit, reader: Person, until: float, taken: list[float]) -> None:
    with database.connected():
        for page in count():
            now = clock.now()
            view = Activity(new_id(), ActivityType.PAGE_VIEW.value, now, now, BOOK, page % 8 + 1)
            start = time.perf_counter()
            if start > until:
                break
            submit(lambda db, view=view: log.append(db, reader.id, reader.session_id, [view]))
            taken.append((time.perf_counter() - start) * 1000)
