"""Ids: UUIDv7 (RFC 9562, section 5.7), which sort by the time in their first 48 bits.

A new row gets a random id. The ids of events and visits are computed from their time and number, so they
are not stored.
"""

import secrets
from functools import lru_cache
from hashlib import blake2b

from alice import clock


def new_id(at: int | None = None) -> str:
    """Return a new id for the time `at` (ms; default: now), with 74 random bits."""
    return uuid7(clock.now() if at is None else at, secrets.randbits(74))


def event_id(received_at: int, seq: int, site_id: str) -> str:
    """Compute the id of an event from its time (ms), its seq and its site.

    It is always the same for an event, and unique because a seq is never reused.
    """
    return uuid7(received_at, _numbered(seq, site_id))


@lru_cache(maxsize=4096)  # it is in the response to each event of the visit
def visit_id(started_at: int, number: int) -> str:
    """Compute the id of a visit from its start (ms) and its number."""
    return uuid7(started_at, _numbered(number, "visit"))


def uuid7(at: int, rest: int) -> str:
    """Format a time (ms) and 74 more bits as a UUIDv7: 12 of them before the variant and 62 after it."""
    value = (at & (1 << 48) - 1) << 80 | 0x7 << 76 | rest >> 62 << 64 | 0x2 << 62 | rest & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _numbered(number: int, space: str) -> int:
    """74 bits: the low 42 of the number, and a 32-bit hash of its namespace."""
    return (number & (1 << 42) - 1) << 32 | _filler(space)


@lru_cache(maxsize=1024)
def _filler(space: str) -> int:
    return int.from_bytes(blake2b(space.encode(), digest_size=4).digest())
