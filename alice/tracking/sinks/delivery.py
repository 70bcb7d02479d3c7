"""Delivery: each sink reads the log from its own cursor, in batches that are frozen until confirmed.

Freezing a batch stores its bytes and its id and moves the cursor, in one transaction. The batch is then sent
until the other side confirms it, the same bytes each time, and deleted. So no row is lost, and no row is
stored twice where the other side recognizes a batch or its rows. A stream has one batch in flight at a time,
so an outage takes no space besides the log.

No connection to events.db and no transaction is held while a batch is being sent.
"""

import logging
import random
import threading
import time
from typing import NamedTuple

import orjson
from peewee import SQL, BigIntegerField, BlobField, CharField, CompositeKey, IntegerField, TextField

from alice import clock, database
from alice.clock import minutes, seconds
from alice.database import EventsModel, Millis, events, events_db, transaction
from alice.ids import new_id
from alice.tracking.sinks import rows
from alice.tracking.sinks.sink import (
    STREAMS,
    Batch,
    Later,
    Sink,
    Stopped,
    Taken,
    TooLarge,
    Undelivered,
    Unreadable,
)
from alice.tracking.sinks.transport import TIMEOUT

logger = logging.getLogger(__name__)

LEASE = 3 * seconds(TIMEOUT)  # an attempt makes at most two requests; after this time its process has died
FIRST_WAIT, MOST_WAIT = seconds(1), minutes(5)  # backoff between attempts
LONGEST_WAIT = minutes(60)  # the longest wait that the other side can ask for
OPENS_AFTER = 5  # failures in a row: the circuit opens
OPEN_FOR = minutes(1)  # the least time for which the circuit stays open
STOPS_AFTER = 10  # dead letters in a row: the fault is not in the rows, so the stream stops
MOST_BYTES = 4_000_000  # in a batch of several rows; Tinybird accepts 10 MB
BEHIND = 20  # batches; a sink that is this far behind catches up
CATCHING_UP = 10  # with batches this many times as large
RUN_FOR = 2.0  # seconds in which a run starts batches of a stream
REST = 10  # a batch with the pause after it lasts this many times its CPU time


class SinkCursor(EventsModel):
    sink = TextField()
    stream = CharField(8, constraints=[SQL("CHECK (stream IN ('events', 'visits'))")])
    position = BigIntegerField(default=0)  # the newest row in a batch: an event's seq or a visit's number
    failures = IntegerField(default=0)  # in a row
    refused = IntegerField(default=0)  # dead letters in a row
    open_until = Millis(default=0)  # the circuit is open: nothing is sent before
    stopped = TextField(null=True)  # why nothing is sent until `alice sinks retry`

    class Meta:
        table_name = "sink_cursors"
        primary_key = CompositeKey("sink", "stream")


class SinkBatch(EventsModel):
    """A frozen batch that is not confirmed.

    waiting: to be sent, or being sent. dead: a dead letter, refused with no row stored. taken: the other side
    accepted it with an error.
    """

    id = CharField(36, primary_key=True)  # the same at every attempt
    sink = TextField()
    stream = CharField(8)
    first = BigIntegerField()
    last = BigIntegerField()
    rows = IntegerField()
    body = BlobField()
    state = CharField(8, constraints=[SQL("CHECK (state IN ('waiting', 'dead', 'taken'))")])
    attempts = IntegerField(default=0)
    next_attempt_at = Millis(default=0)  # while it is being sent: when the lease ends
    error = TextField(null=True)
    created_at = Millis()

    class Meta:
        table_name = "sink_batches"
        indexes = ((("sink", "state"), False),)


class Pace(NamedTuple):
    """A batch is sent when `rows` rows wait, or when the oldest has waited for `wait` ms."""

    rows: int = 50
    wait: int = seconds(30)


