"""Importing a book: from a file to a manuscript, to pages and sections, to rows in the database."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from alice import clock, database
from alice.database import transaction
from alice.library import edition
from alice.library.edition import Edition, Ids, Moves
from alice.library.formats import epub, markdown, plain
from alice.library.manuscript import BadBook, Draft, Manuscript, compose
from alice.library.signals import book_recut
from alice.library.text import clean

LARGEST_FILE = 50 * 1024 * 1024  # bytes

FORMATS: dict[str, Callable[[bytes], Draft]] = {
    ".md": lambda content: markdown.read(_text(content)),
    ".markdown": lambda content: markdown.read(_text(content)),
    ".txt": lambda content: plain.read(_text(content)),
    ".epub": epub.read,
}


class Outcome(StrEnum):
    IMPORTED = "imported"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


def read(path: Path, **given: str | None) -> Manuscript:
    """The manuscript in a file. The `given` facts (id, title, author) override those in the file.

    Raises BadBook if the file cannot be read or imported.
    """
    file_format = FORMATS.get(path.suffix.lower())
    if file_format is None:
        raise BadBook(f"its kind is unknown: use a file that ends in {', '.join(FORMATS)}")
    return compose(file_format(_content(path)), **given)


def publish(book_id: str, new: Edition) -> Outcome:
    """Store the edition in one transaction. Unchanged rows keep their ids, readers their places."""
    with transaction():
        _lock(book_id, new)
        old, old_ids = edition.stored(book_id)
        if old == new:
            return Outcome.UNCHANGED
        ids = edition.keep_ids(old, old_ids, new)
        _store(book_id, new, ids)
        if not old.sections:
            return Outcome.IMPORTED
        book_recut.send(book_id=book_id, moves=Moves(old, old_ids, new, ids))
        return Outcome.UPDATED


def _content(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise BadBook("it is not a file")
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as fault:
        raise BadBook((fault.strerror or str(fault)).lower()) from None
    if not content:
        raise BadBook("it is empty")
    if len(content) > LARGEST_FILE:
        raise BadBook(f"it is larger than {LARGEST_FILE >> 20} MB")
    return content


def _text(content: bytes) -> str:
    if b"\0" in content:
        raise BadBook("it is a binary file, not UTF-8 text")
    try:
        return clean(content.decode("utf-8-sig"))
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        raise BadBook(f"line {line} is not UTF-8: save the text in that encoding") from None


def _lock(book_id: str, new: Edition) -> None:
    """Insert or lock the book's row, so that another import of the same book waits for this one."""
    now = clock.now()
    sql = (
        "INSERT INTO books (id, title, author, description, language, total_pages, total_words, created_at, "
        "updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET title = books.title"
    )
    database.execute(sql, book_id, *new.facts, now, now)


def _store(book_id: str, new: Edition, ids: Ids) -> None:
    """Write the edition over the old one. Rows that stay are updated, never deleted and inserted again.

    Numbers are unique within a book and rows may swap them, so all old numbers are made negative first.
    """
    database.execute("UPDATE chapters SET number = -1 - number WHERE book_id = ?", book_id)
    database.execute("UPDATE sections SET section_number = -section_number WHERE book_id = ?", book_id)
    _store_chapters_and_pages(book_id, new, ids)
    database.execute_many(
        "INSERT INTO sections (id, book_id, page_number, section_number, content, html, word_count) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET page_number = excluded.page_number, "
        "section_number = excluded.section_number, content = excluded.content, html = excluded.html, "
        "word_count = excluded.word_count",
        [(id, book_id, *row) for id, row in zip(ids.sections, new.sections, strict=True)],
    )
    database.execute("DELETE FROM sections WHERE book_id = ? AND section_number < 0", book_id)
    database.execute("DELETE FROM pages WHERE book_id = ? AND page_number > ?", book_id, len(new.pages))
    database.execute("DELETE FROM chapters WHERE book_id = ? AND number < 0", book_id)
    sql = (
        "UPDATE books SET title = ?, author = ?, description = ?, language = ?, total_pages = ?, "
        "total_words = ?, updated_at = ? WHERE id = ?"
    )
    database.execute(sql, *new.facts, clock.now(), book_id)


def _store_chapters_and_pages(book_id: str, new: Edition, ids: Ids) -> None:
    database.execute_many(
        "INSERT INTO chapters (id, book_id, number, title, first_page) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (id) "
        "DO UPDATE SET number = excluded.number, title = excluded.title, first_page = excluded.first_page",
        [(id, book_id, *row) for id, row in zip(ids.chapters, new.chapters, strict=True)],
    )
    chapter_ids = {row.number: id for id, row in zip(ids.chapters, new.chapters, strict=True)}
    database.execute_many(
        "INSERT INTO pages (book_id, page_number, chapter_id, word_count) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (book_id, page_number) "
        "DO UPDATE SET chapter_id = excluded.chapter_id, word_count = excluded.word_count",
        [(book_id, row.page_number, chapter_ids[row.chapter], row.word_count) for row in new.pages],
    )
