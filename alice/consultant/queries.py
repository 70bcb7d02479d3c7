"""The queries of consultants: active and online readers, all of them, one in detail.

Every list takes a fixed number of queries, comes as tuples and is paged with a cursor. Users other than
readers are not listed. A status is derived at the time of the query.
"""

import json
from operator import itemgetter
from typing import Any, NamedTuple

from alice import clock, database
from alice.accounts.user import ONLINE_FOR, READER
from alice.activity import status
from alice.activity.status import ACTIVE, IDLE, READING, STUCK_AFTER_DWELL, Presence, Status, unless_stuck
from alice.activity.types import ActivityType
from alice.clock import DAY, hours, minutes


class Reader(NamedTuple):
    """A reader with state and presence; a value not known yet is None. Times in ms.

    The fields are the columns of a row. Those from reader_states have the same names as in State, so that
    `status.derive` takes a Reader, too, and long lists are not copied into other objects.
    """

    id: str
    email: str
    first_name: str
    last_name: str
    last_active_at: int | None  # the newest sign of life
    created_at: int
    heartbeat_book_id: str | None
    heartbeat_page: int | None
    heartbeat_at: int | None
    heartbeat_dwell: int | None
    book_id: str | None
    current_page: int | None
    current_section_id: str | None
    last_activity_type: str | None
    last_activity_at: int | None
    total_pages_read: int | None
    total_word_lookups: int | None
    total_ai_interactions: int | None
    page_entered_at: int | None
    page_viewed_at: int | None
    section_viewed_at: int | None
    previous_page: int | None
    page_lookups: int | None
    page_ai_questions: int | None
    page_returns: int | None
    open_help_requests: int | None
    recent_dwells_json: str | None
    updated_at: int | None
    online_since: int | None = None

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or self.email

    @property
    def recent_dwells(self) -> list[int]:
        return json.loads(self.recent_dwells_json or "[]")

    def status(self, now: int) -> Status:
        """What the reader is doing at `now` (ms)."""
        if self.last_activity_at is None:
            return NO_ACTIVITY
        presence = None
        if self.heartbeat_at is not None:
            presence = Presence(
                self.heartbeat_book_id, self.heartbeat_page, self.heartbeat_at, self.heartbeat_dwell
            )
        return status.derive(self, presence, self.last_active_at, now)

    def shown(self, now: int) -> dict[str, Any]:
        return shown(*self[:5], self.book_id, self.current_page, *self.status(now))


NO_ACTIVITY = Status(IDLE, None)


def shown(
    id: str,
    email: str,
    first_name: str,
    last_name: str,
    last_active_at: int | None,
    book_id: str | None,
    page: int | None,
    status: str,
    stuck_reason: str | None,
) -> dict[str, Any]:
    """What every list shows of a reader, under the names of the API. Times in ms."""
    return {
        "user_id": id,
        "email": email,
        "first_name": first_name,
        "last_name": last_name,
        "book_id": book_id,
        "current_page": page,
        "last_active_at": last_active_at,
        "status": status,
        "stuck_reason": stuck_reason,
    }


# Readers

_ALIVE_AT = (
    "CASE WHEN s.last_activity_at > COALESCE(u.last_active_at, 0) THEN s.last_activity_at "
    "ELSE u.last_active_at END"
)
_OTHER_COLUMNS = (
    "u.created_at, p.book_id, p.page_number, p.seen_at, p.dwell_ms, "
    "s.book_id, s.current_page, s.current_section_id, "
    "s.last_activity_type, s.last_activity_at, s.total_pages_read, s.total_word_lookups, "
    "s.total_ai_interactions, s.page_entered_at, s.page_viewed_at, s.section_viewed_at, s.previous_page, "
    "s.page_lookups, s.page_ai_questions, s.page_returns, s.open_help_requests, s.recent_dwells, s.updated_at"
)
_COLUMNS = f"u.id, u.email, u.first_name, u.last_name, {_ALIVE_AT} AS alive_at, {_OTHER_COLUMNS}"
_WITH_STATE = "LEFT JOIN reader_states s ON s.user_id = u.id LEFT JOIN reading_presence p ON p.user_id = u.id"
# What active_readers() needs; `clear` if unless_stuck() is enough to know the status.
_GLANCE = (
    f"u.id AS id, u.email, u.first_name, u.last_name, {_ALIVE_AT} AS alive_at, s.book_id, s.current_page, "
    "s.page_viewed_at, s.section_viewed_at, p.seen_at, "
    f"s.status IN ('{ACTIVE}', '{READING}') AND COALESCE(p.dwell_ms, 0) <= {STUCK_AFTER_DWELL} AS clear"
)
# The second SELECT finds readers whose last request shows only in last_activity_at: users.last_active_at is
# written seconds later, and may be lost.
_ACTIVE = f"""
    SELECT {_GLANCE} FROM users u {_WITH_STATE}
    WHERE u.last_active_at >= ? AND u.role = '{READER}'
    UNION ALL
    SELECT {_GLANCE} FROM reader_states s
    JOIN users u ON u.id = s.user_id LEFT JOIN reading_presence p ON p.user_id = u.id
    WHERE s.last_activity_at >= ? AND COALESCE(u.last_active_at, 0) < ? AND u.role = '{READER}'
"""
_NEWEST_ACTIVE = (
    f"SELECT * FROM ({_ACTIVE}) AS active "
    "WHERE alive_at < ? OR (alive_at = ? AND id < ?) ORDER BY alive_at DESC, id DESC LIMIT ?"
)


