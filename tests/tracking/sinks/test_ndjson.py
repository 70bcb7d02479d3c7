"""The file sink: each row is in the file once, on a line of its own, after every failure."""

import fcntl
import json
import os
import resource
import signal
import stat
import threading
import warnings
from pathlib import Path

import pytest

from alice import clock
from alice.clock import days, hours, minutes
from alice.tracking.privacy import person
from alice.tracking.sinks import delivery
from alice.tracking.sinks.ndjson import NdjsonFiles
from alice.tracking.sinks.sink import EVENTS
from tests.tracking.sinks.conftest import PACE, Drain, letters
from tests.tracking.sinks.making import Log


@pytest.fixture(autouse=True)
def noon(frozen_clock: int) -> None:
    """Files are a day's: no test begins just before midnight."""
    clock.freeze(frozen_clock // clock.DAY * clock.DAY + hours(12))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """It is not there yet."""
    return tmp_path / "deep" / "ndjson"


@pytest.fixture
def sink(folder: Path) -> NdjsonFiles:
    return NdjsonFiles(folder)


def numbers(folder: Path, table: str = "events_v1") -> list[int]:
    text = "".join(path.read_text() for path in sorted(folder.glob(f"{table}-*.ndjson")))
    assert text == "" or text.endswith("\n")
    return [json.loads(line)["seq"] for line in text.splitlines()]


class Deaf(NdjsonFiles):
    """A process that ends after writing, before it has confirmed."""

    def send(self, batch: delivery.Batch) -> None:
        super().send(batch)
        raise delivery.Later("it died")


class Cramped(NdjsonFiles):
    """On a disk that is full after so many bytes of a file."""

    room = 0

    def send(self, batch: delivery.Batch) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.room, hard))
        try:
            super().send(batch)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Killed(NdjsonFiles):
    """A process that is killed while it writes, after so many bytes of a file."""

    room = 0

    def send(self, batch: delivery.Batch) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads, from Python 3.12 on
            child = os.fork()
        if child == 0:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.room, self.room))
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            try:
                super().send(batch)
            finally:
                os._exit(0)
        _, ended = os.waitpid(child, 0)
        assert os.WTERMSIG(ended) == signal.SIGXFSZ
        raise delivery.Later("it died")


def test_rows_are_appended_a_line_each_to_a_file_a_day(
    log: Log, folder: Path, sink: NdjsonFiles, drain: Drain
) -> None:
    visit = log.visit()
    seqs = log.events(visit, 25)
    drain(sink)
    clock.advance(days(1))
    seqs += log.events(visit, 5)
    drain(sink)

    assert numbers(folder) == seqs
    assert numbers(folder, "session_v1") == [visit]
    assert len(list(folder.glob("events_v1-*.ndjson"))) == 2


def test_only_the_owner_may_read_them(log: Log, folder: Path, sink: NdjsonFiles, drain: Drain) -> None:
    log.events(log.visit())
    drain(sink)

    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert modes == {0o600}


def test_a_batch_that_was_written_but_not_confirmed_is_there_once(
    log: Log, folder: Path, sink: NdjsonFiles, drain: Drain
) -> None:
    seqs = log.events(log.visit(), 10)
    delivery.deliver(Deaf(folder), EVENTS, PACE)
    assert numbers(folder) == seqs
    seqs += log.events(log.visit(), 10)
    drain(sink)

    assert numbers(folder) == seqs


def test_half_a_batch_is_written_again_whole(log: Log, folder: Path, sink: NdjsonFiles, drain: Drain) -> None:
    seqs = log.events(log.visit(), 10)
    drain(sink)
    (path,) = folder.glob("events_v1-*")
    before = path.stat().st_size
    seqs += log.events(log.visit(), 10)
    killed = Killed(folder)
    killed.room = before + before // 2
    delivery.deliver(killed, EVENTS, PACE)
    assert path.stat().st_size == killed.room
    drain(sink)

    assert numbers(folder) == seqs


def test_of_a_batch_that_comes_again_without_who_was_erased_only_this_stays(
    log: Log, folder: Path, sink: NdjsonFiles, drain: Drain
) -> None:
    seqs = log.events(log.visit(user_id="mock-turtle"), 5)
    log.events(log.visit(user_id="white-rabbit"), 5)
    delivery.deliver(Deaf(folder), EVENTS, PACE)
    person.erase("white-rabbit")
    drain(sink)

    assert numbers(folder) == seqs


