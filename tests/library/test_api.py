"""GET /api/books, one book, and its pages: who may see which, in how many queries."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from alice import database
from alice.app import create_app
from alice.config import Settings
from alice.library import access, book, page
from tests.cast import BOOK, LOCKED_BOOK, PAGES, Cast
from tests.conftest import Rows

PAGE = f"/api/books/{BOOK}/pages/2"


@contextmanager
def statements() -> Iterator[list]:
    """The statements that are executed in the block."""
    executed: list = []
    database.alice_db.query_hooks.append(executed.append)
    try:
        yield executed
    finally:
        database.alice_db.query_hooks.clear()


def test_the_list_shows_every_book_and_which_are_open(cast: Cast) -> None:
    answer = cast.reader.client.get("/api/books")

    assert answer.status_code == 200
    assert answer.json["count"] == 2
    assert [(book["id"], book["unlocked"]) for book in answer.json["books"]] == [
        (BOOK, True), (LOCKED_BOOK, False),
    ]  # fmt: skip
    assert answer.json["books"][0] == {
        "id": BOOK,
        "title": "A Mad Tea-Party",
        "author": "Lewis Carroll",
        "description": "For tests.",
        "language": "en",
        "total_pages": PAGES,
        "unlocked": True,
    }


def test_a_book_comes_with_its_chapters(cast: Cast) -> None:
    answer = cast.reader.client.get(f"/api/books/{BOOK}")

    assert answer.json["title"] == "A Mad Tea-Party"
    assert answer.json["chapters"] == [
        {"number": 1, "title": "Chapter 1", "first_page": 1},
        {"number": 2, "title": "Chapter 2", "first_page": 5},
    ]


def test_a_page_comes_with_its_sections_neighbours_and_chapter(cast: Cast, db: Rows) -> None:
    answer = cast.reader.client.get(f"/api/books/{BOOK}/pages/5")

    assert answer.status_code == 200
    shown = answer.json
    first, *_ = sections = shown.pop("sections")
    assert shown == {
        "book_id": BOOK,
        "page_number": 5,
        "total_pages": PAGES,
        "word_count": 12,
        "previous": 4,
        "next": 6,
        "chapter": {"number": 2, "title": "Chapter 2"},
    }
    assert [section["section_number"] for section in sections] == [1, 2, 3]
    assert first == {
        "id": db.one("SELECT id FROM sections WHERE content = 'Page 5 section 1.' AND book_id = ?", BOOK),
        "section_number": 1,
        "content": "Page 5 section 1.",
        "html": "<p>Page 5 section 1.</p>",
        "word_count": 4,
    }


@pytest.mark.parametrize(("number", "neighbours"), [(1, (None, 2)), (PAGES, (PAGES - 1, None))])
def test_the_first_and_last_page_have_one_neighbour(cast: Cast, number: int, neighbours: tuple) -> None:
    answer = cast.reader.client.get(f"/api/books/{BOOK}/pages/{number}").json

    assert (answer["previous"], answer["next"]) == neighbours


def test_a_page_without_access_is_locked(cast: Cast) -> None:
    for url in (f"/api/books/{LOCKED_BOOK}/pages/1", f"/api/books/{LOCKED_BOOK}/pages/999"):
        answer = cast.reader.client.get(url)

        assert answer.status_code == 403
        assert answer.json["error"]["code"] == "book_locked"


def test_a_newcomer_may_look_around_but_not_open_a_page(cast: Cast) -> None:
    assert [book["unlocked"] for book in cast.newcomer.client.get("/api/books").json["books"]] == [False] * 2
    assert cast.newcomer.client.get(f"/api/books/{BOOK}").json["unlocked"] is False
    assert cast.newcomer.client.get(PAGE).status_code == 403


@pytest.mark.parametrize("name", ["consultant", "stranger", "admin"])
def test_staff_read_everything(cast: Cast, name: str) -> None:
    client = getattr(cast, name).client

    assert all(book["unlocked"] for book in client.get("/api/books").json["books"])
    assert client.get(f"/api/books/{LOCKED_BOOK}/pages/1").status_code == 200


def test_without_book_codes_readers_read_everything(settings: Settings, cast: Cast) -> None:
    cast.newcomer.app = create_app(replace(settings, require_book_code=False))

    assert all(book["unlocked"] for book in cast.newcomer.client.get("/api/books").json["books"])
    assert cast.newcomer.client.get(PAGE).status_code == 200


@pytest.mark.engine("sqlite")
@pytest.mark.parametrize("url", ["/api/books", f"/api/books/{BOOK}", PAGE])
def test_without_a_session_it_is_401(cast: Cast, url: str) -> None:
    answer = cast.nobody.client.get(url)

    assert answer.status_code == 401
    assert answer.json["error"]["code"] == "unauthenticated"


@pytest.mark.parametrize(
    "path",
    [
        "no-such-book",
        "no-such-book/pages/1",
        "%F0%9F%90%87",
        "../users",
        "'%20OR%201=1",
        f"{BOOK}/pages/0",
        f"{BOOK}/pages/{PAGES + 1}",
        f"{BOOK}/pages/{10**30}",
        f"{BOOK}/pages/-1",
        f"{BOOK}/pages/one",
        f"{BOOK}/pages",
        "%00",
    ],
)
def test_an_unknown_book_or_page_is_404(cast: Cast, path: str) -> None:
    answer = cast.admin.client.get(f"/api/books/{path}")

    assert answer.status_code == 404
    assert answer.json["error"]["code"] == "not_found"


@pytest.mark.parametrize(("url", "most"), [("/api/books", 1), (f"/api/books/{BOOK}", 2), (PAGE, 2)])
def test_the_number_of_queries_is_fixed(cast: Cast, url: str, most: int) -> None:
    cast.reader.client.get(url)

    with statements() as executed:
        assert cast.reader.client.get(url).status_code == 200

    assert len([event for event in executed if "token_hash" not in event.sql]) == most


@pytest.mark.usefixtures("connection")
@pytest.mark.engine("sqlite")  # PostgreSQL chooses by statistics; on tables this small it rightly scans.
def test_a_page_is_found_by_its_keys(cast: Cast) -> None:
    with statements() as executed:
        access.to_books(cast.reader.id, False, [BOOK])
        page.load(BOOK, 2)
        book.chapters(BOOK)

    for event in executed:
        steps = [row[3] for row in database.query(f"EXPLAIN QUERY PLAN {event.sql}", *event.params)]
        assert all(step.startswith("SEARCH") for step in steps), steps


@pytest.mark.usefixtures("connection")
def test_a_page_knows_whether_its_chapter_starts_on_it() -> None:
    assert [page.load(BOOK, number).starts_chapter for number in range(1, 7)] == [
        True,
        False,
        False,
        False,
        True,
        False,
    ]
