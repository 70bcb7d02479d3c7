"""Delivery during outages and after errors: nothing is lost, and what is sent again is the same."""

import logging

import pytest

from alice import clock, database
from alice.clock import hours, minutes, seconds
from alice.tracking.sinks import batches, delivery
from alice.tracking.sinks.delivery import Pace
from alice.tracking.sinks.sink import EVENTS, VISITS
from alice.tracking.sinks.tinybird import Tinybird
from tests.conftest import Rows
from tests.tracking.sinks.conftest import PACE, Drain, letters, status_of
from tests.tracking.sinks.making import Log
from tests.tracking.sinks.peer import DROP, DROP_AFTER_TAKING, RAW, Peer, Reply, listening, success


def test_the_bytes_of_a_batch_are_the_same_at_every_attempt(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    visit = log.visit({"campaign_id": "c1"})
    log.events(visit, 10, kind=2, name="poured", cups=2, sweet=True)
    peer.script = [DROP, DROP, DROP]
    for _ in range(4):
        delivery.deliver(sink, EVENTS, PACE)
        log.events(visit)
        clock.advance(minutes(5))

    assert len(peer.requests) == 4
    assert len({request.body for request in peer.requests}) == 1


def test_a_changed_visit_is_sent_as_it_is_now_with_the_key_by_which_tables_replace_it(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, events_db: Rows
) -> None:
    peer.script = [DROP_AFTER_TAKING]
    visit = log.visit()
    delivery.deliver(sink, VISITS, Pace(1))
    events_db.execute("UPDATE visits SET user_id = 'somebody', is_bot = 1 WHERE number = ?", visit)
    clock.advance(minutes(5))
    delivery.deliver(sink, VISITS, Pace(1))

    before, now = peer.taken
    assert (now["user_id"], now["is_bot"]) == ("somebody", 1) != (before["user_id"], before["is_bot"])
    key = ("project_id", "timestamp", "visit_id")  # by which the shipped tables replace a row
    assert [before[name] for name in key] == [now[name] for name in key]


def test_rows_that_come_twice_are_the_same_rows(log: Log, peer: Peer, sink: Tinybird, drain: Drain) -> None:
    peer.script = [DROP_AFTER_TAKING, DROP_AFTER_TAKING]
    seqs = log.events(log.visit(), 10)
    drain(sink)

    rows = [row for row in peer.taken if row["table"] == "events_v1"]
    assert len(rows) > len(seqs)
    assert len({row["id"] for row in rows}) == len({str(row) for row in rows}) == len(seqs)


@pytest.mark.parametrize("outage", [DROP, Reply(503)])
def test_an_outage_loses_nothing_and_doubles_nothing(
    log: Log, peer: Peer, sink: Tinybird, drain: Drain, outage: Reply
) -> None:
    peer.otherwise = outage
    visit = log.visit()
    seqs = log.events(visit, 25)
    for _ in range(24 * 12):  # a day, with visitors all the time
        drain(sink, tries=1)
    seqs += log.events(visit, 25)
    assert peer.taken == []
    assert len(letters()) == 2  # however long it takes: one batch a stream

    peer.otherwise = success
    drain(sink)

    assert peer.ids() == seqs
    assert peer.ids("session_v1") == [visit]
    assert letters() == []


def test_a_peer_that_is_not_there_is_an_outage(log: Log, drain: Drain) -> None:
    with listening() as peer:
        port = int(peer.url.rpartition(":")[2])
    sink = Tinybird(peer.url, "token")
    seqs = log.events(log.visit(), 10)
    drain(sink, tries=3)
    assert "no answer" in letters("waiting")[0].error

    with listening(port, peer):
        drain(sink)

    assert peer.ids() == seqs


def test_attempts_are_further_and_further_apart(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, caplog: pytest.LogCaptureFixture
) -> None:
    peer.otherwise = Reply(503)
    log.events(log.visit(), 10)
    waits = []
    for _ in range(40):
        delivery.deliver(sink, EVENTS, PACE)
        at = status_of(EVENTS).next_attempt_at
        waits.append(at - clock.now())
        clock.advance(waits[-1] - 1)
        delivery.deliver(sink, EVENTS, PACE)  # nothing happens before
        clock.advance(1)

    assert len(peer.requests) == 40
    assert seconds(0.5) <= waits[0] <= seconds(1)
    assert seconds(1) <= waits[1] <= seconds(2)
    assert seconds(2) <= waits[2] <= seconds(4)
    assert minutes(2.5) <= min(waits[10:]) < minutes(3.5)  # with jitter
    assert minutes(4) < max(waits[10:]) <= minutes(5)
    assert caplog.text.count("did not take 10 events") == 5  # and then it is known
    assert caplog.text.count("its circuit is open") == 1


def test_the_circuit_opens_after_failures_in_a_row_and_closes_with_a_success(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    peer.script = [*[Reply(503)] * 4, success, *[Reply(503)] * 5]
    seqs = log.events(log.visit(), 40)
    for _ in range(9):
        delivery.deliver(sink, EVENTS, PACE)
        assert status_of(EVENTS).state in ("waiting", "ok")
        clock.advance(seconds(40))
    delivery.deliver(sink, EVENTS, PACE)

    assert status_of(EVENTS)[2:5] == ("open", seqs[9], 20)
    assert status_of(EVENTS).next_attempt_at == clock.now() + minutes(1)
    with database.connected(database.events_db):
        assert batches.retry(sink.name, letters("waiting")[0].id) == 1  # in its turn
    assert not delivery.deliver(sink, EVENTS, PACE)
    clock.advance(minutes(1) - 1)
    assert not delivery.deliver(sink, EVENTS, PACE)
    assert len(peer.requests) == 10
    clock.advance(1)
    assert delivery.deliver(sink, EVENTS, PACE)
    assert status_of(EVENTS)[2:7] == ("ok", seqs[19], 20, 0, 0)
    assert delivery.deliver(sink, EVENTS, PACE)
    assert caplog.text.count("its circuit is open") == 1
    assert caplog.text.count("takes events again") == 2


@pytest.mark.parametrize(("header", "wait"), [("120", seconds(120)), ("86400", hours(1))])
def test_retry_after_is_in_seconds_and_an_hour_at_most(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, header: str, wait: int
) -> None:
    peer.script = [Reply(429, headers={"Retry-After": header})]
    log.events(log.visit(), 10)
    delivery.deliver(sink, EVENTS, PACE)

    assert not delivery.deliver(sink, EVENTS, PACE)
    clock.advance(wait - 1)
    assert not delivery.deliver(sink, EVENTS, PACE)
    clock.advance(1)
    assert delivery.deliver(sink, EVENTS, PACE)


@pytest.mark.parametrize("jump", [-hours(48), hours(48)])
def test_a_clock_that_jumps_stops_no_sink(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, jump: int
) -> None:
    log.events(log.visit(), 3)
    peer.script = [Reply(503)]
    clock.advance(PACE.wait)
    delivery.deliver(sink, EVENTS, PACE)

    clock.advance(jump)

    assert delivery.deliver(sink, EVENTS, PACE)
    assert len(peer.ids()) == 3


# Unexpected errors


class Broken(Tinybird):
    def send(self, batch: delivery.Batch) -> None:
        raise RuntimeError("p.hush")


def test_what_nobody_has_thought_of_is_an_outage_that_the_log_tells_once(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Broken(peer.url, "token")
    seqs = log.events(log.visit(), 10)
    for failures in range(1, 8):
        assert not delivery.deliver(broken, EVENTS, PACE)
        assert not delivery.deliver(broken, EVENTS, PACE)  # it waits
        assert status_of(EVENTS).failures == failures
        clock.advance(minutes(6))

    assert "RuntimeError" in status_of(EVENTS).reason
    assert "p.hush" not in status_of(EVENTS).reason
    assert caplog.text.count("Traceback") == 1
    assert "its circuit is open" in caplog.text
    assert delivery.deliver(sink, EVENTS, PACE)
    assert peer.ids() == seqs
    log.events(log.visit(), 10)
    delivery.deliver(broken, EVENTS, PACE)
    assert caplog.text.count("Traceback") == 2  # it had worked since
    clock.advance(minutes(1))
    assert delivery.deliver(sink, EVENTS, PACE)


def test_rows_that_cannot_be_put_together_stop_the_stream_and_say_so(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, events_db: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    visit = log.visit({"ref": "tea"})
    seqs = log.events(visit, 10)
    events_db.execute("UPDATE visits SET context = 'no JSON' WHERE number = ?", visit)
    for _ in range(3):
        assert not delivery.deliver(sink, EVENTS, PACE)

    assert status_of(EVENTS).state == "stopped"
    assert "JSONDecodeError" in status_of(EVENTS).reason
    assert caplog.text.count("Traceback") == 1
    events_db.execute("UPDATE visits SET context = NULL WHERE number = ?", visit)
    with database.connected(database.events_db):
        batches.retry(sink.name)
    assert delivery.deliver(sink, EVENTS, PACE)
    assert peer.ids() == seqs


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500, b"\x00\x01 a \x1b[2J b"),
        Reply(400, b"\x00\x01 a \x1b[2J b"),
        Reply(401, b"\x00\x01 a \x1b[2J b"),
        Reply(RAW, b"\x00\x01 a \x1b[2J b"),
        Reply(RAW, b"HTTP/1.1 2\x0000 a \x1b[2J b\r\n\r\n"),
    ],
)
def test_whatever_bytes_a_peer_says_they_can_be_kept_and_shown(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    peer.script = [reply]
    log.events(log.visit())
    delivery.deliver(sink, EVENTS, Pace(1))
    ((letter),) = letters()

    assert "a [2J b" in letter.error
    assert letter.error.isprintable()
    assert "\x1b" not in caplog.text
