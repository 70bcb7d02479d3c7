"""Book codes: one is printed in each copy of a book and opens it for one reader.

verification_codes has the codes as printed, in three groups; if the user of a code is deleted, used_by
becomes null and used_at stays. book_access has who may open which book; code is null if it was opened without
one.
"""

import re
import secrets
from typing import Annotated, NamedTuple

from peewee import IntegrityError
from pydantic import StringConstraints

from alice import clock
from alice.accounts import throttle
from alice.accounts.throttle import Limit
from alice.clock import minutes
from alice.database import appending, execute, execute_many, query, transaction
from alice.errors import Conflict, NotFound
from alice.library import signals

# Crockford's base 32: 12 characters are 60 bits. The letters O, I and L are read as the digits 0, 1 and 1.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
MISREAD = str.maketrans("OIL", "011")
LENGTH, GROUP = 12, 4
SEPARATORS = re.compile(r"[\s\-\u2010-\u2015\u2212]+")  # spaces and every kind of dash

TypedCode = Annotated[str, StringConstraints(min_length=1, max_length=100)]
TRIES = Limit("book-code", 10, minutes(1))


class CodeSummary(NamedTuple):
    """A code for a list. Times in ms."""

    code: str
    book_id: str
    created_at: int
    used_by: str | None  # None also if that user was deleted
    used_by_email: str | None
    used_at: int | None


def create(book_id: str, count: int) -> list[str]:
    """Create `count` codes for a book and return them. Raises NotFound `book_unknown`."""
    codes = [_new_code() for _ in range(count)]
    now = clock.now()
    try:
        with transaction():
            execute_many(
                "INSERT INTO verification_codes (code, book_id, created_at) VALUES (?, ?, ?)",
                [(code, book_id, now) for code in codes],
            )
    except IntegrityError:
        # There are 2^60 codes, so a duplicate is practically impossible: the book does not exist.
        raise NotFound("There is no such book.", "book_unknown") from None
    return codes


def redeem(user_id: str, session_id: str | None, typed: str) -> str:
    """Give the user access to the book of the typed code; return the book's id.

    The first user to redeem a code may redeem it again; others may not. Raises NotFound `code_unknown`,
    Conflict `code_used`, and TooMany for the 11th try in a minute. Not inside a transaction.
    """
    throttle.take(TRIES, user_id)
    code, now = normal_code(typed), clock.now()
    if code is None:
        raise _unknown()
    with appending() as log:
        sql = (
            "UPDATE verification_codes SET used_by = ?, used_at = ? WHERE code = ? AND used_at IS NULL "
            "RETURNING book_id"
        )
        taken = query(sql, user_id, now, code)
        if not taken:
            return _used_before(code, user_id)
        ((book_id,),) = taken
        sql = (
            "INSERT INTO book_access (user_id, book_id, code, granted_at) VALUES (?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING"
        )
        execute(sql, user_id, book_id, code, now)
        signals.book_unlocked.send(db=log, user_id=user_id, session_id=session_id, book_id=book_id)
        return book_id


def grant_all(user_id: str) -> int:
    """Give the user access to all existing books, without codes; return how many of them are new."""
    sql = (
        "INSERT INTO book_access (user_id, book_id, granted_at) "
        "SELECT u.id, b.id, ? FROM users u, books b WHERE u.id = ? ON CONFLICT DO NOTHING"
    )
    with transaction():
        return execute(sql, clock.now(), user_id)


def everyones(book_id: str | None, unused: bool) -> list[CodeSummary]:
    """All codes or those of one book, optionally only unused ones; oldest first."""
    of_book = [book_id] if book_id is not None else []
    rows = query(
        "SELECT c.code, c.book_id, c.created_at, c.used_by, u.email, c.used_at "
        "FROM verification_codes c LEFT JOIN users u ON u.id = c.used_by "
        f"WHERE {'c.book_id = ?' if of_book else '1 = 1'} {'AND c.used_at IS NULL' if unused else ''} "
        "ORDER BY c.created_at, c.code",
        *of_book,
    )
    return [CodeSummary(*row) for row in rows]


def normal_code(typed: str) -> str | None:
    """The printed form of a typed code; None if the text cannot be a code."""
    letters = SEPARATORS.sub("", typed).upper().translate(MISREAD)
    if len(letters) != LENGTH or not set(letters) <= set(ALPHABET):
        return None
    return _printed(letters)


def _printed(letters: str) -> str:
    return "-".join(letters[at : at + GROUP] for at in range(0, LENGTH, GROUP))


def _new_code() -> str:
    return _printed("".join(secrets.choice(ALPHABET) for _ in range(LENGTH)))


def _unknown() -> NotFound:
    return NotFound("This code is not known. Please compare it with the one in your copy.", "code_unknown")


def _used_before(code: str, user_id: str) -> str:
    rows = query("SELECT book_id, used_by FROM verification_codes WHERE code = ?", code)
    if not rows:
        raise _unknown()
    ((book_id, used_by),) = rows
    if used_by != user_id:
        raise Conflict("This code has been used by somebody else.", "code_used")
    return book_id
