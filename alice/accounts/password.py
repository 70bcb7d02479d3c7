"""Passwords: which are taken, how they are hashed and verified.

argon2id for all new ones; bcrypt, which the Go program used, is still understood and replaced at the next
sign-in. Hashing is meant to be slow and to fill memory, so there are two at a time in a process.
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
LONGEST_FOR_BCRYPT = 72  # bytes; it knows no longer ones

MEMORY, ROUNDS, LANES = 19 * 1024, 2, 1  # KiB, passes, threads: the first choice of OWASP's cheat sheet
AT_ONCE = 2

# 32 that are not taken for one another; 16 of them are 80 bits.
LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"

_hasher = PasswordHash(
    (Argon2Hasher(time_cost=ROUNDS, memory_cost=MEMORY, parallelism=LANES), BcryptHasher())
)
_turns = threading.BoundedSemaphore(AT_ONCE)


def acceptable(text: str) -> str:
    """The text, if it may become a password; else a ValueError that says why not ("must ...")."""
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
    """Not inside a transaction: it takes tens of milliseconds."""
    with _turn():
        return _hasher.hash(password)


def verify(password: str, stored: str | None) -> tuple[bool, str | None]:
    """Whether the password is the stored one, and what to store instead if its hash is of an old kind.

    With nothing to compare with (None, or a hash of no known kind) it is wrong, and takes as long.
    Not inside a transaction.
    """
    if stored is None or _is_beyond_bcrypt(password, stored):
        stored = _nobodys()
    with _turn():
        try:
            return _hasher.verify_and_update(password, stored)
        except UnknownHashError:
            return _hasher.verify_and_update(password, _nobodys())


@cache
def _nobodys() -> str:
    """A hash no password has: its digest was not computed from any."""
    salt, digest = (base64.b64encode(bytes(size)).decode().rstrip("=") for size in (16, 32))
    return f"$argon2id$v=19$m={MEMORY},t={ROUNDS},p={LANES}${salt}${digest}"


def _is_beyond_bcrypt(password: str, stored: str) -> bool:
    return stored.startswith("$2") and len(password.encode()) > LONGEST_FOR_BCRYPT


@contextmanager
def _turn() -> Iterator[None]:
    """One of the places for hashing."""
    if alice_db.in_transaction():
        raise RuntimeError("hashing a password inside a transaction would make everybody wait")
    with _turns:
        yield
