"""What an admin can do with sinks (see their status, retry, skip, restart), and erasing rows from batches."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import orjson

from alice import clock
from alice.database import events, events_db, transaction


class StreamStatus(NamedTuple):
    sink: str
    stream: str
    state: str  # "ok", "waiting" (for its next attempt), "open" (the circuit), "stopped"
    position: int  # of the newest row put into a batch
    behind: int  # rows of the log that are in no batch yet, at most
    held: int  # rows in batches that wait or are being sent
    failures: int  # in a row
    next_attempt_at: int | None  # ms, when the state is "waiting" or "open"
    reason: str | None  # of the last failure


class Letter(NamedTuple):
    """A batch that is not confirmed."""

    id: str
    sink: str
    stream: str
    state: str  # "waiting", "dead" or "taken"
    first: int
    last: int
    rows: int
    bytes: int
    attempts: int
    next_attempt_at: int | None  # ms, of a waiting batch whose stream is not stopped; 0: at once
    created_at: int  # ms
    error: str | None


def status() -> list[StreamStatus]:
    """Return each stream of each sink that has ever been served."""
    now = clock.now()
    found = events.query(
        "SELECT c.sink, c.stream, c.position, c.failures, c.open_until, c.stopped, b.next_attempt_at, "
        "b.error, (SELECT COALESCE(SUM(h.rows), 0) FROM sink_batches h WHERE h.sink = c.sink "
        "AND h.stream = c.stream AND h.state = 'waiting'), "
        "CASE c.stream WHEN 'events' THEN (SELECT COALESCE(MAX(seq), 0) FROM events) "
        "ELSE (SELECT COALESCE(MAX(number), 0) FROM visits) END "
        "FROM sink_cursors c LEFT JOIN sink_batches b ON b.id = ("
        "SELECT w.id FROM sink_batches w WHERE w.sink = c.sink AND w.stream = c.stream "
        "AND w.state = 'waiting' ORDER BY w.first, w.id LIMIT 1) ORDER BY c.sink, c.stream"
    )
    return [_status(row, now) for row in found]


def _status(row: tuple, now: int) -> StreamStatus:
    sink, stream, position, failures, open_until, stopped, next_attempt_at, error, held, newest = row
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
    behind = max(0, newest - position)
    return StreamStatus(sink, stream, state, position, behind, held, failures, at, reason)


def letters(sink: str | None = None, states: Sequence[str] = ("dead", "taken")) -> list[Letter]:
    """Return the batches in these states, the oldest first."""
    marks = ", ".join("?" * len(states))
    named = "" if sink is None else "AND b.sink = ?"
    return _letters(f"b.state IN ({marks}) {named}", *states, *_given(sink))


def undelivered() -> list[Letter]:
    """Return the batches that are dead, taken or waiting, without those in their first attempt."""
    return _letters(
        "b.state <> 'waiting' OR b.error IS NOT NULL OR b.attempts <> 1 OR b.next_attempt_at <= ?",
        clock.now(),
    )


def _letters(condition: str, *values: str | int) -> list[Letter]:
    found = events.query(
        f"SELECT {', '.join(_LETTER.get(name, f'b.{name}') for name in Letter._fields)} FROM sink_batches b "
        "LEFT JOIN sink_cursors c ON c.sink = b.sink AND c.stream = b.stream "
        f"WHERE {condition} ORDER BY b.created_at, b.first, b.id",
        *values,
    )
    return [Letter._make(row) for row in found]


_LETTER = {
    "bytes": "LENGTH(b.body)",
    "next_attempt_at": "CASE WHEN b.state = 'waiting' AND c.stopped IS NULL THEN b.next_attempt_at END",
}


def _given(value: str | None) -> list[str]:
    return [] if value is None else [value]


def retry(sink: str, batch: str | None = None) -> int:
    """Retry waiting batches and dead letters at once, and start stopped streams; return how many batches.

    With `batch`, only that one is sent, in its turn, and its stream stays stopped if it is. A batch that the
    other side has taken is sent again only if it is named; its rows may be stored twice then.
    """
    named = "" if batch is None else "AND id = ?"
    which = "state = 'dead'" if batch is None else "state <> 'waiting'"
    with transaction(events_db):
        if batch is None:
            events.execute(
                "UPDATE sink_cursors SET stopped = NULL, failures = 0, refused = 0, open_until = 0 "
                "WHERE sink = ?",
                sink,
            )
        # A batch that is being sent has no error yet, and keeps its lease.
        hurried = events.execute(
            "UPDATE sink_batches SET next_attempt_at = 0 "
            f"WHERE sink = ? AND state = 'waiting' AND error IS NOT NULL {named}",
            sink, *_given(batch),
        )  # fmt: skip
        again = events.execute(
            "UPDATE sink_batches SET state = 'waiting', attempts = 0, next_attempt_at = 0, error = NULL "
            f"WHERE sink = ? AND {which} {named}",
            sink, *_given(batch),
        )  # fmt: skip
    return hurried + again


def skip(sink: str, batch: str | None = None) -> int:
    """Delete a batch, or all that are dead or taken; return how many."""
    which = "state <> 'waiting'" if batch is None else "id = ?"
    with transaction(events_db):
        return events.execute(f"DELETE FROM sink_batches WHERE sink = ? AND {which}", sink, *_given(batch))


def restart(sink: str) -> int:
    """Send the whole log again from its first event. Delete all batches of the sink; return how many."""
    with transaction(events_db):
        events.execute(
            "UPDATE sink_cursors SET position = 0, stopped = NULL, failures = 0, refused = 0, open_until = 0 "
            "WHERE sink = ?",
            sink,
        )
        return events.execute("DELETE FROM sink_batches WHERE sink = ?", sink)


# Erasing rows


def forget(visit_ids: Collection[str], user_id: str | None = None, site_id: str | None = None) -> int:
    """Delete the rows of these visits, and those that name the user, from every batch; return how many.

    With `site_id`, rows that name the user are deleted on this site only. Rows that were sent stay there.
    """
    wanted = set(visit_ids)

    def matches(stream: str, row: dict[str, Any]) -> bool:
        named = user_id is not None and row["user_id"] == user_id and site_id in (None, row["project_id"])
        return named or row["visit_id"] in wanted

    return take_out(matches)


def forget_site(site_id: str) -> int:
    """Delete the rows of a removed site from every batch; return how many."""
    return take_out(lambda stream, row: row["project_id"] == site_id)


def take_out(unwanted: Callable[[str, dict[str, Any]], bool]) -> int:
    """Delete rows from every batch, in whatever state; return how many.

    `unwanted` gets a row's stream and the row. A batch keeps its id, which the other side may know already;
    an empty batch is deleted. Each body is read once, outside a transaction.
    """
    gone, seen = 0, set[str]()
    # Query again: a batch that is halved meanwhile comes back as two with new ids.
    while new := {id for (id,) in events.query("SELECT id FROM sink_batches")} - seen:
        gone += sum(_take_out(id, unwanted) for id in sorted(new))
        seen |= new
    return gone


def _take_out(id: str, unwanted: Callable[[str, dict[str, Any]], bool]) -> int:
    while found := events.query("SELECT stream, rows, body FROM sink_batches WHERE id = ?", id):
        ((stream, count, body),) = found
        lines = bytes(body).splitlines(keepends=True)
        kept = [line for line in lines if not unwanted(stream, orjson.loads(line))]
        if len(kept) == len(lines) or _shorten(id, count, kept):
            return len(lines) - len(kept)
    return 0


def _shorten(id: str, count: int, kept: list[bytes]) -> int:
    """Leave only these lines of a batch of `count` rows; return 0 if it has changed since."""
    with transaction(events_db):
        if not kept:
            return events.execute("DELETE FROM sink_batches WHERE id = ? AND rows = ?", id, count)
        return events.execute(
            "UPDATE sink_batches SET body = ?, rows = ? WHERE id = ? AND rows = ?",
            b"".join(kept), len(kept), id, count,
        )  # fmt: skip
