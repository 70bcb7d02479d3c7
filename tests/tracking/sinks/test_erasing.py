"""Rows that have left the log (a person erased, a site removed, retention) are not sent; all others are."""

from collections.abc import Callable

import pytest

from alice import clock, database
from alice.app import periodic_work
from alice.clock import days, hours, minutes
from alice.config import Settings
from alice.tracking.privacy import person, retention
from alice.tracking.sinks import batches, delivery
from alice.tracking.sinks.delivery import LEASE, Pace
from alice.tracking.sinks.sink import EVENTS, STREAMS, VISITS
from alice.tracking.sinks.tinybird import Tinybird
from tests.conftest import EventRows
from tests.tracking.calling import site as sites
from tests.tracking.sinks.conftest import PACE, Drain, letters, positions
from tests.tracking.sinks.making import SITE, Log
from tests.tracking.sinks.peer import Peer, Reply, Request, success

# Ids of old events are forgotten on every site.
prunes = pytest.mark.touches_bystander("event_ids")


class Dying(Tinybird):
    """A process that ends when it is about to send."""

    def send(self, batch: delivery.Batch) -> None:
        raise SystemExit


def keep_for(days: int) -> None:
    sites.change(SITE, retention_days=days)


def close(events_db: EventRows) -> None:
    events_db.execute("UPDATE visits SET closed_at = due_at WHERE number > 0")


def send(sink: Tinybird, rows: int = 10) -> None:
    """Send one batch of each stream."""
    for stream in STREAMS:
        delivery.deliver(sink, stream, Pace(rows, 0))


def keep_each_row(sink: Tinybird, peer: Peer, reply: Reply) -> None:
    """Send every row of both streams in a batch of its own, and let each get this reply."""
    peer.otherwise = reply
    for stream in STREAMS:
        while delivery.deliver(sink, stream, Pace(1)):
            pass
    peer.otherwise = success


def retry(sink: Tinybird) -> None:
    """Retry every batch, the taken ones by their ids."""
    with database.connected(database.events_db):
        batches.retry(sink.name)
        for letter in letters("taken"):
            batches.retry(sink.name, letter.id)


def everything_sent(sink: Tinybird, peer: Peer, drain: Drain) -> dict[str, set]:
    """Retry and send what is left; return the users and sites of the rows that were sent."""
    retry(sink)
    peer.requests.clear()
    drain(sink)
    rows = [row for request in peer.requests for row in request.rows]
    return {column: {row[column] for row in rows} for column in ("user_id", "project_id")}


# Before an attempt and during one


@pytest.mark.parametrize("others", [0, 1, 4])
@pytest.mark.parametrize("reply", [Reply(413), Reply(400), Reply(503)], ids=["halved", "refused", "outage"])
def test_a_person_who_is_erased_during_an_attempt_is_not_in_the_next(
    log: Log, peer: Peer, sink: Tinybird, drain: Drain, reply: Reply, others: int
) -> None:
    def erase(request: Request) -> Reply:
        person.erase("white-rabbit")
        return reply

    log.events(log.visit(user_id="white-rabbit"), 5)
    seqs = log.events(log.visit(user_id="mock-turtle"), others) if others else []
    peer.script = [erase]
    delivery.deliver(sink, EVENTS, Pace(10, 0))
    drain(sink, Pace(10, 0))

    sent = [row for request in peer.requests[1:] for row in request.rows]
    assert "white-rabbit" not in {row["user_id"] for row in sent}
    assert peer.ids() == seqs
    assert letters() == []


@pytest.mark.parametrize("stream", [VISITS, EVENTS])
def test_a_person_who_is_erased_before_an_attempt_is_not_in_it(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, events_db: EventRows, stream: str
) -> None:
    visits = [log.visit(user_id=name) for name in ("white-rabbit", "mock-turtle")]
    seqs = [log.events(visit, 3) for visit in visits]
    with pytest.raises(SystemExit):
        delivery.deliver(Dying(peer.url, "token"), stream, Pace(10, 0))
    person.erase("white-rabbit")
    clock.advance(LEASE)
    assert delivery.deliver(sink, stream, Pace(10, 0))

    (request,) = peer.requests
    assert [row["seq"] for row in request.rows] == (seqs[1] if stream == EVENTS else visits[1:])
    assert letters() == []
    assert positions(events_db)[stream] == (seqs[1][-1] if stream == EVENTS else visits[1])


