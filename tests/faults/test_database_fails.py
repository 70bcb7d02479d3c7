"""The database is locked, full or gone for a while: requests get a 503 with Retry-After."""

import resource
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import psycopg
import pytest
from flask import Flask

from alice import database, engines
from alice.config import Settings
from alice.ids import new_id
from alice.recorder import Recorder
from tests.cast import Cast
from tests.conftest import Rows
from tests.faults.conftest import Eventually
from tests.faults.load import TRACK, Load, post_again, view
from tests.servers import Answer, Server

on_sqlite = pytest.mark.engine("sqlite")
on_postgresql = pytest.mark.engine("postgresql")


def assert_unavailable(answer: Answer) -> None:
    """A 503 that says when to come again and tells nothing of what is inside."""
    assert answer.status == 503, answer.body
    assert int(answer.headers["Retry-After"]) >= 1
    text = answer.body.lower()
    assert not any(
        word in text for word in (b"sqlite", b"is locked", b"disk", b"psycopg", b"peewee", b"server closed")
    )


def track(server: Server, cast: Cast) -> Answer:
    return server.post(TRACK, view(new_id()), cast.reader.token)


def writes(server: Server, cast: Cast) -> list[Answer]:
    """Return the responses to one request of each way to write, sent at the same time, whenever they come."""
    credentials = {"email": cast.reader.email, "password": cast.reader.password}
    cookie = f"alice_session={cast.reader.token}"
    turn = {"Cookie": cookie, "Origin": server.base_url, "Content_Type": "application/x-www-form-urlencoded"}
    requests = [
        lambda: track(server, cast),
        lambda: server.post("/api/auth/login", credentials),
        lambda: server.post("/api/books/verify", {"code": "2222-3333-4444"}, cast.newcomer.token),
        lambda: server.post("/read/tea-party/turn", b"page_number=2", **turn),
    ]
    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(lambda request: request(), requests))


# Locked


@contextmanager
def locked(settings: Settings) -> Iterator[None]:
    """Another process, this one, is in the middle of a write."""
    if settings.database_url:
        handle = database.alice_db
        with handle.connection_context(), handle.atomic():
            handle.execute_sql("LOCK TABLE activity_logs, throttles, reading_presence")
            yield
        return
    with closing(sqlite3.connect(engines.sqlite_path(settings), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


READS = [
    ("nobody", "/health"), ("reader", "/api/auth/me"), ("reader", "/read/tea-party/1"), ("reader", "/shelf"),
    ("newcomer", "/api/books"),
]  # fmt: skip


def test_a_locked_database_is_a_503_to_writers_and_nothing_to_readers(
    server: Server, settings: Settings, cast: Cast, db: Rows
) -> None:
    with locked(settings):
        refused = writes(server, cast)
        reads = {path: server.get(path, getattr(cast, who).token).status for who, path in READS}

    for answer in refused:
        assert_unavailable(answer)
    assert set(reads.values()) == {200}, reads
    assert db.one("SELECT COUNT(*) FROM activity_logs") == 0
    assert [answer.status for answer in writes(server, cast)] == [201, 200, 200, 303]
    assert "Traceback" not in server.errors


@on_sqlite
def test_heartbeats_that_cannot_be_written_now_are_written_later(
    app: Flask, settings: Settings, caplog: pytest.LogCaptureFixture, eventually: Eventually
) -> None:
    recorder = Recorder(database.alice_db, database.ACTIVITY_LOG, touch_every=0.1)
    written: list[tuple] = []
    recorder.start()
    recorder.submit(lambda db: db.query("PRAGMA busy_timeout = 50"))  # of the recorder's connection
    with locked(settings):
        recorder.touch(lambda db, values: written.extend(values), "reader", 1)
        eventually(lambda: "heartbeats were not written" in caplog.text)
        assert written == []

    eventually(lambda: written == [("reader", 1)])
    recorder.stop()


# Full


@contextmanager
def full_disk(server: Server) -> Iterator[None]:
    """No file of the server's processes may grow; what is written beyond its first page fails."""
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in server.workers}
    for pid, (_, hard) in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, hard))
    yield
    for pid, limits in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


@on_sqlite
def test_a_full_disk_is_a_503_until_there_is_room_again(
    server: Server, settings: Settings, cast: Cast, db: Rows
) -> None:
    assert track(server, cast).status == 201
    with full_disk(server):
        for answer in writes(server, cast) + [track(server, cast) for _ in range(8)]:
            assert_unavailable(answer)
        assert server.get("/api/auth/me", cast.reader.token).status == 200

    assert [answer.status for answer in writes(server, cast)] == [201, 200, 200, 303]
    assert {track(server, cast).status for _ in range(8)} == {201}
    assert db.one("SELECT COUNT(*) FROM activity_logs WHERE activity_type = 'PAGE_VIEW'") == 11
    assert db.one("PRAGMA integrity_check") == "ok"
    assert "Traceback" not in server.errors


@on_sqlite
def test_a_disk_that_fills_up_under_load_loses_nothing_that_was_acknowledged(
    server: Server, cast: Cast, db: Rows, eventually: Eventually
) -> None:
    with Load(server, cast.reader.token, 600).running() as load:
        eventually(lambda: len(load.acknowledged) > 100)
        with full_disk(server):
            eventually(lambda: 503 in load.statuses.values())

    assert set(load.statuses.values()) == {201, 503}
    kept = {id for (id,) in db.query("SELECT id FROM activity_logs")}
    assert load.acknowledged == kept
    refused = [id for id in load.ids if id not in kept]
    assert post_again(server, cast.reader.token, refused) == {201}


# Gone, on PostgreSQL


def cut_connections(settings: Settings) -> int:
    """End every connection of the servers, as a restart or a proxy does; return how many there were."""
    with psycopg.connect(settings.database_url) as connection:
        cut = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return cut.rowcount


@on_postgresql
def test_connections_that_are_lost_cost_no_more_than_the_requests_that_had_them(
    server: Server, settings: Settings, cast: Cast
) -> None:
    assert {track(server, cast).status for _ in range(20)} == {201}
    cut = cut_connections(settings)
    assert cut > 0

    answers = [server.get("/api/auth/me", cast.reader.token) for _ in range(40)]
    answers += [track(server, cast) for _ in range(40)]

    lost = [answer for answer in answers if answer.status >= 400]
    assert len(lost) <= cut
    for answer in lost:
        assert_unavailable(answer)
    assert "Traceback" not in server.errors


@on_postgresql
def test_connections_lost_under_load_lose_nothing_that_was_acknowledged(
    server: Server, settings: Settings, cast: Cast, db: Rows, eventually: Eventually
) -> None:
    with Load(server, cast.reader.token, 1_000).running() as load:
        for share in (100, 300, 500):
            eventually(lambda share=share: len(load.acknowledged) > share)
            cut_connections(settings)

    assert set(load.statuses.values()) <= {201, 503}
    kept = {id for (id,) in db.query("SELECT id FROM activity_logs")}
    assert load.acknowledged <= kept
    refused = [id for id in load.ids if id not in load.acknowledged]
    assert post_again(server, cast.reader.token, refused) <= {200, 201}
    assert {id for (id,) in db.query("SELECT id FROM activity_logs")} == set(load.ids)
    assert "Traceback" not in server.errors
