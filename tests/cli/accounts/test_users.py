"""`alice users` adds, lists, changes and deletes users."""

import json
import os
import pty
import select
import subprocess
import sys

import pytest
from flask.testing import FlaskClient

from alice import erased
from alice.config import Settings
from tests import bystander
from tests.accounts.acting import NEW_PASSWORD, login, me
from tests.cast import PASSWORD, Cast
from tests.cli.running import Alice
from tests.conftest import Rows


def test_a_user_is_added_with_the_password_from_standard_input(
    alice: Alice, program: FlaskClient, db: Rows
) -> None:
    done = alice(
        "users",
        "add",
        " Ada@Example.com ",
        "--role",
        "consultant",
        "--first-name",
        "Ada",
        "--last-name",
        "King",
        "--password-stdin",
        input=f"{PASSWORD}\n",
    )

    assert (done.exit_code, done.output) == (0, "Added ada@example.com (consultant).\n")
    person = login(program, "ada@example.com").json["user"]
    assert (person["role"], person["first_name"], person["last_name"]) == ("consultant", "Ada", "King")


def test_without_more_it_is_a_reader_with_a_made_up_password(alice: Alice, program: FlaskClient) -> None:
    done = alice("users", "add", "ada@example.com")

    added, line = done.stdout.splitlines()
    assert added == "Added ada@example.com (reader)."
    assert login(program, "ada@example.com", line.removeprefix("Password: ")).json["user"]["role"] == "reader"
    assert "only now" in done.stderr


def test_a_verified_reader_has_all_present_books(alice: Alice, db: Rows) -> None:
    alice("users", "add", "ada@example.com", "--verified")

    assert (
        db.one(
            "SELECT COUNT(*) FROM book_access a JOIN users u ON u.id = a.user_id "
            "WHERE u.email = 'ada@example.com'"
        )
        == 2
    )


