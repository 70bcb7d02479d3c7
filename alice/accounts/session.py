"""Sessions: who is signed in, on which device, until when.

A session is a row that is found by its token. Tokens are 256 random bits; the table holds only their SHA-256,
so that read access to the database is not enough to sign in.
"""

import hashlib
import secrets
from typing import NamedTuple

from peewee import BooleanField, CharField, ForeignKeyField, TextField

from alice import clock
from alice.accounts import device, signals, throttle
from alice.accounts.device import LONGEST_USER_AGENT, Client
from alice.accounts.user import IS_VERIFIED, READER, SEEN, User, seen_params
from alice.clock import days, hours, minutes
from alice.config import Settings
from alice.database import appending, execute, query, transaction
from alice.errors import Unauthenticated
from alice.ids import new_id
from alice.models import Millis, Model


class Session(Model):
    id = CharField(36, primary_key=True, default=new_id)
    user = ForeignKeyField(User, on_delete="CASCADE")
    token_hash = CharField(64, unique=True)  # SHA-256 in hex; the token itself is stored nowhere
    ip_address = TextField(null=True)
    user_agent = TextField(null=True)
    remember = BooleanField(default=False)
    created_at = Millis()
    last_active_at = Millis()
    expires_at = Millis(index=True)

    class Meta:
        table_name = "sessions"


class Started(NamedTuple):
    """A new session. Only this object holds its token; times in ms."""

    id: str
    token: str
    user: User  # as read at sign-in, but with the current role
    is_verified: bool
    created_at: int
    expires_at: int


class SessionSummary(NamedTuple):
    """A session for a list. Times in ms."""

    id: str
    user_id: str
    email: str
    role: str
    ip_address: str | None
    user_agent: str | None
    remember: bool
    created_at: int
    last_active_at: int
    expires_at: int

    @property
    def device(self) -> str:
        return device.describe(self.user_agent)


# The condition under which a session s of a user u is live. A staff session also ends when it is idle, and
# after session_hours even if the user was a reader with `remember` when it started.
LIVE = f"(s.expires_at > ? AND (u.role = '{READER}' OR (s.last_active_at > ? AND s.created_at > ?)))"


def live_params(settings: Settings) -> tuple[int, int, int]:
    """The parameters of LIVE, as of now."""
    now = clock.now()
    return now, now - minutes(settings.staff_idle_minutes), now - hours(settings.session_hours)


def hash_token(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


_SEEN_AT_SIGN_IN = (
    f"UPDATE users SET {SEEN} WHERE id = ? AND password_hash = ? "
    f"RETURNING role, {IS_VERIFIED.format(user_id='users.id')}"
)


def start(user: User, client: Client, settings: Settings, remember: bool = False) -> Started:
    """Start a session of the user. `remember` makes it last `remember_days`, for readers only.

    Raises Unauthenticated if the user was deleted or got another password since `user` was read.
    """
    session_id, token, now = new_id(), secrets.token_urlsafe(32), clock.now()
    with appending() as log:
        # This locks the user's row, so a concurrent change of the password ends this session too.
        rows = query(_SEEN_AT_SIGN_IN, *seen_params(now), user.id, user.password_hash)
        if not rows:
            raise Unauthenticated()
        ((user.role, is_verified),) = rows
        remember = remember and user.role == READER
        expires_at = now + (days(settings.remember_days) if remember else hours(settings.session_hours))
        Session.create(
            id=session_id,
            user=user.id,
            token_hash=hash_token(token),
            ip_address=client.ip_address,
            user_agent=(client.user_agent or "")[:LONGEST_USER_AGENT] or None,
            remember=remember,
            created_at=now,
            last_active_at=now,
            expires_at=expires_at,
        )
        signals.signed_in.send(db=log, user_id=user.id, session_id=session_id, role=user.role)
    return Started(session_id, token, user, bool(is_verified), now, expires_at)


# Ending


def sign_out(user_id: str, session_id: str) -> None:
    """End the user's current session and send `signed_out`."""
    with appending() as log:
        if execute("DELETE FROM sessions WHERE id = ? AND user_id = ?", session_id, user_id):
            signals.signed_out.send(db=log, user_id=user_id, session_id=session_id)


def sign_out_everywhere(user_id: str, session_id: str) -> int:
    """End all sessions of the user and send `signed_out` for the current one; return how many ended."""
    with appending() as log:
        ended = end_all(user_id)
        if ended:
            signals.signed_out.send(db=log, user_id=user_id, session_id=session_id)
        return ended


def end_own(user_id: str, session_id: str, current_id: str) -> bool:
    """End one of the user's own sessions, perhaps the current one; return whether it existed."""
    if session_id == current_id:
        sign_out(user_id, session_id)
        return True
    return end_of_user(user_id, session_id)


def end_of_user(user_id: str, session_id: str) -> bool:
    """End one session of the user; return whether it existed."""
    with transaction():
        return bool(execute("DELETE FROM sessions WHERE id = ? AND user_id = ?", session_id, user_id))


def end(session_id: str) -> bool:
    """End a session of any user; return whether it existed."""
    with transaction():
        return bool(execute("DELETE FROM sessions WHERE id = ?", session_id))


def end_by_token(token: str) -> None:
    """End the session with this token, if there is one."""
    with transaction():
        execute("DELETE FROM sessions WHERE token_hash = ?", hash_token(token))


def end_others(user_id: str, session_id: str) -> int:
    """End all sessions of the user but this one; return how many ended."""
    with transaction():
        return execute("DELETE FROM sessions WHERE user_id = ? AND id <> ?", user_id, session_id)


def end_all(user_id: str | None = None) -> int:
    """End all sessions of the user (None: of all users); return how many ended."""
    with transaction():
        if user_id is None:
            return execute("DELETE FROM sessions")
        return execute("DELETE FROM sessions WHERE user_id = ?", user_id)


def cleanup(settings: Settings) -> int:
    """Delete ended sessions and expired throttles; return how many sessions."""
    ended = (
        "DELETE FROM sessions WHERE expires_at <= ? OR ((last_active_at <= ? OR created_at <= ?) "
        f"AND user_id IN (SELECT id FROM users WHERE role <> '{READER}'))"
    )
    with transaction():
        throttle.cleanup()
        return execute(ended, *live_params(settings))


# Listing

_LIST = (
    "SELECT s.id, u.id, u.email, u.role, s.ip_address, s.user_agent, s.remember, s.created_at, "
    "s.last_active_at, s.expires_at FROM sessions s JOIN users u ON u.id = s.user_id "
    f"WHERE {LIVE}"
)


def of_user(
    user_id: str, settings: Settings, before: str | None = None, limit: int = 500
) -> list[SessionSummary]:
    """The user's live sessions, newest first; with `before`, only those that started before that session."""
    older = [before] if before is not None else []
    sql = f"{_LIST} AND s.user_id = ? {'AND s.id < ? ' if older else ''}ORDER BY s.id DESC LIMIT ?"
    return _listed(query(sql, *live_params(settings), user_id, *older, limit))


def everyones(settings: Settings) -> list[SessionSummary]:
    """All live sessions, newest first."""
    return _listed(query(f"{_LIST} ORDER BY s.id DESC", *live_params(settings)))


def _listed(rows: list[tuple]) -> list[SessionSummary]:
    return [SessionSummary(*row)._replace(remember=bool(row[6])) for row in rows]
