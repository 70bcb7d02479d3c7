"""The two databases: connections, transactions and plain SQL.

`alice_db` holds accounts, books and activity; `events_db` holds tracking. Both are proxies that
`bind()` points at SQLite files or at PostgreSQL. No connection is opened automatically: requests,
threads and commands open one and return it to the pool, and a query without a connection raises.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from typing import Any

import peewee
from peewee import DatabaseProxy
from playhouse.pool import MaxConnectionsExceeded

from alice import engines
from alice.config import Settings
from alice.engines import Unavailable

# Advisory lock keys on PostgreSQL; any fixed 64-bit numbers that differ.
ACTIVITY_LOG = 0x416C696365_01
MIGRATIONS = 0x416C696365_02
EVENT_LOG = 0x416C696365_03

Handle = peewee.Database | DatabaseProxy

alice_db = DatabaseProxy()
events_db = DatabaseProxy()


# Handles


def bind(settings: Settings) -> None:
    """Point both proxies at the databases of the settings. Opens no connection."""
    disconnect()
    alice_db.initialize(engines.handle(settings, tracking=False))
    events_db.initialize(engines.handle(settings, tracking=True))


def is_postgresql() -> bool:
    return isinstance(alice_db.obj, peewee.PostgresqlDatabase)


@contextmanager
def connected(database: Handle = alice_db) -> Iterator[None]:
    """Open a connection for the block, unless this thread has one. Raises Unavailable as ensure_open() does.

    Unlike peewee's connection_context(), a nested block does not close the outer block's connection.
    """
    opened = database.is_closed()
    ensure_open(database)
    try:
        yield
    finally:
        if opened:
            close(database)


def ensure_open(database: Handle = alice_db) -> None:
    """Open this thread's connection if it has none. Raises Unavailable if all are in use for 10 s."""
    if database.is_closed():
        try:
            database.connect()
        except MaxConnectionsExceeded:
            raise Unavailable("every database connection is in use") from None


def close(database: Handle = alice_db) -> None:
    """Return this thread's connection to the pool, if it has one."""
    if not database.is_closed():
        database.close()


def disconnect() -> None:
    """Close every idle connection: before a fork, so that no two processes share one."""
    for proxy in (alice_db, events_db):
        if proxy.obj is not None:
            proxy.obj.close_idle()


# Plain SQL, for hot paths and for rows read as tuples


class Queries:
    """Plain SQL on one database. Parameters are written `?` for both engines."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    def query(self, sql: str, *params: Any) -> list[tuple]:
        """The rows of a SELECT (or of a RETURNING clause)."""
        return self._run(sql, params).fetchall()

    def execute(self, sql: str, *params: Any) -> int:
        """Run a statement; return how many rows it changed."""
        return self._run(sql, params).rowcount

    def execute_many(self, sql: str, rows: list[tuple]) -> None:
        """Run a statement once for each row of parameters."""
        with peewee.__exception_wrapper__:  # raises peewee's exceptions, as execute_sql() does
            self._handle.cursor().executemany(_with_marks(sql, self._handle.param), rows)

    def _run(self, sql: str, params: tuple[Any, ...]) -> Any:
        return self._handle.execute_sql(_with_marks(sql, self._handle.param), params)


class Log(Queries):
    """A database inside a transaction that may append to its log; from appending() and the recorder."""

    def append(self, sql: str, *params: Any) -> tuple[int, int]:
        """Run an INSERT into the log; return how many rows it added, and the seq of the last (0 if none).

        SQLite reports both without RETURNING, which would make the insert take half as long again.
        """
        if self._handle.param == "?":
            cursor = self._run(sql, params)
            return cursor.rowcount, cursor.lastrowid if cursor.rowcount else 0
        rows = self.query(f"{sql} RETURNING seq", *params)
        return len(rows), rows[-1][0] if rows else 0


@lru_cache(maxsize=512)
def _with_marks(sql: str, param: str) -> str:
    return sql.replace("?", param)


_alice = Queries(alice_db)
query, execute, execute_many = _alice.query, _alice.execute, _alice.execute_many
events = Queries(events_db)  # for tracking


# Transactions


def transaction(database: Handle = alice_db) -> AbstractContextManager[Any]:
    """A transaction for ordinary writes. BEGIN IMMEDIATE on SQLite, so only its start can fail for a lock."""
    return database.atomic()


@contextmanager
def appending(database: Handle = alice_db, lock: int = ACTIVITY_LOG) -> Iterator[Log]:
    """A transaction that may append to a log: yields the open log. `lock` is the log's advisory lock key.

    On PostgreSQL rows become visible in the order of their sequence numbers only if appending transactions
    run one after the other, so the first statement takes the log's advisory lock. Raises RuntimeError inside
    another transaction.
    """
    if database.in_transaction():
        raise RuntimeError("appending() must be the outermost transaction")
    with database.atomic():
        if database.param == "%s":  # PostgreSQL
            database.execute_sql("SELECT pg_advisory_xact_lock(%s)", (lock,))
        yield Log(database)
