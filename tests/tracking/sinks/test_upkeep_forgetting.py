"""What leaves the batches that are kept or wait: with time, with a person, with a site; and what stays."""

from typing import Any

import orjson
import pytest

from alice import clock, database
from alice.clock import days, hours, minutes
from alice.database import events, transaction
from alice.tracking import site as sites
from alice.tracking.privacy import person, retention
from alice.tracking.sinks import delivery, upkeep
from alice.tracking.sinks.delivery import Pace
from alice.tracking.sinks.sink import EVENTS, STREAMS
from alice.tracking.sinks.tinybird import Tinybird
from tests.conftest import EventRows
from tests.tracking.sinks.making import SITE, Log
from tests.tracking.sinks.peer import Peer, Reply, Request, success

TAKEN = Reply(200, {"successful_rows": 9, "quarantined_rows": 1})


def keep_for(days: int | None) -> None:
    sites.change(SITE, retention_days=days)


def send(sink: Tinybird, rows: int = 10) -> None:
    """Send all there is of both streams, a batch of each."""
    for stream in STREAMS:
        delivery.deliver(sink, stream, Pace(rows, 0))


def batches() -> list[tuple[str, str, int, list[dict[str, Any]]]]:
    """Of each batch: its stream, its state, how many rows it says it has, and its rows."""
    found = EventRows().query("SELECT stream, state, rows, body FROM sink_batches ORDER BY stream DESC, id")
    return [
        (stream, state, count, [orjson.loads(line) for line in bytes(body).splitlines()])
        for stream, state, count, body in found
    ]


def users() -> set[str]:
    """Whom the batches name."""
    return {row["user_id"] for _, _, _, rows in batches() for row in rows}


def close(events_db: EventRows) -> None:
    events_db.execute("UPDATE visits SET closed_at = due_at WHERE number > 0")


# Retention

# Ids of old events are forgotten on every site.
prunes = pytest.mark.touches_bystander("event_ids")


@prunes
@pytest.mark.parametrize("reply", [Reply(400), TAKEN, Reply(503)], ids=["dead", "taken", "waiting"])
def test_rows_older_than_their_sites_retention_leave_every_batch(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, events_db: EventRows, reply: Reply
) -> None:
    keep_for(30)
    peer.script = [reply, reply]
    log.events(log.visit(), 3)
    send(sink)
    assert [(stream, count) for stream, _, count, _ in batches()] == [("visits", 1), ("events", 3)]
    close(events_db)

    clock.advance(days(30))
    retention.prune()
    assert len(batches()) == 2
    clock.advance(1)
    retention.prune()
    assert batches() == []


@prunes
def test_rows_that_are_young_enough_stay_beside_old_ones_in_their_batch(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, events_db: EventRows
) -> None:
    keep_for(1)
    old, going_on = log.visit(), log.visit()
    log.events(old, 2)
    log.events(going_on, 3)
    clock.advance(hours(2))
    young = log.events(going_on, 2)
    peer.script = [Reply(400), Reply(400)]
    send(sink)
    close(events_db)

    clock.advance(hours(23))
    retention.prune()

    visits, found = batches()
    assert (visits[2], [row["seq"] for row in visits[3]]) == (1, [going_on])  # its visit is still there
    assert (found[2], [row["seq"] for row in found[3]]) == (2, young)


@prunes
def test_without_retention_dead_letters_stay(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, events_db: EventRows
) -> None:
    peer.script = [Reply(400), Reply(400)]
    log.events(log.visit(), 3)
    send(sink)
    close(events_db)
    clock.advance(days(4000))
    retention.prune()

    assert [count for _, _, count, _ in batches()] == [1, 3]


@prunes
def test_what_is_pruned_while_it_is_being_sent_is_not_sent_again(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, events_db: EventRows
) -> None:
    def prune(request: Request) -> Reply:
        clock.advance(days(2))
        retention.prune()
        return Reply(503)

    keep_for(1)
    log.events(log.visit(), 3)
    close(events_db)
    peer.script = [prune]
    delivery.deliver(sink, EVENTS, Pace(3, 0))
    clock.advance(minutes(10))

    assert not delivery.deliver(sink, EVENTS, Pace(3, 0))
    assert batches() == []


@prunes
def test_a_batch_that_loses_rows_keeps_its_id_and_is_sent_without_them(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, events_db: EventRows
) -> None:
    keep_for(1)
    log.events(log.visit(), 2)
    clock.advance(hours(2))
    young = log.events(log.visit(), 2)
    peer.script = [Reply(503)]
    delivery.deliver(sink, EVENTS, Pace(4, 0))
    close(events_db)
    (before,) = events_db.query("SELECT id, first, last FROM sink_batches")

    clock.advance(hours(23))
    retention.prune()

    assert events_db.query("SELECT id, first, last FROM sink_batches") == [before]
    assert delivery.deliver(sink, EVENTS, Pace(4, 0))
    assert peer.ids() == young


# A person


def test_who_is_erased_leaves_the_batches_though_their_visits_were_pruned_before(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, events_db: EventRows
) -> None:
    peer.script = [Reply(400), Reply(400)]
    log.events(log.visit(user_id="white-rabbit"), 3)
    log.events(log.visit(user_id="mock-turtle"), 2)
    send(sink)
    events_db.execute("DELETE FROM visits WHERE site_number = ?", log.site)

    assert person.erase("white-rabbit") == (0, 0, 4)
    assert users() == {"mock-turtle"}
    assert [count for _, _, count, _ in batches()] == [1, 2]


