"""events: what visitors did. Append-only; `seq` orders all events, `sequence` those of one visit from 1.

`name` and `path` are numbers of strings; `occurred_at` is by the client's clock, clamped; `site_number` is
copied from the visit for the indexes. event_ids holds the clients' ids of the last 7 days, each as 16 bytes,
to recognise duplicates.
"""

import re
from collections.abc import Sequence as Rows
from enum import IntEnum
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from typing import NamedTuple

from alice.database import Log, events


class Kind(IntEnum):
    """What an event is; the numbers are stored."""

    PAGE_VIEW = 1
    CUSTOM = 2
    PAGE_EXIT = 3
    HEARTBEAT = 4
    IDENTIFY = 5
    CLICK = 6
    SCROLL = 7
    HOVER = 8
    FORM_INTERACTION = 9
    FORM_SUBMIT = 10
    CONVERSION = 11
    ENGAGEMENT = 12
    SYSTEM = 13


# Rows to insert: visit, sequence, kind, name, path, occurred_at, received_at, engaged_ms.
Row = tuple[int, int, int, int | None, int | None, int, int, int | None]
_COLUMNS = "visit_number, sequence, kind, name, path, occurred_at, received_at, engaged_ms"


def append(db: Log, site_number: int, rows: Rows[Row]) -> list[int]:
    """Append events in the order given; return their seq."""
    values = chain.from_iterable([(site_number, *row) for row in rows])
    added, last = db.append(_insert_sql(len(rows)), *values)
    # No other transaction appends until this one ends, so the seq are consecutive.
    return [*range(last - added + 1, last + 1)]


@lru_cache(maxsize=512)
def _insert_sql(rows: int) -> str:
    return (
        f"INSERT INTO events (site_number, {_COLUMNS}) "
        f"VALUES {', '.join(['(?, ?, ?, ?, ?, ?, ?, ?, ?)'] * rows)}"
    )


# Ids


def id_bytes(id: str, occurred_at: int | None = None) -> bytes:
    """A client's id as 16 bytes: those of a UUID; else a hash, preceded by the event's time (ms) if given.

    Ids that grow with time are stored next to each other, which makes the table fastest.
    """
    if UUID.fullmatch(id):
        return bytes.fromhex(id.replace("-", ""))
    text = id.encode("utf-8", "surrogateescape")
    if occurred_at is None:
        return blake2b(text, digest_size=16).digest()
    return (occurred_at & (1 << 48) - 1).to_bytes(6, "big") + blake2b(text, digest_size=10).digest()


UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class StoredEvent(NamedTuple):
    """The event that has an id already."""

    visit_number: int
    sequence: int


def find(db: Log, site_number: int, ids: Rows[bytes]) -> dict[bytes, StoredEvent]:
    """The site's events with these ids, by id. An id of an event that was erased is left out."""
    if not ids:
        return {}
    sql = (
        "SELECT i.id, e.visit_number, e.sequence FROM event_ids i JOIN events e ON e.seq = i.seq "
        f"WHERE i.site_number = ? AND i.id IN ({', '.join('?' * len(ids))})"
    )
    return {bytes(id): StoredEvent(*event) for id, *event in db.query(sql, site_number, *ids)}


def remember_ids(db: Log, site_number: int, ids: Rows[tuple[bytes, int]]) -> None:
    """Store the ids of new events with their seq. An id whose event was erased gets the new event's seq."""
    if ids:
        values = chain.from_iterable([(site_number, *row) for row in ids])
        db.execute(_remember_sql(len(ids)), *values)


@lru_cache(maxsize=512)
def _remember_sql(ids: int) -> str:
    marks = ", ".join(["(?, ?, ?)"] * ids)
    return (
        f"INSERT INTO event_ids (site_number, id, seq) VALUES {marks} "
        "ON CONFLICT (site_number, id) DO UPDATE SET seq = excluded.seq"
    )


# Reading


class EventSummary(NamedTuple):
    """An event in a list; received_at in ms."""

    seq: int
    site_id: str
    kind: str
    sequence: int
    name: str | None
    path: str | None
    received_at: int


def newest(limit: int, site_number: int | None = None) -> list[EventSummary]:
    """The newest events (of one site, if given), in the order of their seq."""
    condition, values = ("WHERE e.site_number = ?", [site_number]) if site_number else ("", [])
    sql = (
        "SELECT e.seq, s.id, e.kind, e.sequence, n.text, p.text, e.received_at FROM events e "
        "JOIN sites s ON s.number = e.site_number LEFT JOIN strings n ON n.number = e.name "
        f"LEFT JOIN strings p ON p.number = e.path {condition} ORDER BY e.seq DESC LIMIT ?"
    )
    rows = events.query(sql, *values, limit)
    return [EventSummary(*row[:2], Kind(row[2]).name.lower(), *row[3:]) for row in reversed(rows)]
