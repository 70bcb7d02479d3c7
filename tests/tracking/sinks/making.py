"""Inserts visits and events directly into the tables."""

from dataclasses import dataclass
from typing import Any

import orjson

from alice import clock, database
from alice.database import EVENT_LOG, events, events_db
from alice.tracking.log import event, event_property
from alice.tracking.log.event import Kind
from alice.tracking.log.visit import Dialect
from tests.conftest import EventRows

SITE = "wonderland12"


def string(text: str | None) -> int | None:
    """The number of a text, as the log refers to it."""
    if text is None:
        return None
    events.execute("INSERT INTO strings (text) VALUES (?) ON CONFLICT DO NOTHING", text)
    return events.query("SELECT number FROM strings WHERE text = ?", text)[0][0]


@dataclass
class Log:
    """The log of one site; every call is one committed transaction."""

    def __post_init__(self) -> None:
        with database.connected(events_db), database.appending(events_db, EVENT_LOG):
            self.site = _insert(
                "sites",
                id=SITE,
                domain="wonderland.example",
                name="Wonderland",
                origins="[]",
                idle_minutes=30,
                created_at=clock.now(),
            )
            self.visitor = _insert("visitors", site_number=self.site, hash=b"0123456789abcdef", day=20000)

    def visit(self, context: dict | None = None, **columns: Any) -> int:
        """Open a visit."""
        now = clock.now()
        with database.connected(events_db), database.appending(events_db, EVENT_LOG):
            if context:
                columns["context"] = orjson.dumps(context).decode()
            started = {"started_at": now, "last_at": now, "due_at": now + clock.minutes(30)}
            numbers = dict.fromkeys(("sequence", "page_views", "interactions", "engaged_ms", "is_bot"), 0)
            ids = {"site_number": self.site, "visitor_number": self.visitor}
            fixed = {"dialect": Dialect.LITTLESTATS, **ids, **started, **numbers}
            return _insert("visits", **fixed | columns)

    def events(
        self,
        visit: int,
        count: int = 1,
        kind: Kind = Kind.PAGE_VIEW,
        name: str | None = None,
        path: str | None = "/tea",
        engaged_ms: int | None = None,
        **properties: Any,
    ) -> list[int]:
        """Append events of one kind; return their seq."""
        now = clock.now()
        with database.connected(events_db), database.appending(events_db, EVENT_LOG) as db:
            ((last,),) = events.query("SELECT sequence FROM visits WHERE number = ?", visit)
            rows = [
                (visit, last + n, kind, string(name), string(path), now, now, engaged_ms)
                for n in range(1, count + 1)
            ]
            seqs = event.append(db, self.site, rows)
            events.execute("UPDATE visits SET sequence = sequence + ? WHERE number = ?", count, visit)
            event_property.append(
                db, [(seq, string(key), value) for seq in seqs for key, value in properties.items()]
            )
        return seqs


def _insert(table: str, **columns: Any) -> int:
    marks = ", ".join("?" * len(columns))
    return events.query(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) RETURNING number", *columns.values()
    )[0][0]


# What sinks keep


def kept() -> dict[Any, tuple]:
    """Every row that sinks have, but the bystander's: a cursor by its sink and stream, a batch by its id."""
    rows = EventRows()
    cursors = rows.query("SELECT * FROM sink_cursors")
    return {row[:2]: row for row in cursors} | {
        row[0]: row for row in rows.query("SELECT * FROM sink_batches")
    }


def touched(before: dict[Any, tuple]) -> set:
    """Which of these rows have changed since, or are gone."""
    now = kept()
    return {key for key, row in before.items() if now.get(key) != row}
