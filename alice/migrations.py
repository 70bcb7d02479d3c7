"""Migrations: peewee's own runner, under a lock, on both databases.

`migrations/*.py` is for alice.db and `migrations/events/*.py` for events.db. Each file runs in a transaction
of its own; two processes that migrate at once take turns.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import peewee
from playhouse.migrations import Migration, MigrationError, Runner

from alice import database
from alice.config import CHECKOUT, ConfigError, Settings

MIGRATIONS = CHECKOUT / "migrations"


@dataclass(frozen=True)
class Step:
    """A migration: its database ("alice" or "events"), its name, and when it was applied (None: pending).

    `known` is False if the database has applied it but this checkout does not contain it.
    """

    database: str
    name: str
    applied: str | None
    known: bool


def migrate(settings: Settings) -> list[Step]:
    """Apply all pending migrations and return them.

    Raises ConfigError if a database is newer than the code.
    """
    with _locked(settings):
        _refuse_newer()
        applied = [step for step in status() if step.applied is None]
        for _, runner in _runners():
            runner.up()
        _check_foreign_keys()
        return applied


def rollback(settings: Settings, name: str = "alice") -> Step | None:
    """Undo the newest migration of a database ("alice" or "events") and return it, or None if there is none.

    Raises ConfigError if a database is newer than the code.
    """
    with _locked(settings):
        newest = last_applied(name)
        dict(_runners())[name].down()
        return newest


def last_applied(name: str = "alice") -> Step | None:
    """The migration that rollback() would undo; raises the same. Needs connections to both databases."""
    _refuse_newer()
    applied = [step for step in status() if step.applied and step.database == name]
    return applied[-1] if applied else None


def status() -> list[Step]:
    """All migrations of both databases in order, pending ones last. Needs connections to both."""
    return [
        Step(name, row.name, str(row.applied)[:19] if row.applied else None, row.path is not None)
        for name, runner in _runners()
        for row in runner.status()
    ]


def known(name: str) -> set[str]:
    """The names of the migrations in this checkout for a database ("alice" or "events")."""
    return {migration.name for migration in dict(_runners())[name].migrations()}


def require_current() -> None:
    """Raise ConfigError, with the remedy, unless exactly the migrations of this checkout are applied."""
    with connections():
        _refuse_newer()
        pending = [step.name for step in status() if step.applied is None]
    if pending:
        count = f"{len(pending)} migrations are" if len(pending) > 1 else "1 migration is"
        names = f"{pending[0]}, ..." if len(pending) > 1 else pending[0]
        raise ConfigError(f"{count} pending ({names}). Run `alice db migrate` first.")


def new(name: str, for_events: bool = False) -> Path:
    """Write an empty migration with the next number; return its path."""
    directory = MIGRATIONS / "events" if for_events else MIGRATIONS
    directory.mkdir(parents=True, exist_ok=True)  # git keeps no empty folder
    taken = [migration.idx for migration in Migration.load_directory(str(directory))]
    slug = "_".join("".join(c if c.isalnum() else " " for c in name.lower()).split()) or "migration"
    path = directory / f"{max(taken, default=0) + 1:04d}_{slug}.py"
    path.write_text(
        f'"""{name}."""\n\n\ndef up(migrator, db):\n    pass\n\n\ndef down(migrator, db):\n    pass\n'
    )
    return path


@contextmanager
def connections() -> Iterator[None]:
    """Open a connection to each database; raise ConfigError with a one-line reason if one fails."""
    with ExitStack() as stack:
        for handle in (database.alice_db, database.events_db):
            try:
                stack.enter_context(handle.connection_context())
            except (peewee.DatabaseError, peewee.InterfaceError) as error:
                reason = str(error).strip().splitlines()[0]
                raise ConfigError(f"The database cannot be opened: {reason}.") from None
        yield


def _runners() -> list[tuple[str, Runner]]:
    return [
        ("alice", Runner(database.alice_db.obj, str(MIGRATIONS))),
        ("events", Runner(database.events_db.obj, str(MIGRATIONS / "events"))),
    ]


def _refuse_newer() -> None:
    unknown = [step.name for step in status() if not step.known]
    if unknown:
        raise ConfigError(
            f"The database is newer than this checkout: it holds {unknown[-1]}, which is not here. "
            "Update the checkout."
        )


@contextmanager
def _locked(settings: Settings) -> Iterator[None]:
    if database.is_postgresql():
        with connections():
            for handle in (database.alice_db, database.events_db):
                handle.execute_sql("SET lock_timeout = 0")  # a migration waits as long as it must
            database.query("SELECT pg_advisory_lock(?)", database.MIGRATIONS)
            try:
                database.events_db.execute_sql("CREATE SCHEMA IF NOT EXISTS tracking")
                yield
            finally:
                database.query("SELECT pg_advisory_unlock(?)", database.MIGRATIONS)
        return
    lock = os.open(settings.data_dir / "migrate.lock", os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(lock, "w"):
        fcntl.flock(lock, fcntl.LOCK_EX)
        with connections():
            yield


def _check_foreign_keys() -> None:
    if database.is_postgresql():
        return
    for handle in (database.alice_db, database.events_db):
        broken = handle.execute_sql("PRAGMA foreign_key_check").fetchone()
        if broken:
            raise MigrationError(f"a row of {broken[0]} refers to a missing row of {broken[2]}")
