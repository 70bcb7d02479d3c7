"""The two databases: handles, the PRAGMAs, the base model, and what opens a transaction.

`alice_db` holds accounts, books and activity; `events_db` holds tracking. Both are proxies that
`bind()` points at SQLite files or at PostgreSQL. Nothing connects by itself: requests, threads and
commands open a connection and give it back, and a stray query raises.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import peewee
from peewee import BigIntegerField, DatabaseProxy
from playhouse.db_url import parse
from playhouse.pool import MaxConnectionsExceeded, PooledPostgresqlDatabase, PooledSqliteDatabase

from alice.config import ConfigError, Settings

BUSY_TIMEOUT = 5000  # ms to wait for another's lock
IDLE_IN_TRANSACTION = 60_000  # ms until PostgreSQL gives up on a client that froze while it held a lock

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

# Each warm connection costs 20 MB of page cache, so a process keeps few and lends them for moments.
ALICE_CONNECTIONS = 3
EVENTS_CONNECTIONS = 4  # one is the writer thread's, and one its callers share
WAIT_FOR_CONNECTION = 10  # seconds

# Advisory lock keys on PostgreSQL; any fixed 64-bit numbers that differ.
ACTIVITY_LOG = 0x416C696365_01
MIGRATIONS = 0x416C696365_02
EVENT_LOG = 0x416C696365_03

alice_db = DatabaseProxy()
events_db = DatabaseProxy()
_this_thread = threading.local()


class Unavailable(Exception):
    """The database cannot take this now; the same request may succeed in a moment."""


# Handles


def bind(settings: Settings) -> None:
    """Point both proxies at the databases the settings name. Opens no connection."""
    disconnect()
    alice_db.initialize(_handle(settings, "alice.db", ALICE_CONNECTIONS))
    events_db.initialize(_handle(settings, "events.db", EVENTS_CONNECTIONS, search_path="tracking"))


def _handle(
    settings: Settings, filename: str, connections: int, search_path: str | None = None
) -> peewee.Database:
    pool = {"max_connections": connections, "timeout": WAIT_FOR_CONNECTION, "autoconnect": False}
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
        pool["options"] = " ".join(f"-c {name}={value}" for name, value in options.items())
        return PooledPostgresqlDatabase(
            **parse(settings.database_url, True, True), **pool, prefer_psycopg3=True
        )
    if peewee.sqlite3.sqlite_version_info < SQLITE_AT_LEAST:
        raise ConfigError(
            f"Alice needs SQLite 3.35 or newer; this Python has {peewee.sqlite3.sqlite_version}."
        )
    path = sqlite_path(settings).with_name(filename) if search_path else sqlite_path(settings)
    _make_private(path)
    return PooledSqliteDatabase(
        str(path),
        pragmas=PRAGMAS,
        lock_type="IMMEDIATE",
        check_same_thread=False,
        **pool,
    )


def _make_private(path: Path) -> None:
    """Make the file, if there is none, for its owner alone; SQLite gives -wal and -shm the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError:
        pass  # connecting says why, in its own words


def sqlite_path(settings: Settings) -> Path:
    """Where alice.db lies (not for PostgreSQL)."""
    if settings.database_url is None:
        return settings.data_dir / "alice.db"
    return Path(parse(settings.database_url)["database"])


def is_postgresql() -> bool:
    return isinstance(alice_db.obj, peewee.PostgresqlDatabase)


def real(database: peewee.Database | DatabaseProxy) -> peewee.Database:
    """The database behind a proxy, for where every step through one counts."""
    return database.obj if isinstance(database, DatabaseProxy) else database


@contextmanager
def connected(database: peewee.Database | DatabaseProxy = alice_db) -> Iterator[None]:
    """A connection for the block, if this thread has none yet. Raises Unavailable as ensure_open() does.

    Not peewee's own context manager: that one cannot bear that the connection goes back to the pool and
    another comes while the block runs, as happens where one waits for the recorder or hashes a password.
    """
    opened = database.is_closed()
    ensure_open(database)
    try:
        yield
    finally:
        if opened and not database.is_closed():
            database.close()


def ensure_open(database: peewee.Database | DatabaseProxy = alice_db) -> None:
    """Open this thread's connection if it has none. Raises Unavailable if all are lent out for 10 s."""
    if database.is_closed():
        try:
            database.connect()
        except MaxConnectionsExceeded:
            raise Unavailable("every database connection is in use") from None


class Shared:
    """A connection that threads use in turns, each for a moment: `with shared: ...` inside a lock of theirs.

    Lending one from the pool and giving it back takes a tenth of what an event costs.
    """

    def __init__(self, database: peewee.Database | DatabaseProxy) -> None:
        self._database = database
        self._connection: Any = None

    def __enter__(self) -> None:
        if self._connection is None:
            ensure_open(self._database)
        else:
            real(self._database)._state.set_connection(self._connection)

    def __exit__(self, *exc_info: object) -> None:
        state = real(self._database)._state
        # Closed meanwhile: it failed, and the next one gets another.
        self._connection = None if state.closed else state.conn
        state.reset()

    def close(self) -> None:
        """Give it back."""
        if self._connection is not None:
            self._database._state.set_connection(self._connection)
            self._connection = None
            self._database.close()


