"""POST /api/books/verify: a code opens its book for one reader, exactly once."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alice import clock, database
from alice.clock import minutes, seconds
from alice.database import Log
from alice.errors import Conflict, NotFound
from alice.library import book_code, signals
from tests.accounts.acting import connected, error, register, together, verify
from tests.cast import BOOK, CODE, LOCKED_BOOK, OTHER_CODE, Cast
from tests.conftest import Rows

UNKNOWN = "9999-9999-9999"
Unlocked = tuple[dict[str, Any], bool]


@pytest.fixture
def heard() -> Iterator[list[Unlocked]]:
    """The arguments of each book_unlocked during the test, and whether a transaction was open."""
    sent: list[Unlocked] = []

    def receive(sender: object, *, db: Log, **arguments: Any) -> None:
        sent.append((arguments, database.alice_db.in_transaction()))

    with signals.book_unlocked.connected_to(receive):
        yield sent


def used_by(db: Rows, code: str = CODE) -> str | None:
    return db.one("SELECT used_by FROM verification_codes WHERE code = ?", code)


def test_a_code_opens_its_book(cast: Cast, db: Rows, frozen_clock: int) -> None:
    answer = verify(cast.newcomer.client, CODE)

    assert (answer.status_code, answer.json) == (200, {"valid": True, "book_id": BOOK})
    assert cast.newcomer.client.get("/api/auth/me").json["is_verified"] is True
    assert db.query("SELECT used_by, used_at FROM verification_codes WHERE code = ?", CODE) == [
        (cast.newcomer.id, frozen_clock)
    ]
    assert db.query("SELECT * FROM book_access WHERE user_id = ?", cast.newcomer.id) == [
        (cast.newcomer.id, BOOK, CODE, frozen_clock)
    ]


def test_again_by_the_same_reader_is_fine_and_changes_nothing(
    cast: Cast, db: Rows, frozen_clock: int, heard: list[Unlocked]
) -> None:
    verify(cast.newcomer.client, CODE)
    clock.advance(minutes(5))

    answer = verify(cast.newcomer.client, CODE)

    assert (answer.status_code, answer.json) == (200, {"valid": True, "book_id": BOOK})
    assert db.one("SELECT used_at FROM verification_codes WHERE code = ?", CODE) == frozen_clock
    assert len(heard) == 1


def test_a_code_used_by_another_reader_is_refused(cast: Cast, db: Rows) -> None:
    verify(cast.newcomer.client, CODE)

    assert error(verify(cast.reader.client, CODE)) == (409, "code_used", None)
    assert used_by(db) == cast.newcomer.id


@pytest.mark.parametrize(
    "code", [UNKNOWN, "x", "2222-3333-444", "2222-3333-44445", "' OR 1=1 --", "🐇" * 12, "2" * 100]
)
def test_an_unknown_code_is_unknown(cast: Cast, code: str) -> None:
    assert error(verify(cast.newcomer.client, code)) == (404, "code_unknown", None)


@pytest.mark.parametrize("given", [{}, {"code": ""}, {"code": 222233334444}, {"code": "2" * 101}])
def test_a_code_that_is_not_text_is_refused_by_name(cast: Cast, given: dict) -> None:
    assert error(cast.newcomer.client.post("/api/books/verify", json=given)) == (422, "invalid", "code")


@pytest.mark.parametrize(
    "typed",
    [
        "abcd-0123-efgh",
        "ABCD0123EFGH",
        " abcd 0123 efgh ",
        "abcd\u20130123\u2013efgh",
        "a-b-c-d-0-1-2-3-e-f-g-h",
        "ABCD-O123-EFGH",
        "abcd-oi23-efgh",
        "abcd-0l23-efgh",
    ],
)
def test_a_code_may_be_typed_as_people_type(cast: Cast, db: Rows, typed: str) -> None:
    db.execute("UPDATE verification_codes SET code = 'ABCD-0123-EFGH' WHERE code = ?", CODE)

    assert verify(cast.newcomer.client, typed).status_code == 200
    assert used_by(db, "ABCD-0123-EFGH") == cast.newcomer.id
    assert db.one("SELECT code FROM book_access WHERE user_id = ?", cast.newcomer.id) == "ABCD-0123-EFGH"


def test_unlocking_is_told_inside_the_transaction(cast: Cast, heard: list[Unlocked]) -> None:
    verify(cast.newcomer.client, CODE)

    ((arguments, inside),) = heard
    assert inside
    assert arguments == {
        "user_id": cast.newcomer.id,
        "session_id": cast.newcomer.session_id,
        "book_id": BOOK,
    }


def test_a_failure_sends_no_signal(cast: Cast, heard: list[Unlocked]) -> None:
    verify(cast.newcomer.client, UNKNOWN)

    assert heard == []


@pytest.mark.engine("sqlite")
def test_redeeming_needs_a_session(cast: Cast) -> None:
    assert error(verify(cast.nobody.client, CODE)) == (401, "unauthenticated", None)


def test_ten_tries_a_minute(cast: Cast, frozen_clock: int) -> None:
    client = cast.newcomer.client
    assert [verify(client, UNKNOWN).status_code for _ in range(10)] == [404] * 10

    clock.advance(seconds(30))
    answer = verify(client, CODE)
    assert error(answer) == (429, "too_many_requests", None)
    assert answer.headers["Retry-After"] == "30"
    assert verify(cast.reader.client, UNKNOWN).status_code == 404
    clock.advance(seconds(30))
    assert verify(client, CODE).status_code == 200


def test_a_second_copy_changes_the_access_no_more(cast: Cast, db: Rows) -> None:
    for code in (CODE, OTHER_CODE):
        assert verify(cast.newcomer.client, code).status_code == 200

    assert db.one("SELECT code FROM book_access WHERE user_id = ?", cast.newcomer.id) == CODE


def test_the_code_of_a_deleted_user_stays_used(cast: Cast, db: Rows) -> None:
    verify(cast.newcomer.client, CODE)
    db.execute("DELETE FROM users WHERE id = ?", cast.newcomer.id)

    assert used_by(db) is None
    assert error(verify(cast.reader.client, CODE)) == (409, "code_used", None)


# Races


def test_of_two_requests_at_once_one_gets_the_book(cast: Cast, db: Rows) -> None:
    readers = (cast.reader, cast.newcomer)

    statuses = together(*(lambda r=r: verify(r.client, CODE).status_code for r in readers))

    assert sorted(statuses) == [200, 409]
    assert used_by(db) == readers[statuses.index(200)].id


def test_of_many_readers_at_once_one_gets_the_book(app: Flask, program: FlaskClient, db: Rows) -> None:
    ids = [register(program, f"racer{n}@example.com").json["user"]["id"] for n in range(8)]

    results = together(*(connected(lambda id=id: book_code.redeem(id, None, CODE)) for id in ids))

    assert results.count(BOOK) == 1
    assert [type(result) for result in results if result != BOOK] == [Conflict] * 7
    assert db.query("SELECT user_id FROM book_access WHERE code = ?", CODE) == [(used_by(db),)]


def test_one_reader_twice_at_once_unlocks_once(cast: Cast, heard: list[Unlocked]) -> None:
    ask = lambda: verify(cast.newcomer.client, CODE).status_code  # noqa: E731

    assert together(ask, ask) == [200, 200]
    assert len(heard) == 1


REDEEM = """
import sys, time
from pathlib import Path
from alice import database
from alice.library import book_code, signals
from alice.config import Settings
from alice.errors import Conflict
code, user_id, ready, go = sys.argv[1:]
database.bind(Settings.from_env())
with database.connected():
    Path(ready).touch()
    while not Path(go).exists():
        time.sleep(0.001)
    try:
        print(book_code.redeem(user_id, None, code))
    except Conflict as refusal:
        print(refusal.code)
