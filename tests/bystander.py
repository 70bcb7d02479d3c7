"""The bystander: a user with rows in every table that belongs to users, sites or sinks.

The bystander's rows are in the template database that tests copy. A test fails if it changes them, so it
notices if code that should change one reader, site or key changes others as well. A test that changes them on
purpose is marked `@pytest.mark.touches_bystander("sessions", ...)`.

In events.db the bystander's rows have negative numbers. So the numbers in tests still start at 1, and sinks,
whose cursors start at 0, do not send the bystander's rows.
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from alice import clock, database
from alice.activity import log
from alice.activity.presence import write_presence
from alice.activity.types import Activity, ActivityType
from alice.clock import DAY, days, hours, minutes
from alice.ids import new_id
from alice.tracking.log.event import Kind
from alice.tracking.log.event_property import PropertyType
from alice.tracking.log.visit import Dialect

USER_ID = "00000000-0000-7000-8000-00000000b1de"
EMAIL = "bystander@example.com"
TOKEN = "bystander-token-".ljust(43, "x")
SITE_ID = "bystander123"
SITE = -1
CODE = "8888-9999-2222"
SINK = "bystander"
NAME = "bystander"  # of the throttle, job lease and identity
PAGE = 5  # the page on which the bystander stopped reading
HASH = b"bystander hash"  # the beginning of the hashes of the bystander's visitors

# Conditions that select the bystander's rows, by table. Other tables have none: books belong to all users.
_VISITORS = f"SELECT number FROM {{events}}visitors WHERE substr(hash, 1, {len(HASH)}) = {{hash}}"
_VISITS = f"SELECT number FROM {{events}}visits WHERE visitor_number IN ({_VISITORS})"
IN_ALICE = {
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
IN_EVENTS = {
    "sites": f"number = {SITE}",
    "api_keys": f"site_number = {SITE}",
    "strings": "number < 0",
    "visitors": f"number IN ({_VISITORS})",
    "visits": f"number IN ({_VISITS})",
    "events": f"visit_number IN ({_VISITS})",
    "event_ids": "seq < 0",
    "event_properties": "event_seq < 0",
    "identities": f"user_id = '{NAME}'",
    "sink_cursors": f"sink = '{SINK}'",
    "sink_batches": f"sink = '{SINK}'",
}
TABLES = (*IN_ALICE, *IN_EVENTS)


class Change(NamedTuple):
    """A row of the bystander before and after a test; None if it did not exist."""

    table: str
    before: tuple | None
    after: tuple | None


Query = Callable[[str], Iterable[tuple]]
Rows = dict[str, list[tuple]]


class Engine(NamedTuple):
    """How to select the rows on SQLite (one connection per database) or PostgreSQL (two schemas)."""

    alice: str
    events: str
    hash: str

    def condition(self, table: str) -> str:
        condition = IN_ALICE.get(table) or IN_EVENTS[table]
        return condition.format(events=self.events, hash=self.hash)

    def name(self, table: str) -> str:
        return f"{self.alice if table in IN_ALICE else self.events}{table}"


SQLITE = Engine("main.", "main.", f"X'{HASH.hex()}'")
POSTGRESQL = Engine("public.", "tracking.", f"'\\x{HASH.hex()}'::bytea")


def rows(engine: Engine, tables: Iterable[str], query: Query) -> Rows:
    """Return the bystander's rows in these tables, sorted by their values."""
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
    """Return the rows that differ. Rows with the same first column are the same row."""
    found = []
    for table, old in before.items():
        gone = [row for row in old if row not in after[table]]
        new = [row for row in after[table] if row not in old]
        for row in gone:
            changed = next((other for other in new if other[0] == row[0]), None)
            if changed is not None:
                new.remove(changed)
            found.append(Change(table, row, changed))
        found += [Change(table, None, row) for row in new]
    return found


_TABLE = re.compile(r"\b(?:FROM|JOIN) (\w+)")


def without_bystander(engine: Engine, sql: str) -> str:
    """Return the SELECT with the bystander's rows left out of its tables; another statement as it is."""
    tables = [table for table in dict.fromkeys(_TABLE.findall(sql)) if table in TABLES]
    if not tables or not sql.startswith("SELECT"):
        return sql
    others = (
        f"{table} AS (SELECT * FROM {engine.name(table)} WHERE NOT ({engine.condition(table)}))"
        for table in tables
    )
    return f"WITH {', '.join(others)} {sql}"


# Creating the rows


def add(book: str, hashed_password: str) -> None:
    """Insert the rows in alice.db: a reader of this book, last active two days ago."""
    now = clock.now()
    seen = now - days(2)
    insert(
        database.execute,
        "users",
        id=USER_ID,
        email=EMAIL,
        password_hash=hashed_password,
        first_name="Bystander",
        last_name="Example",
        role="reader",
        last_active_at=seen,
        online_since=seen,
        created_at=seen,
        updated_at=seen,
    )
    insert(
        database.execute,
        "sessions",
        id="00000000-0000-7000-8000-00000000b1d5",
        user_id=USER_ID,
        token_hash=hashlib.sha256(TOKEN.encode()).hexdigest(),
        ip_address="192.0.2.99",
        user_agent="tests",
        remember=False,
        created_at=seen,
        last_active_at=seen,
        expires_at=now + days(400),
    )
    insert(database.execute, "throttles", key=NAME, window_started_at=now, count=3)
    insert(database.execute, "job_leases", name=NAME, next_run_at=now + minutes(1))
    insert(
        database.execute,
        "verification_codes",
        code=CODE,
        book_id=book,
        created_at=seen,
        used_by=USER_ID,
        used_at=seen,
    )
    insert(database.execute, "book_access", user_id=USER_ID, book_id=book, code=CODE, granted_at=seen)
    write_presence(database.Queries(database.alice_db), [(USER_ID, (book, PAGE, seen))])


