"""What an admin sees of sinks: how far each stream is, and the batches that are not confirmed."""

from typing import NamedTuple

from alice import clock
from alice.database import events


class StreamStatus(NamedTuple):
    sink: str
    stream: str
    state: str  # "ok", "waiting" (for its next attempt), "open" (the circuit), "stopped"
    position: int  # rows up to this number are confirmed, refused or skipped
    behind: int  # rows of the log that are in no batch yet, at most
    held: int  # rows in batches that wait or are being sent
    failures: int  # in a row
    next_attempt_at: int | None  # ms, when the state is "waiting" or "open"
    reason: str | None  # of the last failure


class BatchStatus(NamedTuple):
    """A batch that is not confirmed."""

    id: str
    sink: str
    stream: str
    state: str  # "waiting", "dead" or "taken"
    first: int
    last: int
    rows: int
    bytes: int | None  # at the last attempt
    attempts: int
    next_attempt_at: int | None  # ms, of a waiting batch whose stream is not stopped; 0: at once
    created_at: int  # ms
    error: str | None


def streams() -> list[StreamStatus]:
    """Return each stream of each sink that has ever been served."""
    now = clock.now()
    found = events.query(
        "SELECT c.sink, c.stream, c.position, c.failures, c.open_until, c.stopped, b.next_attempt_at, "
        "b.error, COALESCE(w.held, 0), COALESCE(w.last, 0), "
        "CASE c.stream WHEN 'events' THEN (SELECT COALESCE(MAX(seq), 0) FROM events) "
        "ELSE (SELECT COALESCE(MAX(number), 0) FROM visits) END "
        "FROM sink_cursors c LEFT JOIN (SELECT sink, stream, SUM(rows) AS held, MAX(last) AS last "
        "FROM sink_batches WHERE state = 'waiting' GROUP BY sink, stream) w "
        "ON w.sink = c.sink AND w.stream = c.stream LEFT JOIN sink_batches b ON b.id = ("
        "SELECT id FROM sink_batches f WHERE f.sink = c.sink AND f.stream = c.stream "
        "AND f.state = 'waiting' ORDER BY f.first, f.id LIMIT 1) ORDER BY c.sink, c.stream"
    )
    return [_stream(row, now) for row in found]


def _stream(row: tuple, now: int) -> StreamStatus:
    sink, stream, position, failures, open_until, stopped, next_attempt_at, error, held, last, newest = row
    at = None
    if stopped is not None:
        state = "stopped"
    elif failures and open_until > now:
        state, at = "open", open_until
    elif failures and next_attempt_at is not None:
        state, at = "waiting", max(now, next_attempt_at)
    else:
        state = "ok"
    reason = stopped or (error if failures else None)
    behind = max(0, newest - max(position, last))
    return StreamStatus(sink, stream, state, position, behind, held, failures, at, reason)


def unconfirmed(sink: str) -> list[BatchStatus]:
    """Return all batches of a sink, the oldest first."""
    return _batches("b.sink = ?", sink)


def undelivered() -> list[BatchStatus]:
    """Return the batches that are dead, taken or waiting, without those in their first attempt."""
    return _batches(
        "b.state <> 'waiting' OR b.error IS NOT NULL OR b.attempts <> 1 OR b.next_attempt_at <= ?",
        clock.now(),
    )


def _batches(condition: str, value: str | int) -> list[BatchStatus]:
    found = events.query(
        "SELECT b.id, b.sink, b.stream, b.state, b.first, b.last, b.rows, b.bytes, b.attempts, "
        "CASE WHEN b.state = 'waiting' AND c.stopped IS NULL THEN b.next_attempt_at END, "
        "b.created_at, b.error FROM sink_batches b "
        "LEFT JOIN sink_cursors c ON c.sink = b.sink AND c.stream = b.stream "
        f"WHERE {condition} ORDER BY b.created_at, b.first, b.id",
        value,
    )
    return [BatchStatus._make(row) for row in found]
