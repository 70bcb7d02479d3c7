"""Signing in, signing out and unlocking a book are logged, for readers only."""

import pytest

from tests.cast import BOOK, CODE, Cast, Person
from tests.conftest import Rows


def sign_in_and_out(person: Person) -> None:
    credentials = {"email": person.email, "password": person.password}
    token = person.app.test_client().post("/api/auth/login", json=credentials).json["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert person.app.test_client().post("/api/auth/logout", headers=headers).status_code < 300


def test_signing_in_and_out_is_logged_with_its_session(cast: Cast, db: Rows, frozen_clock: int) -> None:
    sign_in_and_out(cast.newcomer)

    rows = db.query(
        "SELECT user_id, activity_type, book_id, page_number, occurred_at, created_at FROM activity_logs "
        "ORDER BY seq"
    )
    assert rows == [
        (cast.newcomer.id, kind, None, None, frozen_clock, frozen_clock) for kind in ("LOGIN", "LOGOUT")
    ]
    ((session,), (same,)) = db.query("SELECT session_id FROM activity_logs")
    assert session == same != cast.newcomer.session_id


@pytest.mark.parametrize("name", ["consultant", "admin"])
def test_what_staff_do_is_not_logged(cast: Cast, db: Rows, name: str) -> None:
    sign_in_and_out(getattr(cast, name))

    assert db.query("SELECT 1 FROM activity_logs") == []
    assert db.query("SELECT 1 FROM reader_states") == []


def test_unlocking_a_book_is_logged_with_the_book(cast: Cast, db: Rows) -> None:
    assert cast.newcomer.client.post("/api/books/verify", json={"code": CODE}).status_code == 200

    assert db.query("SELECT user_id, session_id, activity_type, book_id FROM activity_logs") == [
        (cast.newcomer.id, cast.newcomer.session_id, "BOOK_VERIFIED", BOOK)
    ]