def read(book: str) -> None:
    """Append the bystander's activities to the log, in a transaction of their own."""
    ((section_id,),) = database.query(
        "SELECT id FROM sections WHERE book_id = ? AND page_number = ? AND section_number = 2", book, PAGE
    )
    at = clock.now() - days(2)
    steps = [
        (ActivityType.PAGE_VIEW, 3, None),
        (ActivityType.WORD_LOOKUP, 3, None),
        (ActivityType.HELP_REQUEST, 3, None),
        (ActivityType.PAGE_VIEW, PAGE, None),
        (ActivityType.SECTION_VIEW, PAGE, section_id),
    ]
    activities = [
        Activity(new_id(at), kind.value, at + minutes(n), at + minutes(n), book, page, section)
        for n, (kind, page, section) in enumerate(steps)
    ]
    with database.appending() as db:
        log.append(db, USER_ID, None, activities)


def add_site() -> None:
    """Insert the rows in events.db: a site with two browsers, their visits and events, and a waiting sink."""
    now = clock.now()
    insert(
        database.events.execute,
        "sites",
        number=SITE,
        id=SITE_ID,
        domain="bystander.example",
        name="Bystander",
        origins="[]",
        idle_minutes=30,
        retention_days=None,
        created_at=now - days(500),
    )
    for number, scope in enumerate(("ingest", "read")):
        insert(
            database.events.execute,
            "api_keys",
            id=f"00000000-0000-7000-8000-0000000b1de{number}",
            site_number=SITE,
            name=NAME,
            key_hash=f"{NAME}-{scope}",
            scope=scope,
            created_at=now - days(500),
        )
    insert(database.events.execute, "strings", number=-1, text="/bystander")
    _add_visits(SITE, 0)
    insert(
        database.events.execute,
        "visits",
        number=-3,
        site_number=SITE,
        visitor_number=-1,
        dialect=Dialect.LITTLESTATS,
        started_at=now,
        last_at=now,
        due_at=now + days(400),
        closed_at=None,
        sequence=1,
        page_views=1,
        interactions=0,
        engaged_ms=0,
        is_bot=0,
    )
    _add_event(SITE, -3, -3, now)
    _add_event_id(SITE, -3)
    for stream in ("events", "visits"):
        insert(
            database.events.execute,
            "sink_cursors",
            sink=SINK,
            stream=stream,
            position=-1,
            failures=1,
            refused=0,
            open_until=0,
            stopped=None,
        )
        for state in ("waiting", "dead", "taken"):
            insert(
                database.events.execute,
                "sink_batches",
                id=f"{stream}-{state}",
                sink=SINK,
                stream=stream,
                first=-1,
                last=-1,
                rows=1,
                bytes=100,
                state=state,
                attempts=1,
                next_attempt_at=now + days(400),
                error="an outage",
                created_at=now - hours(1),
            )


def visit(site_number: int) -> None:
    """Add visits of two of the bystander's browsers to another site, an hour ago."""
    _add_visits(site_number, site_number)


def _add_visits(site_number: int, nth: int) -> None:
    """Add visits of an identified and an anonymous browser: an hour ago, on the own site 400 days ago."""
    now = clock.now()
    at = now - (days(400) if site_number == SITE else hours(1))
    for which in (1, 2):
        number = -(10 * nth + which)
        insert(
            database.events.execute,
            "visitors",
            number=number,
            site_number=site_number,
            hash=HASH + bytes((which, nth % 256)),
            day=None if which == 1 else at // DAY,
        )
        insert(
            database.events.execute,
            "visits",
            number=number,
            site_number=site_number,
            visitor_number=number,
            dialect=Dialect.LITTLESTATS,
            started_at=at,
            last_at=at + minutes(1),
            due_at=at + minutes(31),
            closed_at=at + minutes(2),
            sequence=1,
            page_views=1,
            interactions=0,
            engaged_ms=100,
            landing_path="/bystander",
            is_bot=0,
        )
        _add_event(site_number, number, number, at)
        if site_number != SITE:  # event ids are kept for seven days
            _add_event_id(site_number, number)
    insert(
        database.events.execute,
        "identities",
        site_number=site_number,
        user_id=NAME,
        visitor_number=-(10 * nth + 1),
        data="{}",
        seen_at=at,
    )


def _add_event(site_number: int, seq: int, visit: int, at: int) -> None:
    insert(
        database.events.execute,
        "events",
        seq=seq,
        site_number=site_number,
        visit_number=visit,
        sequence=1,
        kind=Kind.PAGE_VIEW,
        name=None,
        path=-1,
        occurred_at=at,
        received_at=at,
        engaged_ms=None,
    )
    insert(
        database.events.execute,
        "event_properties",
        event_seq=seq,
        key=-1,
        type=PropertyType.STRING,
        text=NAME,
        number=None,
    )


def _add_event_id(site_number: int, seq: int) -> None:
    insert(database.events.execute, "event_ids", site_number=site_number, id=b"%016d" % -seq, seq=seq)


def insert(execute: Callable[..., int], table: str, **columns: Any) -> None:
    marks = ", ".join("?" * len(columns))
    execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", *columns.values())
