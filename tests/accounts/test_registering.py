"""POST /api/auth/register adds a reader."""

import time

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alice import clock
from alice.accounts import throttle
from alice.accounts.throttle import REGISTRATIONS_FROM_ADDRESS
from alice.clock import hours
from tests.accounts.acting import error, login, register, together
from tests.cast import PASSWORD, Cast
from tests.conftest import Rows


def test_a_person_registers_as_an_unverified_reader(program: FlaskClient, db: Rows) -> None:
    answer = register(program, first_name="Ada", last_name="Lovelace")

    assert answer.status_code == 201
    assert answer.json == {
        "user": {
            "id": db.one("SELECT id FROM users WHERE email = 'ada@example.com'"),
            "email": "ada@example.com",
            "first_name": "Ada",
            "last_name": "Lovelace",
            "role": "reader",
            "is_verified": False,
        }
    }


def test_registering_does_not_sign_in(program: FlaskClient) -> None:
    assert "Set-Cookie" not in register(program).headers


def test_names_may_be_left_out(program: FlaskClient) -> None:
    assert register(program).json["user"]["first_name"] == ""


def test_the_email_is_kept_trimmed_and_in_lower_case(program: FlaskClient) -> None:
    assert register(program, "  ADA@Example.COM ").json["user"]["email"] == "ada@example.com"


@pytest.mark.parametrize("email", ["reader@example.com", "READER@example.com", " Reader@Example.com "])
def test_a_taken_email_is_refused_however_it_is_written(program: FlaskClient, cast: Cast, email: str) -> None:
    assert error(register(program, email)) == (409, "email_taken", "email")


@pytest.mark.engine("sqlite")
@pytest.mark.parametrize(
    ("field", "value"),
    [("email", "ada@"), ("password", "PassWord1"), ("password", "x" * 257), ("first_name", 7)],
)
def test_what_cannot_be_kept_is_refused_by_name(program: FlaskClient, field: str, value: object) -> None:
    given = {"email": "ada@example.com", "password": PASSWORD} | {field: value}

    assert error(program.post("/api/auth/register", json=given)) == (422, "invalid", field)


@pytest.mark.parametrize(
    "password", ["8 letter", "x1" * 128, "пароль-з-казки", "  padded with spaces  ", "🐇🐁🐇🐁🐇🐁🐇🐁"]
)
def test_any_other_password_works_untouched(program: FlaskClient, password: str) -> None:
    register(program, password=password)

    assert login(program, "ada@example.com", password).status_code == 200
    assert login(program, "ada@example.com", password.strip() + "x").status_code == 401


def test_a_long_password_counts_to_its_end(program: FlaskClient) -> None:
    register(program, password="a" * 100 + "b")

    assert login(program, "ada@example.com", "a" * 100 + "c").status_code == 401


@pytest.mark.parametrize("key", ["role", "is_verified", "id", "password_hash"])
def test_a_registration_cannot_set_other_fields(program: FlaskClient, key: str, db: Rows) -> None:
    assert error(register(program, **{key: "admin"})) == (422, "invalid", key)
    assert db.query("SELECT 1 FROM users WHERE email = 'ada@example.com'") == []


@pytest.mark.engine("sqlite")
@pytest.mark.parametrize("missing", ["email", "password"])
def test_a_missing_field_is_named(program: FlaskClient, missing: str) -> None:
    given = {"email": "ada@example.com", "password": PASSWORD}
    del given[missing]

    assert error(program.post("/api/auth/register", json=given)) == (422, "invalid", missing)


def test_the_password_is_stored_as_an_argon2id_hash(program: FlaskClient, db: Rows) -> None:
    register(program)

    stored = db.one("SELECT password_hash FROM users WHERE email = 'ada@example.com'")
    assert stored.startswith(f"$argon2id$v=19$m={19 * 1024},t=2,p=1$")
    assert PASSWORD not in stored


def test_one_of_two_at_once_gets_the_email(app: Flask, db: Rows) -> None:
    ask = lambda: register(app.test_client()).status_code  # noqa: E731

    assert sorted(together(ask, ask)) == [201, 409]
    assert db.one("SELECT COUNT(*) FROM users WHERE email = 'ada@example.com'") == 1


@pytest.fixture
def a_class(connection: None, frozen_clock: int) -> None:
    """A class has registered from the address of the tests, just now."""
    for _ in range(59):
        throttle.take(REGISTRATIONS_FROM_ADDRESS, "127.0.0.1")


def test_a_class_registers_from_one_address_and_then_must_wait(
    a_class: None, program: FlaskClient, cast: Cast, db: Rows
) -> None:
    assert register(program).status_code == 201

    answers = [register(program, email) for email in ("eve@example.com", cast.reader.email)]
    assert [error(answer) for answer in answers] == [(429, "too_many_requests", None)] * 2
    assert answers[0].headers["Retry-After"] == str(60 * 60)
    assert db.query("SELECT 1 FROM users WHERE email = 'eve@example.com'") == []


def test_other_addresses_register_meanwhile(a_class: None, program: FlaskClient) -> None:
    register(program)
    given = {"email": "eve@example.com", "password": PASSWORD}

    answer = program.post("/api/auth/register", json=given, environ_base={"REMOTE_ADDR": "192.0.2.99"})
    assert answer.status_code == 201


def test_an_hour_later_it_is_open_again(a_class: None, program: FlaskClient) -> None:
    register(program)
    clock.advance(hours(1))

    assert register(program, "eve@example.com").status_code == 201


def test_an_invalid_registration_does_not_count_as_a_try(a_class: None, program: FlaskClient) -> None:
    for _ in range(3):
        register(program, "no address")

    assert register(program).status_code == 201


def test_a_taken_email_is_refused_without_the_work_of_hashing(program: FlaskClient, cast: Cast) -> None:
    work = {"taken": [], "free": []}
    for n in range(4):
        for kind, email in (("taken", cast.reader.email), ("free", f"free{n}@example.com")):
            began = time.thread_time()  # of the processor: machines stall
            register(program, email)
            work[kind].append(time.thread_time() - began)

    assert min(work["taken"]) < 0.5 * min(work["free"])


def test_closed_is_closed(closed: Flask, db: Rows) -> None:
    answer = register(closed.test_client())

    assert error(answer) == (403, "registration_closed", None)
    assert db.query("SELECT 1 FROM users WHERE email = 'ada@example.com'") == []
