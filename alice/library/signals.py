"""The signals that the library sends, for the domains above it."""

from blinker import Signal

# book_unlocked.send(db=..., user_id=..., session_id=..., book_id=...): sent inside the `appending()`
# transaction that gives a reader access to a book; db is the open log.
book_unlocked = Signal("a reader unlocked a book")

# book_recut.send(book_id=..., moves=...): sent inside the transaction of an import that changes a book, after
# the new pages and sections are written. `moves` is a library.edition.Moves.
book_recut = Signal("a book was replaced by a new edition")
