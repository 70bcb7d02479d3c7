"""Signal listeners that log signing in, signing out and unlocking a book. Only readers are logged, not staff.

Each writes inside the sender's transaction, so both are committed or neither.
"""

from alice import clock, database
from alice.accounts.user import READER
from alice.activity import log
from alice.activity.types import Activity, ActivityType
from alice.ids import new_id


def log_login(sender: object, *, user_id: str, session_id: str, role: str) -> None:
    if role == READER:
        _log(user_id, session_id, ActivityType.LOGIN)


def log_logout(sender: object, *, user_id: str, session_id: str) -> None:
    if _is_reader(user_id):
        _log(user_id, session_id, ActivityType.LOGOUT)


def log_book_verified(sender: object, *, user_id: str, session_id: str | None, book_id: str) -> None:
    if _is_reader(user_id):
        _log(user_id, session_id, ActivityType.BOOK_VERIFIED, book_id)


def _is_reader(user_id: str) -> bool:
    return bool(database.query(f"SELECT 1 FROM users WHERE id = ? AND role = '{READER}'", user_id))


def _log(user_id: str, session_id: str | None, kind: ActivityType, book_id: str | None = None) -> None:
    now = clock.now()
    log.append(user_id, session_id, [Activity(new_id(now), kind, now, now, book_id)])
