"""Users: readers, consultants, admins."""

import re
import unicodedata
from typing import NamedTuple

from peewee import SQL, CharField, IntegrityError, TextField

from alice import clock
from alice.clock import minutes
from alice.database import execute, query, transaction
from alice.errors import Conflict, NotFound
from alice.ids import new_id
from alice.models import Millis, Model

READER, CONSULTANT, ADMIN = ROLES = ("reader", "consultant", "admin")
STAFF = (CONSULTANT, ADMIN)

ONLINE_FOR = minutes(5)  # after the last request, while a session is live
# The SET clause of an UPDATE of users when the user was seen; see seen_params(). A gap longer than ONLINE_FOR
# starts a new online period.
SEEN = (
    f"online_since = CASE WHEN ? - last_active_at <= {ONLINE_FOR} THEN COALESCE(online_since, ?) ELSE ? END, "
    "last_active_at = ?"
)


def seen_params(at: int) -> tuple[int, int, int, int]:
    """The parameters of SEEN: its time (ms), four times."""
    return at, at, at, at


# Whether a user may open any book. book_access is a table of the library, which ranks above accounts. It is
# named only here, because asking the library would be a second query for signing in and for /api/auth/me.
IS_VERIFIED = "EXISTS (SELECT 1 FROM book_access a WHERE a.user_id = {user_id})"

LONGEST_EMAIL = 254  # characters (RFC 5321: a path has at most 256, with its angle brackets)
LONGEST_NAME = 100
EMAIL = re.compile(r"[^\s@<>()\[\],;:\"\\]{1,64}@([\w-]+\.)+[\w-]+")

# Categories of characters that can break a line, and controls that reverse the direction of the text.
BREAKING = ("Cc", "Cs", "Zl", "Zp")
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class User(Model):
    id = CharField(36, primary_key=True, default=new_id)
    email = TextField(unique=True)  # stored trimmed and lower-cased
    password_hash = TextField()
    first_name = TextField(constraints=[SQL("DEFAULT ''")], default="")
    last_name = TextField(constraints=[SQL("DEFAULT ''")], default="")
    role = CharField(
        16, default=READER, constraints=[SQL("CHECK (role IN ('reader', 'consultant', 'admin'))")]
    )
    last_active_at = Millis(null=True, index=True)
    online_since = Millis(null=True)  # start of the current online period
    created_at = Millis()
    updated_at = Millis()

    class Meta:
        table_name = "users"


class UserSummary(NamedTuple):
    """A user for a list. Times in ms."""

    id: str
    email: str
    first_name: str
    last_name: str
    role: str
    is_verified: bool
    last_active_at: int | None
    created_at: int


# Normal forms


def fold(email: str) -> str:
    """The form in which e-mail addresses are compared: trimmed, NFC, lower case."""
    return unicodedata.normalize("NFC", email.strip()).lower()


def normal_email(text: str) -> str:
    """The stored form of an e-mail address; raises ValueError ("must ...") if the text is not one."""
    email = fold(text)
    if len(email) > LONGEST_EMAIL:
        raise ValueError(f"must have at most {LONGEST_EMAIL} characters")
    if not EMAIL.fullmatch(email) or not _is_plain(email):
        raise ValueError("must be an e-mail address")
    return email


def normal_name(text: str) -> str:
    """The trimmed name, which may be empty; raises ValueError ("must ...") if the text is not allowed."""
    name = text.strip()
    if len(name) > LONGEST_NAME:
        raise ValueError(f"must have at most {LONGEST_NAME} characters")
    if not _is_plain(name):
        raise ValueError("must be one line of text")
    return name


def _is_plain(text: str) -> bool:
    return not any(c in TURNING or unicodedata.category(c) in BREAKING for c in text)


# Rows


def add(
    email: str, password_hash: str, role: str = READER, first_name: str = "", last_name: str = ""
) -> User:
    """Add a user, with an e-mail and names in their normal form. Raises Conflict `email_taken`."""
    now = clock.now()
    try:
        with transaction():
            names = {"first_name": first_name, "last_name": last_name}
            times = {"created_at": now, "updated_at": now}
            return User.create(email=email, password_hash=password_hash, role=role, **names, **times)
    except IntegrityError:
        raise _taken() from None


def require_free(email: str) -> None:
    """Raise Conflict `email_taken` if there is a user with this e-mail."""
    if find(email):
        raise _taken()


def _taken() -> Conflict:
    return Conflict("There is an account with this e-mail address.", "email_taken", "email")


def find(email: str) -> User | None:
    """The user with this e-mail in any spelling that fold() treats as equal, or None."""
    return User.get_or_none(User.email == fold(email))


def exists(user_id: str) -> bool:
    return bool(query("SELECT 1 FROM users WHERE id = ?", user_id))


def everyone(role: str | None = None) -> list[UserSummary]:
    """All users, or those of one role, by e-mail."""
    rows = query(
        f"SELECT id, email, first_name, last_name, role, {IS_VERIFIED.format(user_id='users.id')}, "
        f"last_active_at, created_at FROM users {'WHERE role = ? ' if role else ''}ORDER BY email",
        *([role] if role else []),
    )
    return [UserSummary(*row)._replace(is_verified=bool(row[5])) for row in rows]


def rename(user_id: str, first_name: str | None = None, last_name: str | None = None) -> None:
    """Change the given names, which must be in normal form; None leaves a name as it is."""
    sql = (
        "UPDATE users SET first_name = COALESCE(?, first_name), last_name = COALESCE(?, last_name), "
        "updated_at = ? WHERE id = ?"
    )
    with transaction():
        execute(sql, first_name, last_name, clock.now(), user_id)


def set_role(user_id: str, role: str) -> None:
    """Set the user's role, from their next request on. Raises NotFound."""
    with transaction():
        if not execute("UPDATE users SET role = ?, updated_at = ? WHERE id = ?", role, clock.now(), user_id):
            raise NotFound("There is no such user.")


def delete(user_id: str) -> None:
    """Delete the user with all their rows. Codes they used stay used. Raises NotFound.

    The row in erasures makes tracking erase their data, too: no foreign key reaches its database.
    """
    with transaction():
        if not execute("DELETE FROM users WHERE id = ?", user_id):
            raise NotFound("There is no such user.")
        execute("INSERT INTO erasures (user_id, erased_at) VALUES (?, ?)", user_id, clock.now())
