"""Connections: the PRAGMAs on each, the pool's limits, no query without one; ids and times."""

import os
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import peewee
import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from alice import clock, database, engines
from alice.config import Settings
from alice.database import alice_db
from alice.ids import new_id
from tests.cast import Cast

PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": 1,
    "foreign_keys": 1,
    "busy_timeout": 5000,
    "wal_autocheckpoint": 1000,
    "journal_size_limit": 64 << 20,
    "secure_delete": 1,
    "cache_size": -20000,
    "temp_store": 2,
}


@pytest.mark.engine("sqlite")  # PRAGMAs are SQLite's
def test_every_connection_has_the_pragmas(app: Flask) -> None:
    seen: list[dict] = []

    def look() -> None:
        for handle in (alice_db, database.events_db):
            with database.connected(handle):
                seen.append({name: handle.execute_sql(f"PRAGMA {name}").fetchone()[0] for name in PRAGMAS})

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [PRAGMAS] * 6


def test_postgresql_without_its_driver_is_one_clear_line(tmp_path: Path) -> None:
    without = "import sys; sys.modules['psycopg'] = None; from alice.cli.main import main; main()"
    variables = {"ALICE_DATA_DIR": str(tmp_path), "ALICE_DATABASE_URL": "postgresql://nobody@127.0.0.1/none"}
    ran = subprocess.run(
        [sys.executable, "-c", without, "db", "status"],
        env=os.environ | variables,
        capture_output=True,
        text=True,
    )

    assert ran.returncode == 1
    assert "PostgreSQL needs its driver" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_another_driver_of_postgresql_changes_nothing(
    settings: Settings, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peewee, "psycopg2", peewee.psycopg)  # as if it were installed too
    database.bind(settings)

    with database.connected():
        assert database.query("SELECT 1") == [(1,)]
        if engine == "postgresql":
            assert isinstance(alice_db.connection(), peewee.psycopg.Connection)
            assert isinstance(alice_db.obj._adapter, peewee.Psycopg3Adapter)


@pytest.mark.engine("postgresql")  # SQLite cannot take its lock from a frozen process
def test_one_who_freezes_inside_a_transaction_stops_nobody_for_long(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "IDLE_IN_TRANSACTION", 500)
    database.bind(settings)
    holds, over = threading.Event(), threading.Event()
    heard: list[Exception] = []

    def freeze() -> None:
        try:
            with database.connected(), database.appending():
                holds.set()
                over.wait(30)
        except Exception as error:  # noqa: BLE001 - it is what the test looks at
            heard.append(error)

    frozen = threading.Thread(target=freeze)
    frozen.start()
    assert holds.wait(30)
    with database.connected(), database.appending():
        pass  # the lock is free before we gave up waiting for it
    over.set()
    frozen.join()

    assert [engines.is_temporary(error) for error in heard] == [True]


@pytest.mark.parametrize("when", ["the operation", "the commit"])
def test_an_interrupt_leaves_no_transaction_open(
    app: Flask, connection: None, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt), database.appending():
        database.execute("INSERT INTO throttles (key, window_started_at, count) VALUES ('a', 1, 1)")
        if when == "the operation":
            interrupt()
        patch.setattr(alice_db.obj, "commit", interrupt)

    database.close()  # as the end of the request does: the pool rolls back what is open
    database.ensure_open()
    with database.appending():
        pass
    assert database.query("SELECT key FROM throttles WHERE key = 'a'") == []


def test_a_stray_query_raises(app: Flask) -> None:
    with pytest.raises(peewee.InterfaceError, match="not opened"):
        database.query("SELECT 1")


def test_a_few_connections_stay_open_when_nobody_needs_them(app: Flask) -> None:
    taken = threading.Barrier(engines.CONNECTIONS)

    def hold() -> None:
        with database.connected():
            taken.wait(30)

    threads = [threading.Thread(target=hold) for _ in range(engines.CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(alice_db._connections) == engines.IDLE_CONNECTIONS


def test_a_request_gives_its_connection_back(cast: Cast) -> None:
    for _ in range(10):
        cast.reader.client.get("/api/auth/me")

    assert alice_db.is_closed()
    assert len(alice_db._in_use) == 0


def test_deleting_a_user_takes_everything_of_theirs_along(app: Flask, cast: Cast, connection: None) -> None:
    assert database.query("SELECT 1 FROM sessions WHERE user_id = ?", cast.reader.id)
    database.execute("DELETE FROM users WHERE id = ?", cast.reader.id)

    assert database.query("SELECT 1 FROM sessions WHERE user_id = ?", cast.reader.id) == []


def test_appending_must_be_the_outermost_transaction(app: Flask, connection: None) -> None:
    with database.transaction(), pytest.raises(RuntimeError), database.appending():
        pass


@given(st.integers(0, 2**48 - 1))
def test_ids_are_version_7_and_carry_their_time(at: int) -> None:
    id = uuid.UUID(new_id(at))

    assert (id.version, id.variant) == (7, uuid.RFC_4122)
    assert id.int >> 80 == at


def test_ids_are_ordered_by_time_and_distinct() -> None:
    ids = [new_id(at) for at in range(1000, 1100)]

    assert ids == sorted(set(ids))


@given(st.integers(0, 253402300799999))
def test_times_are_rfc3339_with_milliseconds(at: int) -> None:
    from datetime import UTC, datetime, timedelta

    expected = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)
    assert clock.rfc3339(at) == expected.isoformat(timespec="milliseconds").replace("+00:00", "Z")
