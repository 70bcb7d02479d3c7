"""Chapters of a book."""

from typing import Any

from peewee import CharField, ForeignKeyField, IntegerField, TextField

from alice import database
from alice.database import Model
from alice.ids import new_id
from alice.library.book import Book


class Chapter(Model):
    id = CharField(36, primary_key=True, default=new_id)
    book = ForeignKeyField(Book, on_delete="CASCADE", index=False)
    number = IntegerField()
    title = TextField()
    first_page = IntegerField()

    class Meta:
        table_name = "chapters"
        indexes = ((("book", "number"), True),)


def of(book_id: str) -> list[dict[str, Any]]:
    """The chapters of a book in order."""
    rows = database.query(
        "SELECT number, title, first_page FROM chapters WHERE book_id = ? ORDER BY number", book_id
    )
    return [{"number": number, "title": title, "first_page": page} for number, title, page in rows]
