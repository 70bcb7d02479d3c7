"""reading_progress: where each reader left each book. A new edition of a book moves these places."""

from collections.abc import Iterable

from peewee import CharField, CompositeKey, ForeignKeyField, IntegerField

from alice import database
from alice.accounts.user import User
from alice.activity.types import VIEWS, Activity
from alice.database import Millis, Model, Queries
from alice.library.book import Book
from alice.library.edition import Moves


class ReadingProgress(Model):
    user = ForeignKeyField(User, on_delete="CASCADE", index=False)
    book = ForeignKeyField(Book, on_delete="CASCADE", index=False)
    last_page = IntegerField()
    section_id = CharField(36, null=True)
    last_read_at = Millis()

    class Meta:
        table_name = "reading_progress"
        primary_key = CompositeKey("user", "book")


_FOLLOW = (
    "INSERT INTO reading_progress AS kept (user_id, book_id, last_page, section_id, last_read_at) "
    "VALUES (?, ?, ?, ?, ?) ON CONFLICT (user_id, book_id) DO UPDATE SET "
    # Viewing a page again keeps the section chosen on it.
    "section_id = CASE WHEN excluded.section_id IS NULL AND excluded.last_page = kept.last_page "
    "THEN kept.section_id ELSE excluded.section_id END, "
    "last_page = excluded.last_page, last_read_at = excluded.last_read_at "
    "WHERE excluded.last_read_at >= kept.last_read_at"
)


def follow(db: Queries, user_id: str, activities: Iterable[Activity]) -> None:
    """Move the reader's place in each book to the newest view, unless the stored place is newer."""
    newest: dict[str, Activity] = {}
    for activity in activities:
        if activity.activity_type in VIEWS and activity.page_number is not None:
            kept = newest.get(activity.book_id)
            if kept is None or activity.occurred_at >= kept.occurred_at:
                newest[activity.book_id] = activity
    for book_id, view in newest.items():
        db.execute(_FOLLOW, user_id, book_id, view.page_number, view.section_id, view.occurred_at)


def places(user_id: str) -> dict[str, int]:
    """The page where the reader left each book that they have opened."""
    return dict(database.query("SELECT book_id, last_page FROM reading_progress WHERE user_id = ?", user_id))


def move(sender: object, *, book_id: str, moves: Moves) -> None:
    """Listener of book_recut: move every reader's place to the new edition, in the import's transaction."""
    rows = database.query(
        "SELECT user_id, last_page, section_id FROM reading_progress WHERE book_id = ?", book_id
    )
    database.execute_many(
        # Compare last_page again: a reader may have turned to another page meanwhile.
        "UPDATE reading_progress SET last_page = ?, section_id = ? "
        "WHERE user_id = ? AND book_id = ? AND last_page = ?",
        [
            (*moves.place(last_page, section_id), user_id, book_id, last_page)
            for user_id, last_page, section_id in rows
        ],
    )
