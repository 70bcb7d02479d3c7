"""Every request is checked against the sessions table in one query, and only a token reaches it."""

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alice import clock, database
from alice.accounts import identity, session
from alice.activity import presence
from alice.app import create_app
from alice.clock import days, hours, minutes
from alice.config import Settings
from alice.recorder import Recorder
from tests.accounts.acting import error, login, me
from tests.cast import Cast
from tests.conftest import Rows

ME = "/api/auth/me"


def test_me_is_one_query(cast: Cast, counted: Any) -> None:
    with counted() as statements:
        answer = cast.reader.client.get(ME)

    assert answer.json["email"] == cast.reader.email
    assert len(statements) == 1


@pytest.mark.engine("sqlite")  # PostgreSQL chooses by statistics; on tables this small it rightly scans.
def test_the_query_walks_indexes(app: Flask, connection: None, settings: Settings) -> None:
    plan = database.query(f"EXPLAIN QUERY PLAN {identity._FIND}", "0" * 64, *session.live_params(settings))

    steps = [row[-1] for row in plan]
    assert not [step for step in steps if step.startswith("SCAN")]
    assert any("idx_sessions_token_hash" in step for step in steps)


@pytest.mark.engine("sqlite")
@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "x" * 42,
        "x" * 44,
        "x" * 42 + "=",
        "x" * 42 + "\xe9",
        "' OR 1=1 --".ljust(43, "x"),
        "x" * 100_000,
    ],
)
def test_a_malformed_token_never_reaches_the_database(program: FlaskClient, counted: Any, token: str) -> None:
    with counted() as statements:
        answer = me(program, token)

    assert error(answer) == (401, "unauthenticated", None)
    assert statements == []


def test_an_unknown_token_is_refused(program: FlaskClient) -> None:
    assert me(program, "A" * 43).status_code == 401


def test_the_hash_of_a_token_is_no_token(cast: Cast, program: FlaskClient, db: Rows) -> None:
    stored = db.one("SELECT token_hash FROM sessions WHERE id = ?", cast.reader.session_id)

    assert me(program, stored).status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_written_in_any_case(program: FlaskClient, cast: Cast, scheme: str) -> None:
    answer = program.get(ME, headers={"Authorization": f"{scheme} {cast.reader.token}"})

    assert answer.json["id"] == cast.reader.id


@pytest.mark.engine("sqlite")
@pytest.mark.parametrize("header", ["Basic {0}", "{0}", "Token {0}", "Bearer", "Bearer{0}"])
def test_no_other_scheme_is_taken(program: FlaskClient, cast: Cast, header: str) -> None:
    answer = program.get(ME, headers={"Authorization": header.format(cast.reader.token)})

    assert answer.status_code == 401


def test_bearer_wins_over_the_cookie(cast: Cast) -> None:
    answer = cast.reader.browser.get(ME, headers={"Authorization": f"Bearer {cast.admin.token}"})

    assert answer.json["role"] == "admin"


def test_a_wrong_bearer_is_not_made_good_by_the_cookie(cast: Cast) -> None:
    answer = cast.reader.browser.get(ME, headers={"Authorization": f"Bearer {'x' * 43}"})

    assert answer.status_code == 401


@pytest.mark.engine("sqlite")
def test_a_token_in_the_address_is_no_token(program: FlaskClient, cast: Cast) -> None:
    assert program.get(f"{ME}?token={cast.reader.token}&access_token={cast.reader.token}").status_code == 401


@pytest.mark.parametrize("name", ["remember_token", "session"])
def test_foreign_cookies_are_ignored(cast: Cast, name: str) -> None:
    cookies = f"{name}={cast.admin.id}|feed; alice_session={cast.reader.token}"

    answer = cast.nobody.client.get(ME, headers={"Cookie": cookies})

    assert answer.json["id"] == cast.reader.id


def test_a_role_change_takes_effect_with_the_next_request(cast: Cast, db: Rows) -> None:
    client = cast.reader.client
    before = client.get("/api/consultant/readers").status_code
    db.execute("UPDATE users SET role = 'consultant' WHERE id = ?", cast.reader.id)

    assert (before, client.get("/api/consultant/readers").status_code) == (403, 200)


def test_a_deleted_user_is_out_with_the_next_request(cast: Cast, db: Rows) -> None:
    db.execute("DELETE FROM users WHERE id = ?", cast.reader.id)

    assert error(cast.reader.client.get(ME)) == (401, "unauthenticated", None)


