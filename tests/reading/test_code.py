"""The page on which readers enter the code of their copy."""

import pytest

from tests.accounts.acting import fill, went_to
from tests.cast import BOOK, CODE, OTHER_CODE, Cast


def test_the_code_opens_the_book_and_goes_there(cast: Cast) -> None:
    browser = cast.newcomer.browser
    assert browser.get("/code").status_code == 200

    assert went_to(fill(browser, "/code", code=CODE.lower())) == f"/read/{BOOK}"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("9999-9999-9999", "not known"),
        (OTHER_CODE, "somebody else"),
        ("", "Please enter"),
        ("x" * 101, "Please enter"),
    ],
)
def test_a_code_that_opens_nothing_is_shown_again(cast: Cast, code: str, message: str) -> None:
    fill(cast.reader.browser, "/code", code=OTHER_CODE)

    answer = fill(cast.newcomer.browser, "/code", code=code)
    assert answer.status_code == 422
    assert message in answer.text
    assert f'value="{code}"' in answer.text


def test_guessing_codes_is_limited(cast: Cast) -> None:
    browser = cast.newcomer.browser
    statuses = [fill(browser, "/code", code=f"9999-9999-{n:04}").status_code for n in range(11)]

    assert statuses == [422] * 10 + [429]