"""


def test_of_two_processes_one_gets_the_book(
    app: Flask, cast: Cast, environ: dict[str, str], tmp_path: Path, db: Rows
) -> None:
    go = tmp_path / "go"
    ready = [tmp_path / f"ready{n}" for n in range(2)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", REDEEM, CODE, person.id, str(flag), str(go)],
            env=environ,
            stdout=subprocess.PIPE,
            text=True,
        )
        for person, flag in zip((cast.reader, cast.newcomer), ready, strict=True)
    ]
    deadline = time.monotonic() + 60
    while not all(flag.exists() for flag in ready) and time.monotonic() < deadline:
        time.sleep(0.005)
    go.touch()

    outcomes = [process.communicate(timeout=60)[0].strip() for process in processes]

    assert sorted(outcomes) == ["code_used", BOOK]
    assert used_by(db) == (cast.reader, cast.newcomer)[outcomes.index(BOOK)].id


# Making codes


def test_codes_are_printed_in_three_groups_of_sixty_bits(connection: None, db: Rows) -> None:
    codes = book_code.create(BOOK, 200)

    assert len(set(codes)) == 200
    assert len(set(book_code.ALPHABET)) == 32
    for code in codes:
        assert [len(part) for part in code.split("-")] == [4, 4, 4]
        assert set(code) <= {*book_code.ALPHABET, "-"}
        assert book_code.normal_code(code) == code
    assert db.one("SELECT COUNT(*) FROM verification_codes WHERE used_at IS NULL") == 202


def test_no_letter_is_mistaken_for_another() -> None:
    assert set("OILU").isdisjoint(book_code.ALPHABET)


def test_there_are_no_codes_for_no_book(connection: None, db: Rows) -> None:
    with pytest.raises(NotFound):
        book_code.create("the-hunting-of-the-snark", 2)
    assert db.one("SELECT COUNT(*) FROM verification_codes") == 2


def test_all_present_books_can_be_granted(connection: None, cast: Cast, db: Rows) -> None:
    opened = [book_code.grant_all(person.id) for person in (cast.newcomer, cast.reader, cast.reader)]

    assert opened == [2, 1, 0]
    assert db.query("SELECT book_id, code FROM book_access WHERE user_id = ? ORDER BY 1", cast.reader.id) == [
        (LOCKED_BOOK, None),
        (BOOK, None),
    ]
