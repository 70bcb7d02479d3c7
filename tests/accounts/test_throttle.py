"""Tries are limited in the database, for all processes together, and alike for unknown accounts."""

import subprocess
import sys
from contextlib import nullcontext

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alice import clock
from alice.accounts import throttle
from alice.accounts.throttle import (
    FAILED_LOGINS_FROM_ADDRESS,
    FAILED_LOGINS_OF_ACCOUNT,
    REGISTRATIONS_FROM_ADDRESS,
)
from alice.clock import hours, minutes, seconds
from alice.errors import TooMany
from alice.library.book_code import TRIES as BOOK_CODES
from tests.accounts.acting import before_they_hash, connected, error, login, register, together
from tests.cast import PASSWORD, Cast
from tests.conftest import Eventually, Rows

ACCOUNT_TRIES = 10
ADDRESS_TRIES = 50


def fail(client: FlaskClient, email: str, times: int) -> list[int]:
    return [login(client, email, f"guess {n}").status_code for n in range(times)]


@pytest.mark.parametrize("email", ["reader@example.com", "nobody@example.com"])
def test_ten_failures_close_an_account_for_a_while(
    program: FlaskClient, cast: Cast, frozen_clock: int, email: str
) -> None:
    assert fail(program, email, ACCOUNT_TRIES) == [401] * ACCOUNT_TRIES

    answer = login(program, email, PASSWORD)
    assert error(answer) == (429, "too_many_requests", None)
    assert answer.headers["Retry-After"] == str(15 * 60)


def test_it_opens_again_when_the_answer_said(program: FlaskClient, cast: Cast, frozen_clock: int) -> None:
    fail(program, cast.reader.email, ACCOUNT_TRIES)
    clock.advance(minutes(10))
    wait = int(login(program, cast.reader.email).headers["Retry-After"])

    clock.advance(seconds(wait) - 1)
    too_early = login(program, cast.reader.email)
    clock.advance(1)
    assert (wait, too_early.status_code, too_early.headers["Retry-After"]) == (5 * 60, 429, "1")
    assert login(program, cast.reader.email).status_code == 200


def test_knocking_does_not_keep_it_closed(program: FlaskClient, cast: Cast, frozen_clock: int) -> None:
    fail(program, cast.reader.email, ACCOUNT_TRIES)
    clock.advance(minutes(14))
    fail(program, cast.reader.email, 5)
    clock.advance(minutes(1))

    assert login(program, cast.reader.email).status_code == 200


def test_other_accounts_stay_open(program: FlaskClient, cast: Cast) -> None:
    fail(program, cast.reader.email, ACCOUNT_TRIES)

    assert login(program, cast.newcomer.email).status_code == 200


@pytest.mark.parametrize("variant", ["READER@example.com", " reader@example.com", "Reader@Example.Com\t"])
def test_writing_it_otherwise_is_no_way_around(program: FlaskClient, cast: Cast, variant: str) -> None:
    fail(program, cast.reader.email, ACCOUNT_TRIES)

    assert login(program, variant, PASSWORD).status_code == 429


def test_composing_it_otherwise_is_no_way_around(program: FlaskClient) -> None:
    register(program, "zo\u00eb@example.com")
    fail(program, "zo\u00eb@example.com", ACCOUNT_TRIES)

    assert login(program, "zoe\u0308@example.com").status_code == 429


def test_success_wipes_the_slate(program: FlaskClient, cast: Cast) -> None:
    for _ in range(3):
        assert fail(program, cast.reader.email, ACCOUNT_TRIES - 1) == [401] * (ACCOUNT_TRIES - 1)
        assert login(program, cast.reader.email).status_code == 200


def test_signing_in_forgets_only_ones_own_failures(
    program: FlaskClient, cast: Cast, connection: None
) -> None:
    for email, failures in ((cast.reader.email, ACCOUNT_TRIES), (cast.newcomer.email, 1)):
        for _ in range(failures):
            throttle.take(FAILED_LOGINS_OF_ACCOUNT, email)

    assert login(program, cast.newcomer.email).status_code == 200
    assert login(program, cast.reader.email).status_code == 429


def test_success_is_not_counted(program: FlaskClient, cast: Cast, db: Rows) -> None:
    statuses = {login(program, cast.reader.email).status_code for _ in range(ACCOUNT_TRIES + 2)}

    assert statuses == {200}
    assert db.query("SELECT * FROM throttles") == []


def test_fifty_failures_close_an_address_for_all_accounts(program: FlaskClient, cast: Cast) -> None:
    for n in range(ADDRESS_TRIES):
        assert login(program, f"guess{n}@example.com", "guess").status_code == 401

    assert login(program, cast.reader.email).status_code == 429
    elsewhere = {"REMOTE_ADDR": "192.0.2.99"}
    given = {"email": cast.reader.email, "password": PASSWORD}
    assert program.post("/api/auth/login", json=given, environ_base=elsewhere).status_code == 200


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("unix", "unix"),
    ],
)
def test_the_addresses_of_one_customer_are_one(address: str, counts_as: str) -> None:
    assert throttle.network(address) == counts_as


