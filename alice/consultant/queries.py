"""What consultants ask: who is active, who is online, what happened, how a reader does.

Every list leaves the database as tuples in a fixed number of queries and is cut by a cursor. Only readers are
listed; the status shown is derived at the moment of asking.
"""

from typing import NamedTuple

from alice import clock, database
from alice.accounts.user import READER
from alice.activity import state, status
from alice.activity.presence import ONLINE_FOR
from alice.activity.state import State
from alice.activity.status import IDLE, Presence, Status
from alice.activity.types import ActivityType
from alice.clock import DAY, hours, minutes

_WHO = "u.id, u.email, u.first_name, u.last_name, u.last_active_at, u.created_at"
_WHERE_THEY_ARE = "p.book_id, p.page_number, p.seen_at, p.dwell_ms"
_STATE = ", ".join(f"s.{column}" for column in state.COLUMNS)
_WITH_STATE = "LEFT JOIN reader_states s ON s.user_id = u.id LEFT JOIN reading_presence p ON p.user_id = u.id"
_ALIVE_AT = (
    "CASE WHEN s.last_activity_at > COALESCE(u.last_active_at, 0) "
    "THEN s.last_activity_at ELSE COALESCE(u.last_active_at, 0) END"
)
_NOBODY_YET = State()


class Reader(NamedTuple):
    """A reader as a consultant sees them at one moment. Times in ms; None is what is not yet known."""

    id: str
    email: str
    first_name: str
    last_name: str
    last_active_at: int | None
    created_at: int
    state: State
    status: Status
    online_since: int | None = None

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or self.email


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


class Summary(NamedTuple):
    total_activities: int
    active_days: int
    word_lookups: int
    ai_interactions: int
    page_views: int


# Readers

_ACTIVE = f"""
    WITH recent (user_id) AS (
        SELECT id FROM users WHERE last_active_at >= ?
        UNION SELECT user_id FROM reader_states WHERE last_activity_at >= ?
    )
    SELECT {_WHO}, {_WHERE_THEY_ARE}, {_STATE}, NULL FROM recent
    JOIN users u ON u.id = recent.user_id {_WITH_STATE}
    WHERE u.role = '{READER}' AND ({_ALIVE_AT} < ? OR ({_ALIVE_AT} = ? AND u.id < ?))
    ORDER BY {_ALIVE_AT} DESC, u.id DESC LIMIT ?
"""


def active_readers(within_minutes: int, before: tuple[int, str] | None, limit: int) -> list[Reader]:
    """Readers with a sign of life in the last minutes, newest first, from before (ms, user id)."""
    since = clock.now() - minutes(within_minutes)
    at, user_id = before or (_END_OF_TIME, "")
    return _readers(database.query(_ACTIVE, since, since, at, at, user_id, limit))


_ONLINE = f"""
    SELECT {_WHO}, {_WHERE_THEY_ARE}, {_STATE},
        (SELECT MAX(created_at) FROM sessions WHERE user_id = u.id AND expires_at > ?) AS online_since
    FROM users u {_WITH_STATE}
    WHERE u.last_active_at >= ? AND u.role = '{READER}'
        AND EXISTS (SELECT 1 FROM sessions WHERE user_id = u.id AND expires_at > ?)
        AND (u.last_active_at < ? OR (u.last_active_at = ? AND u.id < ?))
    ORDER BY u.last_active_at DESC, u.id DESC LIMIT ?
"""


def online_readers(before: tuple[int, str] | None, limit: int) -> list[Reader]:
    """Readers with a live session and a request in the last 5 minutes, newest first."""
    now = clock.now()
    at, user_id = before or (_END_OF_TIME, "")
    return _readers(database.query(_ONLINE, now, now - ONLINE_FOR, now, at, at, user_id, limit))


_ALL = (
    f"SELECT {_WHO}, {_WHERE_THEY_ARE}, {_STATE}, NULL FROM users u {_WITH_STATE} WHERE u.role = '{READER}' "
)


def readers(before: str | None, limit: int) -> list[Reader]:
    """Every reader, the newest account first, from before a user id."""
    if before is None:
        return _readers(database.query(f"{_ALL} ORDER BY u.id DESC LIMIT ?", limit))
    return _readers(database.query(f"{_ALL} AND u.id < ? ORDER BY u.id DESC LIMIT ?", before, limit))


def reader(user_id: str) -> Reader | None:
    """One reader; None if there is none with this id."""
    found = _readers(database.query(f"{_ALL} AND u.id = ?", user_id))
    return found[0] if found else None


_END_OF_TIME = 1 << 62


def _readers(rows: list[tuple]) -> list[Reader]:
    now = clock.now()
    return [_reader(row, now) for row in rows]


def _reader(row: tuple, now: int) -> Reader:
    id, email, first_name, last_name, seen_at, created_at, book_id, page, beat_at, dwell = row[:10]
    presence = Presence(book_id, page, beat_at, dwell) if beat_at is not None else None
    if row[10 + _LAST_ACTIVITY_AT] is None:
        known, alive_at, shown = _NOBODY_YET, seen_at, Status(IDLE, None)
    else:
        known = state.from_row(row[10:-1])
        alive_at = max(seen_at or 0, known.last_activity_at)
        shown = status.derive(known, presence, seen_at, now)
    return Reader(id, email, first_name, last_name, alive_at, created_at, known, shown, row[-1])


_LAST_ACTIVITY_AT = state.COLUMNS.index("last_activity_at")


# What happened

_ACTIVITIES = """
    SELECT a.seq, a.id, a.user_id, a.activity_type, a.book_id, a.page_number, a.section_id, a.metadata,
        a.occurred_at, a.created_at, u.first_name, u.last_name, u.email
    FROM activity_logs a JOIN users u ON u.id = a.user_id
"""
_RECENT = f"{_ACTIVITIES} WHERE a.seq < ? ORDER BY a.seq DESC LIMIT ?"
_AFTER = f"{_ACTIVITIES} WHERE a.seq > ? ORDER BY a.seq LIMIT ?"


def recent_activities(before: int | None, limit: int) -> list[ActivityRow]:
    """The newest rows of the log, the newest first, from before a seq."""
    rows = database.query(_RECENT, _END_OF_TIME if before is None else before, limit)
    return [ActivityRow(*row) for row in rows]


def activities_after(seq: int, limit: int = 500) -> list[ActivityRow]:
    """What was appended since, the oldest first."""
    return [ActivityRow(*row) for row in database.query(_AFTER, seq, limit)]


def newest_seq() -> int:
    """The seq of the newest row of the log; 0 when it is empty."""
    return database.query("SELECT COALESCE(MAX(seq), 0) FROM activity_logs")[0][0]


_SUMMARY = f"""
    SELECT COUNT(*), COUNT(DISTINCT occurred_at / {DAY}),
        COALESCE(SUM(CASE activity_type WHEN '{ActivityType.WORD_LOOKUP}' THEN 1 ELSE 0 END), 0),
        COALESCE(SUM(CASE activity_type WHEN '{ActivityType.AI_INTERACTION}' THEN 1 ELSE 0 END), 0),
        COALESCE(SUM(CASE activity_type WHEN '{ActivityType.PAGE_VIEW}' THEN 1 ELSE 0 END), 0)
    FROM activity_logs WHERE user_id = ? AND occurred_at >= ?
"""


def summary(user_id: str, within_hours: int) -> Summary:
    """What a reader did in the last hours; active days are distinct UTC dates."""
    return Summary(*database.query(_SUMMARY, user_id, clock.now() - hours(within_hours))[0])
