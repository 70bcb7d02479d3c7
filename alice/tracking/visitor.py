"""visitors: the visitors of a site, each as a keyed hash that does not reveal who they are."""

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
    day = IntegerField(null=True)  # of the salt, in days since the epoch; None: the lasting salt (consent)

    class Meta:
        table_name = "visitors"
        indexes = ((("site", "hash"), True),)


class VisitorKey(NamedTuple):
    """A visitor's hash, and the day of the salt it was made with (None: the lasting salt)."""

    hash: bytes
    day: int | None


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


def number_of(site_number: int, key: VisitorKey) -> int:
    """The visitor's number; inserts a new visitor. Runs inside an appending transaction."""
    found = events.query(
        "SELECT number FROM visitors WHERE site_number = ? AND hash = ?", site_number, key.hash
    )
    if not found:
        found = events.query(
            "INSERT INTO visitors (site_number, hash, day) VALUES (?, ?, ?) RETURNING number",
            site_number, key.hash, key.day,
        )  # fmt: skip
    return found[0][0]
