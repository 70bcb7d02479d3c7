"""What an admin sees of the sinks, and may do: look, try again, give up."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import orjson

from alice import clock
from alice.database import events, events_db, transaction
from alice.tracking.sinks import rows


class StreamStatus(NamedTuple):
    sink: str
    stream: str
    state: str  # "ok", "waiting" (for its next attempt), "open" (the circuit), "stopped"
    position: int  # of the newest row in a batch
    behind: int  # rows of the log, at most, that are in no batch yet
    failures: int  # in a row
    next_attempt_at: int | None  # ms, when the state is "waiting" or "open"
    reason: str | None  # of the last failure


class Letter(NamedTuple):
    """A batch that has not simply arrived."""

    id: str
    sink: str
    stream: str
    state: str  # "waiting", "dead" or "taken"
    first: int
    last: int
    rows: int
    bytes: int
    attempts: int
    created_at: int  # ms
    error: str | None


def status() -> list[StreamStatus]:
    """Each stream of each sink that has ever been served."""
    now = clock.now()
    found = events.query(
        "SELECT c.sink, c.stream, c.position, c.failures, c.open_until, c.stopped, b.next_attempt_at, "
        "b.error FROM sink_cursors c LEFT JOIN sink_batches b ON b.id = ("
        "SELECT w.id FROM sink_batches w WHERE w.sink = c.sink AND w.stream = c.stream "
        "AND w.state = 'waiting' ORDER BY w.first, w.id LIMIT 1) ORDER BY c.sink, c.stream"
    )
    newest = {stream: rows.newest(stream) for stream in {row[1] for row in found}}
    return [_status(row, newest[row[1]], now) for row in found]


def _status(row: tuple, newest: int, now: int) -> StreamStatus:
    sink, stream, position, failures, open_until, stopped, next_attempt_at, error = row
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
    return StreamStatus(sink, stream, state, position, max(0, newest - position), failures, at, reason)


def letters(sink: str | None = None, states: Sequence[str] = ("dead", "taken")) -> list[Letter]:
    """Batches that are kept, the oldest first."""
    marks = ", ".join("?" * len(states))
    found = events.query(
        f"SELECT {', '.join(_LETTER)} FROM sink_batches WHERE state IN ({marks}) "
        f"{'AND sink = ? ' if sink else ''}ORDER BY created_at, first",
        *states, *([sink] if sink else []),
    )  # fmt: skip
    return [Letter._make(row) for row in found]


_LETTER = tuple("LENGTH(body)" if name == "bytes" else name for name in Letter._fields)


def body(id: str) -> bytes | None:
    """The rows of a kept batch, a JSON object a line; None if there is no such batch."""
    found = events.query("SELECT body FROM sink_batches WHERE id = ?", id)
    return bytes(found[0][0]) if found else None


def retry(sink: str, batch: str | None = None) -> int:
    """Try at once what waits, and dead letters again; what had stopped goes on. Answer how many batches.

    What the other side has taken is sent again only if it is named: it may be there twice then.
    """
    which = "id = ? AND state <> 'waiting'" if batch else "state = 'dead'"
    with transaction(events_db):
        events.execute(
            "UPDATE sink_cursors SET stopped = NULL, failures = 0, refused = 0, open_until = 0 "
            "WHERE sink = ?",
            sink,
        )
        # One that is being sent has no error yet, and keeps its time.
        hurried = events.execute(
            "UPDATE sink_batches SET next_attempt_at = 0 "
            "WHERE sink = ? AND state = 'waiting' AND error IS NOT NULL",
            sink,
        )
        again = events.execute(
            "UPDATE sink_batches SET state = 'waiting', attempts = 0, next_attempt_at = 0, error = NULL "
            f"WHERE sink = ? AND {which}",
            sink, *([batch] if batch else []),
        )  # fmt: skip
    return hurried + again


def skip(sink: str, batch: str | None = None) -> int:
    """Give up on a batch, or on all that are kept (not on what waits); answer how many. They are deleted."""
    which = "id = ?" if batch else "state <> 'waiting'"
    with transaction(events_db):
        return events.execute(
            f"DELETE FROM sink_batches WHERE sink = ? AND {which}", sink, *([batch] if batch else [])
        )


def forget(visit_ids: Collection[str]) -> int:
    """Take the rows of these visits out of every batch that is kept or waits; answer how many rows.

    For erasing a person. What a sink has taken is out of our hands.
    """
    gone = 0
    wanted = set(visit_ids)
    for (id,) in events.query("SELECT id FROM sink_batches"):
        gone += _forget(id, wanted)
    return gone


def _forget(id: str, visit_ids: set[str]) -> int:
    with transaction(events_db):
        lines = (body(id) or b"").splitlines(keepends=True)
        kept = [line for line in lines if orjson.loads(line)["visit_id"] not in visit_ids]
        if len(kept) == len(lines):
            return 0
        if kept:
            events.execute(
                "UPDATE sink_batches SET body = ?, rows = ? WHERE id = ?", b"".join(kept), len(kept), id
            )
        else:
            events.execute("DELETE FROM sink_batches WHERE id = ?", id)
    return len(lines) - len(kept)