def test_whose_address_is_not_known_is_limited_by_account_alone(program: FlaskClient, cast: Cast) -> None:
    program.environ_base["REMOTE_ADDR"] = ""  # as on a socket in the file system

    assert register(program).status_code == 201
    assert fail(program, cast.reader.email, 1) == [401]
    assert login(program, cast.reader.email).status_code == 200


def test_what_was_typed_is_not_kept(program: FlaskClient, db: Rows) -> None:
    login(program, "a password typed into the wrong field", "x")

    assert "typed" not in repr(db.query("SELECT * FROM throttles"))


def test_limits_are_what_was_promised() -> None:
    assert (FAILED_LOGINS_OF_ACCOUNT.tries, FAILED_LOGINS_OF_ACCOUNT.window) == (10, minutes(15))
    assert (FAILED_LOGINS_FROM_ADDRESS.tries, FAILED_LOGINS_FROM_ADDRESS.window) == (50, minutes(15))
    assert (BOOK_CODES.tries, BOOK_CODES.window) == (10, minutes(1))
    assert (REGISTRATIONS_FROM_ADDRESS.tries, REGISTRATIONS_FROM_ADDRESS.window) == (60, hours(1))


def test_a_clock_set_back_closes_nothing_for_ever(connection: None, frozen_clock: int) -> None:
    for _ in range(BOOK_CODES.tries):
        throttle.take(BOOK_CODES, "somebody")
    clock.advance(-minutes(60))

    throttle.check((BOOK_CODES, "somebody"))
    throttle.take(BOOK_CODES, "somebody")


@pytest.mark.parametrize(("late", "counts"), [(seconds(10), True), (seconds(10) + 1, False)])
def test_who_waited_up_to_ten_seconds_to_be_counted_is_counted_in_the_same_window(
    connection: None, frozen_clock: int, late: int, counts: bool
) -> None:
    for _ in range(BOOK_CODES.tries):
        throttle.take(BOOK_CODES, "somebody")
    clock.advance(-late)

    with pytest.raises(TooMany) if counts else nullcontext():
        throttle.check((BOOK_CODES, "somebody"))
    with pytest.raises(TooMany) if counts else nullcontext():
        throttle.take(BOOK_CODES, "somebody")


def test_tries_at_the_same_moment_are_all_counted(app: Flask) -> None:
    take = connected(lambda: throttle.take(BOOK_CODES, "somebody"))

    refused = [result for result in together(*[take] * 3, *[take] * 12) if isinstance(result, TooMany)]

    assert len(refused) == 5


def test_guesses_at_the_same_moment_are_worth_no_more(app: Flask, cast: Cast, db: Rows) -> None:
    guess = lambda: login(app.test_client(), cast.reader.email, "guess").status_code  # noqa: E731

    statuses = together(*[guess] * 24)

    assert sorted(statuses) == [401] * ACCOUNT_TRIES + [429] * 14
    assert login(app.test_client(), cast.reader.email).status_code == 429


def test_guesses_at_the_same_moment_do_not_tell_which_was_right(
    app: Flask, cast: Cast, connection: None, eventually: Eventually
) -> None:
    """Both guesses passed the first check; others use up the tries before these two are compared."""
    email = cast.reader.email

    right, wrong = before_they_hash(
        eventually,
        lambda: [throttle.take(FAILED_LOGINS_OF_ACCOUNT, email) for _ in range(ACCOUNT_TRIES)],
        lambda: login(app.test_client(), email),
        lambda: login(app.test_client(), email, "guess"),
    )

    assert (right.status_code, right.text) == (wrong.status_code, wrong.text)
    assert error(right) == (429, "too_many_requests", None)


def test_a_class_behind_one_address_signs_in_at_once(app: Flask, cast: Cast, db: Rows) -> None:
    people = [cast.reader, cast.newcomer, cast.consultant, cast.stranger] * 16
    ask = [lambda who=who: login(app.test_client(), who.email).status_code for who in people]

    assert together(*ask) == [200] * 64
    assert db.query("SELECT * FROM throttles") == []


COUNT = """
import sys
from alice import database
from alice.accounts import throttle
from alice.config import Settings
database.bind(Settings.from_env())
with database.connected():
    for _ in range(20):
        throttle.take(throttle.FAILED_LOGINS_FROM_ADDRESS, "somebody")
"""


def test_processes_count_together(app: Flask, environ: dict[str, str], db: Rows) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", COUNT], env=environ) for _ in range(2)]

    assert [process.wait(60) for process in processes] == [0, 0]
    assert db.one("SELECT count FROM throttles") == 40
