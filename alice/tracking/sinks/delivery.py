"""Delivery: each sink reads the log from its own cursor, in batches, and moves on when they are confirmed.

A batch is a range of the log with an id. At each attempt its rows are read from the log, made into JSON in
the same way, and sent under the same id, until the other side confirms them; then the cursor moves past the
batch. So no row is lost, and no row is stored twice where the other side recognizes a batch or its rows. Rows
that have left the log are not sent any more. A stream has one batch in flight at a time, so an outage takes
no space besides the log.

No connection to events.db and no transaction is held while a batch is being sent.
"""

import logging
import random
import threading
import time
from typing import NamedTuple

import orjson

from alice import clock, database
from alice.clock import minutes, seconds
from alice.database import events_db
from alice.ids import new_id
from alice.tracking.sinks import batches, rows
from alice.tracking.sinks.batches import Cursor
from alice.tracking.sinks.sink import STREAMS, Batch, Later, Refused, Sink, Stopped, Undelivered
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
        due = _due(sink.name, stream, pace)
        if due is None:
            return False
        batch, outcome = _read(due)
    if outcome is None and batch.rows:
        outcome = _send(sink, batch)
    with database.connected(events_db), batches.changing(sink.name, stream) as cursor:
        if outcome is None:
            return _confirm(cursor, batch)
        return not batches.is_held(batch) or _undelivered(cursor, batch, outcome)


# What is due


def _due(sink: str, stream: str, pace: Pace) -> Batch | None:
    """Return the batch to send now, still without its body, under a lease; None if there is none."""
    cursor, now = batches.find_cursor(sink, stream), clock.now()
    if cursor.stopped is not None or _ahead(cursor.open_until, now):
        return None
    waiting = batches.find_waiting(sink, stream)
    if waiting is None:
        return _start(cursor, pace, now)
    batch, next_attempt_at = waiting
    return None if _ahead(next_attempt_at, now) else batches.claim(batch, next_attempt_at, now + LEASE)


def _ahead(at: int, now: int) -> bool:
    """Whether the time is in the future; not if it is so far ahead that a wrong clock must have set it."""
    return now < at <= now + LONGEST_WAIT


def _start(cursor: Cursor, pace: Pace, now: int) -> Batch | None:
    """Start the next batch if enough rows wait, or the oldest has waited long enough."""
    most = BEHIND * pace.rows
    behind = rows.waiting(cursor.stream, cursor.position, most)
    if not behind.count or (behind.count < pace.rows and 0 <= now - behind.since < pace.wait):
        return None
    limit = pace.rows * (CATCHING_UP if behind.count == most else 1)
    count, _, first, last = rows.waiting(cursor.stream, cursor.position, limit)
    if not count:
        return None  # the rows were deleted meanwhile
    return batches.start(cursor, Batch(new_id(now), cursor.stream, first, last, count, 1), now + LEASE)


# An attempt


class _Oversized(Undelivered):
    """Too many bytes for one request: the rows that fit are sent first."""

    def __init__(self, fitting: int) -> None:
        super().__init__(f"{fitting} rows fit")
        self.fitting = fitting


_traced: dict[tuple[str, str], str] = {}  # per sink and stream: the error logged last, until a success


def _read(due: Batch) -> tuple[Batch, Undelivered | None]:
    """Return the batch with the rows that are in the log now, and why it cannot be sent, if it cannot."""
    try:
        lines = rows.read(due.stream, due.first, due.last)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        fault = f"{due.stream} {due.first} to {due.last} cannot be made into JSON"
        logger.exception(fault)
        return due, Stopped(f"{fault}, see the log: {type(error).__name__}")
    fitting = _how_many_fit(lines)
    batch = due._replace(rows=len(lines), body=b"".join(lines))
    return batch, _Oversized(fitting) if fitting < len(lines) else None


def _how_many_fit(lines: list[bytes]) -> int:
    size = 0
    for index, line in enumerate(lines):
        size += len(line)
        if size > MOST_BYTES and index:
            return index
    return len(lines)


