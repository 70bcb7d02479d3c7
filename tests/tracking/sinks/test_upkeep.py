"""What an admin may do: look, try again, give up, and have a person's rows forgotten."""

from collections.abc import Callable

import pytest

from alice import clock, database
from alice.clock import minutes
from alice.tracking.sinks import delivery, upkeep
from alice.tracking.sinks.sink import EVENTS, STREAMS, VISITS
from alice.tracking.sinks.tinybird import Tinybird
from alice.tracking.uuid7 import visit_id
from tests import bystander
from tests.conftest import EventRows
from tests.tracking.sinks.conftest import PACE, Drain, letters, streams
from tests.tracking.sinks.making import Log, kept, touched
from tests.tracking.sinks.peer import Peer, Reply, Request, success

TAKEN = Reply(200, {"successful_rows": 9, "quarantined_rows": 1})


@pytest.fixture(autouse=True)
def events_connected(log: Log) -> object:
    with database.connected(database.events_db):
        yield


def send(sink: Tinybird, batches: int) -> None:
    for _ in range(batches):
        delivery.deliver(sink, EVENTS, PACE)


def undelivered() -> list[upkeep.Letter]:
    """What an admin is told of; not of the bystander's batches."""
    return [letter for letter in upkeep.undelivered() if letter.sink != bystander.SINK]


def test_what_is_behind_is_counted_from_the_log(log: Log, sink: Tinybird, frozen_clock: int) -> None:
    log.events(log.visit(), 25)
    send(sink, 1)

    ((stream),) = streams()
    assert (stream.sink, stream.stream, stream.state, stream.behind) == ("tinybird", EVENTS, "ok", 15)


def test_retry_sends_what_waits_and_dead_letters_at_once(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    peer.script = [Reply(400), Reply(503)]
    seqs = log.events(log.visit(), 20)
    send(sink, 2)
    assert streams()[0].state == "waiting"

    assert upkeep.retry(sink.name) == 2
    send(sink, 2)

    assert peer.ids() == seqs
    assert letters() == []


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
    ((letter),) = letters("dead", "taken")

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
    ((waiting),) = letters()
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
    ((letter),) = letters("waiting")
    upkeep.skip(sink.name, letter.id)
    assert [stream.state for stream in streams()] == ["ok", "ok"]
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

    assert [(letter.state, letter.rows) for letter in letters("waiting", "dead")] == [
        ("dead", 5),
        ("waiting", 4),
    ]
    clock.advance(minutes(5))
    send(sink, 1)
    assert peer.ids() == kept


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
    log.events(log.visit(), 25)
    send(sink, 2)

    ((stream),) = streams()
    assert (stream.behind, stream.held) == (5, 10)  # what was refused waits for nothing
    clock.advance(minutes(5))
    send(sink, 1)
    assert [(stream.behind, stream.held) for stream in streams()] == [(5, 0)]


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


def test_retry_of_one_batch_leaves_all_else_as_it_is(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    peer.script = [Reply(400), Reply(400), Reply(503)]
    log.events(log.visit(), 30)
    send(sink, 3)
    (stream,), (first, second, waiting) = streams(), undelivered()

    assert upkeep.retry(sink.name, first.id) == 1

    again, left, still = undelivered()
    assert (again.id, again.state, left, still) == (first.id, "waiting", second, waiting)
    assert (streams()[0].failures, streams()[0].state) == (stream.failures, "waiting")
    assert upkeep.retry(sink.name, waiting.id) == 1
    assert undelivered()[1:] == [second, waiting._replace(next_attempt_at=0)]


def test_retry_of_one_batch_does_not_let_a_stopped_stream_go_on(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    peer.script = [Reply(400), Reply(403)]
    log.events(log.visit(), 20)
    send(sink, 2)

    assert upkeep.retry(sink.name, letters("dead", "taken")[0].id) == 1
    assert streams()[0].state == "stopped"


def test_started_over_a_sink_gets_the_log_from_its_first_event(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    peer.script = [success, Reply(400), Reply(403)]
    seqs = log.events(log.visit(), 30)
    send(sink, 3)

    assert upkeep.restart(sink.name) == 2
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
    upkeep.restart("other")

    behind = [(stream.sink, stream.behind) for stream in streams()]
    assert behind == [("other", seqs[-1]), ("tinybird", 0)]


def test_starting_over_while_a_batch_is_on_its_way_loses_nothing(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    class Interrupted(Tinybird):
        def send(self, batch: delivery.Batch) -> None:
            with database.connected(database.events_db):
                upkeep.restart(self.name)
            super().send(batch)

    peer.script = [Reply(503)]
    seqs = log.events(log.visit(), 10)
    send(Interrupted(peer.url, "token"), 1)
    send(sink, 1)

    assert peer.ids() == seqs


# Several sinks, streams and batches


@pytest.mark.usefixtures("crowd")
def test_each_stream_is_told_by_its_own_batches() -> None:
    told = [(s.sink, s.stream, s.state, s.behind, s.held, s.failures) for s in streams()]

    assert told == [
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
    assert upkeep.letters("other", ("dead",)) == [
        letter for letter in found if (letter.sink, letter.state) == ("other", "dead")
    ]


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize(
    ("command", "theirs", "streams"),
    [
        (upkeep.retry, lambda letter: letter.error and letter.state != "taken", STREAMS),
        (upkeep.skip, lambda letter: letter.state != "waiting", ()),
        (upkeep.restart, lambda letter: True, STREAMS),
    ],
    ids=["retry", "skip", "restart"],
)
def test_a_command_for_one_sink_leaves_all_others_as_they_are(
    sink: Tinybird, command: Callable[[str], int], theirs: Callable[[upkeep.Letter], bool], streams: tuple
) -> None:
    ids = {letter.id for letter in letters() if letter.sink == sink.name and theirs(letter)}
    before = kept()

    assert command(sink.name) == len(ids)
    assert touched(before) == ids | {(sink.name, stream) for stream in streams}


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize("command", [upkeep.retry, upkeep.skip])
@pytest.mark.parametrize("state", ["waiting", "dead", "taken"])
def test_a_command_for_one_batch_leaves_all_others_as_they_are(
    command: Callable[[str, str], int], state: str
) -> None:
    letter = next(letter for letter in letters(state) if letter.error)
    before = kept()

    assert command("nobody", letter.id) == 0
    assert touched(before) == set()
    assert command(letter.sink, letter.id) == 1
    assert touched(before) == {letter.id}
