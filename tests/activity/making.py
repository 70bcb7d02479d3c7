"""Reports and rows for tests of activities."""

from tests.cast import BOOK, Person
from tests.conftest import Rows


def view(page: int = 1, **more: object) -> dict:
    """A report of a page in view, as clients send it."""
    return {"activity_type": "PAGE_VIEW", "book_id": BOOK, "page_number": page} | more


def grant(db: Rows, person: Person, book: str) -> None:
    """Give the person access to the book."""
    db.execute("INSERT INTO book_access (user_id, book_id, granted_at) VALUES (?, ?, 0)", person.id, book)


def section_of(db: Rows, page: int, number: int = 2) -> str:
    """The id of a section of the book."""
    return db.one(
        "SELECT id FROM sections WHERE book_id = ? AND page_number = ? AND section_number = ?",
        BOOK,
        page,
        number,
    )