def run(sink: Sink, pace: Pace, stopping: threading.Event | None = None) -> None:
    """Send what is due. A job: its next run, here or in another process, sends what is left.

    Starts no batch of a stream after RUN_FOR seconds, and uses at most a tenth of a CPU, because the same
    process serves requests.
    """
    stopping = stopping or threading.Event()
    for stream in STREAMS:
        until = time.monotonic() + RUN_FOR
        going = True
        while going and time.monotonic() < until and not stopping.is_set():
            began, worked = time.monotonic(), time.thread_time()
            going = deliver(sink, stream, pace)
            worked = time.thread_time() - worked
            stopping.wait(max(0.0, REST * worked - (time.monotonic() - began)))


def deliver(sink: Sink, stream: str, pace: Pace) -> bool:
    """Send the batch that is due, if any; return whether to go on with the next."""
    with database.connected(events_db):
        batch = _due(sink.name, stream, pace)
    if batch is None:
        return False
    outcome = _attempt(sink, batch)
    with database.connected(events_db):
        if outcome is not None:
            return _undelivered(sink.name, batch, outcome)
        _confirm(sink.name, batch)
    _traced.pop((sink.name, stream), None)
    return True


_traced: dict[tuple[str, str], str] = {}  # per sink and stream: the error logged last, until a success


def _attempt(sink: Sink, batch: Batch) -> Undelivered | None:
    """Send; return the failure, or None. An unexpected exception counts as an outage."""
    try:
        sink.send(batch)
    except Undelivered as outcome:
        return outcome
    except Exception as error:
        reason = f"an error in Alice, see the log: {type(error).__name__}"
        if _traced.get((sink.name, batch.stream)) != reason:
            _traced[sink.name, batch.stream] = reason
            logger.exception("the sink %s failed with %s", sink.name, batch.id)
        return Later(reason)
    return None


# What is due


def _due(sink: str, stream: str, pace: Pace) -> Batch | None:
    """Return the batch to send now, claimed for this process; None if there is none."""
    position, open_until, stopped = _cursor(sink, stream)
    now = clock.now()
    if stopped is not None or _ahead(open_until, now):
        return None
    oldest = events.query(
        "SELECT id, attempts, next_attempt_at FROM sink_batches "
        "WHERE sink = ? AND stream = ? AND state = 'waiting' ORDER BY first, id LIMIT 1",
        sink, stream,
    )  # fmt: skip
    if oldest:
        return _claim(*oldest[0], now)
    return _freeze(sink, stream, position, pace, now)


def _cursor(sink: str, stream: str) -> tuple[int, int, str | None]:
    select = "SELECT position, open_until, stopped FROM sink_cursors WHERE sink = ? AND stream = ?"
    found = events.query(select, sink, stream)
    if not found:
        with transaction(events_db):
            events.execute(
                "INSERT INTO sink_cursors (sink, stream, position, failures, refused, open_until) "
                "VALUES (?, ?, 0, 0, 0, 0) ON CONFLICT DO NOTHING",
                sink, stream,
            )  # fmt: skip
        found = events.query(select, sink, stream)
    return found[0]


def _ahead(at: int, now: int) -> bool:
    """Whether the time is in the future; not if it is so far ahead that a wrong clock must have set it."""
    return now < at <= now + LONGEST_WAIT


def _claim(id: str, attempts: int, next_attempt_at: int, now: int) -> Batch | None:
    """Return the batch under a lease; None if it is not due, or if another process has claimed it."""
    if _ahead(next_attempt_at, now):
        return None
    with transaction(events_db):
        claimed = events.execute(
            "UPDATE sink_batches SET attempts = ?, next_attempt_at = ?, error = NULL "
            "WHERE id = ? AND state = 'waiting' AND attempts = ? AND next_attempt_at = ?",
            attempts + 1, now + LEASE, id, attempts, next_attempt_at,
        )  # fmt: skip
    if not claimed:
        return None
    found = events.query(
        "SELECT id, stream, first, last, rows, body, attempts FROM sink_batches WHERE id = ?", id
    )
    return Batch(*found[0])._replace(body=bytes(found[0][5])) if found else None


