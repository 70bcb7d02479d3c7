"""Who may open which book."""

from collections.abc import Collection
from typing import NamedTuple

from alice import database
from alice.accounts.user import READER
from alice.errors import Forbidden, NotFound


class BookAccess(NamedTuple):
    """What one user may do with a book."""

    total_pages: int
    unlocked: bool


def opens_all(role: str, code_required: bool) -> bool:
    """Whether users of this role open every book without a code: staff, and readers if none is required."""
    return role != READER or not code_required


def to_books(user_id: str, opens_all: bool, book_ids: Collection[str]) -> dict[str, BookAccess]:
    """The books among these ids that exist, and whether the user may open their pages. One query."""
    marks = ", ".join("?" * len(book_ids))
    rows = database.query(
        "SELECT b.id, b.total_pages, a.user_id FROM books b "
        f"LEFT JOIN book_access a ON a.book_id = b.id AND a.user_id = ? WHERE b.id IN ({marks})",
        user_id,
        *book_ids,
    )
    return {id: BookAccess(pages, opens_all or owner is not None) for id, pages, owner in rows}


def require(user_id: str, opens_all: bool, book_id: str) -> BookAccess:
    """The book, if the user may open it. Raises NotFound or Forbidden `book_locked`."""
    found = to_books(user_id, opens_all, [book_id]).get(book_id)
    if found is None:
        raise NotFound("There is no such book.")
    if not found.unlocked:
        raise locked()
    return found


def locked() -> Forbidden:
    return Forbidden("This book opens with the code from your copy.", "book_locked")