def active_readers(within_minutes: int, before: tuple[int, str] | None, limit: int) -> list[dict[str, Any]]:
    """Readers active in the last `within_minutes`, newest first; `before` is a cursor (ms, user id)."""
    now = clock.now()
    since = now - minutes(within_minutes)
    rows = [] if before else database.query(f"{_ACTIVE} LIMIT ?", since, since, since, limit + 1)
    if before or len(rows) > limit:
        at, user_id = before or (_END_OF_TIME, "")
        rows = database.query(_NEWEST_ACTIVE, since, since, since, at, at, user_id, limit)
    else:
        # Nearly always all readers fit in, and rows this wide are sorted faster here than by the database.
        rows.sort(key=itemgetter(0), reverse=True)
        rows.sort(key=itemgetter(4), reverse=True)
    statuses = _statuses([row[0] for row in rows if not row[-1]], now)
    readers = []
    for id, email, first_name, last_name, alive_at, book, page, viewed_at, section_at, seen_at, clear in rows:
        name, reason = statuses.get(id, NO_ACTIVITY)
        if clear:
            name = unless_stuck(viewed_at, section_at, seen_at, alive_at, now)
        readers.append(shown(id, email, first_name, last_name, alive_at, book, page, name, reason))
    return readers


def _statuses(ids: list[str], now: int) -> dict[str, Status]:
    """The statuses of readers who may be stuck or signed out: they need all columns, so one more query."""
    if not ids:
        return {}
    marks = ", ".join("?" * len(ids))
    found = _readers(database.query(f"{_ALL} AND u.id IN ({marks})", *ids))
    return {reader.id: reader.status(now) for reader in found}


# Shown, sorted and paged by the same time: otherwise the cursor would not advance.
_ONLINE = f"""
    SELECT u.id, u.email, u.first_name, u.last_name, u.last_active_at, {_OTHER_COLUMNS}, u.online_since
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
    return _readers(database.query(_ONLINE, now - ONLINE_FOR, now, at, at, user_id, limit))


_ALL = f"SELECT {_COLUMNS} FROM users u {_WITH_STATE} WHERE u.role = '{READER}' "


def readers(before: str | None, limit: int) -> list[Reader]:
    """All readers, the newest account first; `before` is a cursor (a user id)."""
    if before is None:
        return _readers(database.query(f"{_ALL} ORDER BY u.id DESC LIMIT ?", limit))
    return _readers(database.query(f"{_ALL} AND u.id < ? ORDER BY u.id DESC LIMIT ?", before, limit))


def reader(user_id: str) -> Reader | None:
    """One reader; None if there is none with this id."""
    found = _readers(database.query(f"{_ALL} AND u.id = ?", user_id))
    return found[0] if found else None


_END_OF_TIME = 1 << 62


def _readers(rows: list[tuple]) -> list[Reader]:
    return [Reader(*row) for row in rows]


_SUMMARY = f"""
    SELECT COUNT(*), COUNT(DISTINCT occurred_at / {DAY}),
        COALESCE(SUM(CASE activity_type WHEN '{ActivityType.WORD_LOOKUP}' THEN 1 ELSE 0 END), 0),
        COALESCE(SUM(CASE activity_type WHEN '{ActivityType.AI_INTERACTION}' THEN 1 ELSE 0 END), 0),
        COALESCE(SUM(CASE activity_type WHEN '{ActivityType.PAGE_VIEW}' THEN 1 ELSE 0 END), 0)
    FROM activity_logs WHERE user_id = ? AND occurred_at >= ?
"""


_COUNTS = ("total_activities", "active_days", "word_lookups", "ai_interactions", "page_views")


def summary(user_id: str, within_hours: int) -> dict[str, int]:
    """What a reader did in the last hours; active days are distinct UTC dates."""
    rows = database.query(_SUMMARY, user_id, clock.now() - hours(within_hours))
    return dict(zip(_COUNTS, rows[0], strict=True))