def _freeze(sink: str, stream: str, position: int, pace: Pace, now: int) -> Batch | None:
    """Store the next batch and claim it, if enough rows wait or the oldest has waited long enough."""
    waiting = rows.waiting(stream, position, BEHIND * pace.rows)
    if not waiting.count or (waiting.count < pace.rows and 0 <= now - waiting.since < pace.wait):
        return None
    limit = pace.rows * (CATCHING_UP if waiting.count == BEHIND * pace.rows else 1)
    found = _read(sink, stream, position, limit)
    if not found:
        return None  # the rows were deleted meanwhile, or the stream has stopped
    with transaction(events_db):
        moved = events.execute(
            "UPDATE sink_cursors SET position = ? WHERE sink = ? AND stream = ? AND position = ?",
            found[-1].number, sink, stream, position,
        )  # fmt: skip
        kept = rows.standing(found) if moved else []
        if not kept:
            return None  # another process moved the cursor, or all rows have been erased meanwhile
        body = b"".join(row.line for row in kept)
        batch = Batch(new_id(now), stream, kept[0].number, kept[-1].number, len(kept), body, 1)
        _store(sink, batch, now + LEASE, now)
    return batch


def _read(sink: str, stream: str, position: int, limit: int) -> list[rows.Row]:
    """Return the rows of a batch. If a row cannot be made into JSON, stop the stream and return none."""
    try:
        return _as_many_as_fit(rows.read(stream, position, limit))
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        reason = f"a row after {position} cannot be made into JSON, see the log: {type(error).__name__}"
        logger.exception("%s after %d cannot be made into JSON for the sink %s", stream, position, sink)
        with transaction(events_db):
            _stop_cursor(sink, stream, reason)
        return []


def _as_many_as_fit(found: list[rows.Row]) -> list[rows.Row]:
    size = 0
    for index, row in enumerate(found):
        size += len(row.line)
        if size > MOST_BYTES and index:
            return found[:index]
    return found


def _store(sink: str, batch: Batch, next_attempt_at: int, now: int) -> None:
    events.execute(
        "INSERT INTO sink_batches (id, sink, stream, first, last, rows, body, state, attempts, "
        "next_attempt_at, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, 'waiting', ?, ?, ?)",
        batch.id, sink, batch.stream, batch.first, batch.last, batch.rows, batch.body, batch.attempts,
        next_attempt_at, now,
    )  # fmt: skip


# Outcomes


def _confirm(sink: str, batch: Batch) -> None:
    with transaction(events_db):
        events.execute("DELETE FROM sink_batches WHERE id = ?", batch.id)
        recovered = _succeed(sink, batch.stream)
    if recovered:
        logger.info("the sink %s takes %s again", sink, batch.stream)


def _succeed(sink: str, stream: str) -> bool:
    """Reset the counts of failures; return whether there were any."""
    reset = events.execute(
        "UPDATE sink_cursors SET failures = 0, refused = 0, open_until = 0 "
        "WHERE sink = ? AND stream = ? AND failures + refused > 0",
        sink, stream,
    )  # fmt: skip
    return bool(reset)


def _undelivered(sink: str, batch: Batch, outcome: Undelivered) -> bool:
    """Store the outcome; return whether to go on with the next batch."""
    match outcome:
        case Later():
            return _wait(sink, batch, outcome)
        case Stopped():
            return _stop(sink, batch, str(outcome))
        case TooLarge() | Unreadable() if batch.rows > 1:
            return _halve(sink, batch)
        case Taken():
            return _keep_a_copy(sink, batch, str(outcome))
        case _:
            return _bury(sink, batch, str(outcome))


