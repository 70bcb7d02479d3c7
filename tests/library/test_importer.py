"""Importing: one transaction, which can be repeated and moves the readers' places."""

import os
import threading
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alice import clock, database
from alice.library import edition, importer
from alice.library.edition import Edition, Moves, keep_ids
from alice.library.importer import Outcome, publish
from alice.library.manuscript import BadBook
from alice.library.signals import book_recut
from tests import bystander
from tests.cast import BOOK, Cast, Person
from tests.conftest import Rows
from tests.library.making import edition as made
from tests.library.making import packed_epub

TEXTS = [f"Number {n} of text." for n in range(1, 7)]
EVERYTHING = (
    "books",
    "chapters",
    "pages",
    "sections",
    "reading_progress",
    "activity_logs",
    "reader_states",
    "page_reads",
)


def ids(book_id: str = "a-book") -> dict[str, str]:
    """The ids of the sections by their text."""
    return dict(database.query("SELECT content, id FROM sections WHERE book_id = ?", book_id))


def leave(person: Person, book_id: str, page: int, section: str | None) -> None:
    """Put their place in the book on this page."""
    bystander.insert(
        database.execute,
        "reading_progress",
        user_id=person.id,
        book_id=book_id,
        last_page=page,
        section_id=section,
        last_read_at=7,
    )


def places(book_id: str) -> set[tuple]:
    return set(
        database.query(
            "SELECT user_id, last_page, section_id, last_read_at FROM reading_progress WHERE book_id = ?",
            book_id,
        )
    )


def contents() -> dict[str, list[tuple]]:
    return {table: sorted(database.query(f"SELECT * FROM {table}"), key=repr) for table in EVERYTHING}


