"""The reader's pages, without JavaScript: the way in, the shelf, a page, turning it."""

from dataclasses import replace

import pytest

from alice.app import create_app
from alice.config import Settings
from tests.cast import BOOK, LOCKED_BOOK, PAGES, Cast
from tests.conftest import Counted, Rows


def test_the_landing_page_is_for_those_who_are_not_signed_in(cast: Cast) -> None:
    landing = cast.nobody.browser.get("/")
    assert landing.status_code == 200
    assert 'href="/register"' in landing.text
    for person, page in (
        (cast.reader, "/shelf"),
        (cast.consultant, "/consultant"),
        (cast.admin, "/consultant"),
    ):
        answer = person.browser.get("/")
        assert (answer.status_code, answer.headers["Location"]) == (303, page)


def test_without_registration_there_is_no_link_to_it(settings: Settings) -> None:
    nobody = create_app(replace(settings, registration="closed")).test_client()

    assert 'href="/register"' not in nobody.get("/").text


def test_the_landing_page_tells_of_the_book_that_came_first(cast: Cast, db: Rows) -> None:
    for age, title in ((1, "A Mad Tea-Party"), (-1, "Through the Looking-Glass")):
        db.execute("UPDATE books SET created_at = 1000 + ? WHERE id = ?", age, LOCKED_BOOK)
        db.execute("UPDATE books SET created_at = 1000 WHERE id = ?", BOOK)
        landing = cast.nobody.browser.get("/").text
        assert [name in landing for name in ("A Mad Tea-Party", "Through the Looking-Glass")] == [
            name == title for name in ("A Mad Tea-Party", "Through the Looking-Glass")
        ]


def test_the_shelf_shows_each_book_and_the_place_in_it(cast: Cast) -> None:
    cast.reader.client.post(
        "/api/activity/track", json={"activity_type": "PAGE_VIEW", "book_id": BOOK, "page_number": 4}
    )
    page = cast.reader.browser.get("/shelf").text

    assert "One small key is missing" not in page
    assert "A Mad Tea-Party" in page
    assert "Continue on page 4" in page
    assert "Unlock with a code" in page


def test_a_page_shows_its_sections_and_neighbours(cast: Cast) -> None:
    page = cast.reader.browser.get(f"/read/{BOOK}/3").text

    assert 'max="100" value="38"' in page
    assert [f"Page 3 section {n}." in page for n in (1, 2, 3)] == [True] * 3
    assert f'value="2" data-turn="previous" data-href="/read/{BOOK}/2"' in page
    assert f'value="4" data-turn="next" data-href="/read/{BOOK}/4"' in page


def test_a_chapter_opens_with_its_title(cast: Cast) -> None:
    assert "chapter-opening" in cast.reader.browser.get(f"/read/{BOOK}/5").text
    assert "chapter-opening" not in cast.reader.browser.get(f"/read/{BOOK}/6").text


def test_looking_at_a_page_logs_nothing(cast: Cast, db: Rows) -> None:
    cast.reader.browser.get(f"/read/{BOOK}/1")

    assert db.one("SELECT COUNT(*) FROM activity_logs") == 0


def test_a_book_resumes_where_the_reader_left_it(cast: Cast) -> None:
    browser = cast.reader.browser
    assert browser.get(f"/read/{BOOK}").headers["Location"] == f"/read/{BOOK}/1"

    browser.post(f"/read/{BOOK}/turn", data={"page_number": "6"})
    answer = cast.reader.browser.get(f"/read/{BOOK}")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/read/{BOOK}/6")


def test_a_book_that_has_become_shorter_resumes_on_its_last_page(cast: Cast, db: Rows) -> None:
    db.execute(
        "INSERT INTO reading_progress (user_id, book_id, last_page, last_read_at) VALUES (?, ?, ?, 1)",
        cast.reader.id,
        BOOK,
        PAGES + 5,
    )

    assert cast.reader.browser.get(f"/read/{BOOK}").headers["Location"] == f"/read/{BOOK}/{PAGES}"


