"""Chapters of a book."""

from typing import Any

from alice import database


def of(book_id: str) -> list[dict[str, Any]]:
    """The chapters of a book in order."""
    rows = database.query(
        "SELECT number, title, first_page FROM chapters WHERE book_id = ? ORDER BY number", book_id
    )
    return [{"number": number, "title": title, "first_page": page} for number, title, page in rows]
