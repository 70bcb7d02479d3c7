"""`alice codes` makes and lists the codes that open books."""

import json
import re

import pytest

from tests import bystander
from tests.accounts.acting import verify
from tests.cast import BOOK, CODE, LOCKED_BOOK, OTHER_CODE, Cast
from tests.cli.running import Alice
from tests.conftest import Rows


def test_codes_are_printed_one_a_line_and_nothing_else(alice: Alice, cast: Cast) -> None:
    done = alice("codes", "create", "--book", LOCKED_BOOK, "--count", "12")

    codes = done.stdout.splitlines()
    assert (done.exit_code, done.stderr, len(set(codes))) == (0, "", 12)
    assert all(re.fullmatch(r"([0-9A-Z]{4}-){2}[0-9A-Z]{4}", code) for code in codes)
    assert verify(cast.newcomer.client, codes[7]).json == {"valid": True, "book_id": LOCKED_BOOK}


def test_one_is_made_when_no_count_is_given(alice: Alice) -> None:
    assert alice("codes", "create", "--book", BOOK).stdout.count("\n") == 1


def test_as_many_as_a_print_run_needs_are_made_at_once(alice: Alice, db: Rows) -> None:
    done = alice("codes", "create", "--book", BOOK, "--count", "10000")

    assert len(set(done.stdout.split())) == 10_000
    assert db.one("SELECT COUNT(*) FROM verification_codes") == 10_002


def test_an_unknown_book_is_one_line_with_the_remedy(alice: Alice, db: Rows) -> None:
    done = alice("codes", "create", "--book", "snark", "--count", "3")

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: There is no book snark. `alice books list` shows them all.\n"
    assert db.one("SELECT COUNT(*) FROM verification_codes") == 2


@pytest.mark.parametrize("count", ["0", "-1", "10001", "x"])
def test_the_count_has_a_bound(alice: Alice, db: Rows, count: str) -> None:
    assert alice("codes", "create", "--book", BOOK, "--count", count).exit_code == 2
    assert db.one("SELECT COUNT(*) FROM verification_codes") == 2


def test_codes_are_listed_for_people(alice: Alice, cast: Cast) -> None:
    verify(cast.reader.client, CODE)

    heads, older, used, unused = alice("codes", "list").output.splitlines()
    assert older.startswith(bystander.CODE)
    assert heads.split() == ["code", "book", "used", "by"]
    assert used.split()[:2] == [CODE, BOOK] and used.endswith(cast.reader.email)
    assert unused.split() == [OTHER_CODE, BOOK, "no"]


def test_codes_are_listed_for_programs(alice: Alice, cast: Cast) -> None:
    verify(cast.reader.client, CODE)

    _, used, unused = json.loads(alice("codes", "list", "--book", BOOK, "--json").output)
    assert used.pop("used_at").endswith("Z") and used.pop("created_at").endswith("Z")
    assert used == {
        "code": CODE,
        "book_id": BOOK,
        "used_by": cast.reader.id,
        "used_by_email": cast.reader.email,
    }
    assert (unused["code"], unused["used_by"], unused["used_at"]) == (OTHER_CODE, None, None)


def test_a_code_of_a_deleted_reader_is_not_offered_again(alice: Alice, cast: Cast, db: Rows) -> None:
    verify(cast.reader.client, CODE)
    db.execute("DELETE FROM users WHERE id = ?", cast.reader.id)

    assert [code["code"] for code in json.loads(alice("codes", "list", "--unused", "--json").output)] == [
        OTHER_CODE
    ]
    assert "(deleted)" in alice("codes", "list").output


def test_codes_of_one_book_are_listed(alice: Alice) -> None:
    made = alice("codes", "create", "--book", LOCKED_BOOK, "--count", "5").stdout.split()

    of_book, everything = (
        [code["code"] for code in json.loads(alice("codes", "list", *which, "--json").output)]
        for which in (["--book", LOCKED_BOOK], [])
    )
    assert of_book == sorted(made)
    assert everything == [bystander.CODE, CODE, OTHER_CODE, *of_book]
