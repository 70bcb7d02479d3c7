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
    """Make `now()` return `at` (milliseconds) until `thaw()`. For tests."""
    global _frozen
    _frozen = at


def advance(by: int) -> None:
    """Freeze the clock `by` milliseconds later. For tests."""
    freeze(now() + by)


def thaw() -> None:
    """Use the system clock again. For tests."""
    global _frozen
    _frozen = None


def rfc3339(at: int) -> str:
    """Format milliseconds as `2025-01-20T10:30:00.000Z` (RFC 3339).

    For the years 1970 to 9999; other times are not checked.
    """
    return _whole_seconds(at // 1000) + _REST[at % 1000]


def from_iso8601(text: str) -> int:
    """Parse `2025-01-20`, `2025-01-20T10:30:00.000Z` and the like into milliseconds.

    Without a time zone the time is UTC. Raises ValueError for any other text.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return (at - _EPOCH) // _MILLISECOND


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


# Formatting times is the slowest part of long lists. Their times often share a second: cache the parts.
_REST = [f".{rest:03d}Z" for rest in range(1000)]


@lru_cache(maxsize=4096)
def _whole_seconds(at: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
