"""What an admin may do: look, try again, give up, and have a person's rows forgotten."""

import pytest

from alice import clock, database
from alice.clock import minutes
from alice.tracking.sinks import delivery, upkeep
from alice.tracking.sinks.sink import EVENTS
from alice.tracking.sinks.tinybird import Tinybird
from alice.tracking.uuid7 import visit_id
from tests.tracking.sinks.conftest import PACE, Drain
from tests.tracking.sinks.making import Log
from tests.tracking.sinks.peer import Peer, Reply, Request, success

TAKEN = Reply(200, {"successful_rows": 9, "quarantined_rows": 1})


@pytest.fixture
def sink(peer: Peer) -> Tinybird:
    return Tinybird(peer.url, "token")


@pytest.fixture(autouse=True)
def events_connected(log: Log) -> object:
    with database.connected(database.events_db):
        yield


def send(sink: Tinybird, batches: int) -> None:
    for _ in range(batches):
        delivery.deliver(sink, EVENTS, PACE)


def test_what_is_behind_is_counted_from_the_log(log: Log, sink: Tinybird, frozen_clock: int) -> None:
    log.events(log.visit(), 25)
    send(sink, 1)

    ((stream),) = upkeep.status()
    assert (stream.sink, stream.stream, stream.state, stream.behind) == ("tinybird", EVENTS, "ok", 15)


def test_retry_sends_what_waits_and_dead_letters_at_once(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    peer.script = [Reply(400), Reply(503)]
    seqs = log.events(log.visit(), 20)
    send(sink, 2)
    assert upkeep.status()[0].state == "waiting"

    assert upkeep.retry(sink.name) == 2
    send(sink, 2)

    assert peer.ids() == seqs
    assert upkeep.letters(None, ("waiting", "dead", "taken")) == []


def test_retry_leaves_alone_what_is_on_its_way(log: Log, peer: Peer, frozen_clock: int) -> None:
    class Looking(Tinybird):
        def send(self, batch: delivery.Batch) -> None:
            with database.connected(database.events_db):
                upkeep.retry(self.name)
            assert not delivery.deliver(Tinybird(peer.url, "token"), EVENTS, PACE)
            super().send(batch)

    log.events(log.visit(), 10)
    delivery.deliver(Looking(peer.url, "token"), EVENTS, PACE)

    assert len(peer.requests) == 1


def test_what_was_taken_is_sent_again_only_by_its_name(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    peer.script = [TAKEN]
    log.events(log.visit(), 10)
    send(sink, 1)
    ((letter),) = upkeep.letters()

    assert upkeep.retry(sink.name) == 0
    assert upkeep.retry(sink.name, letter.id) == 1
    send(sink, 1)
    assert len(peer.ids()) == 10


def test_skip_deletes_what_is_kept_and_not_what_waits(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    peer.script = [Reply(400), TAKEN, Reply(503)]
    log.events(log.visit(), 30)
    send(sink, 3)

    assert upkeep.skip(sink.name) == 2
    ((waiting),) = upkeep.letters(None, ("waiting", "dead", "taken"))
    assert waiting.state == "waiting"
    assert upkeep.skip(sink.name, waiting.id) == 1


def test_a_batch_that_blocks_the_way_can_be_skipped(
    log: Log, peer: Peer, sink: Tinybird, drain: Drain
) -> None:
    def never_the_first(request: Request) -> Reply:
        blocked = request.query["name"] == "events_v1" and request.rows[0]["seq"] == seqs[0]
        return Reply(500) if blocked else success(request)

    seqs = log.events(log.visit(), 20)
    peer.otherwise = never_the_first
    drain(sink, tries=3)
    ((letter),) = upkeep.letters(None, ("waiting",))
    upkeep.skip(sink.name, letter.id)
    drain(sink)

    assert peer.ids() == seqs[10:]


def test_an_erased_visit_leaves_every_batch_that_has_not_arrived(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    peer.script = [Reply(400), Reply(400), Reply(503)]
    erased, other = log.visit(), log.visit()
    log.events(erased, 10)
    log.events(other, 5)
    log.events(erased, 5)
    kept = log.events(other, 4)
    log.events(erased, 6)
    send(sink, 3)
    started = clock.now()

    assert upkeep.forget([visit_id(started, erased)]) == 21

    assert [(letter.state, letter.rows) for letter in upkeep.letters(None, ("waiting", "dead"))] == [
        ("dead", 5),
        ("waiting", 4),
    ]
    clock.advance(minutes(5))
    send(sink, 1)
    assert peer.ids() == kept
