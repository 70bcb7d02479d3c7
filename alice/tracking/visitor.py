"""visitors: who visits a site, as a keyed hash that tells nobody who they are."""

from hashlib import blake2b
from typing import NamedTuple

from peewee import BlobField, ForeignKeyField, IntegerField

from alice import clock
from alice.clock import DAY
from alice.database import EventsModel, Sequence, events
from alice.tracking.request import Caller
from alice.tracking.salt import Salts
from alice.tracking.site import Site, SiteRow


class Visitor(EventsModel):
    number = Sequence()
    site = ForeignKeyField(Site, column_name="site_number", on_delete="CASCADE", index=False)
    hash = BlobField()  # 16 bytes
    day = IntegerField(null=True)  # of the salt, in days since the epoch; None: known by consent, for longer

    class Meta:
        table_name = "visitors"
        indexes = ((("site", "hash"), True),)


class VisitorKey(NamedTuple):
    """Under which hash a visitor is known, and the day of the salt that made it."""

    hash: bytes
    day: int | None


class Visitors:
    """Makes the keys. An address goes in, and cannot be had back once the day's salt is destroyed."""

    def __init__(self, salts: Salts) -> None:
        self._salts = salts

    def known(self, site: SiteRow, name: str) -> VisitorKey:
        """Of somebody who is known by consent or by signing in: the same for ever, on this site."""
        return VisitorKey(_hash(self._salts.known(site.id), name), None)

    def anonymous(self, site: SiteRow, caller: Caller) -> VisitorKey:
        """Of somebody without consent: the same until the end of the day (UTC)."""
        return self._of_day(site, caller, clock.now() // DAY)

    def yesterday(self, site: SiteRow, caller: Caller) -> VisitorKey | None:
        """The same person's key of the day before, while a visit of it may go on past midnight."""
        day = clock.now() // DAY - 1
        return self._of_day(site, caller, day) if self._salts.exists(site.id, day) else None

    def _of_day(self, site: SiteRow, caller: Caller, day: int) -> VisitorKey:
        return VisitorKey(_hash(self._salts.get(site.id, day), f"{caller.address}\n{caller.user_agent}"), day)


def _hash(salt: bytes, text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogateescape"), key=salt, digest_size=16).digest()


def number_of(site_number: int, key: VisitorKey) -> int:
    """The visitor's number; a new one's row is made. Runs inside an appending transaction."""
    found = events.query(
        "SELECT number FROM visitors WHERE site_number = ? AND hash = ?", site_number, key.hash
    )
    if not found:
        found = events.query(
            "INSERT INTO visitors (site_number, hash, day) VALUES (?, ?, ?) RETURNING number",
            site_number, key.hash, key.day,
        )  # fmt: skip
    return found[0][0]
