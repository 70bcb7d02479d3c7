"""visits: one row per tracking session, updated in the transaction of the event that changes it.

Times are by the server's clock. `last_at` is the latest activity, `due_at` when the visit ends without
further activity, `sequence` that of its newest event. `interactions` counts deliberate actions: no page
views, no heartbeats. `session_id` is the client's (UserTracker, EventTracker), `user_id` what the client or
the site's server sent. `context` is JSON: other fields of the dialect, such as campaign and attribution ids.
`renewed_from` is the visit whose attribution was copied.
"""

from collections.abc import Mapping
from collections.abc import Sequence as Columns
from enum import IntEnum
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from alice.clock import hours
from alice.database import Log, Queries
from alice.engines import Unavailable
from alice.ids import visit_id


class Dialect(IntEnum):
    """The API a visit was sent through; the numbers are stored."""

    USER_TRACKER = 1
    EVENT_TRACKER = 2
    LITTLESTATS = 3


class Expired(Exception):
    """The visit is over or does not exist; its events need a new one."""


# A visit's attributes: columns with text.
ATTRIBUTES = (
    "landing_path", "exit_path", "referrer_host", "utm_source", "utm_medium", "utm_campaign", "utm_term",
    "utm_content", "bucket", "device", "browser", "os", "language", "timezone", "screen", "country",
    "country_source", "ab_test", "ab_variant",
)  # fmt: skip
# Where the visitor came from, and the A/B test; a renewed visit keeps these.
ATTRIBUTION = (
    "landing_path", "referrer_host", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content",
    "bucket", "ab_test", "ab_variant",
)  # fmt: skip
VARIANT = ("ab_test", "ab_variant")
# About the browser.
DEVICE = ("device", "browser", "os", "language", "timezone", "screen")


class VisitRow(NamedTuple):
    """A visit as the pipeline reads it. Times in ms."""

    number: int
    site_number: int
    visitor_number: int
    dialect: int
    session_id: str | None
    user_id: str | None
    started_at: int
    last_at: int
    due_at: int
    closed_at: int | None
    sequence: int
    page_views: int
    interactions: int
    engaged_ms: int
    landing_path: str | None
    is_bot: int
    context_json: str | None
    renewed_from: int | None

    @property
    def id(self) -> str:
        """The public id."""
        return visit_id(self.started_at, self.number)

    @property
    def context(self) -> dict[str, Any]:
        return orjson.loads(self.context_json) if self.context_json else {}

    @property
    def idle_ms(self) -> int:
        return self.due_at - self.last_at

    def is_over(self, now: int) -> bool:
        return self.closed_at is not None or now > self.due_at


COLUMNS = ", ".join(VisitRow._fields).replace("context_json", "context")


# How to find a visit: a subquery that returns its number, and the subquery's parameters.
Selector = tuple[str, tuple[Any, ...]]

_OF_VISITOR = (
    "SELECT v.number FROM visitors o JOIN visits v ON v.visitor_number = o.number "
    "WHERE o.site_number = ? AND o.hash = ? AND v.dialect = ? ORDER BY v.number DESC LIMIT 1"
)


def of_visitor(site_number: int, hash: bytes, dialect: Dialect) -> Selector:
    """The newest visit of the visitor with this hash."""
    return _OF_VISITOR, (site_number, hash, int(dialect))


def by_session_id(
    dialect: Dialect, session_id: str, site_number: int, user_id: str | None = None
) -> Selector:
    """The site's newest visit with this session id; only of this user, if one is given."""
    sql = "SELECT number FROM visits WHERE session_id = ? AND dialect = ? AND site_number = ?"
    values: tuple[Any, ...] = (session_id, int(dialect), site_number)
    if user_id is not None:
        sql, values = f"{sql} AND user_id = ?", (*values, user_id)
    return f"{sql} ORDER BY number DESC LIMIT 1", values


def oldest_open(dialect: Dialect, session_id: str, now: int) -> Selector:
    """Of all sites' visits with this session id, the oldest open one, else the newest."""
    is_open = "closed_at IS NULL AND due_at >= ?"
    return (
        f"SELECT number FROM visits WHERE session_id = ? AND dialect = ? "
        f"ORDER BY CASE WHEN {is_open} THEN 0 ELSE 1 END, "
        f"CASE WHEN {is_open} THEN number ELSE -number END LIMIT 1",
        (session_id, int(dialect), now, now),
    )


def numbered(number: int) -> Selector:
    return "SELECT ?", (number,)


def find(db: Queries, which: Selector) -> VisitRow | None:
    sql, values = which
    rows = db.query(f"SELECT {COLUMNS} FROM visits WHERE number = ({sql})", *values)
    return VisitRow(*rows[0]) if rows else None


# Counting events


class Counted(NamedTuple):
    """A visit after it counted events; only the columns that recording an event needs."""

    number: int
    site_number: int
    visitor_number: int
    started_at: int
    sequence: int
    page_views: int

    @property
    def id(self) -> str:
        """The public id."""
        return visit_id(self.started_at, self.number)


