"""The first start: an account of each role and a book code, so that Alice can be tried at once."""

from typing import NamedTuple

from alice.accounts import password, user
from alice.accounts.user import ADMIN, CONSULTANT, READER
from alice.database import query, transaction
from alice.errors import Conflict
from alice.library import book_code

FIRST_NAMES = {READER: "Ada", CONSULTANT: "Charles", ADMIN: "Edith"}


class Account(NamedTuple):
    email: str
    role: str
    password: str  # in clear, to be shown once
    password_hash: str


class FirstAccounts(NamedTuple):
    accounts: list[Account]
    code: str | None  # unused; None without a book_id


def make_up() -> list[Account]:
    """Return reader@, consultant@ and admin@example.com with random passwords, without storing them.

    Not inside a transaction.
    """
    return [_made_up(role) for role in FIRST_NAMES]


def create_first_accounts(accounts: list[Account], book_id: str | None = None) -> FirstAccounts | None:
    """Store the accounts, give the reader access to all existing books, and create a code for `book_id`.

    Returns None, and changes nothing, if there is any user already.
    """
    try:
        with transaction():
            if query("SELECT 1 FROM users LIMIT 1"):
                return None
            for account in accounts:
                _add(account)
            return FirstAccounts(accounts, book_code.create(book_id, 1)[0] if book_id else None)
    except Conflict:  # another process has just added them
        return None


def _made_up(role: str) -> Account:
    text = password.generate()
    return Account(f"{role}@example.com", role, text, password.hash_password(text))


def _add(account: Account) -> None:
    first_name = FIRST_NAMES[account.role]
    added = user.add(account.email, account.password_hash, account.role, first_name, "Example")
    if account.role == READER:
        book_code.grant_all(added.id)
