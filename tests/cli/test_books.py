"""`alice books` imports books, lists them, and refuses bad files."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.running import Alice
from tests.conftest import Rows

TALE = "---\ntitle: A Tale\nauthor: Somebody\n---\n## Chapter 1: One\n\nSome text.\n\n## Two\n\nMore of it.\n"
Command = Callable[..., Result]


@pytest.fixture
def books(alice: Alice) -> Command:
    """Run `alice books ...` on the test's database."""
    return lambda *arguments: alice("books", *map(str, arguments))


@pytest.fixture
def tale(tmp_path: Path) -> Path:
    path = tmp_path / "tale.md"
    path.write_text(TALE)
    return path


def test_a_book_is_imported_and_said_in_one_line(books: Command, tale: Path) -> None:
    done = books("import", tale)

    assert done.exit_code == 0, done.output
    assert done.stdout == "Imported: A Tale (a-tale), 2 chapters, 2 pages, 2 sections.\n"
    assert "Importing" in done.stderr


def test_importing_again_says_that_nothing_changed(books: Command, tale: Path) -> None:
    books("import", tale)

    assert books("import", tale).stdout.startswith("Unchanged: A Tale")


def test_importing_a_changed_text_updates_the_book(books: Command, tale: Path) -> None:
    books("import", tale)
    tale.write_text(TALE + "\nAnd more.\n")

    assert books("import", tale).stdout.startswith("Updated: A Tale")


def test_options_win_over_the_file_and_set_the_sizes(books: Command, tale: Path) -> None:
    tale.write_text("---\ntitle: A Tale\n---\n" + "One two three four five. " * 20)

    done = books(
        "import",
        tale,
        "--id",
        "other",
        "--title",
        "Other",
        "--author",
        "Me",
        "--words-per-page",
        20,
        "--words-per-section",
        5,
    )

    assert done.stdout == "Imported: Other (other), 1 chapter, 5 pages, 20 sections.\n"
    assert Rows().query("SELECT title, author FROM books WHERE id = 'other'") == [("Other", "Me")]


def test_the_list_shows_the_books(books: Command, tale: Path) -> None:
    books("import", tale)

    listed = json.loads(books("list", "--json").stdout)

    assert [book["id"] for book in listed] == ["tea-party", "a-tale", "looking-glass"]
    assert listed[1] == {
        "id": "a-tale",
        "title": "A Tale",
        "author": "Somebody",
        "language": "en",
        "chapters": 2,
        "total_pages": 2,
        "total_words": 5,
    }
    assert books("list").stdout.splitlines()[2].split(maxsplit=2) == ["a-tale", "2", "A Tale"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.md", None, "no such file or directory"),
        ("book.doc", b"Text.", "its kind is unknown: use a file that ends in .md, .markdown, .txt, .epub"),
        ("book.md", b"Text.", "the book has no title: give one with --title"),
        ("book.epub", b"PK\x03\x04", "it is no readable EPUB: the file is broken"),
        ("book.txt", b"\xff\xfe", "line 1 is not UTF-8: save the text in that encoding"),
    ],
)
def test_a_bad_file_gives_one_line_and_changes_nothing(
    books: Command, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)

    done = books("import", path)

    assert done.exit_code == 1
    assert done.output == f"Error: Cannot import {path}: {message}.\n"
    assert Rows().one("SELECT COUNT(*) FROM books") == 2


@pytest.mark.parametrize("option", [("--words-per-page", "0"), ("--words-per-section", "many")])
def test_sizes_out_of_bounds_are_refused(books: Command, tale: Path, option: tuple[str, str]) -> None:
    done = books("import", tale, *option)

    assert done.exit_code == 2
    assert option[0] in done.output
