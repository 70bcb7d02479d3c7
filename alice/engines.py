"""How to open a database on each engine, and which of their errors are temporary."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import peewee
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
    ("journal_size_limit", 64 << 20),  # bytes of the WAL that stay after a checkpoint
    ("secure_delete", "on"),  # what is deleted is overwritten, also where the library was built otherwise
    ("cache_size", -20000),
    ("temp_store", "memory"),
)
SQLITE_AT_LEAST = (3, 35, 0)  # UPSERT with RETURNING

CONNECTIONS, IDLE_CONNECTIONS = 25, 5  # per database and process: open at most, idle at most
WAIT_FOR_CONNECTION = 10  # seconds, if the pool has no free one


class Unavailable(Exception):
    """The database cannot be used at the moment; the same request may succeed a little later."""


class _FewIdle(PooledDatabase):
    """A pool with at most IDLE_CONNECTIONS idle connections; peewee's own keeps all it ever opened."""

    def _can_reuse(self, conn: Any) -> bool:
        return super()._can_reuse(conn) and len(self._connections) < IDLE_CONNECTIONS


class _Sqlite(_FewIdle, PooledSqliteDatabase):
    pass


class _Postgresql(_FewIdle, PooledPostgresqlDatabase):
    pass


def handle(settings: Settings, *, tracking: bool) -> peewee.Database:
    """A pool for alice.db, or for tracking: events.db beside it on SQLite, a schema on PostgreSQL.

    Opens no connection. Raises ConfigError if the engine's driver is missing or too old.
    """
    if settings.database_url and not settings.database_url.startswith("sqlite"):
        if peewee.psycopg is None:
            raise ConfigError(
                "PostgreSQL needs its driver: "
                ".venv/bin/python -m pip install --no-build-isolation -e '.[postgresql]'"
            )
        options = {"lock_timeout": BUSY_TIMEOUT, "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION}
        if tracking:
            options["search_path"] = "tracking"
        server = parse(settings.database_url, True, True)
        server["options"] = " ".join(f"-c {name}={value}" for name, value in options.items())
        return _postgresql(server, CONNECTIONS)
    if peewee.sqlite3.sqlite_version_info < SQLITE_AT_LEAST:
        raise ConfigError(
            f"Alice needs SQLite 3.35 or newer; this Python has {peewee.sqlite3.sqlite_version}."
        )
    path = sqlite_path(settings)
    if tracking:
        path = path.with_name("events.db")
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


def single(pool: peewee.Database) -> peewee.Database:
    """A handle of the same database with one connection for all threads, which must take turns."""
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
