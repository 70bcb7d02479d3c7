"""The first start: an account of each kind and a code, so that Alice can be tried at once."""

from typing import NamedTuple

from alice.accounts import book_code, password, user
from alice.accounts.user import ADMIN, CONSULTANT, READER
from alice.database import query, transaction
from alice.errors import Conflict

FIRST_NAMES = {READER: "Ada", CONSULTANT: "Charles", ADMIN: "Edith"}


class Account(NamedTuple):
    email: str
    role: str
    password: str  # in clear, to be shown once
    password_hash: str


class FirstAccounts(NamedTuple):
    accounts: list[Account]
    code: str | None  # unused; None when no book was named


def make_up() -> list[Account]:
    """reader@, consultant@ and admin@example.com with random passwords, stored nowhere yet.

    Not inside a transaction.
    """
    return [_made_up(role) for role in FIRST_NAMES]


def create_first_accounts(accounts: list[Account], book_id: str | None = None) -> FirstAccounts | None:
    """Add the accounts, the reader with access to all present books, and an unused code for the one named.
    None, and nothing done, if there is any user at all.
    """
    try:
        with transaction():
            return FirstAccounts(accounts, _add(accounts, book_id))
    except Conflict:
        return None


def _made_up(role: str) -> Account:
    text = password.generate()
    return Account(f"{role}@example.com", role, text, password.hash_password(text))


def _add(accounts: list[Account], book_id: str | None) -> str | None:
    if _is_anybody_here():
        raise Conflict("There are users.")
    for account in accounts:
        added = user.add(
            account.email, account.password_hash, account.role, FIRST_NAMES[account.role], "Example"
        )
        if account.role == READER:
            book_code.grant_all(added.id)
    return book_code.create(book_id, 1)[0] if book_id else None


def _is_anybody_here() -> bool:
    return bool(query("SELECT 1 FROM users LIMIT 1"))
