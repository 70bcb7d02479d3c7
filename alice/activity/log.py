"""activity_logs: what readers did. The truth; everything else about readers follows from it.

`append` is the one writer of the log and of what changes with it in the same transaction: the reader's
state, the pages read and the places in the books.
"""

from collections.abc import Sequence as Rows
from functools import lru_cache
from itertools import chain
from typing import TypedDict

from peewee import CharField, ForeignKeyField, IntegerField, TextField

from alice import database
from alice.accounts.user import User
from alice.activity import page_read, progress, state, status
from alice.activity.state import State
from alice.activity.types import Activity
from alice.database import Millis, Model, Sequence
from alice.library.book import Book


class ActivityLog(Model):
    seq = Sequence()
    id = CharField(36, unique=True)
    user = ForeignKeyField(User, on_delete="CASCADE", index=False)
    session_id = CharField(36, null=True)  # no foreign key: a log row outlives the session
    activity_type = CharField(32)
    book = ForeignKeyField(Book, null=True, index=False)
    page_number = IntegerField(null=True)
    section_id = CharField(36, null=True)  # no foreign key: a later import may drop the section
    metadata = TextField(null=True)  # a JSON object
    occurred_at = Millis()  # when the reader's device says, clamped
    created_at = Millis()  # when it was appended

    class Meta:
        table_name = "activity_logs"
        indexes = ((("user", "occurred_at", "activity_type"), False),)


class Appended(TypedDict):
    id: str
    seq: int
    created: bool  # False: this id was in the log before, and nothing changed


class ForeignId(Exception):
    """An activity id that another reader has used."""


def append(user_id: str, session_id: str | None, activities: Rows[Activity]) -> list[Appended]:
    """Append what a reader did, in the order given; answer each one's id and seq.

    An id the reader used before is answered as it was and changes nothing; one of another reader's raises
    ForeignId. Runs inside `appending()` or an operation of the recorder.
    """
    database.require_appending()
    added, last = _insert(user_id, session_id, activities)
    if added == len(activities):  # the usual case, and the hot one
        _follow(user_id, activities)
        seqs = range(last - added + 1, last + 1)
        return [{"id": a.id, "seq": seq, "created": True} for a, seq in zip(activities, seqs, strict=True)]
    inserted = _newest(added)
    known = _find(user_id, [activity.id for activity in activities if activity.id not in inserted])
    created = {activity.id: activity for activity in reversed(activities) if activity.id in inserted}
    if created:
        _follow(user_id, sorted(created.values(), key=lambda activity: inserted[activity.id]))
    # An id that stands twice among these was created once: by the first of them.
    return [
        {"id": a.id, "seq": inserted.get(a.id) or known[a.id], "created": created.get(a.id) is a}
        for a in activities
    ]


def _insert(user_id: str, session_id: str | None, activities: Rows[Activity]) -> tuple[int, int]:
    """Insert the rows whose id is new; answer how many those are, and the seq of the last.

    They are the newest of the log, one after the other and in the order given: nobody else appends until this
    transaction ends.
    """
    values = chain.from_iterable([(user_id, session_id, *activity) for activity in activities])
    return database.append(_insert_sql(len(activities)), *values)


def _newest(count: int) -> dict[str, int]:
    """The seq by id of the newest rows."""
    return dict(database.query("SELECT id, seq FROM activity_logs ORDER BY seq DESC LIMIT ?", count))


@lru_cache(maxsize=128)
def _insert_sql(rows: int) -> str:
    return (
        f"INSERT INTO activity_logs (user_id, session_id, {', '.join(Activity._fields)}) "
        f"VALUES {', '.join(['(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'] * rows)} "
        "ON CONFLICT (id) DO NOTHING"
    )


def _find(user_id: str, ids: list[str]) -> dict[str, int]:
    """The seq of each id that is in the log already."""
    if not ids:
        return {}
    marks = ", ".join("?" * len(ids))
    rows = database.query(f"SELECT id, seq, user_id FROM activity_logs WHERE id IN ({marks})", *ids)
    for id, _, owner in rows:
        if owner != user_id:
            raise ForeignId(id)
    return {id: seq for id, seq, _ in rows}


def _follow(user_id: str, activities: list[Activity]) -> None:
    """Bring the state, the pages read and the reader's places up to the log."""
    current = state.load(user_id) or State()
    left = [page for page in map(current.apply, activities) if page is not None]
    current.total_pages_read += page_read.count(user_id, page_read.tally(activities, left))
    current.status = status.implied(current)
    state.store(user_id, current)
    progress.follow(user_id, activities)