def test_a_session_is_over_after_a_day(program: FlaskClient, cast: Cast, frozen_clock: int) -> None:
    token = login(program, cast.reader.email).json["access_token"]

    clock.advance(hours(24) - 1)
    last_moment = me(program, token).status_code
    clock.advance(1)
    assert (last_moment, me(program, token).status_code) == (200, 401)


def test_a_remembered_session_ends_after_thirty_days(
    program: FlaskClient, cast: Cast, frozen_clock: int
) -> None:
    token = login(program, cast.reader.email, remember=True).json["access_token"]

    clock.advance(days(30) - 1)
    last_moment = me(program, token).status_code
    clock.advance(1)
    assert (last_moment, me(program, token).status_code) == (200, 401)


@pytest.mark.parametrize("role", ["consultant", "admin"])
def test_idle_staff_is_signed_out_after_an_hour(
    program: FlaskClient, cast: Cast, frozen_clock: int, role: str
) -> None:
    token = login(program, getattr(cast, role).email).json["access_token"]

    clock.advance(minutes(60) - 1)
    last_moment = me(program, token).status_code
    clock.advance(1)
    assert (last_moment, me(program, token).status_code) == (200, 401)


def test_busy_staff_is_not(program: FlaskClient, cast: Cast, recorder: Recorder, frozen_clock: int) -> None:
    token = login(program, cast.consultant.email).json["access_token"]

    for _ in range(3):
        clock.advance(minutes(50))
        assert me(program, token).status_code == 200
        recorder.flush()


def test_an_active_session_does_not_prolong_another(
    program: FlaskClient, cast: Cast, recorder: Recorder, frozen_clock: int
) -> None:
    busy, idle = (login(program, who.email).json["access_token"] for who in (cast.consultant, cast.admin))

    clock.advance(minutes(50))
    me(program, busy)
    recorder.flush()
    clock.advance(minutes(10))
    assert (me(program, busy).status_code, me(program, idle).status_code) == (200, 401)


def test_a_sign_of_life_that_is_written_late_sets_nothing_back(
    connection: None, cast: Cast, db: Rows, frozen_clock: int
) -> None:
    key = (cast.consultant.session_id, cast.consultant.id)
    for at in (frozen_clock + 2000, frozen_clock + 1000):
        presence.write_last_active(database.Queries(database.alice_db), [(key, at)])

    seen = [
        db.one(f"SELECT last_active_at FROM {table} WHERE id = ?", id)
        for table, id in zip(("sessions", "users"), key, strict=True)
    ]
    assert seen == [frozen_clock + 2000] * 2


def test_background_requests_do_not_keep_staff_signed_in(
    program: FlaskClient, cast: Cast, recorder: Recorder, frozen_clock: int
) -> None:
    token = login(program, cast.consultant.email).json["access_token"]
    headers = {"Authorization": f"Bearer {token}", "X-Alice-Background": "1"}

    statuses = []
    for _ in range(3):
        clock.advance(minutes(25))
        statuses.append(program.get("/consultant/live", headers=headers).status_code)
        recorder.flush()
    assert statuses == [200, 200, 303]


def test_idle_readers_are_not_signed_out(program: FlaskClient, cast: Cast, frozen_clock: int) -> None:
    token = login(program, cast.reader.email).json["access_token"]
    clock.advance(hours(23))

    assert me(program, token).status_code == 200


def test_a_reader_made_staff_does_not_bring_a_thirty_day_session_along(
    program: FlaskClient, cast: Cast, db: Rows, frozen_clock: int
) -> None:
    token = login(program, cast.reader.email, remember=True).json["access_token"]
    db.execute("UPDATE users SET role = 'admin' WHERE id = ?", cast.reader.id)
    clock.advance(hours(24))
    db.execute("UPDATE sessions SET last_active_at = ? WHERE user_id = ?", clock.now(), cast.reader.id)

    assert me(program, token).status_code == 401


def test_all_limits_are_settings(settings: Settings, cast: Cast, frozen_clock: int) -> None:
    program = create_app(
        replace(settings, session_hours=2, remember_days=3, staff_idle_minutes=5)
    ).test_client(use_cookies=False)

    token = login(program, cast.consultant.email).json["access_token"]
    assert login(program, cast.reader.email).json["expires_in"] == 2 * 3600
    assert login(program, cast.reader.email, remember=True).json["expires_in"] == 3 * 24 * 3600
    clock.advance(minutes(5))
    assert me(program, token).status_code == 401


def test_sessions_outlive_the_process(settings: Settings, cast: Cast, program: FlaskClient) -> None:
    token = login(program, cast.reader.email).json["access_token"]

    after_restart = create_app(settings).test_client(use_cookies=False)
    assert me(after_restart, token).status_code == 200
