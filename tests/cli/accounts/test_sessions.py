"""`alice sessions` lists who is signed in, cleans up, and signs people out."""

import json

import pytest
from flask.testing import FlaskClient

from alice import clock
from alice.clock import days
from tests import bystander
from tests.accounts.acting import login, me
from tests.cast import Cast
from tests.cli.running import Alice
from tests.conftest import Rows


def test_sessions_are_listed_for_people(alice: Alice, cast: Cast) -> None:
    heads, *rows = alice("sessions", "list").output.splitlines()

    assert heads.split()[:3] == ["id", "e-mail", "role"]
    assert rows.pop().split()[1] == bystander.EMAIL  # the oldest
    newest_first = sorted((person.session_id for person in cast if person.role), reverse=True)
    assert [row.split()[0] for row in rows] == newest_first
    (reader,) = (row for row in rows if "reader@" in row)
    assert reader.split()[1:4] == ["reader@example.com", "reader", "192.0.2.7"]
    assert reader.endswith("tests")


def test_sessions_are_listed_for_programs(alice: Alice, cast: Cast, db: Rows) -> None:
    done = alice("sessions", "list", "--user", "READER@example.com", "--json")

    (session,) = json.loads(done.output)
    for name in ("created_at", "last_active_at", "expires_at"):
        assert session.pop(name).endswith("Z")
    assert session == {
        "id": cast.reader.session_id,
        "user_id": cast.reader.id,
        "email": "reader@example.com",
        "role": "reader",
        "ip_address": "192.0.2.7",
        "user_agent": "tests",
        "device": "tests",
        "remember": False,
    }


def test_no_list_shows_a_hash(alice: Alice, db: Rows) -> None:
    shown = alice("sessions", "list").output + alice("sessions", "list", "--json").output

    assert not [hash for (hash,) in db.query("SELECT token_hash FROM sessions") if hash in shown]


def test_what_is_over_is_not_listed_and_cleaned_up(
    alice: Alice, cast: Cast, db: Rows, frozen_clock: int
) -> None:
    db.execute("UPDATE sessions SET expires_at = ? WHERE id = ?", clock.now() + 1, cast.reader.session_id)
    clock.advance(1)

    assert json.loads(alice("sessions", "list", "--user", cast.reader.email, "--json").output) == []
    assert alice("sessions", "cleanup").output == "Deleted 1 session.\n"
    assert alice("sessions", "cleanup").output == "Deleted 0 sessions.\n"


@pytest.mark.touches_bystander("throttles")  # a day old by then
def test_cleaning_up_keeps_to_the_settings(alice: Alice, cast: Cast, frozen_clock: int) -> None:
    clock.advance(days(1))

    assert alice("sessions", "cleanup", ALICE_STAFF_IDLE_MINUTES="1440").output == "Deleted 3 sessions.\n"


def test_a_user_is_signed_out_everywhere(alice: Alice, cast: Cast, program: FlaskClient) -> None:
    elsewhere = login(program, cast.reader.email).json["access_token"]

    done = alice("sessions", "revoke", "--user", cast.reader.email)

    assert done.output == "Ended 2 sessions.\n"
    assert [me(program, token).status_code for token in (elsewhere, cast.reader.token)] == [401, 401]
    assert me(program, cast.newcomer.token).status_code == 200


def test_one_session_is_ended(alice: Alice, cast: Cast, program: FlaskClient) -> None:
    elsewhere = login(program, cast.reader.email).json["access_token"]

    done = alice("sessions", "revoke", "--id", cast.reader.session_id)

    assert done.output == "Ended 1 session.\n"
    assert [me(program, token).status_code for token in (elsewhere, cast.reader.token)] == [200, 401]


@pytest.mark.touches_bystander("sessions")
def test_everybody_is_signed_out(alice: Alice, cast: Cast, db: Rows) -> None:
    assert alice("sessions", "revoke", "--all").output == "Ended 6 sessions.\n"
    assert db.one("SELECT COUNT(*) FROM sessions") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Say whom to sign out: one of --user EMAIL, --id ID or --all."),
        (["--all", "--id", "x"], "Say whom to sign out: one of --user EMAIL, --id ID or --all."),
        (["--id", "x"], "There is no session x. `alice sessions list` shows them all."),
        (["--user", "x@y.zz"], "There is no user x@y.zz. `alice users list` shows them all."),
        (["--user", ""], "There is no user . `alice users list` shows them all."),
    ],
)
def test_a_mistake_is_one_line_and_ends_nothing(
    alice: Alice, db: Rows, arguments: list[str], message: str
) -> None:
    done = alice("sessions", "revoke", *arguments)

    assert (done.exit_code, done.stderr, done.stdout) == (1, f"Error: {message}\n", "")
    assert db.one("SELECT COUNT(*) FROM sessions") == 5
