"""Delivery: whatever the other side does, nothing is lost, and nothing is put together twice."""

import logging
import threading
import time

import pytest

from alice import clock, database
from alice.clock import hours, minutes, seconds
from alice.tracking.sinks import delivery, upkeep
from alice.tracking.sinks.delivery import LEASE, Pace
from alice.tracking.sinks.sink import EVENTS, VISITS
from alice.tracking.sinks.tinybird import Tinybird
from tests.conftest import Rows
from tests.tracking.sinks.conftest import FEW, PACE, Drain, letters, streams
from tests.tracking.sinks.making import Log, kept, touched
from tests.tracking.sinks.peer import (
    DROP,
    DROP_AFTER_TAKING,
    RAW,
    Peer,
    Reply,
    Request,
    listening,
    success,
)


def positions(events_db: Rows) -> dict[str, int]:
    return dict(events_db.query("SELECT stream, position FROM sink_cursors"))


def status() -> dict[str, upkeep.StreamStatus]:
    return {stream.stream: stream for stream in streams()}


def test_events_go_in_batches_of_so_many(log: Log, peer: Peer, sink: Tinybird, frozen_clock: int) -> None:
    seqs = log.events(log.visit(), 25)

    while delivery.deliver(sink, EVENTS, PACE):
        pass

    assert [len(request.rows) for request in peer.requests] == [10, 10]
    assert peer.ids() == seqs[:20]