def release() -> None:
    """Give this thread's connection back to the pool, if it has one."""
    if not alice_db.is_closed():
        alice_db.close()


def disconnect() -> None:
    """Close every idle connection: before a fork, so that no two processes share one."""
    for proxy in (alice_db, events_db):
        if proxy.obj is not None:
            proxy.obj.close_idle()


def is_temporary(error: BaseException) -> bool:
    """Whether a database error is about the moment (a lock, a full disk, a lost server), not the query."""
    if isinstance(error, (Unavailable, MaxConnectionsExceeded)):
        return True
    if not isinstance(error, (peewee.OperationalError, peewee.InterfaceError)):
        return False
    # After a full disk the rollback fails too ("no transaction is active"), and the cause stands behind it.
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
    """A growing row number that is never given out twice."""

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
        """A notion of SQLite's: the table is its own primary key's index."""
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


def transaction(database: peewee.Database | DatabaseProxy = alice_db) -> AbstractContextManager[Any]:
    """An ordinary write; BEGIN IMMEDIATE on SQLite, so that it never fails half-way for a lock."""
    return database.atomic()


class appending:  # noqa: N801 - used as transaction() is; a generator would cost every event some more
    """A transaction that may append to a log.

    On PostgreSQL sequence numbers become visible in the order of commits only if appends take turns, so the
    log's lock is the first statement. It cannot start inside another transaction, and what is given to
    peewee's after_commit() inside it is not called.
    """

    __slots__ = ("_database", "_log")

    def __init__(self, database: peewee.Database | DatabaseProxy = alice_db, log: int = ACTIVITY_LOG) -> None:
        self._database = real(database)
        self._log = log

    def __enter__(self) -> None:
        db = self._database
        if db.in_transaction():
            raise RuntimeError("appending() must be the outermost transaction")
        db.begin()
        db.push_transaction(self)
        try:
            if db.param == "%s":
                db.execute_sql("SELECT pg_advisory_xact_lock(%s)", (self._log,))
        except BaseException:
            self._end(db.rollback)
            raise
        _this_thread.appending_to = self._log

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        _this_thread.appending_to = None
        if kind is not None:
            self._end(self._database.rollback)
            return
        try:
            self._end(self._database.commit)
        except BaseException:
            self._database.rollback()
            raise

    def _end(self, how: Callable[[], None]) -> None:
        self._database.pop_transaction()
        how()


def require_appending(log: int = ACTIVITY_LOG) -> None:
    """Raise unless this thread is inside `appending()` for this log."""
    if getattr(_this_thread, "appending_to", None) != log:
        raise RuntimeError("rows are appended to a log only inside appending() or the recorder")


# SQL, for what is hot or read as tuples


class Queries:
    """Plain SQL on one database. Parameters are written `?` for both engines."""

    def __init__(self, handle: DatabaseProxy) -> None:
        self._handle = handle

    def query(self, sql: str, *params: Any) -> list[tuple]:
        """The rows of a SELECT (or of a RETURNING clause)."""
        return self._run(self._handle.obj, sql, params).fetchall()

    def execute(self, sql: str, *params: Any) -> int:
        """Run a statement; answer how many rows it changed."""
        return self._run(self._handle.obj, sql, params).rowcount

    def append(self, sql: str, *params: Any) -> tuple[int, int]:
        """Run an INSERT into a log; answer how many rows it added, and the seq of the last (0 if none).

        SQLite knows both without RETURNING, which would take half as long again as the insert.
        """
        db = self._handle.obj
        if db.param == "?":
            cursor = self._run(db, sql, params)
            return cursor.rowcount, cursor.lastrowid if cursor.rowcount else 0
        rows = self._run(db, f"{sql} RETURNING seq", params).fetchall()
        return len(rows), rows[-1][0] if rows else 0

    def _run(self, db: peewee.Database, sql: str, params: tuple[Any, ...]) -> Any:
        if db.param != "?":
            sql = _with_marks(sql, db.param)
        if db.query_hooks:
            return db.execute_sql(sql, params)
        # The same without what logs it and calls hooks, which takes a third of a short statement's time.
        with peewee.__exception_wrapper__:
            return db.cursor().execute(sql, params)

    def execute_many(self, sql: str, rows: list[tuple]) -> None:
        """Run a statement once for each row of parameters."""
        with peewee.__exception_wrapper__:  # the driver's errors as peewee's, as for any other statement
            self._handle.cursor().executemany(_with_marks(sql, self._handle.param), rows)


@lru_cache(maxsize=512)
def _with_marks(sql: str, param: str) -> str:
    return sql.replace("?", param)


_alice = Queries(alice_db)
query, execute, execute_many = _alice.query, _alice.execute, _alice.execute_many
append = _alice.append
events = Queries(events_db)  # telemetry, in its own file
