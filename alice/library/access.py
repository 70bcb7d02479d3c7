"""Who may open which book."""

from collections.abc import Collection
from typing import NamedTuple

from alice import database
from alice.accounts.user import READER
from alice.errors import Forbidden, NotFound


class Opening(NamedTuple):
    """A book as one user may open it."""

    total_pages: int
    unlocked: bool


def openings(
    user_id: str, role: str, book_ids: Collection[str], code_required: bool = True
) -> dict[str, Opening]:
    """The books among these ids that exist, and whether the user may open their pages.

    Staff read everything; readers need a book's code, unless none is required. One query.
    """
    marks = ", ".join("?" * len(book_ids))
    rows = database.query(
        "SELECT b.id, b.total_pages, a.user_id FROM books b "
        f"LEFT JOIN book_access a ON a.book_id = b.id AND a.user_id = ? WHERE b.id IN ({marks})",
        user_id,
        *book_ids,
    )
    free = opens_all(role, code_required)
    return {id: Opening(pages, free or owner is not None) for id, pages, owner in rows}


def require(user_id: str, role: str, book_id: str, code_required: bool = True) -> Opening:
    """The book, if the user may open it. Raises NotFound or Forbidden `book_locked`."""
    opening = openings(user_id, role, [book_id], code_required).get(book_id)
    if opening is None:
        raise NotFound("There is no such book.")
    if not opening.unlocked:
        raise locked()
    return opening


def locked() -> Forbidden:
    return Forbidden("This book opens with the code from your copy.", "book_locked")


def opens_all(role: str, code_required: bool = True) -> bool:
    """Whether users of this role open every book without a code."""
    return role != READER or not code_required
