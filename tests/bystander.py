"""The bystander: somebody with rows in every table, whom no test means to touch.

She stands in the template that tests copy. After each test her rows are compared with what they were before
it; a test that means to touch them says so with `@pytest.mark.touches_bystander("sessions", ...)`. So a test
notices when what it does to one reader, site or key happens to the others as well, although it looks at one.

Her rows in events.db have numbers below zero. Numbers that tests are given start at 1 all the same, and a
sink, which starts behind 0, does not send hers along.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import orjson

from alice import clock, database
from alice.activity import log
from alice.activity.presence import write_presence
from alice.activity.types import Activity, ActivityType
from alice.clock import DAY, days, hours, minutes, rfc3339
from alice.ids import new_id
from alice.tracking.event import Kind
from alice.tracking.event_property import PropertyType
from alice.tracking.visit import Dialect

USER_ID = "00000000-0000-7000-8000-00000000b1de"
EMAIL = "bystander@example.com"
TOKEN = "bystander-token-".ljust(43, "x")
SITE_ID = "bystander123"
SITE = -1
CODE = "8888-9999-2222"
SINK = "bystander"
NAME = "bystander"  # of her throttle, job and identity
PAGE = 5  # where she left the book
HASH = b"bystander hash"  # how the hashes of her visitors begin

# Which rows are hers, by table. A table that is not here has none: those of books belong to everybody.
_HER_VISITORS = f"SELECT number FROM {{events}}visitors WHERE substr(hash, 1, {len(HASH)}) = {{hash}}"
_HER_VISITS = f"SELECT number FROM {{events}}visits WHERE visitor_number IN ({_HER_VISITORS})"
HERS = {
    "users": f"id = '{USER_ID}'",
    "sessions": f"user_id = '{USER_ID}'",
    "throttles": f"key = '{NAME}'",
    "verification_codes": f"code = '{CODE}'",
    "book_access": f"user_id = '{USER_ID}'",
    "activity_logs": f"user_id = '{USER_ID}'",
    "reader_states": f"user_id = '{USER_ID}'",
    "reading_presence": f"user_id = '{USER_ID}'",
    "page_reads": f"user_id = '{USER_ID}'",
    "reading_progress": f"user_id = '{USER_ID}'",
    "job_leases": f"name = '{NAME}'",
}
HERS_IN_EVENTS = {
    "sites": f"number = {SITE}",
    "api_keys": f"site_number = {SITE}",
    "strings": "number < 0",
    "visitors": f"number IN ({_HER_VISITORS})",
    "visits": f"number IN ({_HER_VISITS})",
    "events": f"visit_number IN ({_HER_VISITS})",
    "event_ids": "seq < 0",
    "event_properties": "event_seq < 0",
    "identities": f"user_id = '{NAME}'",
    "sink_cursors": f"sink = '{SINK}'",
    "sink_batches": f"sink = '{SINK}'",
}
TABLES = (*HERS, *HERS_IN_EVENTS)


class Change(NamedTuple):
    """A row of hers before and after a test; None where there was none."""

    table: str
    before: tuple | None
    after: tuple | None


Query = Callable[[str], Iterable[tuple]]
Rows = dict[str, list[tuple]]


class Engine(NamedTuple):
    """How her rows are named on SQLite (each database a connection) or PostgreSQL (two schemas)."""

    alice: str
    events: str
    hash: str

    def condition(self, table: str) -> str:
        condition = HERS.get(table) or HERS_IN_EVENTS[table]
        return condition.format(events=self.events, hash=self.hash)

    def name(self, table: str) -> str:
        return f"{self.alice if table in HERS else self.events}{table}"


SQLITE = Engine("main.", "main.", f"X'{HASH.hex()}'")
POSTGRESQL = Engine("public.", "tracking.", f"'\\x{HASH.hex()}'::bytea")


def rows(engine: Engine, tables: Iterable[str], query: Query) -> Rows:
    """Her rows of these tables, in an order that does not depend on where they lie."""
    return {
        table: sorted(
            (
                tuple(row)
                for row in query(f"SELECT * FROM {engine.name(table)} WHERE {engine.condition(table)}")
            ),
            key=repr,
        )
        for table in tables
    }


def changes(before: Rows, after: Rows) -> list[Change]:
    """Which of her rows are other than they were. Rows are told apart by their first column."""
    found = []
    for table, were in before.items():
        gone = [row for row in were if row not in after[table]]
        came = [row for row in after[table] if row not in were]
        for row in gone:
            now = next((other for other in came if other[0] == row[0]), None)
            if now is not None:
                came.remove(now)
            found.append(Change(table, row, now))
        found += [Change(table, None, row) for row in came]
    return found


_TABLE = re.compile(r"\b(?:FROM|JOIN) (\w+)")


def besides_hers(engine: Engine, sql: str) -> str:
    """The same SELECT, for which her rows are not there."""
    tables = [table for table in dict.fromkeys(_TABLE.findall(sql)) if table in TABLES]
    if not tables or not sql.startswith("SELECT"):
        return sql
    others = (
        f"{table} AS (SELECT * FROM {engine.name(table)} WHERE NOT ({engine.condition(table)}))"
        for table in tables
    )
    return f"WITH {', '.join(others)} {sql}"


# Making her rows


def add(book: str, hashed_password: str) -> None:
    """Write her rows into alice.db: a reader of this book, whose last activity was two days ago."""
    now = clock.now()
    seen = now - days(2)
    _insert(database.execute, "users", {
        "id": USER_ID, "email": EMAIL, "password_hash": hashed_password, "first_name": "Bystander",
        "last_name": "Example", "role": "reader", "last_active_at": seen, "online_since": seen,
        "created_at": seen, "updated_at": seen,
    })  # fmt: skip
    _insert(database.execute, "sessions", {
        "id": "00000000-0000-7000-8000-00000000b1d5", "user_id": USER_ID,
        "token_hash": hashlib.sha256(TOKEN.encode()).hexdigest(), "ip_address": "192.0.2.99",
        "user_agent": "tests", "remember": False, "created_at": seen, "last_active_at": seen,
        "expires_at": now + days(400),
    })  # fmt: skip
    _insert(database.execute, "throttles", {"key": NAME, "window_started_at": now, "count": 3})
    _insert(database.execute, "job_leases", {"name": NAME, "next_run_at": now + minutes(1)})
    _insert(database.execute, "verification_codes", {
        "code": CODE, "book_id": book, "created_at": seen, "used_by": USER_ID, "used_at": seen,
    })  # fmt: skip
    _insert(database.execute, "book_access", {
        "user_id": USER_ID, "book_id": book, "code": CODE, "granted_at": seen,
    })  # fmt: skip
    write_presence([(USER_ID, (book, PAGE, seen))])


def read(book: str, section_id: str) -> None:
    """Append what she did to the log, in a transaction of its own."""
    at = clock.now() - days(2)
    steps = [
        (ActivityType.PAGE_VIEW, 3, None),
        (ActivityType.WORD_LOOKUP, 3, None),
        (ActivityType.HELP_REQUEST, 3, None),
        (ActivityType.PAGE_VIEW, PAGE, None),
        (ActivityType.SECTION_VIEW, PAGE, section_id),
    ]
    with database.appending():
        log.append(USER_ID, None, [
            Activity(new_id(at), kind.value, at + minutes(n), at + minutes(n), book, page, section)
            for n, (kind, page, section) in enumerate(steps)
        ])  # fmt: skip


def add_site() -> None:
    """Write her rows into events.db: a site with two browsers, what they did, and a sink that waits."""
    now = clock.now()
    _insert(database.events.execute, "sites", {
        "number": SITE, "id": SITE_ID, "domain": "bystander.example", "name": "Bystander",
        "origins": "[]", "idle_minutes": 30, "retention_days": None, "created_at": now - days(500),
    })  # fmt: skip
    for number, scope in enumerate(("ingest", "read")):
        _insert(database.events.execute, "api_keys", {
            "id": f"00000000-0000-7000-8000-0000000b1de{number}", "site_number": SITE, "name": NAME,
            "key_hash": f"{NAME}-{scope}", "scope": scope, "created_at": now - days(500),
        })  # fmt: skip
    _insert(database.events.execute, "strings", {"number": -1, "text": "/bystander"})
    _add_visits(SITE, 0)
    _insert(database.events.execute, "visits", {
        "number": -3, "site_number": SITE, "visitor_number": -1, "dialect": Dialect.LITTLESTATS,
        "started_at": now, "last_at": now, "due_at": now + days(400), "closed_at": None, "sequence": 1,
        "page_views": 1, "interactions": 0, "engaged_ms": 0, "is_bot": 0,
    })  # fmt: skip
    _add_event(SITE, -3, -3, now)
    _add_event_id(SITE, -3)
    for stream in ("events", "visits"):
        _insert(database.events.execute, "sink_cursors", {
            "sink": SINK, "stream": stream, "position": -1, "failures": 1, "refused": 0, "open_until": 0,
            "stopped": None,
        })  # fmt: skip
        for state in ("waiting", "dead", "taken"):
            _insert(database.events.execute, "sink_batches", {
                "id": f"{stream}-{state}", "sink": SINK, "stream": stream, "first": -2, "last": -1, "rows": 1,
                "body": _copy(now), "state": state,
                "attempts": 1, "next_attempt_at": now + days(400), "error": "an outage",
                "created_at": now - hours(1),
            })  # fmt: skip


def _copy(at: int) -> bytes:
    """A row as sinks are sent it, of either stream."""
    time = rfc3339(at)
    row = {"seq": -1, "project_id": SITE_ID, "visit_id": "hers", "user_id": NAME}
    return orjson.dumps(row | {"timestamp": time, "received_at": time}) + b"\n"


def visit(site_number: int) -> None:
    """Let two of her browsers visit another's site as well, an hour ago."""
    _add_visits(site_number, site_number)


