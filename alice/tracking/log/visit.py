"""visits: one row per tracking session, updated in the transaction of the event that changes it."""

from collections.abc import Mapping
from collections.abc import Sequence as Columns
from enum import IntEnum
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from peewee import BigIntegerField, ForeignKeyField, IntegerField, SmallIntegerField, TextField

from alice.clock import hours
from alice.database import EventsModel, Millis, Sequence, Unavailable, events
from alice.ids import visit_id
from alice.tracking.log.visitor import Visitor
from alice.tracking.site import Site


class Dialect(IntEnum):
    """The API a visit was sent through; the numbers are stored."""

    USER_TRACKER = 1
    EVENT_TRACKER = 2
    LITTLESTATS = 3


class Expired(Exception):
    """The visit is over or does not exist; its events need a new one."""


class Visit(EventsModel):
    number = Sequence()
    site = ForeignKeyField(Site, column_name="site_number", on_delete="CASCADE", index=False)
    visitor = ForeignKeyField(Visitor, column_name="visitor_number", on_delete="CASCADE", index=False)
    dialect = SmallIntegerField()
    session_id = TextField(null=True)  # the client's (UserTracker, EventTracker)
    user_id = TextField(null=True)  # if the client or the site's server sent one
    started_at = Millis()
    last_at = Millis()  # the latest activity, by the server's clock
    due_at = Millis()  # when it ends without further activity
    closed_at = Millis(null=True)
    sequence = IntegerField(default=0)  # of the newest event
    page_views = IntegerField(default=0)
    interactions = IntegerField(default=0)  # deliberate actions: no page views, no heartbeats
    engaged_ms = IntegerField(default=0)
    landing_path = IntegerField(null=True)  # from here to ab_variant: numbers of strings
    exit_path = IntegerField(null=True)
    referrer_host = IntegerField(null=True)
    utm_source = IntegerField(null=True)
    utm_medium = IntegerField(null=True)
    utm_campaign = IntegerField(null=True)
    utm_term = IntegerField(null=True)
    utm_content = IntegerField(null=True)
    bucket = IntegerField(null=True)
    device = IntegerField(null=True)
    browser = IntegerField(null=True)
    os = IntegerField(null=True)
    language = IntegerField(null=True)
    timezone = IntegerField(null=True)
    screen = IntegerField(null=True)
    country = IntegerField(null=True)
    country_source = IntegerField(null=True)
    ab_test = IntegerField(null=True)
    ab_variant = IntegerField(null=True)
    is_bot = SmallIntegerField(default=0)
    context = TextField(null=True)  # JSON: other fields of the dialect, such as campaign and attribution ids
    renewed_from = BigIntegerField(null=True)  # the visit whose attribution was copied

    class Meta:
        table_name = "visits"
        indexes = ((("site", "started_at"), False),)


Visit.add_index(Visit.visitor)
Visit.add_index(Visit.session_id, where=Visit.session_id.is_null(False))
Visit.add_index(Visit.site, Visit.user_id, where=Visit.user_id.is_null(False))
# Without due_at, which every event changes: open visits are few enough to scan.
Visit.add_index(Visit.started_at, where=Visit.closed_at.is_null())


# A visit's attributes: columns that hold numbers of strings.
ATTRIBUTES = (
    "landing_path", "exit_path", "referrer_host", "utm_source", "utm_medium", "utm_campaign", "utm_term",
    "utm_content", "bucket", "device", "browser", "os", "language", "timezone", "screen", "country",
    "country_source", "ab_test", "ab_variant",
)  # fmt: skip
# Where the visitor came from; a renewed visit keeps these.
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
    landing_path: int | None
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


_NAMES = ["context" if name == "context_json" else name for name in VisitRow._fields]
COLUMNS = ", ".join(_NAMES)


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


def find(which: Selector) -> VisitRow | None:
    sql, values = which
    rows = events.query(f"SELECT {COLUMNS} FROM visits WHERE number = ({sql})", *values)
    return VisitRow(*rows[0]) if rows else None


