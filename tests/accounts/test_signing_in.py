"""POST /api/auth/login and /api/auth/logout."""

import hashlib
import time
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alice import clock
from alice.accounts import credential, session, signals
from alice.accounts import user as users
from alice.accounts.device import Client
from alice.accounts.user import User
from alice.app import create_app
from alice.clock import days, hours, minutes
from alice.config import Settings
from alice.errors import Unauthenticated
from tests.accounts.acting import NEW_PASSWORD, SentSignals, error, login, me
from tests.cast import PASSWORD, Cast
from tests.conftest import Counted, Rows


def test_signing_in_answers_a_token_and_who_one_is(
    program: FlaskClient, cast: Cast, frozen_clock: int
) -> None:
    answer = login(program, cast.reader.email)

    assert answer.status_code == 200
    token = answer.json["access_token"]
    assert answer.json == {
        "access_token": token,
        "token_type": "bearer",
        "expires_in": 24 * 3600,
        "expires_at": (frozen_clock + hours(24)) // 1000,
        "user": {
            "id": cast.reader.id,
            "email": "reader@example.com",
            "first_name": "Reader",
            "last_name": "Example",
            "role": "reader",
            "is_verified": True,
        },
    }
    assert me(program, token).json == answer.json["user"]


@pytest.mark.parametrize("email", ["READER@EXAMPLE.COM", "  reader@example.com\n"])
def test_the_case_of_an_email_does_not_matter(program: FlaskClient, cast: Cast, email: str) -> None:
    assert login(program, email).status_code == 200


def test_a_reader_without_a_book_is_unverified(program: FlaskClient, cast: Cast) -> None:
    assert login(program, cast.newcomer.email).json["user"]["is_verified"] is False


def test_the_cookie_is_for_the_browser_alone(client: FlaskClient, cast: Cast) -> None:
    answer = login(client, cast.reader.email)

    cookie = client.get_cookie("alice_session")
    assert cookie.value == answer.json["access_token"]
    assert (cookie.http_only, cookie.same_site, cookie.secure, cookie.path) == (True, "Lax", False, "/")
    assert cookie.max_age == 24 * 3600
    assert client.get("/api/auth/me").json["email"] == cast.reader.email


def test_behind_tls_the_cookie_is_secure(settings: Settings, cast: Cast) -> None:
    client = create_app(replace(settings, public_url="https://alice.example.org")).test_client()
    answer = login(client, cast.reader.email)

    assert "Secure" in answer.headers["Set-Cookie"]


def test_over_tls_the_cookie_is_secure_without_being_told(app: Flask, cast: Cast) -> None:
    answer = app.test_client().post(
        "/api/auth/login",
        json={"email": cast.reader.email, "password": PASSWORD},
        base_url="https://localhost",
    )

    assert "Secure" in answer.headers["Set-Cookie"]


def test_each_login_has_a_token_of_its_own(program: FlaskClient, cast: Cast) -> None:
    first, second = (login(program, cast.reader.email).json["access_token"] for _ in range(2))

    assert first != second
    assert [me(program, token).status_code for token in (first, second)] == [200, 200]


@pytest.mark.parametrize("old", ["own", "unknown", "no token at all"])
def test_the_session_whose_cookie_is_replaced_ends(
    client: FlaskClient, program: FlaskClient, cast: Cast, heard: SentSignals, old: str
) -> None:
    before = login(client, cast.reader.email).json["access_token"]
    if old != "own":
        client.set_cookie("alice_session", "x" * 43 if old == "unknown" else old)
    given = {"email": cast.reader.email, "password": PASSWORD}

    answer = client.post("/api/auth/login", json=given, headers={"Origin": "http://localhost"})
    assert me(program, answer.json["access_token"]).status_code == 200
    assert me(program, before).status_code == (401 if old == "own" else 200)
    assert heard.names == ["signed_in", "signed_in"]


