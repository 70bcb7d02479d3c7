"""What an admin can do with batches: retry, skip, start over."""

from collections.abc import Callable

import pytest

from alice import database
from alice.tracking.sinks import batches, delivery
from alice.tracking.sinks.sink import EVENTS, STREAMS
from alice.tracking.sinks.status import BatchStatus
from alice.tracking.sinks.tinybird import Tinybird
from tests.conftest import EventRows
from tests.tracking.sinks.conftest import ONE, PACE, Drain, letters, positions, send, streams, undelivered
from tests.tracking.sinks.making import Log, kept, touched
from tests.tracking.sinks.peer import Peer, Reply, Request, Script, success

TAKEN = Reply(200, {"successful_rows": 9, "quarantined_rows": 1})


@pytest.fixture(autouse=True)
def events_connected(log: Log) -> object:
    with database.connected(database.events_db):
        yield


def test_retry_sends_what_waits_and_dead_letters_at_once(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    peer.script = [Reply(400), Reply(503)]
    seqs = log.events(log.visit(), 2)
    send(sink, 2, ONE)
    assert streams()[0].state == "waiting"

    assert batches.retry(sink.name) == 2
    send(sink, 2, ONE)

    assert peer.ids() == seqs
    assert letters() == []


def test_retry_leaves_alone_what_is_on_its_way(log: Log, peer: Peer, frozen_clock: int) -> None:
    class Looking(Tinybird):
        def send(self, batch: delivery.Batch) -> None:
            with database.connected(database.events_db):
                batches.retry(self.name)
            assert not delivery.deliver(Tinybird(peer.url, "token"), EVENTS, PACE)
            super().send(batch)

    log.events(log.visit(), 10)
    delivery.deliver(Looking(peer.url, "token"), EVENTS, PACE)

    assert len(peer.requests) == 1


def test_retry_counts_a_half_that_waits_for_its_turn(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    peer.script = [Reply(413), Reply(503)]
    log.events(log.visit(), 10)
    send(sink, 2)
    attempted, half = letters("waiting")

    assert (attempted.attempts, half.attempts) == (1, 0)
    assert batches.retry(sink.name, half.id) == 1
    assert batches.retry(sink.name) == 2


def test_what_was_taken_is_sent_again_only_by_its_name(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    peer.script = [TAKEN]
    log.events(log.visit(), 10)
    send(sink, 1)
    ((letter),) = letters("dead", "taken")

    assert batches.retry(sink.name) == 0
    assert batches.retry(sink.name, letter.id) == 1
    send(sink, 1)
    assert len(peer.ids()) == 10


def test_skip_deletes_what_is_kept_and_not_what_waits(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    peer.script = [Reply(400), TAKEN, Reply(503)]
    log.events(log.visit(), 3)
    send(sink, 3, ONE)

    assert batches.skip(sink.name) == 2
    ((waiting),) = letters()
    assert waiting.state == "waiting"
    assert batches.skip(sink.name, waiting.id) == 1


def test_a_batch_that_blocks_the_way_can_be_skipped(
    log: Log, peer: Peer, sink: Tinybird, drain: Drain
) -> None:
    def never_the_first(request: Request) -> Reply:
        blocked = request.query["name"] == "events_v1" and request.rows[0]["seq"] == seqs[0]
        return Reply(500) if blocked else success(request)

    seqs = log.events(log.visit(), 20)
    peer.otherwise = never_the_first
    drain(sink, tries=3)
    ((letter),) = letters("waiting")
    batches.skip(sink.name, letter.id)
    assert [stream.state for stream in streams()] == ["ok", "ok"]
    drain(sink)

    assert peer.ids() == seqs[10:]


@pytest.mark.parametrize("reply", [Reply(503), success], ids=["outage", "arrives"])
def test_a_batch_that_is_skipped_while_it_is_being_sent_is_not_sent_again(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, events_db: EventRows, reply: Script | Reply
) -> None:
    def skip(request: Request) -> Reply:
        (letter,) = letters("waiting")
        with database.connected(database.events_db):
            assert batches.skip(sink.name, letter.id) == 1
        return reply if isinstance(reply, Reply) else reply(request)

    peer.script = [skip]
    seqs = log.events(log.visit(), 20)
    send(sink, 1)
    peer.taken.clear()
    send(sink, 2)

    assert peer.ids() == seqs[10:]
    assert (letters(), positions(events_db)) == ([], {EVENTS: seqs[-1]})


def test_retry_of_one_batch_leaves_all_else_as_it_is(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    peer.script = [Reply(400), Reply(400), Reply(503)]
    log.events(log.visit(), 3)
    send(sink, 3, ONE)
    (stream,), (first, second, waiting) = streams(), undelivered()

    assert batches.retry(sink.name, first.id) == 1

    again, left, still = undelivered()
    assert (again.id, again.state, left, still) == (first.id, "waiting", second, waiting)
    assert (streams()[0].failures, streams()[0].state) == (stream.failures, "waiting")
    assert batches.retry(sink.name, waiting.id) == 1
    assert undelivered()[1:] == [second, waiting._replace(next_attempt_at=0)]


def test_retry_of_one_batch_does_not_let_a_stopped_stream_go_on(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    peer.script = [Reply(400), Reply(403)]
    log.events(log.visit(), 2)
    send(sink, 2, ONE)

    assert batches.retry(sink.name, letters("dead", "taken")[0].id) == 1
    assert streams()[0].state == "stopped"


def test_started_over_a_sink_gets_the_log_from_its_first_event(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    peer.script = [success, Reply(400), Reply(403)]
    seqs = log.events(log.visit(), 30)
    send(sink, 3)

    assert batches.restart(sink.name) == 2
    ((stream),) = streams()
    assert (stream.state, stream.position, stream.behind, stream.held) == ("ok", 0, seqs[-1], 0)
    peer.taken.clear()
    send(sink, 3)
    assert peer.ids() == seqs


def test_starting_over_one_sink_leaves_another_where_it_is(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    class Other(Tinybird):
        name = "other"

    seqs = log.events(log.visit(), 10)
    send(sink, 1)
    send(Other(peer.url, "token"), 1)
    batches.restart("other")

    behind = [(stream.sink, stream.behind) for stream in streams()]
    assert behind == [("other", seqs[-1]), ("tinybird", 0)]


@pytest.mark.parametrize("reply", [Reply(503), success, Reply(413), Reply(422)])
def test_starting_over_while_a_batch_is_on_its_way_loses_nothing(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, reply: Script | Reply
) -> None:
    class Interrupted(Tinybird):
        def send(self, batch: delivery.Batch) -> None:
            with database.connected(database.events_db):
                batches.restart(self.name)
            super().send(batch)

    peer.script = [reply]
    seqs = log.events(log.visit(), 10)
    send(Interrupted(peer.url, "token"), 1)
    peer.taken.clear()
    send(sink, 1)

    assert peer.ids() == seqs


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize(
    ("command", "theirs", "streams"),
    [
        (batches.retry, lambda letter: letter.state != "taken", STREAMS),
        (batches.skip, lambda letter: letter.state != "waiting", ()),
        (batches.restart, lambda letter: True, STREAMS),
    ],
    ids=["retry", "skip", "restart"],
)
def test_a_command_for_one_sink_leaves_all_others_as_they_are(
    sink: Tinybird, command: Callable[[str], int], theirs: Callable[[BatchStatus], bool], streams: tuple
) -> None:
    ids = {letter.id for letter in letters() if letter.sink == sink.name and theirs(letter)}
    at_once = {letter.id for letter in letters("waiting") if not letter.attempts}  # halves
    before = kept()

    assert command(sink.name) == len(ids)
    changed = ids - at_once if command == batches.retry else ids
    assert touched(before) == changed | {(sink.name, stream) for stream in streams}


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize("command", [batches.retry, batches.skip])
@pytest.mark.parametrize("state", ["waiting", "dead", "taken"])
def test_a_command_for_one_batch_leaves_all_others_as_they_are(
    command: Callable[[str, str], int], state: str
) -> None:
    letter = next(letter for letter in letters(state) if letter.error)
    before = kept()

    assert command("nobody", letter.id) == 0
    assert touched(before) == set()
    assert command(letter.sink, letter.id) == 1
    passed = {(letter.sink, letter.stream)} if (command, state) == (batches.skip, "waiting") else set()
    assert touched(before) == {letter.id} | passed
