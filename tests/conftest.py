"""What tests share: a fresh Alice on a real database, a fixed cast, and a clock that can be frozen.

Every test gets a copy of one migrated database with the cast, a bystander and two small books in it. Each
test runs on SQLite and, if there is a server (tests/postgresql.py), on PostgreSQL. A test must not change the
bystander's rows (tests/bystander.py).
"""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peewee
import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from alice import clock, database
from alice.app import create_app
from alice.config import Settings
from alice.tracking.site import SiteRow
from tests import bystander, postgresql
from tests.bystander import Change
from tests.cast import CAST, Cast
from tests.template import KEEP, RESTORE, fill
from tests.tracking.calling import site as sites

pytest_plugins = ["tests.no_skips"]

Counted = Callable[..., AbstractContextManager[list[str]]]
Eventually = Callable[[Callable[[], bool]], None]


# The cast


@pytest.fixture
def cast(app: Flask) -> Cast:
    for person in CAST:
        person.app = app
    return CAST


# The application


@dataclass(frozen=True)
class SqliteTemplate:
    """A folder of migrated files with the cast and the books, and ways to copy it for a test."""

    folder: Path

    def lend(self, data_dir: Path) -> Settings:
        for path in self.folder.iterdir():
            shutil.copy(path, data_dir)
        return Settings(data_dir=data_dir)

    @contextmanager
    def copy(self, data_dir: Path) -> Iterator[Settings]:
        yield self.lend(data_dir)


@dataclass(frozen=True)
class PostgresqlTemplate:
    """The same on PostgreSQL. Creating a database takes a while, so tests share one if they can."""

    server: postgresql.Server
    url: str
    shared_url: str

    def lend(self, data_dir: Path) -> Settings:
        """Return settings of the shared database, restored."""
        postgresql.run(self.shared_url, RESTORE)
        return Settings(data_dir=data_dir, database_url=self.shared_url)

    @contextmanager
    def copy(self, data_dir: Path) -> Iterator[Settings]:
        """Create a database that the test may alter."""
        with self.server.copy(self.url) as url:
            yield Settings(data_dir=data_dir, database_url=url)


Template = SqliteTemplate | PostgresqlTemplate


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that is marked `engine("sqlite")` on that engine alone."""
    only = metafunc.definition.get_closest_marker("engine")
    if only and "engine" in metafunc.fixturenames:
        metafunc.definition.add_marker(pytest.mark.parametrize("engine", only.args, indirect=True))


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> str:
    if request.param == "postgresql":
        postgresql.skip_if_missing()
    return request.param


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> SqliteTemplate:
    folder = tmp_path_factory.mktemp("template-sqlite")
    fill(Settings(data_dir=folder))
    _close()
    return SqliteTemplate(folder)


@pytest.fixture(scope="session")
def postgresql_template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresqlTemplate]:
    with closing(postgresql.Server(postgresql.server_url())) as server:
        url = server.create()
        fill(Settings(data_dir=tmp_path_factory.mktemp("template-postgresql"), database_url=url))
        _close()
        shared_url = server.create(url)
        server.let_commits_return_early(shared_url)
        postgresql.run(shared_url, KEEP)
        yield PostgresqlTemplate(server, url, shared_url)


@pytest.fixture
def template(engine: str, request: pytest.FixtureRequest) -> Template:
    return request.getfixturevalue(f"{engine}_template")


@pytest.fixture
def settings(template: Template, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Settings]:
    """Settings of a fresh database; a test can `replace()` some of them and create its own app.

    The test fails if it changes the bystander's rows.
    """
    settings = template.lend(tmp_path)
    with watching_bystander(settings, request.node):
        yield settings
        _close()


@contextmanager
def watching_bystander(settings: Settings, test: pytest.Item) -> Iterator[None]:
    """Fail if the block, which is a test, changes the bystander's rows."""
    watched = Watched(settings, test)
    test.stash[WATCHED] = watched
    yield
    changes = watched.changes()
    assert not changes, f"the test changed rows of the bystander: {changes}"


class Watched:
    """The bystander's rows in the database of one test, without tables that the test is marked to touch."""

    def __init__(self, settings: Settings, test: pytest.Item) -> None:
        marks = test.iter_markers("touches_bystander")
        touched = {table for mark in marks for table in mark.args or bystander.TABLES}
        assert touched <= {*bystander.TABLES}, "the mark names a table in which the bystander has no row"
        self._settings = settings
        self._tables = [table for table in bystander.TABLES if table not in touched]
        self._before = self._rows()

    def look_again(self) -> None:
        """Compare with the present rows after the test."""
        self._before = self._rows()

    def changes(self) -> list[Change]:
        return bystander.changes(self._before, self._rows())

    def _rows(self) -> bystander.Rows:
        if self._settings.database_url:
            with psycopg.connect(self._settings.database_url) as server:
                return bystander.rows(bystander.POSTGRESQL, self._tables, server.execute)
        found: bystander.Rows = {}
        for name, tables in (("alice.db", bystander.IN_ALICE), ("events.db", bystander.IN_EVENTS)):
            file = sqlite3.connect(f"file:{self._settings.data_dir / name}?mode=ro", uri=True)
            with closing(file):
                watched = [table for table in tables if table in self._tables]
                found |= bystander.rows(bystander.SQLITE, watched, file.execute)
        return found