@pytest.mark.usefixtures("connection")
class TestPublishing:
    def test_a_new_book_is_stored_whole(self, frozen_clock: int) -> None:
        new = made(
            TEXTS[:2], TEXTS[2:], title="A Tale", author="Somebody", description="Short.", language="de"
        )

        assert publish("a-book", new) is Outcome.IMPORTED
        assert edition.stored("a-book")[0] == new
        assert database.query("SELECT * FROM books WHERE id = 'a-book'") == [
            ("a-book", "A Tale", "Somebody", "Short.", "de", 3, 24, frozen_clock, frozen_clock)
        ]
        assert database.query("SELECT number, title, first_page FROM chapters WHERE book_id = 'a-book'") == [
            (1, "Chapter 1", 1), (2, "Chapter 2", 2),
        ]  # fmt: skip

    def test_the_same_text_again_changes_nothing(self, frozen_clock: int) -> None:
        publish("a-book", made(TEXTS))
        before = contents()
        clock.advance(1000)

        assert publish("a-book", made(TEXTS)) is Outcome.UNCHANGED
        assert contents() == before

    @pytest.mark.parametrize(
        "texts",
        [
            ["A new one here.", *TEXTS],
            TEXTS[2:],
            TEXTS[:2],
            [*TEXTS[:3], "Changed in its middle.", *TEXTS[4:]],
            [*TEXTS, *(f"Added {n} at end." for n in range(9))],
        ],
    )
    def test_an_updated_text_keeps_the_ids_of_what_is_unchanged(self, texts: list[str]) -> None:
        publish("a-book", made(TEXTS))
        before = ids()

        assert publish("a-book", made(texts)) is Outcome.UPDATED
        assert edition.stored("a-book")[0] == made(texts)
        after = ids()
        assert {text: after[text] for text in texts if text in before} == {
            text: id for text, id in before.items() if text in texts
        }

    def test_pages_of_another_size_keep_all_ids(self) -> None:
        publish("a-book", made(TEXTS))
        before = ids()

        assert publish("a-book", made(TEXTS, words_per_page=12)) is Outcome.UPDATED
        assert ids() == before
        assert database.query("SELECT total_pages FROM books WHERE id = 'a-book'") == [(2,)]

    def test_another_title_is_an_update_that_keeps_when_the_book_came(self, frozen_clock: int) -> None:
        publish("a-book", made(TEXTS))
        clock.advance(1000)

        assert publish("a-book", made(TEXTS, title="Another")) is Outcome.UPDATED
        assert database.query("SELECT title, created_at, updated_at FROM books WHERE id = 'a-book'") == [
            ("Another", frozen_clock, frozen_clock + 1000)
        ]

    def test_a_chapter_more_in_front_moves_all_others(self) -> None:
        publish("a-book", made(TEXTS[:2], TEXTS[2:]))
        before = ids()

        publish("a-book", made(["Quite a new chapter."], TEXTS[:2], TEXTS[2:]))

        assert edition.stored("a-book")[0] == made(["Quite a new chapter."], TEXTS[:2], TEXTS[2:])
        assert ids().items() >= before.items()

    def test_other_books_are_left_alone(self) -> None:
        publish("another", made(TEXTS, TEXTS[2:]))
        before = edition.stored(BOOK), edition.stored("another")
        for new in (made(TEXTS), made(TEXTS[1:]), made(TEXTS[3:], title="Another")):
            publish("a-book", new)
            assert (edition.stored(BOOK), edition.stored("another")) == before

    def test_readers_places_follow_the_text(self, cast: Cast) -> None:
        publish("a-book", made(TEXTS))
        fifth, sixth = ids()[TEXTS[4]], ids()[TEXTS[5]]
        for person, page, chosen in (
            (cast.reader, 3, fifth),
            (cast.newcomer, 3, sixth),
            (cast.consultant, 2, None),
        ):
            leave(person, "a-book", page, chosen)

        publish("a-book", made(["A new one here.", "And another new one.", *TEXTS]))

        assert places("a-book") == {
            (cast.reader.id, 4, fifth, 7), (cast.newcomer.id, 4, sixth, 7), (cast.consultant.id, 3, None, 7),
        }  # fmt: skip

    def test_places_in_other_books_stay(self, cast: Cast) -> None:
        """Also those of readers who read both, and are on the same page of both."""
        publish("a-book", made(TEXTS))
        other, section = ids(BOOK)["Page 3 section 1."], ids()[TEXTS[4]]
        leave(cast.reader, BOOK, 3, other)
        leave(cast.reader, "a-book", 3, section)
        leave(cast.newcomer, "a-book", 3, section)
        leave(cast.newcomer, BOOK, 3, other)

        publish("a-book", made(["A new one here.", "And another new one.", *TEXTS]))

        both = (cast.reader.id, cast.newcomer.id)
        assert places("a-book") == {(user, 4, section, 7) for user in both}
        hers = (bystander.USER_ID, bystander.PAGE)
        assert {place for place in places(BOOK) if place[:2] != hers} == {
            (user, 3, other, 7) for user in both
        }

    def test_who_turns_a_page_meanwhile_is_not_put_back(self, cast: Cast) -> None:
        """The reader's new page is of the new edition already."""
        publish("a-book", made(TEXTS))
        leave(cast.reader, "a-book", 1, None)

        class ReadOn(Moves):
            def place(self, page_number: int, section_id: str | None) -> tuple[int, str | None]:
                database.execute(
                    "UPDATE reading_progress SET last_page = 4 WHERE user_id = ? AND book_id = 'a-book'",
                    cast.reader.id,
                )
                return super().place(page_number, section_id)

        old, old_ids = edition.stored("a-book")
        new = made(["A new one here.", "And another new one.", *TEXTS])
        moves = ReadOn(old, old_ids, new, keep_ids(old, old_ids, new))
        leave(cast.newcomer, "a-book", 1, None)
        with database.transaction():
            book_recut.send(book_id="a-book", moves=moves)

        assert places("a-book") == {(cast.reader.id, 4, None, 7), (cast.newcomer.id, 2, None, 7)}

    def test_what_readers_did_is_never_rewritten(self, cast: Cast) -> None:
        publish("a-book", made(TEXTS))
        for page in (1, 3):
            database.execute(
                "INSERT INTO page_reads VALUES (?, 'a-book', ?, 1, 2, 3, 4)", cast.reader.id, page
            )
        database.execute(
            "INSERT INTO activity_logs (id, user_id, activity_type, book_id, page_number, section_id, "
            "occurred_at, created_at) VALUES ('x', ?, 'SECTION_VIEW', 'a-book', 1, ?, 1, 1)",
            cast.reader.id,
            ids()[TEXTS[0]],
        )
        before = contents()

        publish("a-book", made(TEXTS[2:]))

        after = contents()
        for table in ("activity_logs", "reader_states", "page_reads"):
            assert after[table] == before[table]

    def test_an_import_that_fails_changes_nothing(self) -> None:
        publish("a-book", made(TEXTS))
        before = contents()

        def fail(sender: object, **_: object) -> None:
            raise RuntimeError("the last step fails")

        with book_recut.connected_to(fail), pytest.raises(RuntimeError, match="the last step fails"):
            publish("a-book", made(TEXTS[1:], title="Another"))

        assert contents() == before

    @given(st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=6), min_size=2, max_size=4), st.data())
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_edition_can_follow_any_other(self, editions: list[list[int]], data: st.DataObject) -> None:
        book_id = f"book-{next(NUMBERS)}"
        for numbers in editions:
            texts = [f"Number {n} of text." for n in numbers]
            split = data.draw(st.integers(0, len(texts) - 1))
            chapters = [chapter for chapter in (texts[:split], texts[split:]) if chapter]
            new = made(*chapters, words_per_page=data.draw(st.sampled_from([4, 8, 12])))

            publish(book_id, new)

            assert edition.stored(book_id)[0] == new


