"""One person across visits, events and identities: all that is kept of them, to be shown or to be erased.

Theirs are the visits that name them, and of a visitor (a browser) who they said they are also those that name
nobody. A visit in which several people said who they are names the last of them, and is that one's.

Where several people have said that they are the same visitor, a visit that names nobody may be any one's. It
is shown to none of them, since it may be another's; but it goes with the first who is erased, since it may be
theirs, and what nobody can be shown is no loss to the others.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from alice import database
from alice.clock import rfc3339
from alice.database import events, events_db, transaction
from alice.ids import event_id, visit_id
from alice.tracking import retention, site
from alice.tracking.event import Kind
from alice.tracking.event_property import properties
from alice.tracking.sinks import upkeep
from alice.tracking.text import texts
from alice.tracking.visit import ATTRIBUTES

AT_ONCE = 200  # visits in one transaction


class Erased(NamedTuple):
    """How many rows went."""

    visits: int
    identities: int
    copies: int  # rows that waited for a sink, or were refused by one


def export(user_id: str, site_number: int | None = None) -> dict[str, Any]:
    """All that is kept of the user, on one site or on all, as JSON can say it.

    Of a visitor whom they share, only what names them.
    """
    with database.connected(events_db):
        return {
            "user_id": user_id,
            "identities": _identities(user_id, site_number),
            "visits": [_visit(number) for number in _visits(user_id, site_number, shared=False)],
        }


def erase(user_id: str, site_number: int | None = None) -> Erased:
    """Delete all that is kept of the user, on one site or on all.

    Of a visitor whom they share, that is what names them and what names nobody; what names another stays,
    and the visitor with it. Rows that wait for a sink go too; what a sink has taken is the other side's to
    delete.

    What stays are texts: addresses of pages, names of events and of their properties, campaigns and the like.
    Each is kept once for all who ever sent it, and is never deleted, since processes remember its number;
    without the rows that are deleted here nothing ties it to anybody, unless the text itself names them, as
    an address like /people/ada does. What an event's properties said goes.
    """
    with database.connected(events_db):
        numbers = _visits(user_id, site_number, shared=True)
        ids = [id for part in _parts(numbers) for id in _ids(part)]
        site_id = None if site_number is None else site.numbered(site_number).id
        # First, since whoever was stopped half-way finds the visits again; and again at last, since a batch
        # may have been put together meanwhile.
        copies = upkeep.forget(ids, user_id, site_id)
        for part in _parts(numbers):
            _erase_visits(part)
        identities, came = _erase_identities(user_id, site_number)
        copies += upkeep.forget(ids + came, user_id, site_id)
        return Erased(len(numbers) + len(came), identities, copies)


def _parts(numbers: list[int]) -> list[list[int]]:
    return [numbers[start : start + AT_ONCE] for start in range(0, len(numbers), AT_ONCE)]


def _ids(numbers: Sequence[int]) -> list[str]:
    """The ids of these visits."""
    marks = ", ".join("?" * len(numbers))
    rows = events.query(f"SELECT started_at, number FROM visits WHERE number IN ({marks})", *numbers)
    return [visit_id(*row) for row in rows]


def _erase_visits(numbers: Sequence[int]) -> None:
    marks = ", ".join("?" * len(numbers))
    rows = events.query(f"SELECT visitor_number, site_number FROM visits WHERE number IN ({marks})", *numbers)
    seqs = {
        seq for (seq,) in events.query(f"SELECT seq FROM events WHERE visit_number IN ({marks})", *numbers)
    }
    for site_number in {row[1] for row in rows}:
        retention.forget_ids_of(site_number, seqs)
    with transaction(events_db):
        events.execute(f"DELETE FROM visits WHERE number IN ({marks})", *numbers)
        for visitor in {row[0] for row in rows}:
            events.execute(_LONELY_VISITOR, visitor, visitor, visitor)


# Whoever said that they are this visitor is remembered by it.
_LONELY_VISITOR = (
    "DELETE FROM visitors WHERE number = ? AND NOT EXISTS (SELECT 1 FROM visits WHERE visitor_number = ?) "
    "AND NOT EXISTS (SELECT 1 FROM identities WHERE visitor_number = ?)"
)


def _erase_identities(user_id: str, site_number: int | None) -> tuple[int, list[str]]:
    """Forget which visitors they are; answer how many, and the ids of visits that came and went meanwhile.

    After all visits: it is what leads to those that name nobody.
    """
    where, values = _of(user_id, site_number)
    with transaction(events_db):
        visitors = [n for (n,) in events.query(f"SELECT visitor_number FROM identities {where}", *values)]
        came = [
            visit_id(*row)
            for visitor in visitors
            for row in events.query(
                "DELETE FROM visits WHERE visitor_number = ? AND (user_id IS NULL OR user_id = ?) "
                "RETURNING started_at, number",
                visitor, user_id,
            )
        ]  # fmt: skip
        gone = events.execute(f"DELETE FROM identities {where}", *values)
        for visitor in visitors:
            events.execute(_LONELY_VISITOR, visitor, visitor, visitor)
    return gone, came


def _of(user_id: str, site_number: int | None) -> tuple[str, list[Any]]:
    if site_number is None:
        return "WHERE user_id = ?", [user_id]
    return "WHERE user_id = ? AND site_number = ?", [user_id, site_number]


def _visits(user_id: str, site_number: int | None, *, shared: bool) -> list[int]:
    """The visits that name them, and of every visitor who they said they are those that name nobody.

    The latter, unless `shared`, only where nobody else said so too.
    """
    numbers = [site_number] if site_number is not None else [row.number for row in site.everyones()]
    select = _THEIRS if shared else f"{_THEIRS} AND {_NOBODY_ELSE}"
    found: set[int] = set()
    for number in numbers:
        found.update(visit for (visit,) in events.query(select, number, user_id, number, user_id))
    return sorted(found)


_THEIRS = (
    "SELECT number FROM visits WHERE site_number = ? AND user_id = ? UNION "
    "SELECT v.number FROM identities i JOIN visits v ON v.visitor_number = i.visitor_number "
    "WHERE i.site_number = ? AND i.user_id = ? AND v.user_id IS NULL"
)
_NOBODY_ELSE = (
    "NOT EXISTS (SELECT 1 FROM identities o WHERE o.visitor_number = i.visitor_number "
    "AND o.user_id <> i.user_id)"
)


def _identities(user_id: str, site_number: int | None) -> list[dict[str, Any]]:
    where, values = _of(user_id, site_number)
    rows = events.query(f"SELECT site_number, data, seen_at FROM identities {where}", *values)
    return [
        {"site_id": site.numbered(number).id, "data": orjson.loads(data), "seen_at": rfc3339(at)}
        for number, data, at in rows
    ]


_VISIT = ("started_at", "last_at", "closed_at", "session_id", "page_views", "interactions", "engaged_ms")


def _visit(number: int) -> dict[str, Any]:
    columns = ("site_number", "context", *_VISIT, *ATTRIBUTES)
    (values,) = events.query(f"SELECT {', '.join(columns)} FROM visits WHERE number = ?", number)
    row = dict(zip(columns, values, strict=True))
    names = texts([row[column] for column in ATTRIBUTES])
    of_site = site.numbered(row["site_number"])
    return {
        "id": visit_id(row["started_at"], number),
        "site_id": of_site.id,
        **{name: rfc3339(row[name]) if row[name] else None for name in _VISIT[:3]},
        **{name: row[name] for name in _VISIT[3:]},
        "context": orjson.loads(row["context"]) if row["context"] else {},
        **{column: names[row[column]] for column in ATTRIBUTES if row[column] is not None},
        "events": _events(number, of_site.id),
    }


def _events(number: int, site_id: str) -> list[dict[str, Any]]:
    rows = events.query(
        "SELECT seq, sequence, kind, name, path, occurred_at, received_at, engaged_ms FROM events "
        "WHERE visit_number = ? ORDER BY sequence",
        number,
    )
    names = texts([text for row in rows for text in row[3:5]])
    said = properties([row[0] for row in rows])
    return [
        {
            "id": event_id(received_at, seq, site_id),
            "sequence": sequence,
            "kind": Kind(kind).name.lower(),
            "name": names[name],
            "path": names[path],
            "occurred_at": rfc3339(occurred_at),
            "received_at": rfc3339(received_at),
            "engaged_ms": engaged_ms,
            "properties": said[seq],
        }
        for seq, sequence, kind, name, path, occurred_at, received_at, engaged_ms in rows
    ]
