"""How many events a minute one address may send and one site may get.

Each process counts for itself, in memory: with n processes a client may get up to n times as far. A window
begins with the first event after the last one ended and is one for all, so that around its end up to twice
the number may pass within a minute. No address is kept: counters are named by a keyed hash, and the key
goes with the window.
"""

import secrets
import socket
from threading import Lock

from alice import clock
from alice.clock import minutes, seconds

WINDOW = minutes(1)
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
    """A fixed window: so many events in each, counted by name."""

    def __init__(self, amount: int) -> None:
        self._amount = amount
        self._lock = Lock()
        self._counts: dict[int, int] = {}
        self._secret = 0
        self._begins = self._ends = 0  # ms

    def take(self, name: str, cost: int) -> int | None:
        """Count the events: None if they fit into the window, else the seconds until the next one."""
        now = clock.now()
        with self._lock:
            if not self._begins <= now < self._ends:  # it is over, or the clock was set back
                self._counts = {}
                self._secret = secrets.randbits(64)
                self._begins, self._ends = now, now + WINDOW
            counter = self._counter(name)
            count = self._counts.get(counter, 0) + min(cost, self._amount)
            if count > self._amount:
                return max(1, -((now - self._ends) // seconds(1)))
            self._counts[counter] = count
            return None

    def _counter(self, name: str) -> int:
        # Python's hash of a text has a key of its own in each process (PEP 456).
        counter = hash((self._secret, name))
        if len(self._counts) >= MOST_COUNTERS and counter not in self._counts:
            return counter % SHARED
        return counter


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
