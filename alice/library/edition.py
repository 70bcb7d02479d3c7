"""Editions: the rows of a book, either stored in the database or made from a manuscript."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from alice import database
from alice.ids import new_id
from alice.library.manuscript import Manuscript
from alice.library.paging import CutPage


class Facts(NamedTuple):
    title: str
    author: str
    description: str
    language: str
    total_pages: int
    total_words: int


class ChapterRow(NamedTuple):
    number: int
    title: str
    first_page: int


class PageRow(NamedTuple):
    page_number: int
    chapter: int
    word_count: int


class SectionRow(NamedTuple):
    page_number: int
    section_number: int
    content: str
    html: str
    word_count: int


class Edition(NamedTuple):
    """All rows of a book without their ids, so that editions with the same content are equal."""

    facts: Facts | None
    chapters: list[ChapterRow]
    pages: list[PageRow]
    sections: list[SectionRow]


class Ids(NamedTuple):
    """The ids of an edition's chapters and sections, in order."""

    chapters: list[str]
    sections: list[str]


def made_of(book: Manuscript, pages: Sequence[CutPage]) -> Edition:
    first_pages: dict[int, int] = {}
    for number, page in enumerate(pages, 1):
        first_pages.setdefault(page.chapter, number)
    total_words = sum(page.words for page in pages)
    return Edition(
        Facts(book.title, book.author, book.description, book.language, len(pages), total_words),
        [ChapterRow(c.number, c.title, first_pages[c.number]) for c in book.chapters],
        [PageRow(number, page.chapter, page.words) for number, page in enumerate(pages, 1)],
        [
            SectionRow(page_number, number, section.content, section.html, section.words)
            for page_number, page in enumerate(pages, 1)
            for number, section in enumerate(page.sections, 1)
        ],
    )


def stored(book_id: str) -> tuple[Edition, Ids]:
    """The edition in the database, and its ids. Its facts are None if there is no such book."""
    facts = database.query(
        "SELECT title, author, description, language, total_pages, total_words FROM books WHERE id = ?",
        book_id,
    )
    chapters = database.query(
        "SELECT id, number, title, first_page FROM chapters WHERE book_id = ? ORDER BY number", book_id
    )
    pages = database.query(
        "SELECT p.page_number, c.number, p.word_count FROM pages p JOIN chapters c ON c.id = p.chapter_id "
        "WHERE p.book_id = ? ORDER BY p.page_number",
        book_id,
    )
    sections = database.query(
        "SELECT id, page_number, section_number, content, html, word_count FROM sections "
        "WHERE book_id = ? ORDER BY page_number, section_number",
        book_id,
    )
    edition = Edition(
        Facts(*facts[0]) if facts else None,
        [ChapterRow(*row[1:]) for row in chapters],
        [PageRow(*row) for row in pages],
        [SectionRow(*row[1:]) for row in sections],
    )
    return edition, Ids([row[0] for row in chapters], [row[0] for row in sections])


def keep_ids(old: Edition, ids: Ids, new: Edition) -> Ids:
    """Ids for the new edition: those of the old one where the text is the same and in the same order."""
    return Ids(
        _kept([row.title for row in old.chapters], ids.chapters, [row.title for row in new.chapters]),
        _kept([row.content for row in old.sections], ids.sections, [row.content for row in new.sections]),
    )


def _kept(old: list[str], ids: list[str], new: list[str]) -> list[str]:
    kept = [new_id() for _ in new]
    for at, to, size in SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks():
        kept[to : to + size] = ids[at : at + size]
    return kept


class Moves:
    """Maps places in an old edition to places in the new one."""

    def __init__(self, old: Edition, old_ids: Ids, new: Edition, new_ids: Ids) -> None:
        self._old_pages = [row.page_number for row in old.sections]
        self._old_ids = old_ids.sections
        self._index = {id: at for at, id in enumerate(old_ids.sections)}
        self._pages = {id: row.page_number for id, row in zip(new_ids.sections, new.sections, strict=True)}
        self._last_page = len(new.pages)

    def place(self, page_number: int, section_id: str | None) -> tuple[int, str | None]:
        """The page and section in the new edition of a place in the old one.

        A place follows its section or, without one, the first section of its page. If that section is gone,
        the nearest one that was kept is taken; of two at the same distance, the earlier. If none was kept,
        the page number stays the same, but at most the last page. A place without a section gets none.
        """
        at = self._index.get(section_id) if section_id else None
        has_section = at is not None
        if at is None:
            at = bisect_left(self._old_pages, page_number)
        nearest = next((id for id in self._outwards(at) if id in self._pages), None)
        if nearest is None:
            return min(page_number, self._last_page), None
        return self._pages[nearest], nearest if has_section else None

    def _outwards(self, at: int) -> Iterator[str]:
        """The old section ids by their distance from index `at`."""
        for distance in range(len(self._old_ids)):
            for near in (at - distance, at + distance):
                if 0 <= near < len(self._old_ids):
                    yield self._old_ids[near]
