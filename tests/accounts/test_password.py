"""Passwords are hashed slowly, in the same time for unknown users, and never inside a transaction."""

import bcrypt
import pytest
from flask import Flask
from flask.testing import FlaskClient

from alice.accounts import password
from alice.database import alice_db, transaction
from tests.accounts.acting import before_they_hash, login, together
from tests.cast import PASSWORD, Cast
from tests.conftest import Eventually, Rows


def bcrypt_hash(text: str, prefix: bytes = b"2a") -> str:
    """As the Go program made them, but quicker."""
    return (
        bcrypt.hashpw(text.encode(), bcrypt.gensalt(4, b"2b")).replace(b"$2b$", b"$" + prefix + b"$").decode()
    )


@pytest.mark.engine("sqlite")
def test_a_hash_verifies_its_password_only(app: Flask) -> None:
    stored = password.hash_password(PASSWORD)

    assert password.verify(PASSWORD, stored) == (True, None)
    assert password.verify(PASSWORD + " ", stored) == (False, None)


@pytest.mark.engine("sqlite")
def test_the_same_password_never_has_the_same_hash(app: Flask) -> None:
    assert password.hash_password(PASSWORD) != password.hash_password(PASSWORD)


@pytest.mark.engine("sqlite")
@pytest.mark.parametrize("stored", [None, "", "!", "plain text", "$2a$nonsense", "$argon2id$v=19$broken"])
@pytest.mark.parametrize("text", ["", "plain text", PASSWORD])
def test_nothing_to_compare_with_is_wrong(app: Flask, stored: str | None, text: str) -> None:
    assert password.verify(text, stored) == (False, None)


@pytest.mark.engine("sqlite")
def test_the_unmatched_hash_costs_as_much_as_a_real_one(app: Flask) -> None:
    unmatched = password._unmatched()

    assert unmatched.rpartition("p=")[0] == password.hash_password("x").rpartition("p=")[0]
    assert password._hasher.current_hasher.check_needs_rehash(unmatched) is False


@pytest.mark.parametrize("prefix", [b"2a", b"2b", b"2y"])
def test_an_imported_bcrypt_hash_is_accepted_and_replaced(
    program: FlaskClient, cast: Cast, db: Rows, prefix: bytes
) -> None:
    db.execute(
        "UPDATE users SET password_hash = ? WHERE id = ?", bcrypt_hash("alice2024", prefix), cast.reader.id
    )

    assert login(program, cast.reader.email, "wrong").status_code == 401
    assert db.one("SELECT password_hash FROM users WHERE id = ?", cast.reader.id).startswith("$2")
    assert login(program, cast.reader.email, "alice2024").status_code == 200
    assert db.one("SELECT password_hash FROM users WHERE id = ?", cast.reader.id).startswith("$argon2id$")
    assert login(program, cast.reader.email, "alice2024").status_code == 200


def test_a_better_hash_does_not_replace_a_password_that_was_changed_meanwhile(
    program: FlaskClient, cast: Cast, db: Rows, eventually: Eventually
) -> None:
    store = "UPDATE users SET password_hash = ? WHERE id = ?"
    db.execute(store, bcrypt_hash("alice2024"), cast.reader.id)

    (answer,) = before_they_hash(
        eventually,
        lambda: db.execute(store, "set by an admin", cast.reader.id),
        lambda: login(program, cast.reader.email, "alice2024"),
    )

    assert answer.status_code == 401
    assert db.one("SELECT password_hash FROM users WHERE id = ?", cast.reader.id) == "set by an admin"


def test_a_password_too_long_for_bcrypt_is_just_wrong(program: FlaskClient, cast: Cast, db: Rows) -> None:
    db.execute("UPDATE users SET password_hash = ? WHERE id = ?", bcrypt_hash("x" * 72), cast.reader.id)

    assert login(program, cast.reader.email, "x" * 73).status_code == 401
    assert login(program, cast.reader.email, "x" * 72).status_code == 200


def test_hashing_inside_a_transaction_is_refused(connection: None) -> None:
    with transaction(), pytest.raises(RuntimeError):
        password.hash_password(PASSWORD)
    with transaction(), pytest.raises(RuntimeError):
        password.verify(PASSWORD, None)


def test_without_a_connection_none_is_made(app: Flask) -> None:
    password.hash_password(PASSWORD)

    assert alice_db.is_closed()


def test_two_hash_at_a_time(app: Flask, cast: Cast, eventually: Eventually) -> None:
    ask = lambda: login(app.test_client(), cast.reader.email).status_code  # noqa: E731
    with password._turns:
        alone = ask()

    assert alone == 200
    assert before_they_hash(eventually, lambda: None, ask) == [200]  # it waits while two others do


def test_many_logins_at_once_need_few_connections(app: Flask, cast: Cast) -> None:
    """More than the pool holds, each waiting for its turn to hash."""
    ask = lambda: login(app.test_client(), cast.reader.email).status_code  # noqa: E731

    assert together(*[ask] * 12) == [200] * 12


WEAK = [
    "", "short77", "x" * 257,
    "password", "PassWord1", "123456789", "qwertyuiop", "WonderLand", "spongebob", "metallica",
    "metallica1", "Metallica77", "metallica123",
    "aaaaaaaa", "        ", "\u200b" * 8, "\u3000" * 9, "a       ",
    "abcdefgh", "hgfedcba", "3456789:", "zyxwvuts",
]  # fmt: skip


@pytest.mark.parametrize("text", WEAK)
def test_a_weak_password_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        password.acceptable(text)


@pytest.mark.parametrize("text", ["metallica-1234", "xmetallica", "aaaaaaab", "abcdefgi", "two words"])
def test_a_password_that_is_not_quite_a_weak_one_is_taken(text: str) -> None:
    assert password.acceptable(text) == text


def test_the_list_holds_the_ten_thousand_most_common_passwords() -> None:
    assert len(password.common()) >= 10_000
    assert all(text == text.lower() and len(text) >= password.SHORTEST for text in password.common())


@pytest.mark.parametrize("text", ["mary.jane@example.com", "xxMary.Janexx", "1 mary 2 mary", "Liddell-house"])
def test_a_password_with_the_own_name_or_address_is_refused_everywhere(
    app: Flask, program: FlaskClient, text: str
) -> None:
    new = {"email": "mary.jane@example.com", "first_name": "Mary", "last_name": "Liddell"}
    refused = program.post("/api/auth/register", json=new | {"password": text})
    assert (refused.status_code, refused.json["error"]["field"]) == (422, "password")

    assert program.post("/api/auth/register", json=new | {"password": PASSWORD}).status_code == 201
    token = login(program, new["email"]).json["access_token"]
    change = {"current_password": PASSWORD, "new_password": text}
    signed_in = {"Authorization": f"Bearer {token}"}
    refused = program.post("/api/auth/password", json=change, headers=signed_in)
    assert (refused.status_code, refused.json["error"]["field"]) == (422, "new_password")


def test_a_short_name_may_be_in_a_password(program: FlaskClient) -> None:
    new = {"email": "bo@example.com", "first_name": "Bo", "last_name": "Ng", "password": "a boat among ships"}

    assert program.post("/api/auth/register", json=new).status_code == 201


def test_a_made_up_password_has_eighty_bits_and_is_easily_typed() -> None:
    made = {password.generate() for _ in range(100)}

    assert len(made) == 100
    assert len(set(password.LETTERS)) == 32
    for text in made:
        assert [len(part) for part in text.split("-")] == [4, 4, 4, 4]
        assert set(text) <= {*password.LETTERS, "-"}
        assert password.acceptable(text) == text
