"""Books and their chapters, and which books a user may open. A book's id is a slug that never changes."""

from typing import Any

from alice import database

_SHOWN = ("id", "title", "author", "description", "language", "total_pages")


def titles() -> dict[str, str]:
    """The title of every book by its id."""
    return dict(database.query("SELECT id, title FROM books"))


def first() -> dict[str, Any] | None:
    """The oldest book, with its public columns; None if there is none yet."""
    rows = database.query("SELECT id, title, author, description FROM books ORDER BY created_at, id LIMIT 1")
    return dict(zip(_SHOWN, rows[0], strict=False)) if rows else None


def shelf(user_id: str, opens_all: bool) -> list[dict[str, Any]]:
    """All books by title, each with `unlocked`: whether the user may open its pages."""
    return _seen_by(user_id, opens_all, "ORDER BY b.title, b.id")


def find(user_id: str, opens_all: bool, book_id: str) -> dict[str, Any] | None:
    """One book as on the shelf; None if there is none."""
    found = _seen_by(user_id, opens_all, "WHERE b.id = ?", book_id)
    return found[0] if found else None


def chapters(book_id: str) -> list[dict[str, Any]]:
    """The chapters of a book in order."""
    sql = "SELECT number, title, first_page FROM chapters WHERE book_id = ? ORDER BY number"
    rows = database.query(sql, book_id)
    return [{"number": number, "title": title, "first_page": page} for number, title, page in rows]


def _seen_by(user_id: str, opens_all: bool, clauses: str, *params: str) -> list[dict[str, Any]]:
    rows = database.query(
        "SELECT b.id, b.title, b.author, b.description, b.language, b.total_pages, a.user_id FROM books b "
        f"LEFT JOIN book_access a ON a.book_id = b.id AND a.user_id = ? {clauses}",
        user_id,
        *params,
    )
    return [
        dict(zip(_SHOWN, row, strict=False)) | {"unlocked": opens_all or row[-1] is not None} for row in rows
    ]
