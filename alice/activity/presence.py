"""Signs of life: when a session and its user were last seen, and which page they have open.

All of it is touched, not committed with the request: the recorder writes the last value of each key every few
seconds, and losing one in a crash is harmless.
"""

from collections.abc import Hashable, Iterable
from operator import itemgetter
from typing import Any

from peewee import BigIntegerField, ForeignKeyField, IntegerField, TextField

from alice import database
from alice.accounts.user import SEEN, User
from alice.clock import minutes, seconds
from alice.database import Millis, Model

LONGEST_BEAT = seconds(90)  # the page sends one a minute; of a longer gap not all was spent on it
NEW_STAY_AFTER = minutes(10)  # a gap after which the same page counts anew


class ReadingPresence(Model):
    user = ForeignKeyField(User, on_delete="CASCADE", primary_key=True)
    book_id = TextField()
    page_number = IntegerField()
    seen_at = Millis()
    dwell_ms = BigIntegerField()  # how long this page has been in view

    class Meta:
        table_name = "reading_presence"


def write_last_active(values: Iterable[tuple[Hashable, Any]]) -> None:
    """Touch writer: key is (session_id, user_id), value the time (ms)."""
    seen = [(at, session_id, user_id) for (session_id, user_id), at in values]
    # PostgreSQL locks rows one by one. Everybody takes users before sessions, and here by id: nobody waits in
    # a circle with another process that writes the same rows.
    database.execute_many(
        f"UPDATE users SET {SEEN} WHERE id = ? AND (last_active_at IS NULL OR last_active_at < ?)",
        [(at, at, at, at, user_id, at) for at, _, user_id in sorted(seen, key=itemgetter(2))],
    )
    database.execute_many(
        "UPDATE sessions SET last_active_at = ? WHERE id = ? AND last_active_at < ?",
        [(at, session_id, at) for at, session_id, _ in sorted(seen, key=itemgetter(1))],
    )


# The row is selected from users, so that a heartbeat that outlives its user writes nothing.
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


def write_presence(values: Iterable[tuple[Hashable, Any]]) -> None:
    """Touch writer: key is the user's id, value (book_id, page_number, time in ms)."""
    database.execute_many(_BEAT, [(book, page, at, user_id) for user_id, (book, page, at) in sorted(values)])
