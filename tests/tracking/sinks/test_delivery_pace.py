"""Delivery: when a batch is sent, how large it is, and in which order; and how long a run works."""

import threading
import time

import pytest

from alice import clock, database
from alice.clock import hours
from alice.tracking.sinks import delivery
from alice.tracking.sinks.delivery import Pace
from alice.tracking.sinks.sink import EVENTS, VISITS
from alice.tracking.sinks.tinybird import Tinybird
from tests.conftest import Rows
from tests.tracking.sinks.conftest import FEW, PACE, Drain, letters, positions, waiting
from tests.tracking.sinks.making import Log, kept, touched
from tests.tracking.sinks.peer import Peer, Reply, Request, Script, success


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


@pytest.mark.parametrize("back", [1, hours(48)])
def test_a_row_that_waits_for_its_company_is_not_kept_by_a_clock_that_went_back(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, back: int
) -> None:
    log.events(log.visit())
    clock.advance(-back)

    assert delivery.deliver(sink, EVENTS, PACE)


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


@pytest.mark.parametrize("reply", [success, Reply(503), Reply(403), Reply(422)])
def test_the_cursor_moves_only_after_the_other_side_has_accepted_the_batch(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, events_db: Rows, reply: Script | Reply
) -> None:
    def look(request: Request) -> Reply:
        moved.append(positions(events_db)[EVENTS])
        return reply if isinstance(reply, Reply) else reply(request)

    moved: list[int] = []
    seqs = log.events(log.visit(), 10)
    peer.script = [look]
    delivery.deliver(sink, EVENTS, PACE)

    assert moved == [0]
    has_them = reply in (success, Reply(422))
    assert positions(events_db)[EVENTS] == (seqs[-1] if has_them else 0)


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


# Cost


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