def _wait(sink: str, batch: Batch, outcome: Later) -> bool:
    """Try again later: exponential backoff, with jitter so that senders do not retry at the same moment."""
    now = clock.now()
    backoff = min(FIRST_WAIT << min(batch.attempts - 1, 20), MOST_WAIT)
    wait = max(int(backoff * random.uniform(0.5, 1)), min(outcome.wait or 0, LONGEST_WAIT))
    with transaction(events_db):
        ((failures,),) = events.query(
            "UPDATE sink_cursors SET failures = failures + 1 WHERE sink = ? AND stream = ? "
            "RETURNING failures",
            sink, batch.stream,
        )  # fmt: skip
        if failures >= OPENS_AFTER:
            wait = max(wait, OPEN_FOR)
            events.execute(
                "UPDATE sink_cursors SET open_until = ? WHERE sink = ? AND stream = ?",
                now + wait, sink, batch.stream,
            )  # fmt: skip
        events.execute(
            "UPDATE sink_batches SET next_attempt_at = ?, error = ? WHERE id = ?",
            now + wait, str(outcome), batch.id,
        )  # fmt: skip
    if failures <= OPENS_AFTER:
        circuit = "; its circuit is open" if failures == OPENS_AFTER else ""
        logger.warning(
            "the sink %s did not take %d %s, next attempt in %.1f s%s: %s",
            sink, batch.rows, batch.stream, wait / 1000, circuit, outcome,
        )  # fmt: skip
    return False


def _stop(sink: str, batch: Batch, reason: str) -> bool:
    with transaction(events_db):
        _stop_cursor(sink, batch.stream, reason)
        events.execute(
            "UPDATE sink_batches SET next_attempt_at = 0, error = ? WHERE id = ?", reason, batch.id
        )
    return False


def _stop_cursor(sink: str, stream: str, reason: str) -> None:
    events.execute(
        "UPDATE sink_cursors SET failures = failures + 1, stopped = ? WHERE sink = ? AND stream = ?",
        reason, sink, stream,
    )  # fmt: skip
    logger.error("the sink %s is stopped for %s until `alice sinks retry %s`: %s", sink, stream, sink, reason)


def _bury(sink: str, batch: Batch, reason: str) -> bool:
    """Keep the batch as a dead letter. After STOPS_AFTER in a row the fault is not in the rows: stop."""
    with transaction(events_db):
        events.execute(
            "UPDATE sink_batches SET state = 'dead', next_attempt_at = 0, error = ? WHERE id = ?",
            reason, batch.id,
        )  # fmt: skip
        ((refused,),) = events.query(
            "UPDATE sink_cursors SET refused = refused + 1 WHERE sink = ? AND stream = ? RETURNING refused",
            sink, batch.stream,
        )  # fmt: skip
        if refused >= STOPS_AFTER:
            _stop_cursor(sink, batch.stream, f"{refused} batches in a row were refused: {reason}")
    logger.error(
        "the sink %s refused %d %s, kept as %s: %s", sink, batch.rows, batch.stream, batch.id, reason
    )
    return refused < STOPS_AFTER


def _keep_a_copy(sink: str, batch: Batch, reason: str) -> bool:
    with transaction(events_db):
        events.execute(
            "UPDATE sink_batches SET state = 'taken', next_attempt_at = 0, error = ? WHERE id = ?",
            reason, batch.id,
        )  # fmt: skip
        _succeed(sink, batch.stream)
    logger.warning("the sink %s took %s, a copy is kept as %s: %s", sink, batch.stream, batch.id, reason)
    return True


def _halve(sink: str, batch: Batch) -> bool:
    """Replace the batch by its halves, with new ids: the other side stored nothing of the whole.

    The halves are made from the stored body, from which rows may have been erased during the attempt.
    """
    now = clock.now()
    with transaction(events_db):
        kept = events.query(
            "DELETE FROM sink_batches WHERE id = ? AND state = 'waiting' RETURNING body", batch.id
        )
        for (body,) in kept:
            lines = bytes(body).splitlines(keepends=True)
            middle = len(lines) // 2
            for half in filter(None, (lines[:middle], lines[middle:])):
                first, last = (orjson.loads(line)["seq"] for line in (half[0], half[-1]))
                part = Batch(new_id(now), batch.stream, first, last, len(half), b"".join(half), 0)
                _store(sink, part, 0, now)
    return True
