"""What the library tells those who keep places in its books."""

from blinker import Signal

# book_recut.send(book_id=..., moves=...): sent inside the transaction that cuts a book anew, once its new
# pages and sections are in place. `moves` is a library.edition.Moves.
book_recut = Signal("a book was cut anew")
