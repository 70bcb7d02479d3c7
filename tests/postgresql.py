"""PostgreSQL for tests: how a server is found, and databases that only this run uses.

The names of the databases start with `alice_tests_` and a random number of the pytest process. They are
dropped at the end of the run. The process keeps one connection with that name: databases whose process has
no connection any more were left by a run that crashed, and the next run drops them.
"""

import functools
import getpass
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from urllib.parse import quote, urlsplit

import psycopg
import pytest

SOCKETS = "/var/run/postgresql"
MISSING = (
    "needs PostgreSQL: `apt install postgresql` and `sudo -u postgres createuser --createdb $USER`, or set "
    "ALICE_TEST_POSTGRESQL_URL=postgresql://postgres@127.0.0.1/postgres"
)
MAY_CREATE = "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
ABANDONED = """
    SELECT d.datname FROM pg_database d
    WHERE d.datname ~ '^alice_tests_[0-9a-f]{32}_' AND pg_get_userbyid(d.datdba) = current_user
    AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.application_name = left(d.datname, 44))
"""


@functools.cache
def server_url() -> str | None:
    """Return the URL of a server where databases can be created. If it is set to nothing, use none."""
    if (url := os.environ.get("ALICE_TEST_POSTGRESQL_URL")) is not None:
        return url or None
    return next((url for url in _places() if _lets_us_in(url)), None)


def _places() -> Iterator[str]:
    port = os.environ.get("PGPORT", "5432")
    for host in ("127.0.0.1", SOCKETS):
        for user in ("postgres", getpass.getuser()):
            yield f"postgresql://{quote(user)}@/postgres?host={host}&port={port}"


def _lets_us_in(url: str) -> bool:
    """Whether the server lets us in without a password, also if libpq knows one, and create databases."""
    try:
        with psycopg.connect(url, require_auth="none", connect_timeout=2) as connection:
            return connection.execute(MAY_CREATE).fetchone() == (True,)
    except psycopg.Error:
        return False


class Server:
    """A server, and the databases that this process has created there."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._prefix = f"alice_tests_{uuid.uuid4().hex}"
        self._connection = psycopg.connect(url, autocommit=True, application_name=self._prefix)
        for (name,) in self._connection.execute(ABANDONED).fetchall():
            with suppress(psycopg.Error):  # another process may be dropping it too
                self._drop(name)

    def create(self, template: str | None = None) -> str:
        """Create a database, empty or a copy of another one, and return its URL."""
        name = f"{self._prefix}_{uuid.uuid4().hex[:8]}"
        copied = f' TEMPLATE "{_name(template)}"' if template else ""
        self._connection.execute(f'CREATE DATABASE "{name}"{copied}')
        return urlsplit(self._url)._replace(path=f"/{name}").geturl()

    @contextmanager
    def copy(self, template: str) -> Iterator[str]:
        """Create a copy and drop it in the end."""
        url = self.create(template)
        try:
            yield url
        finally:
            self._drop(_name(url))

    def let_commits_return_early(self, url: str) -> None:
        self._connection.execute(f'ALTER DATABASE "{_name(url)}" SET synchronous_commit = off')

    def close(self) -> None:
        """Drop all that was created."""
        names = self._connection.execute(
            "SELECT datname FROM pg_database WHERE left(datname, 44) = %s", [self._prefix]
        ).fetchall()
        for (name,) in names:
            self._drop(name)
        self._connection.close()

    def _drop(self, name: str) -> None:
        self._connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def skip_if_missing() -> None:
    if server_url() is None:
        pytest.skip(MISSING)


def run(url: str, statements: Sequence[str]) -> None:
    """Run statements in one transaction."""
    with psycopg.connect(url) as connection:
        connection.execute(";".join(statements))


def _name(url: str) -> str:
    return urlsplit(url).path.lstrip("/")