def test_each_reader_has_their_own_place(cast: Cast, db: Rows) -> None:
    db.execute(
        "INSERT INTO book_access (user_id, book_id, granted_at) VALUES (?, ?, 1)", cast.newcomer.id, BOOK
    )
    for person, page in ((cast.reader, "6"), (cast.newcomer, "2")):
        person.browser.post(f"/read/{BOOK}/turn", data={"page_number": page})

    for person, page in ((cast.reader, 6), (cast.newcomer, 2)):
        assert person.browser.get(f"/read/{BOOK}").headers["Location"] == f"/read/{BOOK}/{page}"
        assert f"Continue on page {page}" in person.browser.get("/shelf").text


def test_turning_logs_one_view_and_goes_to_the_page(cast: Cast, db: Rows) -> None:
    answer = cast.reader.browser.post(f"/read/{BOOK}/turn", data={"page_number": "2"})

    assert (answer.status_code, answer.headers["Location"]) == (303, f"/read/{BOOK}/2")
    assert db.query("SELECT user_id, activity_type, book_id, page_number, session_id FROM activity_logs") == [
        (cast.reader.id, "PAGE_VIEW", BOOK, 2, cast.reader.session_id)
    ]


@pytest.mark.parametrize("page", ["1", str(PAGES)])
def test_the_first_and_the_last_page_can_be_turned_to(cast: Cast, page: str) -> None:
    answer = cast.reader.browser.post(f"/read/{BOOK}/turn", data={"page_number": page})

    assert (answer.status_code, answer.headers["Location"]) == (303, f"/read/{BOOK}/{page}")
    assert cast.reader.browser.get(f"/read/{BOOK}/{page}").status_code == 200


def test_no_page_of_a_locked_book_can_be_turned_to(cast: Cast, db: Rows) -> None:
    answer = cast.reader.browser.post(f"/read/{LOCKED_BOOK}/turn", data={"page_number": "2"})

    assert answer.status_code == 403
    assert db.query("SELECT 1 FROM activity_logs") == []


def test_staff_turn_pages_without_being_logged(cast: Cast, db: Rows) -> None:
    answer = cast.consultant.browser.post(f"/read/{BOOK}/turn", data={"page_number": "2"})

    assert answer.status_code == 303
    assert db.one("SELECT COUNT(*) FROM activity_logs") == 0


@pytest.mark.parametrize("page", ["0", str(PAGES + 1), "x", "", "9" * 40])
def test_a_page_box_out_of_range_says_which_pages_there_are(cast: Cast, page: str) -> None:
    answer = cast.reader.browser.post(f"/read/{BOOK}/turn", data={"page_number": page})

    assert answer.status_code == 422
    assert f"pages 1 to {PAGES}" in answer.text


@pytest.mark.parametrize("page", ["0", str(PAGES + 1), "9" * 40, "one", "-1"])
def test_a_page_that_is_not_there_is_404(cast: Cast, page: str) -> None:
    assert cast.reader.browser.get(f"/read/{BOOK}/{page}").status_code == 404


@pytest.mark.parametrize("path", ["/read/{book}", "/read/{book}/1"])
def test_a_locked_book_is_403_and_an_unknown_one_404(cast: Cast, path: str) -> None:
    locked = cast.reader.browser.get(path.format(book=LOCKED_BOOK))

    assert locked.status_code == 403
    assert "code" in locked.text
    assert cast.reader.browser.get(path.format(book="nowhere")).status_code == 404
    assert cast.newcomer.browser.get(path.format(book=BOOK)).status_code == 403


def test_consultants_and_admins_read_everything(cast: Cast) -> None:
    for person in (cast.consultant, cast.admin):
        page = person.browser.get(f"/read/{LOCKED_BOOK}/1")
        assert page.status_code == 200
        assert 'data-track="false"' in page.text


@pytest.mark.engine("sqlite")
def test_without_a_session_the_reader_is_sent_to_the_login_and_back(cast: Cast) -> None:
    answer = cast.nobody.browser.get(f"/read/{BOOK}/3")

    assert (answer.status_code, answer.headers["Location"]) == (303, f"/login?next=/read/{BOOK}/3")


def test_a_page_costs_three_queries(cast: Cast, counted: Counted) -> None:
    browser = cast.reader.browser
    with counted() as statements:
        browser.get(f"/read/{BOOK}/3")

    assert len(statements) == 3
