"""Delivery of rows that the other side refuses: the others arrive, and other batches do not change."""

import logging

import pytest

from alice import clock, database
from alice.clock import minutes
from alice.tracking.sinks import batches, delivery
from alice.tracking.sinks.delivery import LEASE, Pace
from alice.tracking.sinks.sink import EVENTS
from alice.tracking.sinks.status import BatchStatus
from alice.tracking.sinks.tinybird import Tinybird
from tests.conftest import Rows
from tests.tracking.sinks.conftest import FEW, PACE, Drain, letters, positions, status_of, streams, waiting
from tests.tracking.sinks.making import Log, kept, touched
from tests.tracking.sinks.peer import Peer, Reply, Request, success


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize(
    ("replies", "state", "failures", "goes_on", "logged"),
    [
        ([success], None, 0, True, "the sink tinybird takes events again"),
        ([Reply(503)], "waiting", 1, False, "the sink tinybird did not take 2 events, next attempt in "),
        ([Reply(503)] * 5, "waiting", 5, False, "; its circuit is open: 503 null"),
        (
            [Reply(403)],
            "waiting",
            1,
            False,
            "is stopped for events until `alice sinks retry tinybird`: 403 null",
        ),
        ([Reply(422)], "taken", 0, True, "the sink tinybird took events, kept as {id}: in part"),
        ([Reply(400)], None, 0, True, ""),
        ([Reply(413)], None, 0, True, ""),
    ],
    ids=["arrived", "outage", "circuit", "stopped", "taken", "refused", "too large"],
)
def test_what_becomes_of_a_batch_is_nothing_to_any_other(
    peer: Peer,
    sink: Tinybird,
    replies: list,
    state: str | None,
    failures: int,
    goes_on: bool,
    logged: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    due, before = waiting(sink, EVENTS)[0], kept()
    peer.script = [*replies]
    for _ in replies:
        assert delivery.deliver(sink, EVENTS, FEW) == goes_on
        clock.advance(minutes(1))

    assert [row["seq"] for row in peer.requests[-1].rows] == [due.first, due.last]
    assert len(peer.requests) == len(replies)
    assert due.id in touched(before) <= {due.id, (sink.name, EVENTS)}
    assert {letter.id: letter.state for letter in letters()}.get(due.id) == state
    assert next(s.failures for s in streams() if (s.sink, s.stream) == (sink.name, EVENTS)) == failures
    fresh = [letter for letter in letters() if letter.id not in before]
    halves = [due.first, due.last] if replies in ([Reply(400)], [Reply(413)]) else []
    assert [(half[3:7], half.attempts) for half in fresh] == [(("waiting", n, n, 1), 0) for n in halves]
    assert logged.format(id=due.id) in caplog.text


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize("status", [400, 413])
def test_a_refused_row_becomes_a_dead_letter_and_other_batches_do_not_change(
    peer: Peer, sink: Tinybird, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    peer.script = [Reply(400)]
    delivery.deliver(sink, EVENTS, FEW)
    due, before = min(waiting(sink, EVENTS), key=lambda letter: letter.first), kept()
    peer.script = [Reply(status)]

    assert delivery.deliver(sink, EVENTS, FEW)
    assert touched(before) == {due.id, (sink.name, EVENTS)}
    (letter,) = (letter for letter in letters("dead") if letter.id == due.id)
    assert (letter.first, letter.last, letter.rows) == (due.first, due.first, 1)
    assert f"the sink tinybird refused one of events, kept as {due.id}: {status} null" in caplog.text


@pytest.mark.parametrize("status", [400, 413])
def test_the_rows_around_a_refused_row_arrive_and_the_cursor_moves_on(
    log: Log, peer: Peer, sink: Tinybird, drain: Drain, events_db: Rows, status: int
) -> None:
    def without_the_third(request: Request) -> Reply:
        refused = any(row["seq"] == seqs[2] for row in request.rows)
        return Reply(status) if refused else success(request)

    seqs = log.events(log.visit(), 10)
    peer.otherwise = without_the_third
    drain(sink)

    assert peer.ids() == [seq for seq in seqs if seq != seqs[2]]
    assert [(letter.state, letter.first, letter.last, letter.rows) for letter in letters()] == [
        ("dead", seqs[2], seqs[2], 1)
    ]
    assert positions(events_db)[EVENTS] == seqs[-1]


@pytest.mark.parametrize("late", [Reply(400), Reply(403), Reply(413), Reply(422), Reply(503)])
def test_an_outcome_that_comes_after_the_lease_changes_nothing(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, events_db: Rows, late: Reply
) -> None:
    def answer_late(request: Request) -> Reply:
        clock.advance(LEASE)
        peer.script = [Reply(413)]
        delivery.deliver(sink, EVENTS, PACE)  # another process divides the batch
        found.extend(letters())
        return late

    found: list[BatchStatus] = []
    log.events(log.visit(), 10)
    peer.script = [answer_late]
    delivery.deliver(sink, EVENTS, PACE)

    assert letters() == found
    assert [(letter.state, letter.rows) for letter in found] == [("waiting", 5), ("waiting", 5)]
    assert (status_of(EVENTS).state, status_of(EVENTS).failures, positions(events_db)[EVENTS]) == ("ok", 0, 0)


def test_a_retried_batch_that_is_divided_loses_no_row(
    log: Log, peer: Peer, sink: Tinybird, drain: Drain, events_db: Rows
) -> None:
    peer.script = [Reply(422)]  # the rows are taken, and not in the table
    seqs = log.events(log.visit(), 10)
    delivery.deliver(sink, EVENTS, PACE)
    seqs += log.events(log.visit(), 10)
    delivery.deliver(sink, EVENTS, PACE)
    with database.connected(database.events_db):
        batches.retry(sink.name, letters("taken")[0].id)
    peer.script = [Reply(413)]
    drain(sink)

    assert sorted(peer.ids()) == seqs
    assert letters() == []
    assert positions(events_db)[EVENTS] == seqs[-1]


@pytest.mark.parametrize("reply", [success, Reply(422)], ids=["arrives", "is taken"])
def test_ten_refusals_in_a_row_stop_a_stream_unless_something_arrives_between(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, reply: Reply
) -> None:
    log.events(log.visit(), 19)
    peer.script = [*[Reply(400)] * 8, reply, *[Reply(400)] * 10]

    assert [delivery.deliver(sink, EVENTS, Pace(1)) for _ in range(19)] == [*[True] * 18, False]
    assert "10 rows in a row were refused: 400 null" in status_of(EVENTS).reason