def test_a_batch_without_rows_is_not_sent_and_the_next_one_is(
    log: Log, peer: Peer, sink: Tinybird, drain: Drain, events_db: EventRows
) -> None:
    log.visit()  # of the same browser
    erased = log.events(log.visit(user_id="white-rabbit"), 10)
    with pytest.raises(SystemExit):
        delivery.deliver(Dying(peer.url, "token"), EVENTS, PACE)
    person.erase("white-rabbit")
    clock.advance(LEASE)
    assert delivery.deliver(sink, EVENTS, PACE)
    assert (peer.requests, letters(), positions(events_db)) == ([], [], {EVENTS: erased[-1]})

    seqs = log.events(log.visit(), 10)
    drain(sink)
    assert peer.ids() == seqs


def test_a_batch_that_loses_rows_keeps_its_id_and_shows_its_new_size(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    peer.script = [Reply(503), Reply(503)]
    log.events(log.visit(user_id="white-rabbit"), 3)
    log.events(log.visit(user_id="mock-turtle"), 2)
    delivery.deliver(sink, EVENTS, Pace(5))
    (before,) = letters()
    person.erase("white-rabbit")
    clock.advance(minutes(1))
    delivery.deliver(sink, EVENTS, Pace(5))
    (after,) = letters()

    assert (before.id, before.first, before.last) == (after.id, after.first, after.last)
    assert (before.rows, after.rows) == (5, 2)
    assert (before.bytes, after.bytes) == tuple(len(request.body) for request in peer.requests)


# After it: rows that were kept because they were refused, or taken with an error

REPLIES = pytest.mark.parametrize("reply", [Reply(400), Reply(422)], ids=["dead", "taken"])


@REPLIES
def test_kept_rows_of_an_erased_person_are_not_retried_and_a_neighbours_are(
    log: Log, peer: Peer, sink: Tinybird, drain: Drain, reply: Reply
) -> None:
    log.events(log.visit(user_id="white-rabbit"), 3)
    log.events(log.visit(user_id="mock-turtle"), 2)
    keep_each_row(sink, peer, reply)

    assert person.erase("white-rabbit") == (1, 0)
    assert everything_sent(sink, peer, drain)["user_id"] == {"mock-turtle"}
    assert letters() == []


@REPLIES
def test_a_person_who_is_erased_on_one_site_is_still_sent_for_another(
    log: Log, peer: Peer, sink: Tinybird, drain: Drain, reply: Reply
) -> None:
    other = sites.create("looking-glass.example", "Looking-Glass", owner_id=None)
    log.events(log.visit(user_id="white-rabbit"), 3)
    keep_each_row(sink, peer, reply)

    assert person.erase("white-rabbit", other.number) == (0, 0)
    assert everything_sent(sink, peer, drain)["user_id"] == {"white-rabbit"}


@REPLIES
def test_kept_rows_of_a_removed_site_are_not_retried_and_another_sites_are(
    log: Log, peer: Peer, sink: Tinybird, drain: Drain, events_db: EventRows, reply: Reply
) -> None:
    other = sites.create("looking-glass.example", "Looking-Glass", owner_id=None)
    log.events(log.visit(), 3)
    log.site = other.number
    events_db.execute("INSERT INTO visitors (site_number, hash) VALUES (?, ?)", other.number, b"another")
    log.visitor = events_db.one("SELECT MAX(number) FROM visitors")
    log.events(log.visit(), 2)
    keep_each_row(sink, peer, reply)
    sites.remove(SITE)

    assert everything_sent(sink, peer, drain)["project_id"] == {other.id}
    assert letters() == []


@prunes
@pytest.mark.parametrize("reply", [Reply(400), Reply(422), Reply(503)], ids=["dead", "taken", "waiting"])
def test_rows_older_than_their_sites_retention_are_not_retried(
    log: Log, peer: Peer, sink: Tinybird, drain: Drain, events_db: EventRows, reply: Reply
) -> None:
    keep_for(30)
    log.events(log.visit(), 3)
    keep_each_row(sink, peer, reply)
    close(events_db)

    clock.advance(days(30))
    retention.prune()
    assert batches.delete_empty() == 0
    clock.advance(1)
    retention.prune()
    assert everything_sent(sink, peer, drain)["project_id"] == set()
    assert letters() == []


@prunes
def test_rows_within_the_retention_are_sent_and_so_is_their_visit(
    log: Log, peer: Peer, sink: Tinybird, drain: Drain, events_db: EventRows
) -> None:
    keep_for(1)
    old, going_on = log.visit(), log.visit()
    log.events(old, 2)
    log.events(going_on, 3)
    clock.advance(hours(2))
    young = log.events(going_on, 2)
    peer.script = [Reply(503), Reply(503)]
    send(sink)
    close(events_db)

    clock.advance(hours(23))
    retention.prune()
    drain(sink)

    assert (peer.ids(), peer.ids("session_v1")) == (young, [going_on])


@prunes
def test_rows_that_are_pruned_during_an_attempt_are_not_sent_again(
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
    delivery.deliver(sink, EVENTS, Pace(3, 0))

    assert len(peer.requests) == 1
    assert letters() == []


@prunes
@pytest.mark.parametrize("reply", [Reply(400), Reply(422), Reply(503)], ids=["dead", "taken", "waiting"])
def test_batches_of_others_do_not_change(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, events_db: EventRows, reply: Reply
) -> None:
    log.events(log.visit(user_id="white-rabbit"), 3)
    keep_each_row(sink, peer, reply)
    close(events_db)
    before = letters()
    assert {letter.state for letter in before} == {{400: "dead", 422: "taken", 503: "waiting"}[reply.status]}
    clock.advance(days(4000))  # the site has no retention
    retention.prune()
    person.erase("mock-turtle")
    assert batches.delete_empty() == 0

    assert letters() == before


# The job that deletes batches without rows


def empty_batches(settings: Settings) -> Callable[[], object]:
    """Return the job. It runs whether the sinks are configured or not."""
    return next(job.run for job in periodic_work(settings) if job.name == "empty batches")


@pytest.mark.parametrize("status", [400, 422, 503, 403])
def test_the_job_deletes_the_batches_of_an_erased_person_with_errors_that_quote_them(
    log: Log, peer: Peer, sink: Tinybird, settings: Settings, frozen_clock: int, status: int
) -> None:
    log.events(log.visit(user_id="white-rabbit"))
    keep_each_row(sink, peer, Reply(status, {"error": "what is a white-rabbit?"}))
    assert {letter.stream for letter in letters() if "white-rabbit" in letter.error} == {VISITS, EVENTS}
    person.erase("white-rabbit")
    empty_batches(settings)()

    assert letters() == []


def test_the_job_keeps_a_batch_that_has_rows_left(
    log: Log, peer: Peer, sink: Tinybird, settings: Settings, frozen_clock: int
) -> None:
    peer.otherwise = Reply(422)
    for name in ("white-rabbit", "mock-turtle"):
        log.events(log.visit(user_id=name), 2)
    send(sink)
    person.erase("white-rabbit")
    empty_batches(settings)()

    assert {(letter.stream, letter.state) for letter in letters()} == {(VISITS, "taken"), (EVENTS, "taken")}


def test_the_job_may_delete_a_batch_that_is_being_sent(
    log: Log, peer: Peer, sink: Tinybird, settings: Settings, drain: Drain
) -> None:
    def erase(request: Request) -> Reply:
        person.erase("white-rabbit")
        empty_batches(settings)()
        assert letters() == []
        return Reply(503)

    log.visit()  # of the same browser
    log.events(log.visit(user_id="white-rabbit"), 10)
    peer.script = [erase]
    delivery.deliver(sink, EVENTS, PACE)
    seqs = log.events(log.visit(), 10)
    drain(sink)

    assert peer.ids() == seqs