def test_a_file_that_was_moved_away_after_writing_is_not_written_again(
    log: Log, folder: Path, sink: NdjsonFiles, drain: Drain
) -> None:
    log.events(log.visit(), 10)
    delivery.deliver(Deaf(folder), EVENTS, PACE)
    next(folder.glob("events_v1-*")).rename(folder / "elsewhere")
    drain(sink)

    assert numbers(folder) == []


def test_a_file_that_was_moved_away_is_not_written_again_for_a_batch_that_has_fewer_rows_now(
    log: Log, folder: Path, sink: NdjsonFiles, drain: Drain
) -> None:
    log.events(log.visit(user_id="mock-turtle"), 5)
    log.events(log.visit(user_id="white-rabbit"), 5)
    delivery.deliver(Deaf(folder), EVENTS, PACE)
    path = next(folder.glob("events_v1-*"))
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:7]))  # moved, and begun anew
    before = path.read_bytes()
    person.erase("white-rabbit")
    drain(sink)

    assert path.read_bytes() == before


def test_a_note_of_an_earlier_version_is_understood(
    log: Log, folder: Path, sink: NdjsonFiles, drain: Drain
) -> None:
    seqs = log.events(log.visit(), 10)
    delivery.deliver(Deaf(folder), EVENTS, PACE)
    note = folder / ".events_v1.last"
    note.write_text(
        json.dumps({name: of for name, of in json.loads(note.read_text()).items() if name != "end"})
    )
    drain(sink)

    assert numbers(folder) == seqs


def test_a_folder_that_cannot_be_written_is_an_outage(log: Log, tmp_path: Path, drain: Drain) -> None:
    (tmp_path / "ndjson").write_text("a file stands here")
    seqs = log.events(log.visit(), 10)
    drain(NdjsonFiles(tmp_path / "ndjson"), tries=3)
    assert "cannot write in" in letters("waiting")[0].error
    (tmp_path / "ndjson").unlink()
    clock.advance(minutes(10))
    drain(NdjsonFiles(tmp_path / "ndjson"))

    assert numbers(tmp_path / "ndjson") == seqs


def test_of_a_batch_that_finds_the_disk_full_nothing_stays(
    log: Log, folder: Path, sink: NdjsonFiles, drain: Drain
) -> None:
    seqs = log.events(log.visit(), 10)
    drain(sink)
    (path,) = folder.glob("events_v1-*")
    before = path.stat().st_size
    seqs += log.events(log.visit(), 10)
    cramped = Cramped(folder)
    cramped.room = before + before // 2
    assert not delivery.deliver(cramped, EVENTS, PACE)
    assert "cannot write in" in letters("waiting")[0].error
    assert path.stat().st_size == before

    path.rename(folder / "events_v1-0-moved.ndjson")  # as one does who needs room
    drain(sink)

    assert numbers(folder) == seqs


def test_of_all_who_serve_the_files_one_at_a_time_writes(
    log: Log, folder: Path, sink: NdjsonFiles, drain: Drain
) -> None:
    seqs = log.events(log.visit(), 10)
    drain(sink)
    seqs += log.events(log.visit(), 10)
    with (folder / ".events_v1.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process writes
        thread = threading.Thread(target=delivery.deliver, args=(sink, EVENTS, PACE))
        thread.start()
        thread.join(0.3)
        assert numbers(folder) == seqs[:10]
    thread.join()

    assert numbers(folder) == seqs


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"\x00\xff",
        b"{",
        b"[]",
        b"[" * 60_000,
        b'{"batch": 1}',
        b'{"batch": "b", "file": "f", "start": "0", "written": true}',
        b'{"batch": "b", "file": "f", "start": -5, "written": false}',
    ],
)
def test_a_note_that_cannot_be_read_is_none(
    log: Log, folder: Path, sink: NdjsonFiles, drain: Drain, note: bytes
) -> None:
    seqs = log.events(log.visit(), 10)
    drain(sink)
    (folder / ".events_v1.last").write_bytes(note)
    seqs += log.events(log.visit(), 10)
    drain(sink)

    assert numbers(folder) == seqs