# Counting events


class Counted(NamedTuple):
    """A visit after it counted events; only the columns that recording an event needs."""

    number: int
    site_number: int
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
    last_path: int | None = None  # of the last page view; number of a string
    first_path: int | None = None  # of the first page view; number of a string


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


def advance(which: Selector, progress: Progress, now: int) -> Counted | None:
    """Add the progress to the visit and postpone its end; return the updated visit, None if it is over.

    One statement finds, checks, updates and returns the row, because every event runs it.
    """
    sql, values = which
    rows = events.query(
        _advance_sql(sql),
        now, now, now, now, progress.events, progress.page_views, progress.interactions,
        progress.engaged_ms, now + AHEAD, progress.engaged_ms, progress.last_path, progress.first_path,
        *values, now,
    )  # fmt: skip
    return Counted(*rows[0]) if rows else None


def of_event(seq: int) -> Counted:
    """The visit of this event. Raises Unavailable if it was erased in the meantime."""
    sql = f"SELECT {', '.join(Counted._fields)} FROM visits WHERE number = "
    rows = events.query(f"{sql}(SELECT visit_number FROM events WHERE seq = ?)", seq)
    if not rows:
        raise Unavailable("the event was erased meanwhile")
    return Counted(*rows[0])


@lru_cache(maxsize=32)
def _advance_sql(subquery: str) -> str:
    return _ADVANCE.format(subquery)


_OPENED = (
    "site_number", "visitor_number", "dialect", "session_id", "user_id", "started_at", "last_at", "due_at",
    "is_bot", "context", "renewed_from", *ATTRIBUTES,
)  # fmt: skip
_OPEN = (
    f"INSERT INTO visits ({', '.join(_OPENED)}, sequence, page_views, interactions, engaged_ms) "
    f"VALUES ({', '.join('?' * len(_OPENED))}, 0, 0, 0, 0) RETURNING number"
)


def open(values: Mapping[str, Any]) -> VisitRow:
    """Insert a visit with these columns; missing ones are NULL. Runs inside an appending transaction."""
    (number,) = events.query(_OPEN, *map(values.get, _OPENED))[0]
    return VisitRow(
        number, values["site_number"], values["visitor_number"], values["dialect"], values.get("session_id"),
        values.get("user_id"), values["started_at"], values["last_at"], values["due_at"], None, 0, 0, 0, 0,
        values.get("landing_path"), values["is_bot"], values.get("context"), values.get("renewed_from"),
    )  # fmt: skip


def attributes_of(number: int, columns: Columns) -> dict[str, int | None]:
    """These attributes of the visit, by column: numbers of strings."""
    rows = events.query(f"SELECT {', '.join(columns)} FROM visits WHERE number = ?", number)
    return dict(zip(columns, rows[0], strict=True))


def fill_in(number: int, columns: Mapping[str, int | str | None]) -> None:
    """Set those of these columns that are still NULL."""
    given = {name: value for name, value in columns.items() if value is not None}
    if given:
        settings = ", ".join(f"{name} = COALESCE({name}, ?)" for name in given)
        events.execute(f"UPDATE visits SET {settings} WHERE number = ?", *given.values(), number)


# Closing


def close(number: int, at: int) -> None:
    """Close a visit, unless it is closed already."""
    events.execute("UPDATE visits SET closed_at = ? WHERE number = ? AND closed_at IS NULL", at, number)


CLOSE_AT_ONCE = 1000  # visits in one transaction


def close_due(now: int, limit: int = CLOSE_AT_ONCE) -> int:
    """Close visits whose due_at has passed, at most `limit`; return how many."""
    return events.execute(
        "UPDATE visits SET closed_at = due_at WHERE number IN "
        "(SELECT number FROM visits WHERE closed_at IS NULL AND due_at < ? LIMIT ?)",
        now, limit,
    )  # fmt: skip


def is_bounce(page_views: int, interactions: int) -> bool:
    """Whether a visit has at most one page view and no interaction."""
    return page_views <= 1 and interactions == 0
