"""Users: the normal forms of their fields, and what changes their rows."""

import pytest

from alice import clock
from alice.accounts import credential, session
from alice.accounts import user as users
from alice.accounts.user import normal_email, normal_name
from alice.config import Settings
from alice.errors import Conflict, NotFound
from alice.library import book_code
from tests import bystander
from tests.accounts.acting import NEW_PASSWORD
from tests.cast import BOOK, CODE, PASSWORD, Cast
from tests.conftest import Rows

NOBODY = "0" * 36


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" ADA@Example.COM ", "ada@example.com"),
        ("ada+alice@mail.example.org", "ada+alice@mail.example.org"),
        ("zoe\u0308@example.com", "zo\u00eb@example.com"),
        ("ада@пример.рф", "ада@пример.рф"),
        (f"{'a' * 64}@{'e.' * 93}com", f"{'a' * 64}@{'e.' * 93}com"),  # 254 characters
    ],
)
def test_an_email_is_kept_in_one_form(typed: str, kept: str) -> None:
    assert normal_email(typed) == kept == normal_email(kept)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "ada@",
        "@example.com",
        "ada@example",
        "ada@@example.com",
        "a da@example.com",
        "ada@exa mple.com",
        "ada@example..com",
        "ada@example.com\nbcc: all",
        "<ada@example.com>",
        "ada@example.com,bob@example.com",
        "ada\u202e@example.com",
        "ada@exam\0ple.com",
        "\ud800@example.com",
        f"{'a' * 65}@example.com",
        f"{'a' * 64}@{'e.' * 93}comm",
        f"ada@{'e.' * 130}com",
    ],
)
def test_an_invalid_email_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        normal_email(text)


@pytest.mark.parametrize(
    "text",
    ["Zoë", "О'Коннор", "مری\u200cم", "李", "", "<b>Ada</b>", '"><script>alert(1)</script>', "x" * 100],
)
def test_a_name_is_whatever_a_person_says_it_is(text: str) -> None:
    assert normal_name(f" {text} ") == text


@pytest.mark.parametrize(
    "text", ["x" * 101, "Ada\nKing", "Ada\u2028King", "Ada\x1b[31m", "\u202eadA", "\ud800", "A\0"]
)
def test_but_it_is_one_line(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        normal_name(text)


def test_a_user_is_found_however_the_email_is_written(connection: None, cast: Cast) -> None:
    assert users.find(" READER@example.com").id == cast.reader.id
    assert users.find("rea%er@example.com") is None


def test_an_email_is_taken_once(connection: None, cast: Cast) -> None:
    with pytest.raises(Conflict) as refusal:
        users.add(cast.reader.email, "hash")
    assert (refusal.value.code, refusal.value.field) == ("email_taken", "email")


def test_everybody_is_listed_by_email_without_their_hash(connection: None, cast: Cast) -> None:
    listed = users.everyone()

    people = [bystander.EMAIL, *(person.email for person in cast if person.role)]
    assert [user.email for user in listed] == sorted(people)
    assert "password_hash" not in listed[0]._fields
    assert [user.email for user in listed if user.is_verified] == [bystander.EMAIL, cast.reader.email]
    assert {user.role for user in users.everyone("consultant")} == {"consultant"}


def test_a_change_is_dated(connection: None, cast: Cast, db: Rows, frozen_clock: int) -> None:
    clock.advance(1000)
    users.rename(cast.reader.id, "Ada")
    users.set_role(cast.newcomer.id, "admin")
    credential.set_password(cast.admin.id, NEW_PASSWORD)

    changed = db.query("SELECT id FROM users WHERE updated_at = ? ORDER BY email", clock.now())
    assert changed == [(cast.admin.id,), (cast.newcomer.id,), (cast.reader.id,)]


def test_a_password_set_for_somebody_signs_them_out(connection: None, cast: Cast, settings: Settings) -> None:
    credential.set_password(cast.reader.id, NEW_PASSWORD)

    assert session.of_user(cast.reader.id, settings) == []
    assert len(session.of_user(cast.newcomer.id, settings)) == 1


def test_deleting_takes_everything_of_the_user_and_leaves_word(
    connection: None, cast: Cast, db: Rows, frozen_clock: int
) -> None:
    book_code.redeem(cast.newcomer.id, cast.newcomer.session_id, CODE)

    users.delete(cast.newcomer.id)

    for table in ("sessions", "book_access", "activity_logs", "reader_states"):
        assert db.query(f"SELECT 1 FROM {table} WHERE user_id = ?", cast.newcomer.id) == []
    assert db.query("SELECT user_id, erased_at FROM erasures") == [(cast.newcomer.id, frozen_clock)]
    assert db.query("SELECT used_by, used_at FROM verification_codes WHERE code = ?", CODE) == [
        (None, frozen_clock)
    ]
    assert db.query("SELECT user_id, book_id FROM book_access") == [(cast.reader.id, BOOK)]


def test_an_unknown_user_is_not_found(connection: None, db: Rows) -> None:
    for change in (
        lambda: users.delete(NOBODY),
        lambda: users.set_role(NOBODY, "admin"),
        lambda: credential.set_password(NOBODY, PASSWORD),
    ):
        with pytest.raises(NotFound):
            change()
    assert db.query("SELECT * FROM erasures") == []
