"""The cursors of sinks, and the batches that are not confirmed. Nothing else writes these two tables.

A batch is a range of the log, not a copy of its rows. It is in one of three states. waiting: to be sent, or
being sent. dead: a dead letter, one row that was refused. taken: the other side accepted it with an error.
The cursor moves past a batch when it is confirmed, dead, taken or skipped, in the same transaction.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from alice import clock, database
from alice.database import events, events_db, transaction
from alice.tracking.sinks.sink import STREAMS, Batch


class Cursor(NamedTuple):
    sink: str
    stream: str
    position: int = 0  # every row up to this number is confirmed or in a batch
    failures: int = 0  # in a row
    refused: int = 0  # dead letters in a row
    open_until: int = 0  # ms; the circuit is open: nothing is sent before
    stopped: str | None = None  # why nothing is sent until `alice sinks retry`

    def past(self, batch: Batch) -> "Cursor":
        """Return the cursor moved past the batch, unless it is past it already."""
        return self._replace(position=max(self.position, batch.last))


_CURSOR = ", ".join(Cursor._fields)
_BATCH = "id, stream, first, last, rows, attempts"  # all fields of a Batch but its body


def find_cursor(sink: str, stream: str) -> Cursor:
    """Return the cursor of a stream; create it if there is none, before the first row of the log."""
    found = events.query(f"SELECT {_CURSOR} FROM sink_cursors WHERE sink = ? AND stream = ?", sink, stream)
    if found:
        return Cursor._make(found[0])
    cursor = Cursor(sink, stream)
    with transaction(events_db):
        events.execute(
            f"INSERT INTO sink_cursors ({_CURSOR}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            *cursor,
        )
    return cursor


@contextmanager
def changing(sink: str, stream: str) -> Iterator[Cursor]:
    """A transaction that changes batches. It locks their cursor first, so that two of them take turns."""
    with transaction(events_db):
        yield Cursor._make(_lock(sink, stream)[0])


def _lock(sink: str, stream: str) -> list[tuple]:
    """Lock a cursor until the end of the transaction; return its row, if there is one."""
    lock = f"UPDATE sink_cursors SET position = position WHERE sink = ? AND stream = ? RETURNING {_CURSOR}"
    return events.query(lock, sink, stream)


# Inside changing()


def save(cursor: Cursor) -> None:
    sql = (
        "UPDATE sink_cursors SET position = ?, failures = ?, refused = ?, open_until = ?, stopped = ? "
        "WHERE sink = ? AND stream = ?"
    )
    events.execute(sql, *cursor[2:], *cursor[:2])


def insert(sink: str, batch: Batch, next_attempt_at: int) -> None:
    sql = (
        f"INSERT INTO sink_batches (sink, state, next_attempt_at, created_at, {_BATCH}) "
        "VALUES (?, 'waiting', ?, ?, ?, ?, ?, ?, ?, ?)"
    )
    events.execute(sql, sink, next_attempt_at, clock.now(), *batch[:6])


def delete(batch: Batch) -> bool:
    """Delete the batch; return False if it is deleted already."""
    return bool(events.execute("DELETE FROM sink_batches WHERE id = ?", batch.id))


def keep(batch: Batch, state: str, error: str, next_attempt_at: int = 0) -> None:
    columns = "state = ?, rows = ?, bytes = ?, next_attempt_at = ?, error = ?"
    values = state, batch.rows, len(batch.body), next_attempt_at, error
    events.execute(f"UPDATE sink_batches SET {columns} WHERE id = ?", *values, batch.id)


def is_held(batch: Batch) -> bool:
    """Whether this attempt is the present one: no other process and no admin has changed the batch since."""
    held = "SELECT 1 FROM sink_batches WHERE id = ? AND state = 'waiting' AND attempts = ?"
    return bool(events.query(held, batch.id, batch.attempts))


# Starting an attempt


def find_waiting(sink: str, stream: str) -> tuple[Batch, int] | None:
    """Return the first batch that waits, and when its next attempt is, or the end of its lease (ms)."""
    sql = (
        f"SELECT {_BATCH}, next_attempt_at FROM sink_batches "
        "WHERE sink = ? AND stream = ? AND state = 'waiting' ORDER BY first, id LIMIT 1"
    )
    found = events.query(sql, sink, stream)
    return (Batch(*found[0][:6]), found[0][6]) if found else None


def claim(batch: Batch, next_attempt_at: int, lease: int) -> Batch | None:
    """Let this process send the batch until its lease ends; return None if another process was first."""
    sql = (
        "UPDATE sink_batches SET attempts = attempts + 1, next_attempt_at = ?, error = NULL "
        "WHERE id = ? AND state = 'waiting' AND attempts = ? AND next_attempt_at = ?"
    )
    with transaction(events_db):
        claimed = events.execute(sql, lease, batch.id, batch.attempts, next_attempt_at)
    return batch._replace(attempts=batch.attempts + 1) if claimed else None


def start(seen: Cursor, batch: Batch, lease: int) -> Batch | None:
    """Store a batch of rows after the cursor and let this process send it until its lease ends.

    Returns None if the cursor has moved since it was seen, the stream has stopped, or another process has
    started a batch.
    """
    with changing(seen.sink, seen.stream) as cursor:
        if cursor.position != seen.position or cursor.stopped or find_waiting(seen.sink, seen.stream):
            return None
        insert(seen.sink, batch, lease)
    return batch


# What an admin can do


def retry(sink: str, batch: str | None = None) -> int:
    """Retry waiting batches and dead letters at once, and start stopped streams; return how many batches.

    With `batch`, only that one is sent, in its turn, and its stream stays stopped if it is. A batch that the
    other side has taken is sent again only if it is named; its rows may be stored twice then. A batch whose
    rows have left the log meanwhile is deleted in its turn.
    """
    named, given = _named(batch)
    which = "state = 'dead'" if batch is None else "state <> 'waiting'"
    # A batch that is being sent has an attempt and no error yet, and keeps its lease.
    hurry = (
        "UPDATE sink_batches SET next_attempt_at = 0 "
        f"WHERE sink = ? AND state = 'waiting' AND (error IS NOT NULL OR attempts = 0) {named}"
    )
    revive = (
        "UPDATE sink_batches SET state = 'waiting', attempts = 0, next_attempt_at = 0, error = NULL "
        f"WHERE sink = ? AND {which} {named}"
    )
    with _changing_all(sink):
        if batch is None:
            _start_over(sink, "position")
        return events.execute(hurry, sink, *given) + events.execute(revive, sink, *given)


def skip(sink: str, batch: str | None = None) -> int:
    """Delete a batch, or all that are dead or taken; return how many. Their rows are not sent any more."""
    which, given = ("AND state <> 'waiting'", []) if batch is None else _named(batch)
    with _changing_all(sink):
        skipped = events.query(
            f"DELETE FROM sink_batches WHERE sink = ? {which} RETURNING stream, last", sink, *given
        )
        past = "UPDATE sink_cursors SET position = ? WHERE sink = ? AND stream = ? AND position < ?"
        for stream, last in skipped:
            events.execute(past, last, sink, stream, last)
    return len(skipped)


def restart(sink: str) -> int:
    """Send the whole log again from its first event. Delete all batches of the sink; return how many."""
    with _changing_all(sink):
        _start_over(sink, "0")
        return events.execute("DELETE FROM sink_batches WHERE sink = ?", sink)


@contextmanager
def _changing_all(sink: str) -> Iterator[None]:
    with transaction(events_db):
        for stream in STREAMS:
            _lock(sink, stream)
        yield


def _start_over(sink: str, position: str) -> None:
    events.execute(
        f"UPDATE sink_cursors SET position = {position}, failures = 0, refused = 0, open_until = 0, "
        "stopped = NULL WHERE sink = ?",
        sink,
    )


def _named(batch: str | None) -> tuple[str, list[str]]:
    return ("", []) if batch is None else ("AND id = ?", [batch])


# When rows leave the log


def delete_empty() -> int:
    """Delete batches of which no row is left in the log, and with them errors that may quote those rows."""
    with database.connected(events_db), transaction(events_db):
        return events.execute(
            "DELETE FROM sink_batches WHERE CASE stream "
            "WHEN 'events' THEN NOT EXISTS (SELECT 1 FROM events WHERE seq BETWEEN first AND last) "
            "ELSE NOT EXISTS (SELECT 1 FROM visits WHERE number BETWEEN first AND last) END"
        )
