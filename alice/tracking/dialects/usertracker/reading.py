"""The read side of the UserTracker dialect: sessions, and their movements in pages.

A session is all visits of one user with the same session id. Its times are those of the newest visit; its
movements are those of all of them. A session is in a time range if it has a movement in it, even if its
visits are still open.
"""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from alice.database import events
from alice.ids import event_id
from alice.tracking.dialects.usertracker.writing import KINDS, NAMES
from alice.tracking.log import campaign
from alice.tracking.log.event import Kind
from alice.tracking.log.event_property import properties
from alice.tracking.log.strings import texts
from alice.tracking.log.visit import COLUMNS, Dialect, VisitRow
from alice.tracking.site import SiteRow

CURSOR = re.compile(r"(\d{1,15})-(\d{1,18})")
MOST_SESSIONS = 500  # in one response
RECENT = 10

DIALECT = int(Dialect.USER_TRACKER)


class Range(NamedTuple):
    """The movements of a user or of a whole site, since a time (ms)."""

    site: SiteRow
    user_id: str | None  # None: all users of the site
    since: int = 0


class Filters(NamedTuple):
    """Further conditions for movements; None: no condition."""

    event: str | None = None
    path: str | None = None
    session: str | None = None


NO_FILTERS = Filters()


# Movements


def page(
    of: Range, limit: int, before: str | None = None, only: Filters = NO_FILTERS
) -> tuple[list[dict[str, Any]], str | None]:
    """At most `limit` movements older than the cursor `before`, which must match CURSOR, newest first.

    Also returns the cursor for the next page; None: this is the last one.
    """
    condition, values = _condition(of, before, only)
    # CROSS JOIN makes SQLite join in this order: a user has few visits, and a site few events in a range.
    whole_site = of.user_id is None and only.session is None
    tables = "events e CROSS JOIN visits v" if whole_site else "visits v CROSS JOIN events e"
    sql = (
        "SELECT e.seq, e.received_at, e.occurred_at, e.kind, e.name, v.user_id, v.session_id "
        f"FROM {tables} WHERE v.number = e.visit_number AND {condition} "
        "ORDER BY e.received_at DESC, e.seq DESC LIMIT ?"
    )
    rows = events.query(sql, *values, limit + 1)
    shown = rows[:limit]
    cursor = f"{shown[-1][1]}-{shown[-1][0]}" if len(rows) > limit else None
    return _movements(of.site, shown), cursor


def _condition(of: Range, before: str | None, only: Filters) -> tuple[str, list[Any]]:
    conditions: list[tuple[str, tuple[Any, ...]]] = [("v.dialect = ?", (DIALECT,))]
    if of.user_id is None and only.session is None:
        conditions.append(("e.site_number = ?", (of.site.number,)))
    else:
        conditions.append(("v.site_number = ?", (of.site.number,)))
    if of.user_id is not None:
        conditions.append(("v.user_id = ?", (of.user_id,)))
    if of.since:
        # occurred_at <= received_at <= last_at: the last condition implies the first two, which use indexes.
        since = "v.last_at >= ? AND e.received_at >= ? AND e.occurred_at >= ?"
        conditions.append((since, (of.since,) * 3))
    if before is not None:
        conditions.append(("(e.received_at, e.seq) < (?, ?)", _cursor(before)))
    conditions += _filters(only)
    return " AND ".join(sql for sql, _ in conditions), [value for _, values in conditions for value in values]


def _filters(only: Filters) -> Iterable[tuple[str, tuple[Any, ...]]]:
    number = "(SELECT number FROM strings WHERE text = ?)"
    if only.event in KINDS:
        yield "e.kind = ?", (int(KINDS[only.event]),)
    elif only.event is not None:
        yield f"e.kind = ? AND e.name = {number}", (int(Kind.CUSTOM), only.event)
    if only.path is not None:
        yield f"e.path = {number}", (campaign.address(only.path).path or only.path,)
    if only.session is not None:
        yield "v.session_id = ?", (only.session,)


def _cursor(before: str) -> tuple[int, int]:
    received_at, _, seq = before.partition("-")
    return int(received_at), int(seq)


def _movements(site: SiteRow, rows: list[tuple]) -> list[dict[str, Any]]:
    data = properties([row[0] for row in rows])
    names = texts({row[4] for row in rows})
    return [
        {
            "id": event_id(received_at, seq, site.id),
            "userId": user_id,
            "sessionId": session_id,
            "timestamp": occurred_at,
            "event": NAMES.get(kind) or names[name],
            "data": data[seq],
        }
        for seq, received_at, occurred_at, kind, name, user_id, session_id in rows
    ]


# Sessions


def session(row: VisitRow) -> dict[str, Any]:
    """A session as the API returns it, without its movements. Times in ms."""
    return {
        "userId": row.user_id,
        "sessionId": row.session_id,
        "startTime": row.started_at,
        "lastActivity": row.last_at,
        "deviceInfo": row.context.get("deviceInfo", {}),
    }


def count_sessions(of: Range) -> int:
    """How many sessions have movements in the range."""
    chosen, values = _sessions(of)
    return events.query(f"SELECT COUNT(*) FROM ({chosen}) AS chosen", *values)[0][0]


def sessions(of: Range, limit: int) -> list[dict[str, Any]]:
    """At most `limit` sessions that have movements in the range, most recently active first."""
    chosen, values = _sessions(of)
    sql = (
        f"SELECT {COLUMNS} FROM visits WHERE number IN ({chosen}) ORDER BY last_at DESC, number DESC LIMIT ?"
    )
    return [session(VisitRow(*row)) for row in events.query(sql, *values, limit)]


def _sessions(of: Range) -> tuple[str, tuple[Any, ...]]:
    """SQL and parameters: the number of the newest visit of each session with movements in the range."""
    if of.user_id is None:
        condition = (
            "v.dialect = ? AND v.number IN (SELECT e.visit_number FROM events e "
            "WHERE e.site_number = ? AND e.received_at >= ? AND e.occurred_at >= ?)"
        )
        values: tuple[Any, ...] = (DIALECT, of.site.number, of.since, of.since)
    else:
        condition = (
            "v.site_number = ? AND v.user_id = ? AND v.dialect = ? AND v.last_at >= ? AND EXISTS "
            "(SELECT 1 FROM events e WHERE e.visit_number = v.number AND e.occurred_at >= ?)"
        )
        values = (of.site.number, of.user_id, DIALECT, of.since, of.since)
    return f"SELECT MAX(v.number) FROM visits v WHERE {condition} GROUP BY v.user_id, v.session_id", values
