"""Passwords: which are accepted, how they are hashed and verified.

New passwords are hashed with argon2id; bcrypt hashes, which the Go program made, are still verified, and
replaced at the next sign-in. Hashing is slow and takes much memory by design, so a process computes at most
two hashes at a time.
"""

import base64
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from pathlib import Path

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher

from alice.database import alice_db
from alice.errors import Invalid

SHORTEST, LONGEST = 8, 256  # characters
MOST_DIGITS = 3  # after a common password that do not make it better
SHORTEST_OWN = 4  # characters of a name or e-mail that may not be in a password
LONGEST_FOR_BCRYPT = 72  # bytes; bcrypt uses at most this many

MEMORY, ROUNDS, LANES = 19 * 1024, 2, 1  # KiB, passes, threads: the first choice of OWASP's cheat sheet
AT_ONCE = 2

# 32 characters that are not mistaken for one another; a password of 16 has 80 random bits.
LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"

_hasher = PasswordHash(
    (Argon2Hasher(time_cost=ROUNDS, memory_cost=MEMORY, parallelism=LANES), BcryptHasher())
)
_turns = threading.BoundedSemaphore(AT_ONCE)


def acceptable(text: str) -> str:
    """Return the text if it is allowed as a password; else raise ValueError with the reason ("must ...")."""
    if len(text) < SHORTEST:
        raise ValueError(f"must have at least {SHORTEST} characters")
    if len(text) > LONGEST:
        raise ValueError(f"must have at most {LONGEST} characters")
    if len({character for character in text if character.isprintable() and not character.isspace()}) < 2:
        raise ValueError("must have more than one character, again and again")
    if {ord(after) - ord(before) for before, after in pairwise(text)} in ({1}, {-1}):
        raise ValueError("must not be a row of neighbours such as 12345678")
    lowered = text.lower()
    if any(lowered[: len(lowered) - len(digits)] in common() for digits in _last_digits(lowered)):
        raise ValueError("must not be one of the passwords that everybody tries first")
    return text


def _last_digits(text: str) -> list[str]:
    """The empty text, and the last one to three characters, as long as they are digits."""
    ends = [text[len(text) - count :] for count in range(MOST_DIGITS + 1)]
    return [end for end in ends if not end or (end.isascii() and end.isdigit())]


def require_impersonal(text: str, field: str, email: str, *names: str) -> None:
    """Raise Invalid for this field if the password contains the e-mail, its local part or a name.

    Only those of four or more characters count: shorter ones are in many good passwords by chance.
    """
    lowered = text.casefold()
    own = [email, email.partition("@")[0], *" ".join(names).split()]
    if any(len(word) >= SHORTEST_OWN and word.casefold() in lowered for word in own):
        raise Invalid("The password must not contain the e-mail address or a name of its owner.", field)


@cache
def common() -> frozenset[str]:
    """The 10,000 most common passwords of eight or more characters, and words of this place; in lower case.

    `make passwords` writes the first, from the frequency lists of zxcvbn (see common_passwords.LICENSE).
    """
    folder = Path(__file__).parent
    files = (folder / "common_passwords.txt", folder / "readers_passwords.txt")
    return frozenset(word for file in files for word in file.read_text("utf-8").split())


def generate() -> str:
    """A password of 80 random bits that can be read out and typed."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(4))


def hash_password(password: str) -> str:
    """Hash a new password. Not inside a transaction: it takes tens of milliseconds."""
    with _turn():
        return _hasher.hash(password)


def verify(password: str, stored: str | None) -> tuple[bool, str | None]:
    """Return whether the password matches the stored hash, and a new hash if that one is of an old kind.

    If `stored` is None or of an unknown kind, return False after the same time. Not inside a transaction.
    """
    if stored is None or _is_beyond_bcrypt(password, stored):
        stored = _unmatched()
    with _turn():
        try:
            return _hasher.verify_and_update(password, stored)
        except UnknownHashError:
            return _hasher.verify_and_update(password, _unmatched())


@cache
def _unmatched() -> str:
    """A hash that no password matches: its digest is all zeros."""
    salt, digest = (base64.b64encode(bytes(size)).decode().rstrip("=") for size in (16, 32))
    return f"$argon2id$v=19$m={MEMORY},t={ROUNDS},p={LANES}${salt}${digest}"


def _is_beyond_bcrypt(password: str, stored: str) -> bool:
    return stored.startswith("$2") and len(password.encode()) > LONGEST_FOR_BCRYPT


@contextmanager
def _turn() -> Iterator[None]:
    """Wait until fewer than AT_ONCE threads are hashing. Raises RuntimeError inside a transaction."""
    if alice_db.in_transaction():
        raise RuntimeError("hashing a password inside a transaction would make everybody wait")
    with _turns:
        yield
