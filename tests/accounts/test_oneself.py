"""Reading and changing one's own account: GET and PATCH /api/auth/me, POST /api/auth/password."""

import pytest
from flask.testing import FlaskClient

from tests.accounts.acting import NEW_PASSWORD, before_they_hash, error, login, me
from tests.cast import PASSWORD, Cast
from tests.conftest import Eventually, Rows

URL = "/api/auth/password"


def change(client: FlaskClient, current: str = PASSWORD, new: str = NEW_PASSWORD) -> object:
    return client.post(URL, json={"current_password": current, "new_password": new})


def test_me_is_who_one_is_and_nothing_more(cast: Cast) -> None:
    assert cast.newcomer.client.get("/api/auth/me").json == {
        "id": cast.newcomer.id,
        "email": "newcomer@example.com",
        "first_name": "Newcomer",
        "last_name": "Example",
        "role": "reader",
        "is_verified": False,
    }


@pytest.mark.engine("sqlite")
def test_without_a_session_there_is_no_own_account(cast: Cast) -> None:
    assert error(cast.nobody.client.get("/api/auth/me")) == (401, "unauthenticated", None)
    assert error(cast.nobody.client.patch("/api/auth/me", json={})) == (401, "unauthenticated", None)
    assert error(change(cast.nobody.client)) == (401, "unauthenticated", None)


@pytest.mark.parametrize(
    ("given", "first", "last"),
    [
        ({"first_name": " Ada ", "last_name": "King"}, "Ada", "King"),
        ({"last_name": "King"}, "Reader", "King"),
        ({"first_name": ""}, "", "Example"),
        ({}, "Reader", "Example"),
    ],
)
def test_a_person_changes_the_names_they_give(
    cast: Cast, db: Rows, given: dict, first: str, last: str
) -> None:
    answer = cast.reader.client.patch("/api/auth/me", json=given)

    assert (answer.json["first_name"], answer.json["last_name"]) == (first, last)
    assert cast.reader.client.get("/api/auth/me").json == answer.json
    assert db.query("SELECT first_name FROM users WHERE id = ?", cast.newcomer.id) == [("Newcomer",)]


@pytest.mark.parametrize("field", ["email", "role", "is_verified", "id"])
def test_nothing_else_is_changed_there(cast: Cast, field: str) -> None:
    before = cast.reader.client.get("/api/auth/me").json

    answer = cast.reader.client.patch("/api/auth/me", json={field: "admin", "first_name": "Ada"})

    assert error(answer) == (422, "invalid", field)
    assert cast.reader.client.get("/api/auth/me").json == before


def test_a_changed_password_is_the_only_one_that_works(cast: Cast, program: FlaskClient) -> None:
    assert change(cast.reader.client).status_code == 204

    assert login(program, cast.reader.email, NEW_PASSWORD).status_code == 200
    assert login(program, cast.reader.email, PASSWORD).status_code == 401


def test_other_sessions_end_with_the_old_password(cast: Cast, program: FlaskClient) -> None:
    elsewhere = login(program, cast.reader.email).json["access_token"]

    change(cast.reader.client)

    assert me(program, elsewhere).status_code == 401
    assert cast.reader.client.get("/api/auth/me").status_code == 200
    assert cast.newcomer.client.get("/api/auth/me").status_code == 200


def test_the_current_password_must_be_right(cast: Cast, program: FlaskClient) -> None:
    assert error(change(cast.reader.client, "wrong")) == (422, "wrong_password", "current_password")
    assert login(program, cast.reader.email, PASSWORD).status_code == 200


def test_a_password_that_an_admin_set_meanwhile_stays(
    cast: Cast, db: Rows, program: FlaskClient, eventually: Eventually
) -> None:
    elsewhere = login(program, cast.reader.email).json["access_token"]
    set_by_admin = "UPDATE users SET password_hash = 'set by an admin' WHERE id = ?"

    (answer,) = before_they_hash(
        eventually, lambda: db.execute(set_by_admin, cast.reader.id), lambda: change(cast.reader.client)
    )

    assert error(answer) == (422, "wrong_password", "current_password")
    assert db.one("SELECT password_hash FROM users WHERE id = ?", cast.reader.id) == "set by an admin"
    assert me(program, elsewhere).status_code == 200


@pytest.mark.parametrize("new", ["short77", "password", "x" * 257])
def test_the_new_one_must_be_acceptable(cast: Cast, new: str) -> None:
    assert error(change(cast.reader.client, new=new)) == (422, "invalid", "new_password")


def test_a_stolen_session_cannot_guess_the_password_for_long(cast: Cast) -> None:
    statuses = [change(cast.reader.client, f"guess {n}").status_code for n in range(11)]

    assert statuses == [422] * 10 + [429]