@pytest.mark.touches_bystander("verification_codes", "book_access", "activity_logs", "reading_progress")
def test_with_no_book_that_is_said(alice: Alice, db: Rows) -> None:
    for table in ("verification_codes", "book_access", "activity_logs", "sections", "books"):
        db.execute(f"DELETE FROM {table}")  # the other rows of a book go with it

    done = alice("users", "add", "ada@example.com", "--verified")
    assert done.exit_code == 0
    assert "`alice books import FILE`" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "input", "message"),
    [
        (["ada"], "", "Error: The e-mail must be an e-mail address."),
        (["reader@example.com"], "", "reader@example.com has an account already. `alice users set-password`"),
        (["ada@example.com", "--password-stdin"], "short\n", "The password must have at least 8 characters."),
        (["ada@example.com", "--password-stdin"], "", "The password must have at least 8 characters."),
        (["ada@example.com", "--password-stdin"], "password1\n", "everybody tries first"),
        (["ada@example.com", "--first-name", "A\nB"], "", "Error: The name must be one line of text."),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_adds_nobody(
    alice: Alice, db: Rows, arguments: list[str], input: str, message: str
) -> None:
    before = db.one("SELECT COUNT(*) FROM users")

    done = alice("users", "add", *arguments, input=input)

    assert done.exit_code == 1
    assert message in done.stderr
    assert done.output.count("\n") == 1
    assert db.one("SELECT COUNT(*) FROM users") == before


def test_a_password_that_is_no_text_is_refused(alice: Alice) -> None:
    done = alice("users", "add", "ada@example.com", "--password-stdin", input=b"\xff\xfe\xfd12345678\n")

    assert (done.exit_code, done.stderr) == (1, "Error: The password on standard input must be UTF-8 text.\n")


def test_on_a_terminal_the_password_is_asked_for_and_not_shown(alice: Alice, program: FlaskClient) -> None:
    command = [sys.executable, "-m", "alice.cli.main", "users", "add", "ada@example.com"]
    master, terminal = pty.openpty()
    with subprocess.Popen(
        command, env=os.environ | alice.environ, stdin=terminal, stdout=terminal, stderr=terminal
    ) as process:
        shown = b""
        for prompt in (b"Password: ", b"confirmation: "):
            shown += read_until(master, prompt)
            os.write(master, f"{PASSWORD}\n".encode())
        shown += read_until(master, b"(reader).")
        assert process.wait(60) == 0
    os.close(terminal)
    os.close(master)

    assert b"Added ada@example.com (reader)." in shown
    assert PASSWORD.encode() not in shown
    assert login(program, "ada@example.com").status_code == 200


def read_until(descriptor: int, end: bytes) -> bytes:
    """What is written there up to `end`; fails when nothing comes for a while."""
    shown = b""
    while end not in shown:
        assert select.select([descriptor], [], [], 30)[0], shown
        shown += os.read(descriptor, 1000)
    return shown


def test_users_are_listed_for_people(alice: Alice, cast: Cast) -> None:
    heads, *rows = alice("users", "list").output.splitlines()

    assert heads.split() == ["e-mail", "role", "verified", "last", "seen", "name"]
    people = [bystander.EMAIL, *(person.email for person in cast if person.role)]
    assert [row.split()[0] for row in rows] == sorted(people)
    (reader,) = (row for row in rows if row.startswith("reader@"))
    assert reader.split() == ["reader@example.com", "reader", "yes", "never", "Reader", "Example"]


def test_users_are_listed_for_programs(alice: Alice, cast: Cast, db: Rows) -> None:
    listed = json.loads(alice("users", "list", "--role", "consultant", "--json").output)

    assert [user["email"] for user in listed] == [cast.consultant.email, cast.stranger.email]
    assert listed[0].pop("created_at").endswith("Z")
    assert listed[0] == {
        "id": cast.consultant.id,
        "email": "consultant@example.com",
        "first_name": "Consultant",
        "last_name": "Example",
        "role": "consultant",
        "is_verified": False,
        "last_active_at": None,
    }


def test_a_role_changes_at_once(alice: Alice, cast: Cast) -> None:
    client = cast.reader.client
    before = client.get("/api/consultant/readers").status_code

    done = alice("users", "set-role", "Reader@example.com", "consultant")

    assert done.output == "reader@example.com is now consultant.\n"
    assert (before, client.get("/api/consultant/readers").status_code) == (403, 200)


def test_a_new_password_signs_out_everywhere(alice: Alice, cast: Cast, program: FlaskClient) -> None:
    done = alice("users", "set-password", cast.reader.email, "--password-stdin", input=NEW_PASSWORD)

    assert done.output == "reader@example.com has a new password and is signed out everywhere.\n"
    assert me(program, cast.reader.token).status_code == 401
    assert login(program, cast.reader.email, PASSWORD).status_code == 401
    assert login(program, cast.reader.email, NEW_PASSWORD).status_code == 200


def test_a_made_up_new_password_is_printed(alice: Alice, cast: Cast, program: FlaskClient) -> None:
    line = alice("users", "set-password", cast.reader.email).stdout.splitlines()[-1]

    assert login(program, cast.reader.email, line.removeprefix("Password: ")).status_code == 200


def test_a_deleted_user_is_gone_at_once_and_noted_in_the_ledger(
    alice: Alice, cast: Cast, program: FlaskClient, db: Rows, settings: Settings
) -> None:
    done = alice("users", "delete", cast.reader.email, "--yes")

    assert done.output == "Deleted reader@example.com.\n"
    assert me(program, cast.reader.token).status_code == 401
    assert db.query("SELECT user_id FROM erasures") == []
    assert [entry.user_id for entry in erased.read(settings.data_dir)] == [cast.reader.id]


@pytest.mark.parametrize(("answer", "left"), [("y\n", 0), ("n\n", 1), ("", 1)])
def test_deleting_asks_first(alice: Alice, cast: Cast, db: Rows, answer: str, left: int) -> None:
    done = alice("users", "delete", cast.reader.email, input=answer)

    assert "Delete reader@example.com (reader) with all they read and did?" in done.output
    assert done.exit_code == left
    assert db.one("SELECT COUNT(*) FROM users WHERE id = ?", cast.reader.id) == left


@pytest.mark.parametrize(
    "arguments",
    [
        ["set-role", "x@example.com", "admin"],
        ["set-password", "x@example.com"],
        ["delete", "x@example.com"],
    ],
)
def test_an_unknown_user_is_one_line_with_the_remedy(alice: Alice, arguments: list[str]) -> None:
    done = alice("users", *arguments)

    assert done.exit_code == 1
    assert done.stderr == "Error: There is no user x@example.com. `alice users list` shows them all.\n"
    assert done.stdout == ""


def test_an_unknown_role_names_those_there_are(alice: Alice) -> None:
    done = alice("users", "add", "ada@example.com", "--role", "queen")

    assert done.exit_code == 2
    assert "'reader', 'consultant', 'admin'" in done.stderr
