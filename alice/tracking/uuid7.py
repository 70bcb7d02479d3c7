"""The ids under which events and visits are known outside: made of their number, so none is stored."""

from functools import lru_cache
from hashlib import blake2b


def event_id(received_at: int, seq: int, site_id: str) -> str:
    """The UUIDv7 (RFC 9562, 5.7) of an event: its time (ms), its seq and its site.

    The same every time, and no other's: a seq is never given out twice.
    """
    return _uuid7(received_at, seq, site_id)


@lru_cache(maxsize=4096)  # each event of a visit is answered with it
def visit_id(started_at: int, number: int) -> str:
    """The same for a visit: when it started (ms), and its number."""
    return _uuid7(started_at, number, "visit")


def _uuid7(at: int, number: int, space: str) -> str:
    random = (number & (1 << 42) - 1) << 32 | _filler(space)  # 74 bits: 12 before the variant and 62 after it
    value = (at & (1 << 48) - 1) << 80 | 0x7 << 76 | random >> 62 << 64 | 0x2 << 62 | random & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@lru_cache(maxsize=1024)
def _filler(space: str) -> int:
    return int.from_bytes(blake2b(space.encode(), digest_size=4).digest())
