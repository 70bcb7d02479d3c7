"""Ids: UUIDv7 (RFC 9562, section 5.7), which sort by the time in their first 48 bits.

A new row gets a random one. An event and a visit have one that is made of their time and number, so that none
is stored.
"""

import secrets
from functools import lru_cache
from hashlib import blake2b

from alice import clock


def new_id(at: int | None = None) -> str:
    """A new id of the time `at` (ms; now), with 74 random bits."""
    return uuid7(clock.now() if at is None else at, secrets.randbits(74))


def event_id(received_at: int, seq: int, site_id: str) -> str:
    """The id of an event, made of its time (ms), its seq and its site.

    It is the same every time and different for each event, since a seq is never given out twice.
    """
    return uuid7(received_at, _numbered(seq, site_id))


@lru_cache(maxsize=4096)  # each event of a visit is answered with it
def visit_id(started_at: int, number: int) -> str:
    """The id of a visit, made of when it started (ms) and its number."""
    return uuid7(started_at, _numbered(number, "visit"))


def uuid7(at: int, rest: int) -> str:
    """The UUIDv7 of a time (ms) and of 74 further bits: 12 before the variant and 62 after it."""
    value = (at & (1 << 48) - 1) << 80 | 0x7 << 76 | rest >> 62 << 64 | 0x2 << 62 | rest & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _numbered(number: int, space: str) -> int:
    """74 bits of a number and of the space it counts in."""
    return (number & (1 << 42) - 1) << 32 | _filler(space)


@lru_cache(maxsize=1024)
def _filler(space: str) -> int:
    return int.from_bytes(blake2b(space.encode(), digest_size=4).digest())
