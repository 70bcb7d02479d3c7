"""Signal listeners that log signing in, signing out and unlocking a book. Only readers are logged, not staff.

Each writes inside the sender's transaction, so both are committed or neither.
"""

from alice import clock
from alice.accounts.user import READER
from alice.activity import log
from alice.activity.types import Activity, ActivityType
from alice.database import Log
from alice.ids import new_id


def log_login(sender: object, *, db: Log, user_id: str, session_id: str, role: str) -> None:
    if role == READER:
        _log(db, user_id, session_id, ActivityType.LOGIN)


def log_logout(sender: object, *, db: Log, user_id: str, session_id: str) -> None:
    if _is_reader(db, user_id):
        _log(db, user_id, session_id, ActivityType.LOGOUT)


def log_book_verified(sender: object, *, db: Log, user_id: str, session_id: str | None, book_id: str) -> None:
    if _is_reader(db, user_id):
        _log(db, user_id, session_id, ActivityType.BOOK_VERIFIED, book_id)


def _is_reader(db: Log, user_id: str) -> bool:
    return bool(db.query(f"SELECT 1 FROM users WHERE id = ? AND role = '{READER}'", user_id))


def _log(
    db: Log, user_id: str, session_id: str | None, kind: ActivityType, book_id: str | None = None
) -> None:
    now = clock.now()
    log.append(db, user_id, session_id, [Activity(new_id(now), kind, now, now, book_id)])
