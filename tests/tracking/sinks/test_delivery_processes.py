"""Delivery by several processes: each batch is sent by one of them at a time."""

import threading

import pytest

from alice import clock, database
from alice.clock import minutes, seconds
from alice.tracking.sinks import batches, delivery
from alice.tracking.sinks.delivery import Pace
from alice.tracking.sinks.sink import EVENTS
from alice.tracking.sinks.tinybird import Tinybird
from tests.tracking.sinks.conftest import PACE, letters, status_of
from tests.tracking.sinks.making import Log
from tests.tracking.sinks.peer import Peer, Reply


def test_two_who_serve_a_sink_at_once_send_each_row_once(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    seqs = log.events(log.visit(), 100)
    failed: list[Exception] = []

    def serve() -> None:
        try:
            for _ in range(200):
                delivery.deliver(sink, EVENTS, PACE)
        except Exception as error:  # noqa: BLE001 - the test says what it was
            failed.append(error)

    threads = [threading.Thread(target=serve) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    assert sorted(peer.ids()) == seqs


@pytest.mark.parametrize(
    ("outage", "read"), [(False, "SELECT COUNT(*), MIN"), (True, "SELECT id, stream, first")]
)
def test_of_two_who_see_the_same_to_do_one_does_it(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, outage: bool, read: str
) -> None:
    log.events(log.visit(), 10)
    if outage:
        peer.script = [Reply(503)]
        delivery.deliver(sink, EVENTS, PACE)
        clock.advance(minutes(1))
    both_have_read = threading.Barrier(2)

    def meet(event: object) -> None:
        if read in event.sql:
            both_have_read.wait(30)

    database.events_db.query_hooks.append(meet)
    threads = [threading.Thread(target=delivery.deliver, args=(sink, EVENTS, PACE)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    database.events_db.query_hooks.remove(meet)

    assert len(peer.requests) == 1 + outage
    assert len(peer.ids()) == 10


def test_who_saw_a_batch_before_another_was_stopped_at_it_does_not_send_it(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    def be_quicker(event: object) -> None:
        if "SELECT id, stream, first" in event.sql:  # the batch has been seen
            database.events_db.query_hooks.remove(be_quicker)
            delivery.deliver(sink, EVENTS, Pace(1))

    peer.script = [Reply(400), Reply(403)]
    log.events(log.visit())
    delivery.deliver(sink, EVENTS, Pace(1))
    with database.connected(database.events_db):
        batches.retry(sink.name)
        database.events_db.query_hooks.append(be_quicker)
        assert not delivery.deliver(sink, EVENTS, Pace(1))

    assert len(peer.requests) == 2
    assert status_of(EVENTS).state == "stopped"


def test_nobody_sends_what_is_being_sent_again(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    class Looking(Tinybird):
        def send(self, batch: delivery.Batch) -> None:
            assert not delivery.deliver(sink, EVENTS, PACE)
            super().send(batch)

    peer.script = [Reply(503)]
    log.events(log.visit(), 10)
    delivery.deliver(sink, EVENTS, PACE)
    clock.advance(minutes(1))
    delivery.deliver(Looking(peer.url, "token"), EVENTS, PACE)

    assert len(peer.requests) == 2


def test_two_processes_that_see_the_same_rows_start_one_batch(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    class Dying(Tinybird):
        def send(self, batch: delivery.Batch) -> None:
            raise SystemExit

    def be_quicker(event: object) -> None:
        if "SELECT COUNT(*), MIN" in event.sql:  # no batch was there yet
            database.events_db.query_hooks.remove(be_quicker)
            with pytest.raises(SystemExit):
                delivery.deliver(Dying(peer.url, "token"), EVENTS, PACE)

    log.events(log.visit(), 10)
    with database.connected(database.events_db):
        database.events_db.query_hooks.append(be_quicker)
        assert not delivery.deliver(sink, EVENTS, PACE)

    assert peer.requests == []
    assert [(letter.state, letter.attempts) for letter in letters()] == [("waiting", 1)]


def test_no_batch_is_started_in_a_stream_that_was_stopped_meanwhile(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    def be_quicker(event: object) -> None:
        if "SELECT COUNT(*), MIN" in event.sql:  # it was not stopped yet
            database.events_db.query_hooks.remove(be_quicker)
            delivery.deliver(sink, EVENTS, PACE)
            with database.transaction(database.events_db):
                database.events.execute("DELETE FROM sink_batches WHERE sink = ?", sink.name)

    peer.script = [Reply(403)]
    log.events(log.visit(), 10)
    with database.connected(database.events_db):
        database.events_db.query_hooks.append(be_quicker)
        assert not delivery.deliver(sink, EVENTS, PACE)

    assert len(peer.requests) == 1
    assert (status_of(EVENTS).state, letters()) == ("stopped", [])


@pytest.mark.parametrize("attempts", [1, 2])
def test_an_attempt_that_died_is_repeated_with_the_same_bytes(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, attempts: int
) -> None:
    class Died(BaseException):
        pass

    class Dying(Tinybird):
        """A process that ends after sending, before it has heard."""

        def send(self, batch: delivery.Batch) -> None:
            super().send(batch)
            raise Died

    log.events(log.visit(), 10)
    for _ in range(1, attempts):
        peer.script = [Reply(503)]
        delivery.deliver(sink, EVENTS, PACE)
        clock.advance(seconds(2))
    with pytest.raises(Died):
        delivery.deliver(Dying(peer.url, "token"), EVENTS, PACE)
    clock.advance(seconds(45) - 1)
    assert not delivery.deliver(sink, EVENTS, PACE)  # it may still be on its way
    assert letters()[0].attempts == attempts

    clock.advance(1)

    assert delivery.deliver(sink, EVENTS, PACE)
    assert peer.requests[-2].body == peer.requests[-1].body
    assert letters() == []
