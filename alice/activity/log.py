"""activity_logs: what readers did. reader_states, page_reads and reading_progress are derived from it.

Only `append` writes the log. It updates the reader's state, the pages read and the places in the books in the
same transaction.

session_id and section_id have no foreign key: a row outlives its session, and a later import may drop its
section. occurred_at is by the clock of the reader's device, clamped by activity.track; created_at is when the
row was appended.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple, TypedDict

from alice import database
from alice.activity import page_read, progress, state, status
from alice.activity.state import State
from alice.activity.types import Activity
from alice.database import Log


class Appended(TypedDict):
    id: str
    seq: int
    created: bool  # False: a duplicate id, nothing changed


class ForeignId(Exception):
    """The activity id is in the log already, for another reader."""


def append(db: Log, user_id: str, session_id: str | None, activities: Sequence[Activity]) -> list[Appended]:
    """Append a reader's activities in the order given; return the id and seq of each.

    A duplicate id changes nothing: the seq of its existing row is returned, or ForeignId raised if that row
    belongs to another reader.
    """
    added, last = _insert(db, user_id, session_id, activities)
    if added == len(activities):  # fast path: no duplicate ids
        _follow(db, user_id, activities)
        seqs = range(last - added + 1, last + 1)
        return [{"id": a.id, "seq": seq, "created": True} for a, seq in zip(activities, seqs, strict=True)]
    inserted = dict(db.query("SELECT id, seq FROM activity_logs ORDER BY seq DESC LIMIT ?", added))
    existing = _find(db, user_id, [activity.id for activity in activities if activity.id not in inserted])
    created = {activity.id: activity for activity in reversed(activities) if activity.id in inserted}
    if created:
        _follow(db, user_id, sorted(created.values(), key=lambda activity: inserted[activity.id]))
    # If an id occurs twice in `activities`, only the first one is created.
    return [
        {"id": a.id, "seq": inserted.get(a.id) or existing[a.id], "created": created.get(a.id) is a}
        for a in activities
    ]


def _insert(db: Log, user_id: str, session_id: str | None, activities: Sequence[Activity]) -> tuple[int, int]:
    """Insert the rows whose id is new; return how many, and the seq of the last.

    They are the newest rows of the log and in the order given, because nothing else is appended until this
    transaction ends. If no id was a duplicate, their seqs are consecutive.
    """
    values = chain.from_iterable([(user_id, session_id, *activity) for activity in activities])
    return db.append(_insert_sql(len(activities)), *values)


@lru_cache(maxsize=128)
def _insert_sql(rows: int) -> str:
    return (
        f"INSERT INTO activity_logs (user_id, session_id, {', '.join(Activity._fields)}) "
        f"VALUES {', '.join(['(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'] * rows)} "
        "ON CONFLICT (id) DO NOTHING"
    )


def _find(db: Log, user_id: str, ids: list[str]) -> dict[str, int]:
    """The seq of each id. Raises ForeignId for an id of another reader."""
    if not ids:
        return {}
    marks = ", ".join("?" * len(ids))
    rows = db.query(f"SELECT id, seq, user_id FROM activity_logs WHERE id IN ({marks})", *ids)
    for id, _, owner in rows:
        if owner != user_id:
            raise ForeignId(id)
    return {id: seq for id, seq, _ in rows}


def _follow(db: Log, user_id: str, activities: Sequence[Activity]) -> None:
    """Update the reader's state, pages read and places with activities that were appended."""
    current = state.load(db, user_id) or State()
    left = [page for page in map(current.apply, activities) if page is not None]
    current.total_pages_read += page_read.count(db, user_id, page_read.tally(activities, left))
    current.status = status.implied(current)
    state.store(db, user_id, current)
    progress.follow(db, user_id, activities)


# Reading


class ActivityRow(NamedTuple):
    """A row of the log with its reader."""

    seq: int
    id: str
    user_id: str
    activity_type: str
    book_id: str | None
    page_number: int | None
    section_id: str | None
    metadata: str | None
    occurred_at: int
    created_at: int
    first_name: str
    last_name: str
    email: str

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or self.email


_ACTIVITIES = """
    SELECT a.seq, a.id, a.user_id, a.activity_type, a.book_id, a.page_number, a.section_id, a.metadata,
        a.occurred_at, a.created_at, u.first_name, u.last_name, u.email
    FROM activity_logs a JOIN users u ON u.id = a.user_id
"""
_NEWEST = f"{_ACTIVITIES} WHERE a.seq < ? ORDER BY a.seq DESC LIMIT ?"
_AFTER = f"{_ACTIVITIES} WHERE a.seq > ? ORDER BY a.seq LIMIT ?"
_BEYOND_ALL = 1 << 62  # more than any seq


def newest(before: int | None, limit: int) -> list[ActivityRow]:
    """The newest rows of the log, newest first; `before` is a cursor (a seq)."""
    rows = database.query(_NEWEST, _BEYOND_ALL if before is None else before, limit)
    return [ActivityRow(*row) for row in rows]


def after(seq: int, limit: int = 500) -> list[ActivityRow]:
    """Up to `limit` rows of the log after `seq`, oldest first."""
    return [ActivityRow(*row) for row in database.query(_AFTER, seq, limit)]


def newest_seq() -> int:
    """The seq of the newest row of the log; 0 when it is empty."""
    return database.query("SELECT COALESCE(MAX(seq), 0) FROM activity_logs")[0][0]
