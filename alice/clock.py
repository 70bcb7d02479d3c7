"""The one clock. Every time in Alice is an integer: milliseconds since the epoch, UTC."""

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_frozen: int | None = None


def seconds(count: float) -> int:
    return int(count * 1000)


def minutes(count: float) -> int:
    return seconds(count * 60)


def hours(count: float) -> int:
    return minutes(count * 60)


def days(count: float) -> int:
    return hours(count * 24)


DAY = days(1)


def now() -> int:
    """Milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000 if _frozen is None else _frozen


def freeze(at: int) -> None:
    """Make `now()` answer `at` (milliseconds) until `thaw()`. For tests."""
    global _frozen
    _frozen = at


def advance(by: int) -> None:
    """Move a frozen clock by so many milliseconds. For tests."""
    freeze(now() + by)


def thaw() -> None:
    """Let time pass again."""
    global _frozen
    _frozen = None


def rfc3339(at: int) -> str:
    """Milliseconds as `2025-01-20T10:30:00.000Z` (RFC 3339).

    Years 1970 to 9999; what lies outside raises ValueError or OverflowError.
    """
    return _whole_seconds(at // 1000) + _REST[at % 1000]


def from_iso8601(text: str) -> int:
    """`2025-01-20`, `2025-01-20T10:30:00.000Z` and the like as milliseconds; without a zone it is UTC.

    Raises ValueError for what is none.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return (at - _EPOCH) // _MILLISECOND


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


# Lists hold many times within the same seconds, and formatting is the slow part of them.
_REST = [f".{rest:03d}Z" for rest in range(1000)]


@lru_cache(maxsize=4096)
def _whole_seconds(at: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
