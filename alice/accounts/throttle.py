"""Throttles: limits on tries, counted in the database so that all processes share the counts.

Windows are fixed: the first try starts one, and the first try after its end starts the next. A count is
committed at once, even if the request fails afterwards, so nothing here runs inside another transaction.
"""

import hashlib
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from alice import clock
from alice.clock import days, hours, minutes, seconds
from alice.database import execute, query, transaction
from alice.errors import TooMany


class Limit(NamedTuple):
    """At most `tries` tries in a window of `window` milliseconds."""

    name: str
    tries: int
    window: int


Try = tuple[Limit, str]  # the limit, and its subject: an account, an address, a user

FAILED_LOGINS_OF_ACCOUNT = Limit("login-account", 10, minutes(15))
FAILED_LOGINS_FROM_ADDRESS = Limit("login-address", 50, minutes(15))
REGISTRATIONS_FROM_ADDRESS = Limit("register-address", 60, hours(1))  # a class behind one address

SKEW = seconds(10)
KEPT_FOR = days(1)  # longer than any window


def check(*tries: Try) -> set[Try]:
    """Raise TooMany if any of these subjects has used up its tries; return the tries that have a row."""
    now, by_key = clock.now(), {_key(*each): each for each in tries}
    marks = ", ".join("?" * len(by_key))
    rows = query(f"SELECT key, window_started_at, count FROM throttles WHERE key IN ({marks})", *by_key)
    for key, started_at, count in rows:
        limit, _ = by_key[key]
        since, until = _current(limit, now)
        if since <= started_at <= until and count >= limit.tries:
            raise _too_many(limit, started_at)
    return {by_key[key] for key, _, _ in rows}


def take(limit: Limit, subject: str) -> None:
    """Count a try; raise TooMany if that exceeds the limit."""
    now = clock.now()
    current = _current(limit, now)
    with transaction():
        ((started_at, tries),) = query(_COUNT, _key(limit, subject), now, *current, *current)
    if tries > limit.tries:
        raise _too_many(limit, started_at)


def forget(limit: Limit, subject: str) -> None:
    """Reset the subject's count."""
    with transaction():
        execute("DELETE FROM throttles WHERE key = ?", _key(limit, subject))


def cleanup() -> int:
    """Delete the rows of past windows; return how many."""
    return execute("DELETE FROM throttles WHERE window_started_at < ?", clock.now() - KEPT_FOR)


def network(address: str) -> str:
    """The address to count: of an IPv6 address its /64, because one customer has all of that."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


# A window that has passed, or lies in the future because the clock was set back, is replaced.
_COUNT = """
    INSERT INTO throttles AS kept (key, window_started_at, count) VALUES (?, ?, 1)
    ON CONFLICT (key) DO UPDATE SET
        count = CASE WHEN kept.window_started_at BETWEEN ? AND ? THEN kept.count + 1 ELSE 1 END,
        window_started_at = CASE WHEN kept.window_started_at BETWEEN ? AND ?
            THEN kept.window_started_at ELSE excluded.window_started_at END
    RETURNING window_started_at, count
"""


def _current(limit: Limit, now: int) -> tuple[int, int]:
    """The range of window_started_at that counts as current.

    SKEW of the future is allowed, because a writer reads the clock before it waits for the database's lock.
    """
    return now - limit.window + 1, now + SKEW


def _key(limit: Limit, subject: str) -> str:
    # Hashed: people type passwords into the e-mail field by mistake, which must not be stored here.
    return f"{limit.name} {hashlib.sha256(subject.encode()).hexdigest()}"


def _too_many(limit: Limit, started_at: int) -> TooMany:
    return TooMany(-(-(started_at + limit.window - clock.now()) // seconds(1)))
