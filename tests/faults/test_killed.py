"""A 2xx means committed: whatever ends the server, each acknowledged activity is in the log, once."""

import json
import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing

import pytest

from alice import engines
from alice.config import Settings
from tests.cast import Cast
from tests.conftest import Rows
from tests.faults.conftest import Eventually, Start
from tests.faults.load import Load, post_again
from tests.servers import ALICE, CHECKOUT, Server, environment, free_port, run

POSTS = 1_000


def kept(db: Rows) -> list[str]:
    return [id for (id,) in db.query("SELECT id FROM activity_logs")]


def assert_sound(settings: Settings) -> None:
    """The states follow from the log, and the file is whole."""
    rebuilt = run(settings, "activity", "rebuild", "--json")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert json.loads(rebuilt.stdout)["differences"] == []
    if settings.database_url is None:
        with closing(sqlite3.connect(engines.sqlite_path(settings))) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def kill(server: Server) -> None:
    server.kill()


def terminate(server: Server) -> None:
    assert server.stop(signal.SIGTERM, within=30) == 0


@pytest.mark.parametrize("end", [kill, terminate])
def test_no_acknowledged_activity_is_lost_and_retries_make_no_doubles(
    start: Start, settings: Settings, cast: Cast, db: Rows, eventually: Eventually, end: object
) -> None:
    server = start()
    with Load(server, cast.reader.token, POSTS).running() as load:
        eventually(lambda: len(load.acknowledged) > POSTS // 4)
        end(server)

    assert set(load.statuses.values()) == {201}
    assert load.unanswered
    ids = kept(db)
    assert load.acknowledged <= set(ids)
    assert len(ids) == len(set(ids))
    assert_sound(settings)

    again = start()
    assert post_again(again, cast.reader.token, load.unanswered) <= {200, 201}
    assert post_again(again, cast.reader.token, list(load.acknowledged)[:50]) == {200}
    assert sorted(kept(db)) == sorted(load.ids)
    assert_sound(settings)


def test_a_worker_that_is_killed_takes_no_acknowledged_activity_along(
    server: Server, settings: Settings, cast: Cast, db: Rows, eventually: Eventually
) -> None:
    with Load(server, cast.reader.token, POSTS).running() as load:
        eventually(lambda: len(load.acknowledged) > POSTS // 4)
        os.kill(server.workers[0], signal.SIGKILL)

    assert set(load.statuses.values()) == {201}
    assert load.acknowledged <= set(kept(db))
    assert post_again(server, cast.reader.token, load.unanswered) <= {200, 201}
    assert sorted(kept(db)) == sorted(load.ids)
    assert_sound(settings)


def test_sessions_survive_a_restart(start: Start, cast: Cast) -> None:
    server = start()
    signed_in = server.post("/api/auth/login", {"email": cast.reader.email, "password": cast.reader.password})
    token = signed_in.json["access_token"]
    server.kill()

    assert start().get("/api/auth/me", token).json["email"] == cast.reader.email


@pytest.mark.engine("sqlite")
def test_a_server_that_is_stopped_while_it_starts_stops(settings: Settings) -> None:
    """Workers that are just being made hear of it, too."""
    for moment in range(4):
        process = subprocess.Popen(
            [*ALICE, "serve", "--port", str(free_port()), "--workers", "6"],
            cwd=CHECKOUT,
            env=environment(settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        with process:
            assert b"Alice is at" in process.stdout.readline()
            time.sleep(moment * 0.05)
            process.terminate()

            assert process.wait(30) == 0
            assert b"Traceback" not in process.stdout.read()
