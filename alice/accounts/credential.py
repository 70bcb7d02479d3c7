"""Credentials: registration, authentication by e-mail and password, and changes of the password."""

from alice import clock
from alice.accounts import password, session, throttle
from alice.accounts import user as users
from alice.accounts.device import Client
from alice.accounts.session import Started
from alice.accounts.throttle import (
    FAILED_LOGINS_FROM_ADDRESS,
    FAILED_LOGINS_OF_ACCOUNT,
    REGISTRATIONS_FROM_ADDRESS,
)
from alice.accounts.user import User
from alice.config import Settings
from alice.database import execute, query, transaction
from alice.errors import Invalid, NotFound, Unauthenticated


def register(email: str, text: str, client: Client, first_name: str = "", last_name: str = "") -> User:
    """Add a reader. E-mail and names must be in normal form, and the password acceptable.

    Raises Invalid for a password with the e-mail or a name in it, Conflict `email_taken`, and TooMany for an
    IP address that registers too often. Not inside a transaction.
    """
    password.require_impersonal(text, "password", email, first_name, last_name)
    if client.ip_address:
        throttle.take(REGISTRATIONS_FROM_ADDRESS, throttle.network(client.ip_address))
    users.require_free(email)  # only to save the hashing; add() checks reliably
    return users.add(email, password.hash_password(text), first_name=first_name, last_name=last_name)


def sign_in(email: str, text: str, client: Client, settings: Settings, remember: bool) -> Started:
    """Start a session for the user with this e-mail and password.

    Raises Unauthenticated `invalid_credentials`, after the same work whether the account exists or not, and
    TooMany after too many failures of the account or from the IP address. Not inside a transaction.
    """
    user = _authenticate(email, text, client)
    return session.start(user, client, settings, remember)


def change_password(email: str, session_id: str, current: str, new: str, client: Client) -> None:
    """Change the user's own password; their other sessions end. The new one must be acceptable.

    Raises Invalid for the field current_password or new_password, and TooMany like sign_in(). Not inside a
    transaction.
    """
    try:
        user = _authenticate(email, current, client)
    except Unauthenticated:
        raise Invalid("The current password is not right.", "current_password", "wrong_password") from None
    password.require_impersonal(new, "new_password", email, user.first_name, user.last_name)
    hashed = password.hash_password(new)
    with transaction():
        if not _store(user.id, hashed, instead_of=user.password_hash):
            raise Invalid("The password was changed just now.", "current_password", "wrong_password")
        session.end_others(user.id, session_id)


def set_password(user_id: str, new: str) -> None:
    """Set a user's password without the old one; all their sessions end. The new one must be acceptable.

    Raises NotFound, and Invalid for a password with the e-mail or a name in it. Not inside a transaction.
    """
    for who in query("SELECT email, first_name, last_name FROM users WHERE id = ?", user_id):
        password.require_impersonal(new, "password", *who)
    hashed = password.hash_password(new)
    with transaction():
        if not _store(user_id, hashed):
            raise NotFound("There is no such user.")
        session.end_all(user_id)


def _authenticate(email: str, text: str, client: Client) -> User:
    of_account = (FAILED_LOGINS_OF_ACCOUNT, users.fold(email))
    tries = [of_account]
    if client.ip_address:
        tries.append((FAILED_LOGINS_FROM_ADDRESS, throttle.network(client.ip_address)))
    throttle.check(*tries)
    user = users.find(email)
    right, better_hash = password.verify(text, user.password_hash if user else None)
    # Check again: of many concurrent guesses, those beyond the limit get TooMany, right or wrong.
    counted = throttle.check(*tries)
    if not right:
        for each in tries:
            throttle.take(*each)
        raise Unauthenticated("The e-mail or the password is not right.", "invalid_credentials")
    if of_account in counted:
        throttle.forget(*of_account)
    if better_hash is not None and _store(user.id, better_hash, instead_of=user.password_hash):
        user.password_hash = better_hash
    return user


def _store(user_id: str, hashed: str, instead_of: str | None = None) -> bool:
    """Store a hash, if the stored one is `instead_of` (None: in any case); return whether it was stored."""
    with transaction():
        sql = "UPDATE users SET password_hash = ?, updated_at = ? WHERE id = ?"
        if instead_of is None:
            return bool(execute(sql, hashed, clock.now(), user_id))
        return bool(execute(f"{sql} AND password_hash = ?", hashed, clock.now(), user_id, instead_of))
