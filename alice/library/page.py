"""Pages: a page is (book_id, page_number), belongs to one chapter and consists of sections.

A section is a few sentences, which help can refer to. Its content is plain text; its html is made and
escaped by the importer.
"""

from typing import NamedTuple

from alice import database


class PageSection(NamedTuple):
    id: str
    section_number: int
    content: str
    html: str
    word_count: int


class OpenPage(NamedTuple):
    """A page with its sections, and what is shown of its chapter and book."""

    book_id: str
    book_title: str
    book_author: str
    book_language: str
    total_pages: int
    page_number: int
    word_count: int
    chapter_number: int
    chapter_title: str
    chapter_first_page: int
    sections: list[PageSection]

    @property
    def previous(self) -> int | None:
        return self.page_number - 1 if self.page_number > 1 else None

    @property
    def next(self) -> int | None:
        return self.page_number + 1 if self.page_number < self.total_pages else None

    @property
    def starts_chapter(self) -> bool:
        return self.page_number == self.chapter_first_page


_LOAD = (
    "SELECT b.id, b.title, b.author, b.language, b.total_pages, p.page_number, p.word_count, "
    "c.number, c.title, c.first_page, s.id, s.section_number, s.content, s.html, s.word_count "
    "FROM pages p JOIN books b ON b.id = p.book_id JOIN chapters c ON c.id = p.chapter_id "
    "JOIN sections s ON s.book_id = p.book_id AND s.page_number = p.page_number "
    "WHERE p.book_id = ? AND p.page_number = ? ORDER BY s.section_number"
)


def load(book_id: str, page_number: int) -> OpenPage | None:
    """A page with its sections, in one query; None if there is no such page.

    Does not check whether the user may open the book: see `access`. Raises OverflowError for a number of more
    than 64 bits.
    """
    rows = database.query(_LOAD, book_id, page_number)
    return OpenPage(*rows[0][:10], [PageSection(*row[10:]) for row in rows]) if rows else None
