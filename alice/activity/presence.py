"""When a session and its user were last active, and which page the user has open.

Requests do not wait for this: they call `recorder.touch`, and the recorder writes the last value of each key
every few seconds. Losing a value in a crash is harmless.
"""

from collections.abc import Hashable, Iterable
from operator import itemgetter
from typing import Any

from peewee import BigIntegerField, ForeignKeyField, IntegerField, TextField

from alice.accounts.user import SEEN, User
from alice.clock import minutes, seconds
from alice.database import Millis, Model, Queries

LONGEST_BEAT = seconds(90)  # the most that one heartbeat adds to the dwell time; pages send one a minute
NEW_STAY_AFTER = minutes(10)  # after a longer gap the dwell time of the page starts again at 0


class ReadingPresence(Model):
    user = ForeignKeyField(User, on_delete="CASCADE", primary_key=True)
    book_id = TextField()
    page_number = IntegerField()
    seen_at = Millis()
    dwell_ms = BigIntegerField()  # how long this page has been in view

    class Meta:
        table_name = "reading_presence"


def write_last_active(db: Queries, values: Iterable[tuple[Hashable, Any]]) -> None:
    """Write touched values: the key is (session_id, user_id), the value the time (ms)."""
    seen = [(at, session_id, user_id) for (session_id, user_id), at in values]
    # PostgreSQL locks rows one by one. To avoid a deadlock with another process that writes the same rows,
    # every writer locks users before sessions, and this function locks each in the order of the ids.
    db.execute_many(
        f"UPDATE users SET {SEEN} WHERE id = ? AND (last_active_at IS NULL OR last_active_at < ?)",
        [(at, at, at, at, user_id, at) for at, _, user_id in sorted(seen, key=itemgetter(2))],
    )
    db.execute_many(
        "UPDATE sessions SET last_active_at = ? WHERE id = ? AND last_active_at < ?",
        [(at, session_id, at) for at, session_id, _ in sorted(seen, key=itemgetter(1))],
    )


# Selects from users, so that nothing is inserted if the user was deleted before the heartbeat is written.
_BEAT = (
    "INSERT INTO reading_presence AS kept (user_id, book_id, page_number, seen_at, dwell_ms) "
    "SELECT id, ?, ?, ?, 0 FROM users WHERE id = ? "
    "ON CONFLICT (user_id) DO UPDATE SET "
    "dwell_ms = CASE "
    "WHEN kept.book_id <> excluded.book_id OR kept.page_number <> excluded.page_number "
    f"OR excluded.seen_at - kept.seen_at > {NEW_STAY_AFTER} THEN 0 "
    f"WHEN excluded.seen_at - kept.seen_at > {LONGEST_BEAT} THEN kept.dwell_ms + {LONGEST_BEAT} "
    "ELSE kept.dwell_ms + excluded.seen_at - kept.seen_at END, "
    "book_id = excluded.book_id, page_number = excluded.page_number, seen_at = excluded.seen_at "
    "WHERE excluded.seen_at >= kept.seen_at"
)


def write_presence(db: Queries, values: Iterable[tuple[Hashable, Any]]) -> None:
    """Write touched values: the key is the user's id, the value (book_id, page_number, time in ms)."""
    db.execute_many(_BEAT, [(book, page, at, user_id) for user_id, (book, page, at) in sorted(values)])
