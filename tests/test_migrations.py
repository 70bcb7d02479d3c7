"""Migrations: up, down and up again on both engines; the schema equals the models that there are."""

import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playhouse.migrations import MigrationError

from alice import database, migrations
from alice.config import CHECKOUT, ConfigError, Settings
from alice.database import events, events_db
from alice.tracking.log.visit import ATTRIBUTES
from tests.bystander import insert
from tests.conftest import Template
from tests.schema import ALICE_MODELS, ALICE_TABLES, EVENTS_MODELS


@pytest.fixture
def bound(template: Template, tmp_path: Path) -> Iterator[Settings]:
    """A migrated database of the test's own that is bound, without an application."""
    with template.copy(tmp_path) as settings:
        database.bind(settings)
        yield settings
        database.disconnect()


MODELS = {"alice": ALICE_MODELS, "events": EVENTS_MODELS}
HANDLES = {"alice": database.alice_db, "events": database.events_db}
both = pytest.mark.parametrize("name", ["alice", "events"])


def schema(name: str = "alice", tables: Collection[str] = ()) -> set[str]:
    """Each table (or each of these), index and constraint, in a form that two ways of making them share."""
    with database.connected(HANDLES[name]):
        queries = database.Queries(HANDLES[name])
        if database.is_postgresql():
            return _postgresql_schema(queries, "public" if name == "alice" else "tracking", tables)
        rows = queries.query(
            "SELECT tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL AND type IN ('table', 'index')"
        )
    return {
        re.sub(r"[\s()]+", "", sql.replace('"', "")).lower()
        for table, sql in rows
        if table in tables or (not tables and table != "schema_migration" and "sqlite_" not in sql)
    }


def _postgresql_schema(queries: database.Queries, namespace: str, tables: Collection[str]) -> set[str]:
    columns = queries.query(
        "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default "
        "FROM information_schema.columns WHERE table_schema = ? AND table_name <> 'interactions'",
        namespace,
    )
    indexes = queries.query("SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = ?", namespace)
    constraints = queries.query(
        "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE connamespace = ?::regnamespace",
        namespace,
    )
    rows = [(table.rpartition(".")[2], *rest) for table, *rest in [*columns, *indexes, *constraints]]
    return {str(row) for row in rows if row[0] in tables or (not tables and row[0] != "schema_migration")}


@both
def test_models_and_migrated_schema_are_equal(bound: Settings, name: str) -> None:
    tables = [model._meta.table_name for model in MODELS[name]]
    migrated = schema(name, tables)
    while migrations.rollback(bound, name):
        pass
    with database.connected(HANDLES[name]):
        HANDLES[name].create_tables(MODELS[name], safe=False)

    assert schema(name, tables) == migrated


def test_the_tables_are_those_that_the_tests_restore(bound: Settings) -> None:
    with database.connected():
        tables = {*database.alice_db.get_tables()} - {"schema_migration", "sqlite_sequence"}

    assert tables == {*ALICE_TABLES}


@both
def test_up_down_and_up_again_is_the_same_schema(bound: Settings, name: str) -> None:
    first = schema(name)
    while migrations.rollback(bound, name):
        pass
    assert schema(name) == set()

    migrations.migrate(bound)
    assert schema(name) == first


def test_migrating_twice_applies_nothing_the_second_time(bound: Settings) -> None:
    assert migrations.migrate(bound) == []
    migrations.require_current()


def test_pending_migrations_are_named_with_the_command_that_helps(bound: Settings) -> None:
    migrations.rollback(bound)

    with pytest.raises(ConfigError, match="alice db migrate"):
        migrations.require_current()


def test_a_database_newer_than_the_code_is_refused(bound: Settings) -> None:
    with database.connected():
        database.execute(
            "INSERT INTO schema_migration (name, applied) VALUES ('9999_tomorrow', CURRENT_TIMESTAMP)"
        )

    for act in (
        migrations.require_current,
        lambda: migrations.migrate(bound),
        lambda: migrations.rollback(bound),
    ):
        with pytest.raises(ConfigError, match="9999_tomorrow"):
            act()


def test_a_migration_that_fails_leaves_nothing_of_itself(
    bound: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(CHECKOUT / "migrations", folder)
    (folder / "8000_broken.py").write_text(
        "def up(migrator, db):\n"
        "    db.execute_sql('CREATE TABLE half (id INTEGER)')\n"
        "    db.execute_sql('CREATE TABLE half (id INTEGER)')\n"
    )
    monkeypatch.setattr(migrations, "MIGRATIONS", folder)
    before = schema()

    with pytest.raises(Exception, match="half"):
        migrations.migrate(bound)
    assert schema() == before


def test_two_processes_migrate_at_once(bound: Settings) -> None:
    migrations.rollback(bound)
    program = (
        "import pathlib, sys; from alice import database, migrations; from alice.config import Settings\n"
        "settings = Settings(data_dir=pathlib.Path(sys.argv[1]), database_url=sys.argv[2] or None)\n"
        "database.bind(settings); print(len(migrations.migrate(settings)))"
    )
    arguments = [sys.executable, "-c", program, str(bound.data_dir), bound.database_url or ""]
    processes = [subprocess.Popen(arguments, cwd=CHECKOUT, stdout=subprocess.PIPE) for _ in range(2)]
    applied = sorted(int(process.communicate()[0]) for process in processes)

    assert applied == [0, 1]
    migrations.require_current()


def test_a_new_migration_has_the_next_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "0007_before.py").write_text("")
    monkeypatch.setattr(migrations, "MIGRATIONS", tmp_path)

    assert migrations.new("Add a thing!").name == "0008_add_a_thing.py"