def test_what_does_not_fill_a_batch_goes_after_so_long(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    seqs = log.events(log.visit(), 3)
    clock.advance(PACE.wait - 1)
    assert not delivery.deliver(sink, EVENTS, PACE)

    clock.advance(1)

    assert delivery.deliver(sink, EVENTS, PACE)
    assert peer.ids() == seqs


def test_a_visit_is_sent_once_it_has_opened_and_before_its_events(
    log: Log, peer: Peer, sink: Tinybird, drain: Drain
) -> None:
    visit = log.visit()
    log.events(visit, 2)
    drain(sink)

    assert [row["table"] for row in peer.taken] == ["session_v1", "events_v1", "events_v1"]
    assert len({row["visit_id"] for row in peer.taken}) == 1


def test_a_confirmed_batch_is_gone_and_the_cursor_behind_it(
    log: Log, sink: Tinybird, drain: Drain, events_db: Rows
) -> None:
    visit = log.visit()
    seqs = log.events(visit, 12)
    drain(sink)

    assert positions(events_db) == {EVENTS: seqs[-1], VISITS: visit}
    assert letters() == []


def test_the_bytes_of_a_batch_are_the_same_at_every_attempt(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, events_db: Rows
) -> None:
    visit = log.visit()
    log.events(visit, 10)
    peer.script = [DROP, DROP, DROP]
    for _ in range(4):
        delivery.deliver(sink, EVENTS, PACE)
        events_db.execute("UPDATE visits SET user_id = 'somebody', is_bot = 1 WHERE number = ?", visit)
        log.events(visit)
        clock.advance(minutes(5))

    assert len(peer.requests) == 4
    assert len({request.body for request in peer.requests}) == 1


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
        at = status()[EVENTS].next_attempt_at
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
        assert status()[EVENTS].state in ("waiting", "ok")
        clock.advance(seconds(40))
    delivery.deliver(sink, EVENTS, PACE)

    assert status()[EVENTS][2:5] == ("open", seqs[19], 20)
    assert status()[EVENTS].next_attempt_at == clock.now() + minutes(1)
    with database.connected(database.events_db):
        assert upkeep.retry(sink.name, letters("waiting")[0].id) == 1  # in its turn
    assert not delivery.deliver(sink, EVENTS, PACE)
    clock.advance(minutes(1) - 1)
    assert not delivery.deliver(sink, EVENTS, PACE)
    assert len(peer.requests) == 10
    clock.advance(1)
    assert delivery.deliver(sink, EVENTS, PACE)
    assert status()[EVENTS][2:7] == ("ok", seqs[19], 20, 0, 0)
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


@pytest.mark.parametrize(("count", "sizes"), [(300, [100, 100] + [10] * 10), (299, [100] + [10] * 19 + [9])])
def test_who_falls_far_behind_catches_up_in_larger_batches(
    log: Log, peer: Peer, sink: Tinybird, drain: Drain, count: int, sizes: list[int]
) -> None:
    seqs = log.events(log.visit(), count)
    drain(sink)

    sent = [len(request.rows) for request in peer.requests if request.query["name"] == "events_v1"]
    assert sent == sizes
    assert peer.ids() == seqs


def test_a_batch_stays_below_what_a_peer_takes(log: Log, peer: Peer, sink: Tinybird, drain: Drain) -> None:
    seqs = log.events(log.visit(), 1, story="x" * 4_000_000)  # alone it is sent all the same
    seqs += log.events(log.visit(), 9, story="x" * 900_000)
    drain(sink)

    assert peer.ids() == seqs
    sizes = [len(request.body) for request in peer.requests if len(request.rows) > 1]
    assert 3_000_000 < max(sizes) <= 4_000_000


def test_a_batch_may_hold_as_many_visits_as_are_asked_for(
    log: Log, peer: Peer, sink: Tinybird, events_db: Rows
) -> None:
    columns = (
        "site_number, visitor_number, dialect, started_at, last_at, due_at, sequence, page_views, "
        "interactions, engaged_ms, is_bot"
    )
    first = log.visit()
    for _ in range(10):  # twice as many each time
        events_db.execute(
            f"INSERT INTO visits ({columns}) SELECT {columns} FROM visits WHERE site_number = ?", log.site
        )

    assert delivery.deliver(sink, VISITS, Pace(1024))
    assert peer.ids("session_v1") == list(range(first, first + 1024))


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
    ("outage", "read"), [(False, "SELECT COUNT(*), MIN"), (True, "SELECT id, attempts, next_attempt_at")]
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
        if "SELECT id, attempts" in event.sql:  # the batch has been seen
            database.events_db.query_hooks.remove(be_quicker)
            delivery.deliver(sink, EVENTS, PACE)

    peer.script = [Reply(400), Reply(403)]
    log.events(log.visit(), 10)
    delivery.deliver(sink, EVENTS, PACE)
    with database.connected(database.events_db):
        upkeep.retry(sink.name)
        database.events_db.query_hooks.append(be_quicker)
        assert not delivery.deliver(sink, EVENTS, PACE)

    assert len(peer.requests) == 2
    assert status()[EVENTS].state == "stopped"


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


def test_rows_that_come_twice_are_the_same_rows(log: Log, peer: Peer, sink: Tinybird, drain: Drain) -> None:
    peer.script = [DROP_AFTER_TAKING, DROP_AFTER_TAKING]
    seqs = log.events(log.visit(), 10)
    drain(sink)

    rows = [row for row in peer.taken if row["table"] == "events_v1"]
    assert len(rows) > len(seqs)
    assert len({row["id"] for row in rows}) == len({str(row) for row in rows}) == len(seqs)


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


@pytest.mark.parametrize("back", [1, hours(48)])
def test_a_row_that_waits_for_its_company_is_not_kept_by_a_clock_that_went_back(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, back: int
) -> None:
    log.events(log.visit())
    clock.advance(-back)

    assert delivery.deliver(sink, EVENTS, PACE)


def test_no_connection_is_held_while_a_batch_is_sent(log: Log, peer: Peer, frozen_clock: int) -> None:
    seen = []

    class Watched(Tinybird):
        def send(self, batch: delivery.Batch) -> None:
            seen.append(database.events_db.is_closed())
            super().send(batch)

    log.events(log.visit(), 10)
    delivery.deliver(Watched(peer.url, "token"), EVENTS, PACE)

    assert seen == [True]


def test_an_idle_sink_writes_nothing(log: Log, sink: Tinybird, drain: Drain) -> None:
    log.events(log.visit())
    drain(sink)
    statements: list[str] = []
    hook = lambda event: statements.append(event.sql)  # noqa: E731
    database.events_db.query_hooks.append(hook)
    try:
        delivery.run(sink, PACE)
    finally:
        database.events_db.query_hooks.remove(hook)

    assert 0 < len(statements) <= 6
    assert all(sql.startswith("SELECT") for sql in statements)


def test_a_batch_costs_the_same_number_of_statements_whatever_is_in_it(
    log: Log, sink: Tinybird, frozen_clock: int
) -> None:
    visit = log.visit()
    log.events(visit, 5, kind=2, name="poured", cups=2)
    log.events(visit, 400, kind=2, name="poured", cups=2, kind_of="black")
    counts = []
    for rows in (5, 100):
        statements: list[str] = []
        hook = lambda event: statements.append(event.sql)  # noqa: B023, E731
        database.events_db.query_hooks.append(hook)
        delivery.deliver(sink, EVENTS, Pace(rows, 0))
        database.events_db.query_hooks.remove(hook)
        counts.append(len(statements))

    assert counts[1] <= counts[0] <= 14


# Several sinks, streams and batches


def waiting(sink: Tinybird, stream: str) -> list[upkeep.Letter]:
    return [letter for letter in letters("waiting") if (letter.sink, letter.stream) == (sink.name, stream)]


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize(
    ("replies", "state", "failures", "goes_on", "told"),
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
        ([Reply(400)], "dead", 0, True, "the sink tinybird refused 2 events, kept as {id}: 400 null"),
        ([Reply(422)], "taken", 0, True, "the sink tinybird took events, a copy is kept as {id}: in part"),
        ([Reply(413)], None, 0, True, ""),
    ],
    ids=["arrived", "outage", "circuit", "stopped", "dead", "taken", "halved"],
)
def test_what_becomes_of_a_batch_is_nothing_to_any_other(
    peer: Peer, sink: Tinybird, replies: list, state: str | None, failures: int, goes_on: bool, told: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
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
    halves = [due.first, due.last] if replies == [Reply(413)] else []
    assert [(half[3:7], half.attempts) for half in fresh] == [(("waiting", n, n, 1), 0) for n in halves]
    assert told.format(id=due.id) in caplog.text


@pytest.mark.usefixtures("crowd")
def test_what_waits_goes_in_order_and_then_what_is_new_of_its_own_stream(peer: Peer, sink: Tinybird) -> None:
    first, second = waiting(sink, EVENTS)
    before = kept()
    for _ in range(3):
        assert delivery.deliver(sink, EVENTS, FEW)

    sent = [[row["seq"] for row in request.rows] for request in peer.requests]
    assert [len(rows) for rows in sent] == [2, 2, 4]
    assert [seq for rows in sent for seq in rows] == list(range(first.first, first.first + 8))
    assert touched(before) == {first.id, second.id, (sink.name, EVENTS)}
    assert kept().keys() <= before.keys()


def test_a_dead_letter_is_not_halved_by_who_hears_of_it_too_late(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    def refuse_late(request: Request) -> Reply:
        clock.advance(LEASE)
        peer.script = [Reply(400)]
        delivery.deliver(sink, EVENTS, PACE)  # another process, which takes the first for dead
        return Reply(413)

    log.events(log.visit(), 10)
    peer.script = [refuse_late]
    delivery.deliver(sink, EVENTS, PACE)

    assert [(letter.state, letter.rows) for letter in letters()] == [("dead", 10)]


@pytest.mark.parametrize("reply", [success, Reply(422)], ids=["arrives", "is taken"])
def test_ten_refusals_in_a_row_stop_a_stream_unless_something_arrives_between(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, reply: Reply
) -> None:
    log.events(log.visit(), 19)
    peer.script = [*[Reply(400)] * 8, reply, *[Reply(400)] * 10]

    assert [delivery.deliver(sink, EVENTS, Pace(1)) for _ in range(19)] == [*[True] * 18, False]
    assert "10 batches in a row were refused: 400 null" in status()[EVENTS].reason


# A run


def test_a_run_sends_all_there_is_of_both_streams_and_rests_meanwhile(
    log: Log, peer: Peer, frozen_clock: int
) -> None:
    class Busy(Tinybird):
        def send(self, batch: delivery.Batch) -> None:
            until = time.thread_time() + 0.05
            while time.thread_time() < until:
                pass
            super().send(batch)

    class Watched(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            rests.append(timeout)
            return False

    rests: list[float | None] = []
    visits = [log.visit() for _ in range(8)]
    seqs = log.events(visits[0], 8)
    began = time.monotonic()
    delivery.run(Busy(peer.url, "token"), FEW, Watched())
    took = time.monotonic() - began

    assert [request.query["name"] for request in peer.requests] == ["session_v1"] * 2 + ["events_v1"] * 2
    assert (peer.ids("session_v1"), peer.ids()) == (visits, seqs)
    assert 10 * 4 * 0.05 - took <= sum(rests) < 10  # it works a tenth of the time at most


def test_a_run_starts_no_batch_when_its_time_is_up(
    log: Log, peer: Peer, frozen_clock: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(Tinybird):
        def send(self, batch: delivery.Batch) -> None:
            time.sleep(0.1)
            super().send(batch)

    monkeypatch.setattr(delivery, "RUN_FOR", 0.1)
    seqs = log.events(log.visit(), 12)
    delivery.run(Slow(peer.url, "token"), FEW)

    assert peer.ids() == seqs[:4]


def test_a_run_ends_with_the_batch_that_is_on_its_way_when_alice_stops(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    def stop(request: Request) -> Reply:
        stopping.set()
        return success(request)

    stopping = threading.Event()
    seqs = log.events(log.visit(), 12)
    peer.script = [stop]
    delivery.run(sink, FEW, stopping)

    assert peer.ids() == seqs[:4]


# What nobody has thought of


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
        assert status()[EVENTS].failures == failures
        clock.advance(minutes(6))

    assert "RuntimeError" in status()[EVENTS].reason
    assert "p.hush" not in status()[EVENTS].reason
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

    assert status()[EVENTS].state == "stopped"
    assert "JSONDecodeError" in status()[EVENTS].reason
    assert caplog.text.count("Traceback") == 1
    events_db.execute("UPDATE visits SET context = NULL WHERE number = ?", visit)
    with database.connected(database.events_db):
        upkeep.retry(sink.name)
    assert delivery.deliver(sink, EVENTS, PACE)
    assert peer.ids() == seqs


@pytest.mark.parametrize(
    "said",
    [
        Reply(500, b"\x00\x01 a \x1b[2J b"),
        Reply(400, b"\x00\x01 a \x1b[2J b"),
        Reply(401, b"\x00\x01 a \x1b[2J b"),
        Reply(RAW, b"\x00\x01 a \x1b[2J b"),
        Reply(RAW, b"HTTP/1.1 2\x0000 a \x1b[2J b\r\n\r\n"),
    ],
)
def test_whatever_bytes_a_peer_says_they_can_be_kept_and_shown(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, said: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    peer.script = [said]
    log.events(log.visit(), 10)
    delivery.deliver(sink, EVENTS, PACE)
    ((letter),) = letters()

    assert "a [2J b" in letter.error
    assert letter.error.isprintable()
    assert "\x1b" not in caplog.text
