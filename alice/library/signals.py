"""The signals that the library sends, for the domains above it."""

from blinker import Signal

# Sent with db, user_id, session_id and book_id, inside the `appending()` transaction that gives a reader
# access to a book; db is the open log.
book_unlocked = Signal("a reader unlocked a book")

# Sent with book_id and moves (a library.edition.Moves), inside the transaction of an import that changes a
# book, after the new pages and sections are written.
book_recut = Signal("a book was replaced by a new edition")