def _add_visits(site_number: int, nth: int) -> None:
    """One browser that said who it is, and one that did not. On her own site both came long ago."""
    now = clock.now()
    came = now - (days(400) if site_number == SITE else hours(1))
    for which in (1, 2):
        number = -(10 * nth + which)
        _insert(database.events.execute, "visitors", {
            "number": number, "site_number": site_number, "hash": HASH + bytes((which, nth % 256)),
            "day": None if which == 1 else came // DAY,
        })  # fmt: skip
        _insert(database.events.execute, "visits", {
            "number": number, "site_number": site_number, "visitor_number": number,
            "dialect": Dialect.LITTLESTATS, "started_at": came, "last_at": came + minutes(1),
            "due_at": came + minutes(31), "closed_at": came + minutes(2), "sequence": 1, "page_views": 1,
            "interactions": 0, "engaged_ms": 100, "landing_path": -1, "is_bot": 0,
        })  # fmt: skip
        _add_event(site_number, number, number, came)
        if site_number != SITE:  # ids are known for seven days
            _add_event_id(site_number, number)
    _insert(database.events.execute, "identities", {
        "site_number": site_number, "user_id": NAME, "visitor_number": -(10 * nth + 1), "data": "{}",
        "seen_at": came,
    })  # fmt: skip


def _add_event(site_number: int, seq: int, visit: int, at: int) -> None:
    _insert(database.events.execute, "events", {
        "seq": seq, "site_number": site_number, "visit_number": visit, "sequence": 1, "kind": Kind.PAGE_VIEW,
        "name": None, "path": -1, "occurred_at": at, "received_at": at, "engaged_ms": None,
    })  # fmt: skip
    _insert(database.events.execute, "event_properties", {
        "event_seq": seq, "key": -1, "type": PropertyType.STRING, "text": NAME, "number": None,
    })  # fmt: skip


def _add_event_id(site_number: int, seq: int) -> None:
    _insert(database.events.execute, "event_ids", {
        "site_number": site_number, "id": b"%016d" % -seq, "seq": seq,
    })  # fmt: skip


def _insert(execute: Callable[..., int], table: str, columns: Mapping[str, Any]) -> None:
    marks = ", ".join("?" * len(columns))
    execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", *columns.values())