def _send(sink: Sink, batch: Batch) -> Undelivered | None:
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


# Outcomes: each is stored in one transaction, and returns whether to go on with the next batch


def _confirm(cursor: Cursor, batch: Batch) -> bool:
    if batches.delete(batch):
        cursor = cursor.past(batch)
    batches.save(cursor._replace(failures=0, refused=0, open_until=0))
    if cursor.failures or cursor.refused:
        logger.info("the sink %s takes %s again", cursor.sink, cursor.stream)
    _traced.pop((cursor.sink, cursor.stream), None)
    return True


def _undelivered(cursor: Cursor, batch: Batch, outcome: Undelivered) -> bool:
    match outcome:
        case Later():
            return _wait(cursor, batch, outcome)
        case Stopped():
            batches.keep(batch, "waiting", str(outcome))
            return _stop(cursor, str(outcome))
        case _Oversized():
            return _divide(cursor.sink, batch, outcome.fitting)
        case Refused() if batch.rows > 1:
            return _divide(cursor.sink, batch, batch.rows // 2)
        case Refused():
            return _bury(cursor, batch, str(outcome))
        case _:
            return _take(cursor, batch, str(outcome))


def _wait(cursor: Cursor, batch: Batch, outcome: Later) -> bool:
    """Try again later: exponential backoff, with jitter so that senders do not retry at the same moment."""
    now, failures = clock.now(), cursor.failures + 1
    backoff = min(FIRST_WAIT << min(batch.attempts - 1, 20), MOST_WAIT)
    wait = max(int(backoff * random.uniform(0.5, 1)), min(outcome.wait or 0, LONGEST_WAIT))
    if failures >= OPENS_AFTER:
        wait = max(wait, OPEN_FOR)
        cursor = cursor._replace(open_until=now + wait)
    batches.save(cursor._replace(failures=failures))
    batches.keep(batch, "waiting", str(outcome), now + wait)
    if failures <= OPENS_AFTER:
        circuit = "; its circuit is open" if failures == OPENS_AFTER else ""
        message = "the sink %s did not take %d %s, next attempt in %.1f s%s: %s"
        logger.warning(message, cursor.sink, batch.rows, batch.stream, wait / 1000, circuit, outcome)
    return False


def _stop(cursor: Cursor, reason: str) -> bool:
    batches.save(cursor._replace(failures=cursor.failures + 1, stopped=reason))
    message = "the sink %s is stopped for %s until `alice sinks retry %s`: %s"
    logger.error(message, cursor.sink, cursor.stream, cursor.sink, reason)
    return False


def _divide(sink: str, batch: Batch, at: int) -> bool:
    """Replace the batch by its first rows and the rest, with new ids: nothing of the whole was stored."""
    lines = batch.body.splitlines()
    last, first = (orjson.loads(line)["seq"] for line in lines[at - 1 : at + 1])
    now = clock.now()
    batches.delete(batch)
    batches.insert(sink, Batch(new_id(now), batch.stream, batch.first, last, at, 0), 0)
    batches.insert(sink, Batch(new_id(now), batch.stream, first, batch.last, batch.rows - at, 0), 0)
    return True


def _bury(cursor: Cursor, batch: Batch, reason: str) -> bool:
    """Keep the row as a dead letter. After STOPS_AFTER in a row the fault is not in the rows: stop."""
    batches.keep(batch, "dead", reason)
    cursor = cursor.past(batch)._replace(refused=cursor.refused + 1)
    batches.save(cursor)
    logger.error("the sink %s refused one of %s, kept as %s: %s", cursor.sink, batch.stream, batch.id, reason)
    if cursor.refused < STOPS_AFTER:
        return True
    return _stop(cursor, f"{cursor.refused} rows in a row were refused: {reason}")


def _take(cursor: Cursor, batch: Batch, reason: str) -> bool:
    batches.keep(batch, "taken", reason)
    batches.save(cursor.past(batch)._replace(failures=0, refused=0, open_until=0))
    logger.warning("the sink %s took %s, kept as %s: %s", cursor.sink, batch.stream, batch.id, reason)
    return True
