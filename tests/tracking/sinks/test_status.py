"""What an admin sees of sinks: how far each stream is, what waits, and why."""

import pytest

from alice import clock, database
from alice.clock import minutes
from alice.tracking.sinks import delivery, status
from alice.tracking.sinks.sink import EVENTS, VISITS
from alice.tracking.sinks.tinybird import Tinybird
from tests.conftest import EventRows
from tests.tracking.sinks.conftest import ONE, letters, send, streams, undelivered
from tests.tracking.sinks.making import Log
from tests.tracking.sinks.peer import Peer, Reply

TAKEN = Reply(200, {"successful_rows": 9, "quarantined_rows": 1})


@pytest.fixture(autouse=True)
def events_connected(log: Log) -> object:
    with database.connected(database.events_db):
        yield


def test_what_is_behind_is_counted_from_the_log(log: Log, sink: Tinybird, frozen_clock: int) -> None:
    log.events(log.visit(), 25)
    send(sink, 1)

    ((stream),) = streams()
    assert (stream.sink, stream.stream, stream.state, stream.behind) == ("tinybird", EVENTS, "ok", 15)


def test_nobody_is_behind_a_log_that_was_emptied(
    log: Log, sink: Tinybird, frozen_clock: int, events_db: EventRows
) -> None:
    seqs = log.events(log.visit(), 10)
    send(sink, 1)
    events_db.execute("DELETE FROM events WHERE seq > 0")

    assert [(stream.behind, stream.position) for stream in streams()] == [(0, seqs[-1])]


def test_rows_in_batches_that_wait_are_counted_apart(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    peer.script = [Reply(400), Reply(503)]
    log.events(log.visit(), 5)
    send(sink, 2, ONE)

    ((stream),) = streams()
    assert (stream.behind, stream.held) == (3, 1)  # what was refused waits for nothing
    clock.advance(minutes(5))
    send(sink, 1, ONE)
    assert [(stream.behind, stream.held) for stream in streams()] == [(3, 0)]


def test_what_waits_after_a_failure_is_told_with_its_next_attempt(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    peer.script = [Reply(503)]
    log.events(log.visit(), 20)
    send(sink, 1)

    ((letter),) = undelivered()
    assert (letter.state, letter.rows, letter.attempts) == ("waiting", 10, 1)
    assert letter.next_attempt_at == streams()[0].next_attempt_at > clock.now()
    assert "503" in letter.error


def test_a_first_attempt_that_runs_is_no_news_and_a_later_one_is(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    class Looking(Tinybird):
        def send(self, batch: delivery.Batch) -> None:
            with database.connected(database.events_db):
                seen.append([letter.attempts for letter in undelivered()])
            super().send(batch)

    seen: list[list[int]] = []
    peer.script = [Reply(503)]
    log.events(log.visit(), 10)
    looking = Looking(peer.url, "token")
    send(looking, 1)
    clock.advance(minutes(5))
    send(looking, 1)

    assert seen == [[], [2]]


def test_a_batch_whose_sender_died_is_told_once_its_time_is_over(
    log: Log, peer: Peer, frozen_clock: int
) -> None:
    class Dying(Tinybird):
        def send(self, batch: delivery.Batch) -> None:
            raise SystemExit

    log.events(log.visit(), 10)
    with pytest.raises(SystemExit):
        send(Dying(peer.url, "token"), 1)

    assert undelivered() == []
    clock.advance(delivery.LEASE)
    assert [(letter.state, letter.attempts) for letter in undelivered()] == [("waiting", 1)]


def test_what_is_stopped_has_no_next_attempt(log: Log, peer: Peer, sink: Tinybird, frozen_clock: int) -> None:
    peer.script = [Reply(403)]
    log.events(log.visit(), 10)
    send(sink, 1)

    assert [(letter.state, letter.next_attempt_at) for letter in undelivered()] == [("waiting", None)]


@pytest.mark.usefixtures("crowd")
def test_each_stream_is_told_by_its_own_batches() -> None:
    states = [(s.sink, s.stream, s.state, s.behind, s.held, s.failures) for s in streams()]

    assert states == [
        ("other", EVENTS, "waiting", 4, 4, 1),
        ("other", VISITS, "stopped", 4, 4, 1),
        ("tinybird", EVENTS, "ok", 4, 4, 0),
        ("tinybird", VISITS, "waiting", 4, 4, 1),
    ]
    assert [(stream.reason or "")[:4] for stream in streams()] == ["503 ", "403 ", "", "503 "]
    assert [stream.next_attempt_at for stream in streams()] == [clock.now(), None, None, clock.now()]


@pytest.mark.usefixtures("crowd")
def test_batches_are_told_by_their_sink_with_the_next_attempt_of_their_stream() -> None:
    found = letters()

    assert len({letter.id for letter in found}) == len(found) == 16
    assert found == sorted(found, key=lambda letter: (letter.created_at, letter.first, letter.id))
    assert {(letter.sink, letter.stream) for letter in found if letter.next_attempt_at is not None} == {
        ("other", EVENTS),
        ("tinybird", EVENTS),
        ("tinybird", VISITS),
    }
    assert status.unconfirmed("other") == [letter for letter in found if letter.sink == "other"]