NUMBERS = count(1)


def test_two_imports_at_once_leave_one_whole_edition(app: object, db: Rows) -> None:
    editions = [made(TEXTS), made(TEXTS[::-1], TEXTS)]
    start = threading.Barrier(2)

    def run(new: Edition) -> None:
        start.wait()
        with database.connected():
            publish("a-book", new)

    threads = [threading.Thread(target=run, args=(new,)) for new in editions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with database.connected():
        assert edition.stored("a-book")[0] in editions


# Reading files


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("book.md", b"", "it is empty"),
        ("book.md", b" \n ", "there is no text in it"),
        ("book.md", b"Text.", "the book has no title"),
        ("book.txt", b"Caf\xe9\n", "line 1 is not UTF-8"),
        ("book.txt", b"One\nCaf\xe9", "line 2 is not UTF-8"),
        ("book.txt", b"\x89PNG\0\0", "it is a binary file"),
        ("book.md", "Text.".encode("utf-16"), "it is a binary file"),
        ("book.pdf", b"%PDF", "its kind is unknown: use a file that ends in .md, .markdown, .txt, .epub"),
        ("book", b"Text.", "its kind is unknown"),
        ("book.epub", b"Text.", "the file is broken"),
    ],
)
def test_a_bad_file_is_named_in_one_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(BadBook, match=message) as refused:
        importer.read(path)

    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadBook, match="no such file or directory"):
        importer.read(tmp_path / "none.md")


def test_a_folder_is_no_book(tmp_path: Path) -> None:
    (tmp_path / "folder.md").mkdir()

    with pytest.raises(BadBook, match="it is not a file"):
        importer.read(tmp_path / "folder.md")


def test_a_file_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    with path.open("wb") as file:
        file.truncate(50 * 1024 * 1024 + 1)

    with pytest.raises(BadBook, match="it is larger than 50 MB"):
        importer.read(path)
    os.truncate(path, 50 * 1024 * 1024)
    with pytest.raises(BadBook, match="it is a binary file"):
        importer.read(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("book.MD", "\ufeff---\ntitle: A Book\n---\r\n## Chapter 1: One\r\n\r\nSome text."),
        ("book.txt", "---\ntitle: A Book\n---\nCHAPTER I.\nOne\n\nSome text."),
    ],
)
def test_a_text_file_is_read_by_its_ending(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode())

    book = importer.read(path)

    assert book.title == "A Book"
    assert [chapter.title for chapter in book.chapters] == ["One"]


def test_an_epub_is_read(tmp_path: Path) -> None:
    path = tmp_path / "book.epub"
    path.write_bytes(packed_epub(["<h1>Chapter 1: One</h1><p>Some text.</p>"]))

    book = importer.read(path, author="Another")

    assert (book.title, book.author) == ("A Book", "Another")
    assert [chapter.title for chapter in book.chapters] == ["One"]
