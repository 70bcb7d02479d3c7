"""Rate limits: events per minute from one address and for one site.

Each process counts on its own, in memory: with n processes a client may send up to n times the limit. All
counters of a limit share a fixed window. It begins with the first event after the previous one ended, so up
to twice the limit can pass within a minute around that point. No address is stored: counters are named by a
keyed hash, and each window has a new key.
"""

import secrets
import socket
from threading import Lock

from alice import clock
from alice.clock import minutes, seconds

WINDOW = minutes(1)
MOST_COUNTERS = 50_000  # per limit, about 5 MB; further names share counters
SHARED = 256  # counters for all further names


class Limits:
    """At most `per_address` events per minute from a client, and `per_site` from all clients of a site.

    All addresses of an IPv6 /64 count as one, since each household has a whole /64.
    """

    def __init__(self, per_address: int = 600, per_site: int = 60_000) -> None:
        self._of_address = _Limit(per_address)
        self._of_site = _Limit(per_site)

    def check(self, address: str | None, site_id: str | None, cost: int = 1) -> int | None:
        """Count `cost` events of an address, a site, or both. Return None if they are allowed, else the
        seconds to wait, at least 1.

        A limit that refuses does not count them. A batch that exceeds the limit counts as a whole window.
        """
        wait = None
        if address is not None:
            wait = self._of_address.take(_network(address), cost)
        if site_id is not None and wait is None:
            wait = self._of_site.take(site_id, cost)
        return wait


class _Limit:
    """A fixed window that allows `amount` events for each name."""

    def __init__(self, amount: int) -> None:
        self._amount = amount
        self._lock = Lock()
        self._counts: dict[int, int] = {}
        self._secret = 0
        self._begins = self._ends = 0  # ms

    def take(self, name: str, cost: int) -> int | None:
        """Count the events. Return None if they fit into the window, else the seconds until the next one."""
        now = clock.now()
        with self._lock:
            if not self._begins <= now < self._ends:  # the window is over, or the clock was set back
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
        # Python's hash of a string is keyed, with a random key per process (PEP 456).
        counter = hash((self._secret, name))
        if len(self._counts) >= MOST_COUNTERS and counter not in self._counts:
            return counter % SHARED
        return counter


def _network(address: str) -> str:
    """The name under which an address is counted: IPv4 itself, or the first 64 bits of IPv6."""
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
