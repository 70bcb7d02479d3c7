"""The signals that the library sends; modules that store places in books listen to them."""

from blinker import Signal

# book_recut.send(book_id=..., moves=...): sent inside the transaction of an import that changes a book, after
# the new pages and sections are written. `moves` is a library.edition.Moves.
book_recut = Signal("a book was replaced by a new edition")