WATCHED = pytest.StashKey[Watched]()


@pytest.fixture
def visited_by_bystander(request: pytest.FixtureRequest, app: Flask) -> Callable[[int], None]:
    """Return a function that adds visits of the bystander's browsers to a site of the test."""

    def visit(site_number: int) -> None:
        with database.connected(database.events_db), database.transaction(database.events_db):
            bystander.visit(site_number)
        request.node.stash[WATCHED].look_again()

    return visit


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    app = create_app(settings)
    app.testing = False  # errors become responses, as in production
    yield app
    app.extensions["alice"].stop()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client that is not signed in and keeps cookies."""
    return app.test_client()


@pytest.fixture
def program(app: Flask) -> FlaskClient:
    """Nobody's client without a cookie jar: it can sign in many times."""
    return app.test_client(use_cookies=False)


@pytest.fixture
def environ(settings: Settings) -> dict[str, str]:
    """What another process needs to work on the test's database."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("ALICE_")}
    database = {"ALICE_DATABASE_URL": settings.database_url} if settings.database_url else {}
    return bare | {"ALICE_DATA_DIR": str(settings.data_dir)} | database


@pytest.fixture
def own_site(app: Flask) -> SiteRow:
    """The site of Alice's own pages, as `alice setup` makes it."""
    return sites.own()


@pytest.fixture
def db(app: Flask) -> Iterator[Any]:
    """Access to alice.db with a new connection for each call: db.query(sql, ...), db.execute(...)."""
    yield Rows()


@pytest.fixture
def events_db(app: Flask) -> "EventRows":
    """Like `db`, on events.db."""
    return EventRows()


class Rows:
    """Reads and writes tables without the application. Selects leave out the bystander's rows."""

    def query(self, sql: str, *params: Any) -> list[tuple]:
        with database.connected():
            return database.query(_besides_hers(sql), *params)

    def execute(self, sql: str, *params: Any) -> int:
        with database.connected():
            return database.execute(sql, *params)

    def one(self, sql: str, *params: Any) -> Any:
        """The only value of the only row."""
        ((value,),) = self.query(sql, *params)
        return value


class EventRows(Rows):
    """Like Rows, on events.db."""

    def query(self, sql: str, *params: Any) -> list[tuple]:
        with database.connected(database.events_db):
            return database.events.query(_besides_hers(sql), *params)

    def execute(self, sql: str, *params: Any) -> int:
        with database.connected(database.events_db):
            return database.events.execute(sql, *params)


def _besides_hers(sql: str) -> str:
    engine = bystander.POSTGRESQL if database.is_postgresql() else bystander.SQLITE
    return bystander.without_bystander(engine, sql)


@pytest.fixture
def connection(app: Flask) -> Iterator[None]:
    """A connection for tests that call the domain without HTTP."""
    with database.connected():
        yield


@pytest.fixture
def frozen_clock() -> Iterator[int]:
    """Freeze the clock and return its time in ms; clock.advance() moves it."""
    at = clock.now()
    clock.freeze(at)
    yield at
    clock.thaw()


@pytest.fixture
def recorder(app: Flask) -> Any:
    return app.extensions["alice"].recorder


def _close() -> None:
    """Close all connections, so that none outlives its test."""
    for handle in (database.alice_db, database.events_db):
        if isinstance(handle.obj, peewee.Database):
            handle.close_all()


@pytest.fixture
def counted(app: Flask) -> Counted:
    """`with counted() as statements:` collects the SQL statements that run inside on a database."""

    @contextmanager
    def counting(handle: database.Handle = database.alice_db) -> Iterator[list[str]]:
        statements: list[str] = []
        hook = lambda event: statements.append(event.sql)  # noqa: E731
        handle.query_hooks.append(hook)
        try:
            yield statements
        finally:
            handle.query_hooks.remove(hook)

    return counting


@pytest.fixture
def eventually() -> Eventually:
    """Wait until a condition holds, up to 30 s because test machines can stall."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, "the condition did not hold within 30 s"
            time.sleep(0.05)

    return wait