class Progress(NamedTuple):
    """What events add to their visit."""

    events: int = 0
    page_views: int = 0
    interactions: int = 0
    engaged_ms: int = 0
    last_path: str | None = None  # of the last page view
    first_path: str | None = None  # of the first page view


# Engaged time cannot exceed the visit's age, plus this for time on a page before the visit was opened.
AHEAD = hours(1)

_ADVANCE = (
    "UPDATE visits SET last_at = CASE WHEN last_at > ? THEN last_at ELSE ? END, "
    "due_at = due_at + CASE WHEN last_at > ? THEN 0 ELSE ? - last_at END, "
    "sequence = sequence + ?, page_views = page_views + ?, interactions = interactions + ?, "
    "engaged_ms = engaged_ms + CASE WHEN engaged_ms + ? > ? - started_at THEN 0 ELSE ? END, "
    "exit_path = COALESCE(?, exit_path), landing_path = COALESCE(landing_path, ?) "
    "WHERE number = ({}) AND closed_at IS NULL AND due_at >= ? "
    f"RETURNING {', '.join(Counted._fields)}"
)


def advance(db: Log, which: Selector, progress: Progress, now: int) -> Counted | None:
    """Add the progress to the visit and postpone its end; return the updated visit, None if it is over.

    One statement finds, checks, updates and returns the row, because every event runs it.
    """
    sql, values = which
    events, page_views, interactions, engaged_ms, last_path, first_path = progress
    added = (events, page_views, interactions, engaged_ms, now + AHEAD, engaged_ms, last_path, first_path)
    rows = db.query(_advance_sql(sql), now, now, now, now, *added, *values, now)
    return Counted(*rows[0]) if rows else None


def counted(db: Queries, number: int) -> Counted:
    """The visit as it is. Raises Unavailable if it was erased in the meantime."""
    rows = db.query(f"SELECT {', '.join(Counted._fields)} FROM visits WHERE number = ?", number)
    if not rows:
        raise Unavailable("the event was erased meanwhile")
    return Counted(*rows[0])


@lru_cache(maxsize=32)
def _advance_sql(subquery: str) -> str:
    return _ADVANCE.format(subquery)


_OPENED = (
    "site_number", "visitor_number", "dialect", "session_id", "user_id", "started_at", "last_at", "due_at",
    "is_bot", "context", "renewed_from", "sequence", "page_views", "interactions", "engaged_ms", *ATTRIBUTES,
)  # fmt: skip
_OPEN = (
    f"INSERT INTO visits ({', '.join(_OPENED)}) VALUES ({', '.join('?' * len(_OPENED))}) "
    f"RETURNING {', '.join(Counted._fields)}"
)


def open(db: Log, columns: Mapping[str, Any], progress: Progress, idle_ms: int, now: int) -> Counted:
    """Insert a visit that begins with this progress; missing columns are NULL."""
    values = {
        **columns,
        "started_at": now,
        "last_at": now,
        "due_at": now + idle_ms,
        "sequence": progress.events,
        "page_views": progress.page_views,
        "interactions": progress.interactions,
        "engaged_ms": progress.engaged_ms if progress.engaged_ms <= AHEAD else 0,
        "exit_path": progress.last_path,
        "landing_path": columns.get("landing_path") or progress.first_path,
    }
    return Counted(*db.query(_OPEN, *map(values.get, _OPENED))[0])


def attributes_of(db: Queries, number: int, columns: Columns) -> dict[str, str | None]:
    """These attributes of the visit, by column."""
    rows = db.query(f"SELECT {', '.join(columns)} FROM visits WHERE number = ?", number)
    return dict(zip(columns, rows[0], strict=True))


def fill_in(db: Log, number: int, columns: Mapping[str, int | str | None]) -> None:
    """Set those of these columns that are still NULL."""
    given = {name: value for name, value in columns.items() if value is not None}
    if given:
        settings = ", ".join(f"{name} = COALESCE({name}, ?)" for name in given)
        db.execute(f"UPDATE visits SET {settings} WHERE number = ?", *given.values(), number)


def set_context(db: Log, number: int, context: str) -> None:
    db.execute("UPDATE visits SET context = ? WHERE number = ?", context, number)


# Closing


def close(db: Queries, number: int, at: int) -> None:
    """Close a visit, unless it is closed already."""
    db.execute("UPDATE visits SET closed_at = ? WHERE number = ? AND closed_at IS NULL", at, number)


CLOSE_AT_ONCE = 1000  # visits in one transaction


def close_due(db: Queries, now: int, limit: int = CLOSE_AT_ONCE) -> int:
    """Close visits whose due_at has passed, at most `limit`; return how many."""
    due = "SELECT number FROM visits WHERE closed_at IS NULL AND due_at < ? LIMIT ?"
    return db.execute(f"UPDATE visits SET closed_at = due_at WHERE number IN ({due})", now, limit)
