"""One person across visits, events and identities: all that is kept of them, to be shown or to be erased."""

from collections.abc import Sequence
from typing import Any

import orjson

from alice import database
from alice.clock import rfc3339
from alice.database import events, events_db, transaction
from alice.tracking import retention, site
from alice.tracking.event import Kind
from alice.tracking.event_property import properties
from alice.tracking.sinks import upkeep
from alice.tracking.text import texts
from alice.tracking.uuid7 import event_id, visit_id
from alice.tracking.visit import TOLD

AT_ONCE = 200  # visits in one transaction


def export(user_id: str, site_number: int | None = None) -> dict[str, Any]:
    """All that is kept of the user, on one site or on all, as JSON can say it."""
    with database.connected(events_db):
        return {
            "user_id": user_id,
            "identities": _identities(user_id, site_number),
            "visits": [_visit(number) for number in _visits(user_id, site_number)],
        }


def erase(user_id: str, site_number: int | None = None) -> int:
    """Delete all that is kept of the user, on one site or on all; answer how many visits that were.

    What waits for a sink goes too; what a sink has taken is the other side's to delete.
    """
    with database.connected(events_db):
        numbers = _visits(user_id, site_number)
        for start in range(0, len(numbers), AT_ONCE):
            _erase_visits(numbers[start : start + AT_ONCE])
        where, values = _of(user_id, site_number)
        with transaction(events_db):
            visitors = [n for (n,) in events.query(f"SELECT visitor_number FROM identities {where}", *values)]
            events.execute(f"DELETE FROM identities {where}", *values)
            for number in visitors:
                events.execute("DELETE FROM visitors WHERE number = ?", number)
        return len(numbers)


def _erase_visits(numbers: Sequence[int]) -> None:
    marks = ", ".join("?" * len(numbers))
    rows = events.query(
        f"SELECT started_at, number, visitor_number, site_number FROM visits WHERE number IN ({marks})",
        *numbers,
    )
    seqs = {
        seq for (seq,) in events.query(f"SELECT seq FROM events WHERE visit_number IN ({marks})", *numbers)
    }
    upkeep.forget([visit_id(started_at, number) for started_at, number, _, _ in rows])
    for site_number in {row[3] for row in rows}:
        retention.forget_ids_of(site_number, seqs)
    with transaction(events_db):
        events.execute(f"DELETE FROM visits WHERE number IN ({marks})", *numbers)
        for visitor in {row[2] for row in rows}:
            events.execute(
                "DELETE FROM visitors WHERE number = ? "
                "AND NOT EXISTS (SELECT 1 FROM visits WHERE visitor_number = ?)",
                visitor, visitor,
            )  # fmt: skip


def _of(user_id: str, site_number: int | None) -> tuple[str, list[Any]]:
    if site_number is None:
        return "WHERE user_id = ?", [user_id]
    return "WHERE user_id = ? AND site_number = ?", [user_id, site_number]


def _visits(user_id: str, site_number: int | None) -> list[int]:
    """The visits that are theirs by name, and those of every visitor they said they are."""
    numbers = [site_number] if site_number is not None else [row.number for row in site.everyones()]
    found: set[int] = set()
    for number in numbers:
        found.update(
            visit
            for (visit,) in events.query(
                "SELECT number FROM visits WHERE site_number = ? AND user_id = ? UNION "
                "SELECT v.number FROM identities i JOIN visits v ON v.visitor_number = i.visitor_number "
                "WHERE i.site_number = ? AND i.user_id = ?",
                number, user_id, number, user_id,
            )
        )  # fmt: skip
    return sorted(found)


def _identities(user_id: str, site_number: int | None) -> list[dict[str, Any]]:
    where, values = _of(user_id, site_number)
    rows = events.query(f"SELECT site_number, data, seen_at FROM identities {where}", *values)
    return [
        {"site_id": site.numbered(number).id, "data": orjson.loads(data), "seen_at": rfc3339(at)}
        for number, data, at in rows
    ]


_VISIT = ("started_at", "last_at", "closed_at", "session_id", "page_views", "interactions", "engaged_ms")


def _visit(number: int) -> dict[str, Any]:
    columns = ("site_number", "context", *_VISIT, *TOLD)
    (values,) = events.query(f"SELECT {', '.join(columns)} FROM visits WHERE number = ?", number)
    row = dict(zip(columns, values, strict=True))
    names = texts([row[column] for column in TOLD])
    of_site = site.numbered(row["site_number"])
    return {
        "id": visit_id(row["started_at"], number),
        "site_id": of_site.id,
        **{name: rfc3339(row[name]) if row[name] else None for name in _VISIT[:3]},
        **{name: row[name] for name in _VISIT[3:]},
        "context": orjson.loads(row["context"]) if row["context"] else {},
        **{column: names[row[column]] for column in TOLD if row[column] is not None},
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
