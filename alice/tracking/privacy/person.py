"""Export and erase all data of one user: visits, events and identities.

A user's visits are (1) visits with their user_id and (2) visits without a user_id from a browser (a visitor)
in which they identified themselves. A visit in which several users identified themselves has the user_id of
the last one, and belongs to that user only.

If several users identified themselves in the same browser, a visit without a user_id may belong to any of
them. It is exported for none of them, because it may be another user's. It is deleted with the first of them
who is erased, because it may be that user's, and the others lose nothing that they could have exported.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from alice import database, erased
from alice.clock import rfc3339
from alice.database import events, events_db, transaction
from alice.ids import event_id, visit_id
from alice.tracking import site
from alice.tracking.log.event import Kind
from alice.tracking.log.event_property import properties
from alice.tracking.log.strings import texts
from alice.tracking.log.visit import ATTRIBUTES
from alice.tracking.privacy import retention

AT_ONCE = 200  # visits in one transaction


class Erased(NamedTuple):
    """How many rows were deleted."""

    visits: int
    identities: int


def export(user_id: str, site_number: int | None = None) -> dict[str, Any]:
    """All data of the user, on one site or on all, ready for JSON.

    From a browser that several users share, only visits with this user's id.
    """
    with database.connected(events_db):
        return {
            "user_id": user_id,
            "identities": _identities(user_id, site_number),
            "visits": [_visit(number) for number in _visits(user_id, site_number, shared=False)],
        }


def erase(user_id: str, site_number: int | None = None) -> Erased:
    """Delete all data of the user, on one site or on all.

    From a browser that several users share, visits with this user's id or with none are deleted; visits with
    another user's id stay, and so does the visitor. What was not sent to a sink yet is not sent any
    more, because sinks read it from here. What a sink has accepted must be deleted there.

    Strings stay: paths and names of events, and names of their properties. Each is stored once for everyone
    who sent it, and never deleted, because processes cache its number. Without the deleted rows nothing links
    it to a person, unless the string itself does, like the path /people/ada.
    """
    with database.connected(events_db):
        numbers = _visits(user_id, site_number, shared=True)
        for start in range(0, len(numbers), AT_ONCE):
            _erase_visits(numbers[start : start + AT_ONCE])
        identities, added = _erase_identities(user_id, site_number)
        return Erased(len(numbers) + added, identities)


def erase_deleted_users(data_dir: Path) -> int:
    """Erase every user who was deleted in alice.db; return how many. Needs a connection to alice.db.

    Each is noted in the ledger of the data folder first. No transaction spans the two databases: a row of
    erasures is deleted after its user is erased, so an interrupted erasure is repeated.
    """
    rows = database.query("SELECT seq, user_id FROM erasures ORDER BY seq")
    for seq, user_id in rows:
        erased.note(data_dir, user_id, account=True)
        erase(user_id)
        with transaction():
            database.execute("DELETE FROM erasures WHERE seq = ?", seq)
    return len(rows)


def _erase_visits(numbers: Sequence[int]) -> None:
    marks = ", ".join("?" * len(numbers))
    rows = events.query(f"SELECT visitor_number, site_number FROM visits WHERE number IN ({marks})", *numbers)
    of_visits = events.query(f"SELECT seq FROM events WHERE visit_number IN ({marks})", *numbers)
    seqs = {seq for (seq,) in of_visits}
    for site_number in {row[1] for row in rows}:
        retention.forget_ids_of(site_number, seqs)
    with transaction(events_db):
        events.execute(f"DELETE FROM visits WHERE number IN ({marks})", *numbers)
        for visitor in {row[0] for row in rows}:
            events.execute(_UNUSED_VISITOR, visitor, visitor, visitor)


# Identities refer to their visitor, so it stays while it has any.
_UNUSED_VISITOR = (
    "DELETE FROM visitors WHERE number = ? AND NOT EXISTS (SELECT 1 FROM visits WHERE visitor_number = ?) "
    "AND NOT EXISTS (SELECT 1 FROM identities WHERE visitor_number = ?)"
)


def _erase_identities(user_id: str, site_number: int | None) -> tuple[int, int]:
    """Delete the user's identities, and visits that were added in the meantime; return how many of each.

    Runs last: visits without a user_id can only be found through identities.
    """
    where, values = _condition(user_id, site_number)
    with transaction(events_db):
        visitors = [n for (n,) in events.query(f"SELECT visitor_number FROM identities {where}", *values)]
        delete = "DELETE FROM visits WHERE visitor_number = ? AND (user_id IS NULL OR user_id = ?)"
        added = sum(events.execute(delete, visitor, user_id) for visitor in visitors)
        deleted = events.execute(f"DELETE FROM identities {where}", *values)
        for visitor in visitors:
            events.execute(_UNUSED_VISITOR, visitor, visitor, visitor)
    return deleted, added


def _condition(user_id: str, site_number: int | None) -> tuple[str, list[Any]]:
    if site_number is None:
        return "WHERE user_id = ?", [user_id]
    return "WHERE user_id = ? AND site_number = ?", [user_id, site_number]


def _visits(user_id: str, site_number: int | None, *, shared: bool) -> list[int]:
    """The numbers of the user's visits, including those without a user_id (see the top of this file).

    With `shared`, also visits without a user_id from browsers in which other users identified themselves.
    """
    numbers = [site_number] if site_number is not None else [row.number for row in site.everyones()]
    select = _OF_USER if shared else f"{_OF_USER} AND {_NOT_SHARED}"
    found: set[int] = set()
    for number in numbers:
        found.update(visit for (visit,) in events.query(select, number, user_id, number, user_id))
    return sorted(found)


_OF_USER = (
    "SELECT number FROM visits WHERE site_number = ? AND user_id = ? UNION "
    "SELECT v.number FROM identities i JOIN visits v ON v.visitor_number = i.visitor_number "
    "WHERE i.site_number = ? AND i.user_id = ? AND v.user_id IS NULL"
)
_NOT_SHARED = (
    "NOT EXISTS (SELECT 1 FROM identities o WHERE o.visitor_number = i.visitor_number "
    "AND o.user_id <> i.user_id)"
)


def _identities(user_id: str, site_number: int | None) -> list[dict[str, Any]]:
    where, values = _condition(user_id, site_number)
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
    of_site = site.numbered(row["site_number"])
    return {
        "id": visit_id(row["started_at"], number),
        "site_id": of_site.id,
        **{name: rfc3339(row[name]) if row[name] else None for name in _VISIT[:3]},
        **{name: row[name] for name in _VISIT[3:]},
        "context": orjson.loads(row["context"]) if row["context"] else {},
        **{column: row[column] for column in ATTRIBUTES if row[column] is not None},
        "events": _events(number, of_site.id),
    }


def _events(number: int, site_id: str) -> list[dict[str, Any]]:
    rows = events.query(
        "SELECT seq, sequence, kind, name, path, occurred_at, received_at, engaged_ms FROM events "
        "WHERE visit_number = ? ORDER BY sequence",
        number,
    )
    names = texts([text for row in rows for text in row[3:5]])
    values = properties([row[0] for row in rows])
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
            "properties": values[seq],
        }
        for seq, sequence, kind, name, path, occurred_at, received_at, engaged_ms in rows
    ]