def test_the_token_itself_stands_in_no_table(program: FlaskClient, cast: Cast, db: Rows) -> None:
    token = login(program, cast.reader.email).json["access_token"]

    everything = repr(
        [db.query(f"SELECT * FROM {table}") for table in ("sessions", "users", "activity_logs", "throttles")]
    )
    assert len(token) == 43
    assert token not in everything
    assert hashlib.sha256(token.encode()).hexdigest() in everything


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("reader@example.com", "wrong"),
        ("reader@example.com", ""),
        ("reader@example.com", PASSWORD.upper()),
        ("nobody@example.com", PASSWORD),
        ("no e-mail at all", PASSWORD),
        ("", ""),
        ("reader@example.com' OR '1'='1", PASSWORD),
    ],
)
def test_every_failure_looks_the_same(program: FlaskClient, cast: Cast, email: str, password: str) -> None:
    answer = login(program, email, password)

    assert answer.status_code == 401
    assert answer.json == {
        "error": {"code": "invalid_credentials", "message": "The e-mail or the password is not right."}
    }
    assert "Set-Cookie" not in answer.headers


def test_a_failure_is_as_much_work_for_an_unknown_account(program: FlaskClient, cast: Cast) -> None:
    work = {cast.reader.email: [], "nobody@example.com": []}
    for _ in range(4):
        for email, times in work.items():
            began = time.thread_time()  # of the processor: machines stall
            login(program, email, "wrong")
            times.append(time.thread_time() - began)

    known, unknown = (min(times) for times in work.values())
    assert 0.5 < known / unknown < 2


@pytest.mark.parametrize("field", ["email", "password"])
@pytest.mark.parametrize(("length", "status"), [(1000, 401), (1001, 422)])
def test_the_length_of_a_field_is_bounded(program: FlaskClient, field: str, length: int, status: int) -> None:
    given = {"email": "a@example.com", "password": "x"} | {field: "x" * length}

    assert program.post("/api/auth/login", json=given).status_code == status


@pytest.mark.engine("sqlite")
@pytest.mark.parametrize("field", ["email", "password"])
def test_a_missing_field_is_named(program: FlaskClient, field: str) -> None:
    given = {"email": "a@example.com", "password": "x"}
    del given[field]

    assert error(program.post("/api/auth/login", json=given)) == (422, "invalid", field)


@pytest.mark.engine("sqlite")
def test_more_than_is_asked_for_is_refused(program: FlaskClient, cast: Cast) -> None:
    assert error(login(program, cast.reader.email, role="admin")) == (422, "invalid", "role")


@pytest.mark.engine("sqlite")
@pytest.mark.parametrize("remember", ["yes", 1, None])
def test_staying_signed_in_is_true_or_false(program: FlaskClient, cast: Cast, remember: object) -> None:
    assert error(login(program, cast.reader.email, remember=remember)) == (422, "invalid", "remember")


def test_a_reader_may_stay_signed_in_for_thirty_days(
    client: FlaskClient, cast: Cast, frozen_clock: int
) -> None:
    answer = login(client, cast.reader.email, remember=True).json

    assert answer["expires_in"] == 30 * 24 * 3600
    assert answer["expires_at"] == (frozen_clock + days(30)) // 1000
    assert client.get_cookie("alice_session").max_age == 30 * 24 * 3600


def test_staff_may_not(program: FlaskClient, cast: Cast) -> None:
    for person in (cast.consultant, cast.admin):
        assert login(program, person.email, remember=True).json["expires_in"] == 24 * 3600


def test_where_from_and_when_is_noted(program: FlaskClient, cast: Cast, db: Rows, frozen_clock: int) -> None:
    headers = {"User-Agent": "Looking-Glass/1.0 " + "x" * 600}
    program.post("/api/auth/login", json={"email": cast.reader.email, "password": PASSWORD}, headers=headers)

    address, agent, created, seen = db.query(
        "SELECT ip_address, user_agent, created_at, last_active_at FROM sessions "
        "WHERE user_id = ? AND id <> ?",
        cast.reader.id,
        cast.reader.session_id,
    )[0]
    assert (address, created, seen) == ("127.0.0.1", frozen_clock, frozen_clock)
    assert agent.startswith("Looking-Glass/1.0") and len(agent) == 500
    assert db.one("SELECT last_active_at FROM users WHERE id = ?", cast.reader.id) == frozen_clock


def test_what_a_client_does_not_say_is_not_noted(program: FlaskClient, cast: Cast, db: Rows) -> None:
    program.environ_base["REMOTE_ADDR"] = ""  # as on a socket in the file system
    given = {"email": cast.reader.email, "password": PASSWORD}
    program.post("/api/auth/login", json=given, headers={"User-Agent": ""})

    noted = db.query("SELECT ip_address, user_agent FROM sessions WHERE id <> ?", cast.reader.session_id)
    assert (None, None) in noted


