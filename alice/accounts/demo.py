"""The first start: an account of each kind and a code, so that Alice can be tried at once."""

from typing import NamedTuple

from alice.accounts import book_code, password, user
from alice.accounts.user import ADMIN, CONSULTANT, READER
from alice.database import query, transaction
from alice.web.errors import Conflict

FIRST_NAMES = {READER: "Ada", CONSULTANT: "Charles", ADMIN: "Edith"}


class Account(NamedTuple):
    email: str
    role: str
    password: str  # in clear, to be shown once


class FirstAccounts(NamedTuple):
    accounts: list[Account]
    code: str | None  # unused; None when no book was named


def create_first_accounts(book_id: str | None = None) -> FirstAccounts | None:
    """reader@, consultant@ and admin@example.com with random passwords, the reader with access to all present
    books, and an unused code for the one named. None, and nothing done, if there is any user at all.

    Not inside a transaction.
    """
    if _is_anybody_here():
        return None
    accounts = [Account(f"{role}@example.com", role, password.generate()) for role in FIRST_NAMES]
    hashes = [password.hash_password(account.password) for account in accounts]
    try:
        with transaction():
            return FirstAccounts(accounts, _add(accounts, hashes, book_id))
    except Conflict:
        return None  # somebody was quicker


def _add(accounts: list[Account], hashes: list[str], book_id: str | None) -> str | None:
    if _is_anybody_here():
        raise Conflict("There are users.")
    for account, hashed in zip(accounts, hashes, strict=True):
        added = user.add(account.email, hashed, account.role, FIRST_NAMES[account.role], "Example")
        if account.role == READER:
            book_code.grant_all(added.id)
    return book_code.create(book_id, 1)[0] if book_id else None


def _is_anybody_here() -> bool:
    return bool(query("SELECT 1 FROM users LIMIT 1"))
