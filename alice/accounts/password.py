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
from pathlib import Path

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher

from alice.database import alice_db

SHORTEST, LONGEST = 8, 256  # characters
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
    if text.lower() in common():
        raise ValueError("must not be one of the passwords that everybody tries first")
    return text


@cache
def common() -> frozenset[str]:
    """Well-known passwords, in lower case."""
    return frozenset(Path(__file__).with_name("common_passwords.txt").read_text("utf-8").split())


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