def test_who_is_erased_on_one_site_stays_in_the_batches_of_another(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, events_db: EventRows
) -> None:
    other = sites.create("looking-glass.example", "Looking-Glass", owner_id=None)
    peer.script = [Reply(400), Reply(400)]
    log.events(log.visit(user_id="white-rabbit"), 3)
    send(sink)
    events_db.execute("DELETE FROM visits WHERE site_number = ?", log.site)

    assert person.erase("white-rabbit", other.number) == (0, 0, 0)
    assert users() == {"white-rabbit"}
    assert person.erase("white-rabbit", log.site) == (0, 0, 4)
    assert batches() == []


def test_who_is_erased_leaves_a_batch_that_is_put_together_meanwhile(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    def send_at_last(query: Any) -> None:
        if "FROM event_ids" in query.sql:  # the batches have been looked through
            database.events_db.query_hooks.remove(send_at_last)
            send(sink)

    peer.otherwise = Reply(503)
    visit = log.visit()  # it names nobody when it is put together
    log.events(visit, 3)
    with database.connected(database.events_db):
        with transaction(database.events_db):
            events.execute("UPDATE visits SET user_id = 'white-rabbit' WHERE number = ?", visit)
        database.events_db.query_hooks.append(send_at_last)
        person.erase("white-rabbit")

    assert send_at_last not in database.events_db.query_hooks
    assert batches() == []


def test_rows_of_halves_made_meanwhile_are_taken_out_too(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    def halve(query: Any) -> None:
        if "body FROM sink_batches" in query.sql:  # the batches have been listed
            database.events_db.query_hooks.remove(halve)
            clock.advance(minutes(10))
            delivery.deliver(sink, EVENTS, Pace(6, 0))

    peer.script = [Reply(503), Reply(413), Reply(503)]
    log.events(log.visit(user_id="white-rabbit"), 3)
    kept = log.events(log.visit(user_id="mock-turtle"), 3)
    delivery.deliver(sink, EVENTS, Pace(6, 0))
    with database.connected(database.events_db):
        database.events_db.query_hooks.append(halve)
        upkeep.forget((), "white-rabbit")

    assert [[row["seq"] for row in rows] for _, _, _, rows in batches()] == [kept]


@pytest.mark.parametrize(
    ("forget", "gone", "left"),
    [(lambda: upkeep.forget((), "white-rabbit"), 2, {"queen"}), (lambda: upkeep.forget_site(SITE), 4, set())],
    ids=["person", "site"],
)
def test_who_is_erased_at_the_same_moment_stays_erased_and_is_counted_once(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, forget: Any, gone: int, left: set[str]
) -> None:
    def erase_another(query: Any) -> None:
        if "body FROM sink_batches" in query.sql:  # a batch is going to be read
            database.events_db.query_hooks.remove(erase_another)
            assert upkeep.forget((), "mock-turtle") == 2

    for name in ("white-rabbit", "mock-turtle", "queen"):
        log.events(log.visit(user_id=name), 2)
    peer.otherwise = Reply(400)
    delivery.deliver(sink, EVENTS, Pace(6, 0))
    with database.connected(database.events_db):
        database.events_db.query_hooks.append(erase_another)
        assert forget() == gone

    assert users() == left
    assert sum(count for _, _, count, _ in batches()) == 2 * len(left)


def test_bodies_are_read_once_however_many_visits_are_forgotten(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    peer.otherwise = Reply(400)
    for _ in range(5):
        log.events(log.visit(), 2)
        delivery.deliver(sink, EVENTS, Pace(2, 0))
    read: list[str] = []
    hook = lambda query: read.append(query.sql) if "body FROM sink_batches" in query.sql else None  # noqa: E731
    with database.connected(database.events_db):
        database.events_db.query_hooks.append(hook)
        try:
            assert upkeep.forget([str(n) for n in range(1000)], "nobody") == 0
        finally:
            database.events_db.query_hooks.remove(hook)

        ((there,),) = events.query("SELECT COUNT(*) FROM sink_batches")

    assert len(read) == there >= 5


# A site


def test_a_removed_site_takes_its_rows_along(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, events_db: EventRows
) -> None:
    other = sites.create("looking-glass.example", "Looking-Glass", owner_id=None)
    log.events(log.visit(user_id="white-rabbit"), 3)
    log.site = other.number
    log.events(log.visit(site_number=other.number, user_id="mock-turtle"), 2)
    peer.otherwise = Reply(400)
    send(sink)

    sites.remove(SITE)

    assert users() == {"mock-turtle"}
    assert [count for _, _, count, _ in batches()] == [1, 2]


@prunes
def test_what_was_left_of_a_removed_site_goes_with_the_next_pruning(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, events_db: EventRows
) -> None:
    peer.otherwise = Reply(400)
    log.events(log.visit(), 3)
    send(sink)
    events_db.execute("DELETE FROM sites WHERE number = ?", log.site)  # its removal was cut short

    retention.prune()

    assert batches() == []


@prunes
def test_what_was_never_refused_is_not_touched(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    keep_for(1)
    peer.otherwise = Reply(503)
    log.events(log.visit(user_id="white-rabbit"), 3)
    send(sink)
    before = batches()
    retention.prune()
    person.erase("mock-turtle")
    peer.otherwise = success

    assert batches() == before
