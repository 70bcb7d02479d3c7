"""visitors: the visitors of a site, each as a keyed hash that does not reveal who they are."""

from typing import NamedTuple

from peewee import BlobField, ForeignKeyField, IntegerField

from alice.database import EventsModel, Sequence, events
from alice.tracking.site import Site


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