def test_a_run_of_requests_goes_on_for_five_minutes(
    program: FlaskClient, cast: Cast, db: Rows, frozen_clock: int
) -> None:
    since = []
    for pause in (0, minutes(5), minutes(5) + 1):
        clock.advance(pause)
        login(program, cast.reader.email)
        since.append(db.one("SELECT online_since FROM users WHERE id = ?", cast.reader.id))

    assert since == [frozen_clock, frozen_clock, frozen_clock + minutes(10) + 1]


def test_signing_in_and_out_is_told_inside_the_transaction(
    program: FlaskClient, cast: Cast, heard: SentSignals
) -> None:
    token = login(program, cast.reader.email).json["access_token"]
    program.post("/api/auth/logout", headers={"Authorization": f"Bearer {token}"})

    (name, arguments, inside), (out, same_arguments, also_inside) = heard.sent
    assert (name, out, inside, also_inside) == ("signed_in", "signed_out", True, True)
    assert arguments["user_id"] == cast.reader.id
    assert arguments == same_arguments | {"role": "reader"}


def test_signing_in_takes_eight_statements(program: FlaskClient, cast: Cast, counted: Counted) -> None:
    with counted() as statements:
        assert login(program, cast.reader.email).status_code == 200

    rows = [sql for sql in statements if sql.split()[0] in ("SELECT", "INSERT", "UPDATE", "DELETE")]
    assert len([sql for sql in rows if "advisory" not in sql]) == 8, "and on PostgreSQL the log's lock"


def test_a_failure_sends_no_signal(program: FlaskClient, cast: Cast, heard: SentSignals) -> None:
    login(program, cast.reader.email, "wrong")

    assert heard.sent == []


# Signing out


def test_a_signed_out_token_is_refused_at_once(program: FlaskClient, cast: Cast) -> None:
    token = login(program, cast.reader.email).json["access_token"]
    answer = program.post("/api/auth/logout", headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 204
    assert error(me(program, token)) == (401, "unauthenticated", None)


def test_signing_out_takes_the_cookie_away(client: FlaskClient, cast: Cast) -> None:
    login(client, cast.reader.email)
    answer = client.post("/api/auth/logout", headers={"Origin": "http://localhost"})

    assert {"HttpOnly", "Path=/", "SameSite=Lax"} <= set(answer.headers["Set-Cookie"].split("; "))
    assert client.get_cookie("alice_session") is None
    assert client.get("/api/auth/me").status_code == 401


def test_signing_out_leaves_other_devices_alone(program: FlaskClient, cast: Cast) -> None:
    token = login(program, cast.reader.email).json["access_token"]
    cast.reader.client.post("/api/auth/logout")

    assert me(program, token).status_code == 200


@pytest.mark.engine("sqlite")
def test_signing_out_needs_a_session(program: FlaskClient) -> None:
    assert error(program.post("/api/auth/logout")) == (401, "unauthenticated", None)


# Moments between


@pytest.fixture
def read_before(connection: None, cast: Cast) -> User:
    """The reader as a login has read and verified them, before it starts the session."""
    return users.find(cast.reader.email)


def test_a_password_changed_meanwhile_starts_no_session(
    read_before: User, settings: Settings, db: Rows
) -> None:
    credential.set_password(read_before.id, NEW_PASSWORD)

    with pytest.raises(Unauthenticated):
        session.start(read_before, Client(), settings)
    assert session.of_user(read_before.id, settings) == []


def test_a_session_ended_as_it_starts_does_not_sign_in(program: FlaskClient, cast: Cast) -> None:
    end = lambda sender, session_id, **_: session.end(session_id)  # noqa: E731

    with signals.signed_in.connected_to(end):
        token = login(program, cast.reader.email).json["access_token"]

    assert me(program, token).status_code == 401


def test_a_user_deleted_meanwhile_starts_no_session(read_before: User, settings: Settings) -> None:
    users.delete(read_before.id)

    with pytest.raises(Unauthenticated):
        session.start(read_before, Client(), settings)


def test_a_reader_made_staff_meanwhile_does_not_stay_signed_in(read_before: User, settings: Settings) -> None:
    users.set_role(read_before.id, "consultant")

    started = session.start(read_before, Client(), settings, remember=True)

    assert (started.user.role, started.expires_at) == ("consultant", started.created_at + hours(24))
    assert clock.now() < started.expires_at
