"""Erasing a person while their rows are on their way: whatever the moment, they do not arrive afterwards."""

import threading
import time

import pytest

from alice import clock, database
from alice.clock import minutes
from alice.database import events
from alice.ids import visit_id
from alice.tracking.privacy import person
from alice.tracking.sinks import delivery, upkeep
from alice.tracking.sinks.delivery import Pace
from alice.tracking.sinks.sink import EVENTS, VISITS
from alice.tracking.sinks.tinybird import Tinybird
from tests.conftest import EventRows
from tests.tracking.sinks.conftest import PACE, Drain, letters
from tests.tracking.sinks.making import Log
from tests.tracking.sinks.peer import Peer, Reply, Request, success


def kept(text: bytes) -> int:
    """How often it is in a batch."""
    return sum(bytes(body).count(text) for (body,) in EventRows().query("SELECT body FROM sink_batches"))


@pytest.mark.parametrize("others", [0, 1, 4])
def test_who_is_erased_while_a_batch_is_refused_is_in_neither_half(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, others: int
) -> None:
    def erase(request: Request) -> Reply:
        person.erase("white-rabbit")
        return Reply(413)

    log.events(log.visit(user_id="white-rabbit"), 5)
    seqs = log.events(log.visit(user_id="mock-turtle"), others) if others else []
    peer.script = [erase]
    delivery.deliver(sink, EVENTS, Pace(10, 0))

    assert kept(b"white-rabbit") == 0
    while delivery.deliver(sink, EVENTS, Pace(10, 0)):
        pass
    assert peer.ids() == seqs
    assert letters() == []


def test_an_erasure_that_has_not_ended_yet_is_waited_for(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    forgetting, erasers = threading.Event(), []

    def erase() -> None:
        with database.connected(database.events_db), database.transaction(database.events_db):
            ((id, body),) = events.query("SELECT id, body FROM sink_batches WHERE sink = ?", sink.name)
            rest = [line for line in bytes(body).splitlines(True) if b"white-rabbit" not in line]
            events.execute("UPDATE sink_batches SET body = ?, rows = 2 WHERE id = ?", b"".join(rest), id)
            forgetting.set()
            time.sleep(0.5)

    def refuse(request: Request) -> Reply:
        erasers.append(threading.Thread(target=erase))
        erasers[0].start()
        assert forgetting.wait(30)
        return Reply(413)

    log.events(log.visit(user_id="white-rabbit"), 5)
    log.events(log.visit(user_id="mock-turtle"), 2)
    peer.script = [refuse]
    delivery.deliver(sink, EVENTS, Pace(7, 0))
    erasers[0].join()

    assert (kept(b"white-rabbit"), kept(b"mock-turtle")) == (0, 2)


@pytest.mark.parametrize("stream", [VISITS, EVENTS])
@pytest.mark.parametrize("after", ["JOIN visitors o", "INSERT INTO sink_batches"])  # as rows are read or kept
def test_who_is_erased_while_a_batch_is_put_together_is_not_in_it(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, stream: str, after: str
) -> None:
    visits = [log.visit(user_id=name) for name in ("white-rabbit", "mock-turtle")]
    seqs = [log.events(visit, 3) for visit in visits]
    gone = threading.Event()

    def erase() -> None:
        with database.connected(database.events_db):
            with database.transaction(database.events_db):
                events.execute("DELETE FROM visits WHERE number = ?", visits[0])
            upkeep.forget([visit_id(frozen_clock, visits[0])])
        gone.set()

    eraser = threading.Thread(target=erase)

    def begin(event: object) -> None:
        if after in event.sql and not eraser.ident:
            eraser.start()
            gone.wait(0.5)

    peer.otherwise = Reply(503)
    clock.advance(PACE.wait)
    database.events_db.query_hooks.append(begin)
    try:
        delivery.deliver(sink, stream, PACE)
    finally:
        database.events_db.query_hooks.remove(begin)
    eraser.join()

    assert kept(b"white-rabbit") == 0
    assert kept(b"mock-turtle") == (3 if stream == EVENTS else 1)
    peer.otherwise = success
    clock.advance(minutes(10))
    delivery.deliver(sink, stream, PACE)
    assert peer.ids() + peer.ids("session_v1") == (seqs[1] if stream == EVENTS else visits[1:])


def test_when_everybody_in_a_batch_is_erased_meanwhile_the_next_goes_on(
    log: Log, peer: Peer, sink: Tinybird, drain: Drain
) -> None:
    visit = log.visit()
    log.events(visit, 10)

    def erase(event: object) -> None:
        if "FROM strings" in event.sql:
            database.events_db.query_hooks.remove(erase)
            with database.transaction(database.events_db):
                events.execute("DELETE FROM visits WHERE number = ?", visit)

    database.events_db.query_hooks.append(erase)
    delivery.deliver(sink, EVENTS, PACE)
    seqs = log.events(log.visit(), 10)
    drain(sink)

    assert peer.ids() == seqs
    assert letters() == []
