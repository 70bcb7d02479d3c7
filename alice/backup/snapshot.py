"""Snapshots: copies of the databases while others go on writing, each of one moment."""

import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from alice import database
from alice.config import ConfigError, Settings
from alice.engines import sqlite_path

DUMP = "alice.dump"  # of PostgreSQL, which holds both
HANDLES = {"alice.db": database.alice_db, "events.db": database.events_db}
NAMES = (DUMP, *HANDLES)
ASIDE = ("-wal", "-shm")  # files that belong to a SQLite database


def take(settings: Settings, folder: Path) -> dict[str, Path]:
    """Copy the databases into the folder; return the files by name. Needs a connection to each on SQLite.

    Raises ConfigError if pg_dump is missing or fails.
    """
    if database.is_postgresql():
        dump = folder / DUMP
        _run(settings, "pg_dump", "--format=custom", "--no-owner", "--no-acl", f"--file={dump}")
        dump.chmod(0o600)
        return {DUMP: dump}
    copies = {}
    for name, handle in HANDLES.items():
        copies[name] = folder / name
        os.close(os.open(copies[name], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        handle.execute_sql("VACUUM INTO ?", (str(copies[name]),))
    return copies


def count(copies: dict[str, Path]) -> dict[str, dict[str, int]]:
    """The rows of each table of SQLite copies; empty for a dump."""
    return {name: _count(file) for name, file in copies.items() if name in HANDLES}


def _count(file: Path) -> dict[str, int]:
    with closing(sqlite3.connect(file)) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: db.execute(f'SELECT COUNT(*) FROM "{name}"').fetchone()[0]
            for name in tables
            if not name.startswith("sqlite_")
        }


def put_back(settings: Settings, name: str, file: Path) -> None:
    """Put a copy in the place of its database, which nothing may have open.

    Raises ConfigError if pg_restore is missing or fails.
    """
    if name == DUMP:
        options = ("--no-owner", "--no-acl", "--clean", "--if-exists", "--single-transaction")
        _run(settings, "pg_restore", *options, f"--dbname={_name(settings)}", str(file))
        return
    path = database_path(settings, name)
    for suffix in ASIDE:  # of the database that was there: they would damage this one
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    file.replace(path)


def database_path(settings: Settings, name: str) -> Path:
    """Where the SQLite database of this name is, or would be."""
    path = sqlite_path(settings)
    return path if name == "alice.db" else path.with_name(name)


def _run(settings: Settings, program: str, *arguments: str) -> None:
    """Run a program of PostgreSQL on the database; the password is not on its command line."""
    url = urlsplit(settings.database_url)
    given = {
        "PGHOST": url.hostname, "PGPORT": url.port, "PGUSER": url.username and unquote(url.username),
        "PGPASSWORD": url.password and unquote(url.password), "PGDATABASE": _name(settings),
    }  # fmt: skip
    environ = os.environ | {name: str(value) for name, value in given.items() if value}
    try:
        done = subprocess.run([program, *arguments], env=environ, capture_output=True, text=True)
    except FileNotFoundError:
        remedy = "On Debian or Ubuntu: apt install postgresql-client"
        raise ConfigError(f"{program} is missing. {remedy}") from None
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise ConfigError(f"{program} failed: {reason}")


def _name(settings: Settings) -> str:
    return unquote(urlsplit(settings.database_url).path.lstrip("/"))
