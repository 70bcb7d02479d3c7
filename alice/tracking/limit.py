"""How many events a minute one address may send and one site may get.

Each process counts for itself, in memory: with n processes a client may get up to n times as far. A window
begins with the first event after the last one ended and is one for all, so that around its end up to twice
the number may pass within a minute. No address is kept: counters are named by a keyed hash, and the key
goes with the window.
"""

import secrets
import socket
from math import ceil
from threading import Lock
from typing import Any

from limits import RateLimitItemPerMinute
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from alice import clock
from alice.clock import seconds

MOST_COUNTERS = 50_000  # of each limit, about 5 MB; further names share some
SHARED = 256  # counters


class Limits:
    """What a client may send: so many events a minute `per_address`, and `per_site` from all of them.

    All addresses of an IPv6 /64 count as one: each household has so many.
    """

    def __init__(self, per_address: int = 600, per_site: int = 60_000) -> None:
        self._of_address = _Limit(per_address)
        self._of_site = _Limit(per_site)

    def check(self, address: str | None, site_id: str | None, cost: int = 1) -> int | None:
        """Count `cost` events of an address, a site, or both: None if they may come, else the seconds to
        wait, at least 1.

        A limit that refuses does not count them. A batch of more events than a window allows takes all of it.
        """
        wait = None
        if address is not None:
            wait = self._of_address.take(_network(address), cost)
        if site_id is not None and wait is None:
            wait = self._of_site.take(site_id, cost)
        return wait


class _Limit:
    def __init__(self, amount: int) -> None:
        self._item = _PerMinute(amount)
        self._counters = _Counters(MOST_COUNTERS)
        self._limiter = FixedWindowRateLimiter(self._counters)

    def take(self, name: str, cost: int) -> int | None:
        cost = min(cost, self._item.amount)
        if self._limiter.hit(self._item, name, cost=cost):
            return None
        self._counters.incr(name, self._item.get_expiry(), -cost)
        return max(1, ceil(self._counters.get_expiry(name) - clock.now() / 1000))


class _PerMinute(RateLimitItemPerMinute):
    """A limit whose counters are its own, so that they need not be named after it, which takes as long as
    counting does."""

    def key_for(self, *identifiers: str) -> str:
        return identifiers[0]


class _Counters(Storage):
    """Counters in memory, all of one window. The library's own wakes a thread up to 100 times a second, which
    walks over all of them, and it keeps as many as anybody makes it."""

    STORAGE_SCHEME = None

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most
        self._lock = Lock()
        self._counts: dict[int, int] = {}
        self._secret = 0
        self._begins = self._ends = 0

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        now = clock.now()
        with self._lock:
            if not self._begins <= now < self._ends:  # over, or the clock was set back
                self._counts = {}
                self._secret = secrets.randbits(64)
                self._begins, self._ends = now, now + seconds(expiry)
            name = self._name(key)
            # What is given back after its window has ended is no gift to the next.
            self._counts[name] = count = max(0, self._counts.get(name, 0) + amount)
            return count

    def get_expiry(self, key: str) -> float:
        return self._ends / 1000

    def _unused(self, *_: Any) -> Any:
        raise NotImplementedError("counting needs this of no storage")

    get = clear = reset = check = _unused
    base_exceptions = ()

    def _name(self, key: str) -> int:
        # Each process has a key of its own for hashes of text (PEP 456); the secret goes with the window.
        name = hash((self._secret, key))
        if len(self._counts) >= self._most and name not in self._counts:
            return name % SHARED
        return name


def _network(address: str) -> str:
    """What stands for an address: itself, or the first half of IPv6."""
    if ":" not in address:
        return address
    try:
        packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    except (OSError, ValueError):
        return address
    if packed.startswith(_IPV4_MAPPED):
        return socket.inet_ntoa(packed[12:])
    return packed[:8].hex()


_IPV4_MAPPED = bytes(10) + b"\xff\xff"