@pytest.mark.engine("sqlite")  # PostgreSQL never lets one in
def test_a_missing_row_that_is_referred_to_is_reported(bound: Settings) -> None:
    with database.connected():
        database.query("PRAGMA foreign_keys = OFF")
        database.execute("UPDATE book_access SET user_id = 'nobody' WHERE code IS NULL")
        database.query("PRAGMA foreign_keys = ON")

    with pytest.raises(MigrationError, match="book_access"):
        migrations.migrate(bound)


def test_the_tracking_database_is_migrated_too(bound: Settings) -> None:
    with migrations.connections():
        assert migrations.status()[-1].known
        assert database.events_db.table_exists("schema_migration")


def test_another_sqlite_file_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "elsewhere" / "books.db"
    path.parent.mkdir()
    settings = replace(Settings(data_dir=tmp_path), database_url=f"sqlite:///{path}")
    database.bind(settings)
    migrations.migrate(settings)

    assert path.exists()
    assert (path.parent / "events.db").exists()


# 0003_visits_hold_text of events.db

OF_VISITS = "SELECT " + ", ".join(ATTRIBUTES) + " FROM visits WHERE session_id = ?"
TEXTS = {name: f"its {name}" for name in ATTRIBUTES} | {
    "landing_path": "/tea",
    "exit_path": "/tea",  # the same string, which is an event's path, too
    "ab_variant": None,
}


def visits_hold_numbers(bound: Settings) -> None:
    """Go back to the migration before."""
    while migrations.rollback(bound, "events").name != "0003_visits_hold_text":
        pass


def add_string(text: str) -> int:
    return events.query("INSERT INTO strings (text) VALUES (?) RETURNING number", text)[0][0]


def add_visit(session_id: str, attributes: dict[str, int | str | None]) -> None:
    """A visit of the bystander's, with an event on the page /tea."""
    ((site, visitor),) = events.query("SELECT site_number, number FROM visitors ORDER BY number LIMIT 1")
    times = dict.fromkeys(["started_at", "last_at", "due_at"], 1000)
    counts = dict.fromkeys(["sequence", "page_views", "interactions", "engaged_ms", "is_bot"], 1)
    owner = {"site_number": site, "visitor_number": visitor, "dialect": 1, "session_id": session_id}
    insert(events.execute, "visits", owner | times | counts | attributes)
    events.execute(
        "INSERT INTO events (site_number, visit_number, sequence, kind, path, occurred_at, received_at) "
        "SELECT v.site_number, v.number, 1, 1, s.number, 1000, 1000 FROM visits v, strings s "
        "WHERE v.session_id = ? AND s.text = '/tea'",
        session_id,
    )


def attributes_of(session_id: str) -> dict[str, int | str | None]:
    (row,) = events.query(OF_VISITS, session_id)
    return dict(zip(ATTRIBUTES, row, strict=True))


def test_a_visit_with_numbers_of_strings_gets_their_texts_and_back(bound: Settings) -> None:
    visits_hold_numbers(bound)
    with database.connected(events_db), database.transaction(events_db):
        numbers = {text: add_string(text) for text in ["/tea", *sorted({*TEXTS.values()} - {None, "/tea"})]}
        numbered = {name: numbers.get(text) for name, text in TEXTS.items()}
        add_visit("full", numbered)
        add_visit("empty", {})
        paths = events.query("SELECT seq, path FROM events ORDER BY seq")
        strings = events.query("SELECT number, text FROM strings ORDER BY number")
    migrations.migrate(bound)

    with database.connected(events_db):
        assert attributes_of("full") == TEXTS
        assert attributes_of("empty") == dict.fromkeys(ATTRIBUTES)
        assert events.query("SELECT seq, path FROM events ORDER BY seq") == paths
    visits_hold_numbers(bound)
    with database.connected(events_db):
        assert attributes_of("full") == numbered
        assert attributes_of("empty") == dict.fromkeys(ATTRIBUTES)
        assert events.query("SELECT seq, path FROM events ORDER BY seq") == paths
        assert events.query("SELECT number, text FROM strings ORDER BY number") == strings


def test_going_back_gives_a_number_to_texts_that_only_visits_hold(bound: Settings) -> None:
    with database.connected(events_db), database.transaction(events_db):
        tea = add_string("/tea")
        add_visit("new", TEXTS)
    visits_hold_numbers(bound)

    with database.connected(events_db):
        numbered = attributes_of("new")
        texts = dict(events.query("SELECT number, text FROM strings"))
    assert numbered["landing_path"] == numbered["exit_path"] == tea
    assert {name: texts.get(number) for name, number in numbered.items()} == TEXTS
