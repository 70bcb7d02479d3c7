"""Visitor keys: keyed hashes, by which a site recognises a visitor without knowing who it is."""

from hashlib import blake2b

from alice import clock
from alice.clock import DAY
from alice.tracking.log.caller import Caller
from alice.tracking.log.visitor import VisitorKey
from alice.tracking.privacy.salt import Salts
from alice.tracking.site import SiteRow


class Visitors:
    """Makes visitor keys. An address cannot be computed from its key once the day's salt is destroyed."""

    def __init__(self, salts: Salts) -> None:
        self._salts = salts

    def known(self, site: SiteRow, name: str) -> VisitorKey:
        """The key of a visitor with consent or signed in: always the same on this site."""
        return VisitorKey(_hash(self._salts.known(site.id), name), None)

    def anonymous(self, site: SiteRow, caller: Caller) -> VisitorKey:
        """The key of a visitor without consent: the same until the end of the day (UTC)."""
        return self._of_day(site, caller, clock.now() // DAY)

    def yesterday(self, site: SiteRow, caller: Caller) -> VisitorKey | None:
        """The same visitor's key of the day before, for visits that continue past midnight UTC.

        None when the salt of that day is destroyed.
        """
        day = clock.now() // DAY - 1
        return self._of_day(site, caller, day) if self._salts.exists(site.id, day) else None

    def _of_day(self, site: SiteRow, caller: Caller, day: int) -> VisitorKey:
        return VisitorKey(_hash(self._salts.get(site.id, day), f"{caller.address}\n{caller.user_agent}"), day)


def _hash(salt: bytes, text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogateescape"), key=salt, digest_size=16).digest()
