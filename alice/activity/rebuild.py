"""Recompute reader_states and page_reads from the log, and report where they differed."""

from collections.abc import Iterator
from typing import NamedTuple

from alice import database
from alice.activity import page_read, state, status
from alice.activity.page_read import Tally
from alice.activity.state import State
from alice.activity.types import Activity
from alice.database import Queries

_ROWS = (
    "SELECT id, activity_type, occurred_at, created_at, book_id, page_number, section_id "
    "FROM activity_logs WHERE user_id = ? ORDER BY seq"
)
_READS = (
    "SELECT book_id, page_number, first_read_at, last_read_at, times, dwell_ms "
    "FROM page_reads WHERE user_id = ?"
)


class Difference(NamedTuple):
    user_id: str
    what: str  # a column of reader_states, or "page_reads"
    kept: object
    rebuilt: object


def readers() -> list[str]:
    """The ids of all users who occur in the log or in a derived table."""
    rows = database.query(
        "SELECT user_id FROM activity_logs UNION SELECT user_id FROM reader_states "
        "UNION SELECT user_id FROM page_reads"
    )
    return [user_id for (user_id,) in rows]


def rebuild(user_id: str) -> list[Difference]:
    """Recompute one reader's state and page reads from the log; write and return the differences.

    One transaction per reader, so that the log is never locked for long.
    """
    with database.appending() as db:
        rebuilt, reads = fold(Activity(*row) for row in db.query(_ROWS, user_id))
        differences = [*_state_differences(db, user_id, rebuilt), *_read_differences(db, user_id, reads)]
        if differences:
            _write(db, user_id, rebuilt, reads)
    return differences


def fold(activities: Iterator[Activity]) -> tuple[State | None, Tally]:
    """The state and the page reads after these activities, in their order; no state if there are none."""
    current = State()
    reads: Tally = {}
    for activity in activities:
        left = current.apply(activity)
        page_read.tally([activity], [left] if left else [], into=reads)
    if not current.updated_at:
        return None, reads
    current.total_pages_read = len(reads)
    current.status = status.implied(current)
    return current, reads


def _state_differences(db: Queries, user_id: str, rebuilt: State | None) -> list[Difference]:
    kept = state.load(db, user_id)
    pairs = [(name, getattr(kept, name, None), getattr(rebuilt, name, None)) for name in state.COLUMNS]
    return [Difference(user_id, name, old, new) for name, old, new in pairs if old != new]


def _read_differences(db: Queries, user_id: str, rebuilt: Tally) -> list[Difference]:
    kept = {(book_id, number): values for book_id, number, *values in db.query(_READS, user_id)}
    wanted = {
        page: [reads.first_read_at, reads.last_read_at, reads.times, reads.dwell_ms]
        for page, reads in rebuilt.items()
    }
    return [
        Difference(user_id, "page_reads", kept.get(page), wanted.get(page))
        for page in sorted(kept.keys() | wanted.keys())
        if kept.get(page) != wanted.get(page)
    ]


def _write(db: Queries, user_id: str, rebuilt: State | None, reads: Tally) -> None:
    db.execute("DELETE FROM page_reads WHERE user_id = ?", user_id)
    page_read.count(db, user_id, reads)
    if rebuilt is None:
        db.execute("DELETE FROM reader_states WHERE user_id = ?", user_id)
    else:
        state.store(db, user_id, rebuilt)
