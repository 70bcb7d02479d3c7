"""The first start makes three accounts and a code, once."""

import pytest
from flask.testing import FlaskClient

from alice import database
from alice.library import demo
from tests.accounts.acting import connected, login, together, verify
from tests.cast import BOOK, LOCKED_BOOK
from tests.conftest import Rows

deletes_everybody = pytest.mark.touches_bystander(
    "users",
    "sessions",
    "verification_codes",
    "book_access",
    "activity_logs",
    "reader_states",
    "reading_presence",
    "page_reads",
    "reading_progress",
)


@pytest.fixture
def empty(db: Rows) -> None:
    """A database with books and without users."""
    db.execute("DELETE FROM verification_codes")
    db.execute("DELETE FROM users")


def make(book_id: str | None = BOOK) -> demo.FirstAccounts | None:
    with database.connected():
        return demo.create_first_accounts(demo.make_up(), book_id)


@deletes_everybody
def test_one_of_each_kind_can_sign_in(empty: None, program: FlaskClient) -> None:
    made = make()

    people = [login(program, email, password).json["user"] for email, _, password, _ in made.accounts]
    assert [(person["email"], person["role"]) for person in people] == [
        ("reader@example.com", "reader"),
        ("consultant@example.com", "consultant"),
        ("admin@example.com", "admin"),
    ]


@deletes_everybody
def test_the_reader_has_the_books_and_the_code_is_unused(empty: None, program: FlaskClient, db: Rows) -> None:
    made = make()

    assert db.query("SELECT code, used_by FROM verification_codes") == [(made.code, None)]
    books = db.query(
        "SELECT u.email, a.book_id FROM book_access a JOIN users u ON u.id = a.user_id ORDER BY 2"
    )
    assert books == [("reader@example.com", LOCKED_BOOK), ("reader@example.com", BOOK)]


@deletes_everybody
def test_every_password_is_another(empty: None, db: Rows) -> None:
    first = make()
    db.execute("DELETE FROM users")
    second = make()

    passwords = [account.password for account in first.accounts + second.accounts]
    assert len(set(passwords)) == 6
    assert not any(text in repr(db.query("SELECT * FROM users")) for text in passwords)


def test_nothing_is_created_if_there_is_a_user(db: Rows) -> None:
    before = db.query("SELECT email FROM users ORDER BY 1")

    assert make() is None
    assert db.query("SELECT email FROM users ORDER BY 1") == before
    assert db.one("SELECT COUNT(*) FROM verification_codes") == 2


@deletes_everybody
def test_without_a_book_there_is_no_code(empty: None) -> None:
    assert make(None).code is None


@deletes_everybody
def test_of_two_first_starts_one_makes_them(empty: None, db: Rows) -> None:
    make_here = connected(lambda: demo.create_first_accounts(demo.make_up(), BOOK))

    results = together(make_here, make_here)

    assert [result is None for result in results].count(True) == 1
    assert db.one("SELECT COUNT(*) FROM users") == 3
    assert db.one("SELECT COUNT(*) FROM verification_codes") == 1


@deletes_everybody
def test_the_code_works(empty: None, program: FlaskClient) -> None:
    made = make()
    token = login(program, "reader@example.com", made.accounts[0].password).json["access_token"]
    program.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"

    assert verify(program, made.code).json == {"valid": True, "book_id": BOOK}
