"""The two databases: handles, PRAGMAs, the base model and transactions.

`alice_db` holds accounts, books and activity; `events_db` holds tracking. Both are proxies that
`bind()` points at SQLite files or at PostgreSQL. No connection is opened automatically: requests,
threads and commands open one and return it to the pool, and a query without a connection raises.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import peewee
from peewee import BigIntegerField, DatabaseProxy
from playhouse.db_url import parse
from playhouse.pool import (
    MaxConnectionsExceeded,
    PooledDatabase,
    PooledPostgresqlDatabase,
    PooledSqliteDatabase,
)

from alice.config import ConfigError, Settings

BUSY_TIMEOUT = 5000  # ms to wait for a lock
IDLE_IN_TRANSACTION = 60_000  # ms until PostgreSQL disconnects a client that froze while it held a lock

PRAGMAS = (
    ("journal_mode", "wal"),
    ("synchronous", "normal"),
    ("foreign_keys", "on"),
    ("busy_timeout", BUSY_TIMEOUT),
    ("wal_autocheckpoint", 1000),
    ("cache_size", -20000),
    ("temp_store", "memory"),
)
SQLITE_AT_LEAST = (3, 35, 0)  # UPSERT with RETURNING

CONNECTIONS, IDLE_CONNECTIONS = 25, 5  # per database and process: open at most, idle at most
WAIT_FOR_CONNECTION = 10  # seconds, if the pool has no free one

# Advisory lock keys on PostgreSQL; any fixed 64-bit numbers that differ.
ACTIVITY_LOG = 0x416C696365_01
MIGRATIONS = 0x416C696365_02
EVENT_LOG = 0x416C696365_03

Handle = peewee.Database | DatabaseProxy

alice_db = DatabaseProxy()
events_db = DatabaseProxy()


class Unavailable(Exception):
    """The database cannot be used at the moment; the same request may succeed a little later."""


# Handles


def bind(settings: Settings) -> None:
    """Point both proxies at the databases of the settings. Opens no connection."""
    disconnect()
    alice_db.initialize(_handle(settings, "alice.db"))
    events_db.initialize(_handle(settings, "events.db", search_path="tracking"))


class _FewIdle(PooledDatabase):
    """A pool with at most IDLE_CONNECTIONS idle connections; peewee's own keeps all it ever opened."""

    def _can_reuse(self, conn: Any) -> bool:
        return super()._can_reuse(conn) and len(self._connections) < IDLE_CONNECTIONS


class _Sqlite(_FewIdle, PooledSqliteDatabase):
    pass


class _Postgresql(_FewIdle, PooledPostgresqlDatabase):
    pass


def _handle(settings: Settings, filename: str, search_path: str | None = None) -> peewee.Database:
    if settings.database_url and not settings.database_url.startswith("sqlite"):
        if peewee.psycopg is None:
            raise ConfigError(
                "PostgreSQL needs its driver: "
                ".venv/bin/python -m pip install --no-build-isolation -e '.[postgresql]'"
            )
        options = {
            "lock_timeout": BUSY_TIMEOUT,
            "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION,
        }
        if search_path:
            options["search_path"] = search_path
        server = parse(settings.database_url, True, True)
        server["options"] = " ".join(f"-c {name}={value}" for name, value in options.items())
        return _postgresql(server, CONNECTIONS)
    if peewee.sqlite3.sqlite_version_info < SQLITE_AT_LEAST:
        raise ConfigError(
            f"Alice needs SQLite 3.35 or newer; this Python has {peewee.sqlite3.sqlite_version}."
        )
    path = sqlite_path(settings).with_name(filename) if search_path else sqlite_path(settings)
    _make_private(path)
    return _sqlite(str(path), CONNECTIONS)


def _postgresql(server: dict[str, Any], connections: int, **options: Any) -> peewee.Database:
    return _Postgresql(**server, **_pool(connections), **options, prefer_psycopg3=True)


def _sqlite(path: str, connections: int, **options: Any) -> peewee.Database:
    return _Sqlite(
        path, pragmas=PRAGMAS, lock_type="IMMEDIATE", check_same_thread=False, **_pool(connections), **options
    )


def _pool(connections: int) -> dict[str, Any]:
    return {"max_connections": connections, "timeout": WAIT_FOR_CONNECTION, "autoconnect": False}


def single(handle: DatabaseProxy) -> peewee.Database:
    """A handle of the same database with one connection for all threads, which must take turns."""
    pool = handle.obj
    if isinstance(pool, peewee.PostgresqlDatabase):
        return _postgresql({"database": pool.database, **pool.connect_params}, 1, thread_safe=False)
    return _sqlite(pool.database, 1, thread_safe=False)


def _make_private(path: Path) -> None:
    """Create the file with mode 0600 if it is missing; SQLite gives -wal and -shm the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError:
        pass  # connecting will fail too, with a better message


def sqlite_path(settings: Settings) -> Path:
    """The path of alice.db. Not for PostgreSQL."""
    if settings.database_url is None:
        return settings.data_dir / "alice.db"
    return Path(parse(settings.database_url)["database"])


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


def is_temporary(error: BaseException) -> bool:
    """Whether an error is temporary (a lock, a full disk, a lost server) and not caused by the query."""
    if isinstance(error, (Unavailable, MaxConnectionsExceeded)):
        return True
    if not isinstance(error, (peewee.OperationalError, peewee.InterfaceError)):
        return False
    # On a full disk the rollback fails too ("no transaction is active"), with the cause as its context.
    return any(sign in str(cause).lower() for cause in _chain(error) for sign in _SIGNS)


_SIGNS = (
    "locked", "lock timeout", "deadlock detected", "disk is full", "i/o error", "readonly", "no space left",
    "could not connect", "connection failed", "connection refused", "connection is closed",
    "connection is lost", "connection not opened", "closed the connection", "terminating connection",
    "shutting down", "starting up",
)  # fmt: skip


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__context__


# Models


class Millis(BigIntegerField):
    """A time: integer milliseconds since the epoch, UTC. Int in, int out."""


class Sequence(peewee.BigAutoField):
    """An increasing row number that is never reused."""

    def ddl(self, ctx: peewee.Context) -> peewee.NodeList:
        if isinstance(self.model._meta.database.obj, peewee.PostgresqlDatabase):
            return super().ddl(ctx)
        return peewee.NodeList((self.column, peewee.SQL("INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT")))


class Metadata(peewee.Metadata):
    def fields_to_index(self) -> list[peewee.Index]:
        """All indexes of the table, named idx_<table>_<columns>."""
        indexes = super().fields_to_index()
        for index in indexes:
            columns = "_".join(field.column_name for field in index._expressions)
            index._name = f"idx_{self.table_name}_{columns}"
        return indexes

    @property
    def without_rowid(self) -> bool:
        """WITHOUT ROWID, only on SQLite: the table is stored as the index of its primary key."""
        return self._without_rowid and not isinstance(self.database.obj, peewee.PostgresqlDatabase)

    @without_rowid.setter
    def without_rowid(self, value: bool) -> None:
        self._without_rowid = value


class Model(peewee.Model):
    class Meta:
        database = alice_db
        legacy_table_names = False
        model_metadata_class = Metadata


class EventsModel(Model):
    """A table of events.db."""

    class Meta:
        database = events_db


# Transactions


def transaction(database: Handle = alice_db) -> AbstractContextManager[Any]:
    """A transaction for ordinary writes. BEGIN IMMEDIATE on SQLite, so only its start can fail for a lock."""
    return database.atomic()


@contextmanager
def appending(database: Handle = alice_db, lock: int = ACTIVITY_LOG) -> Iterator["Log"]:
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
