"""visitors: the visitors of a site, each as a keyed hash of 16 bytes that does not reveal who they are.

`day` is the day of the salt, in days since the epoch; NULL: the lasting salt, for visitors with consent.
"""

from typing import NamedTuple

from alice.database import Log


class VisitorKey(NamedTuple):
    """A visitor's hash, and the day of the salt it was made with (None: the lasting salt)."""

    hash: bytes
    day: int | None


def number_of(db: Log, site_number: int, key: VisitorKey) -> int:
    """The visitor's number; inserts a new visitor. Raises peewee.IntegrityError if the site is gone."""
    values = site_number, key.hash
    found = db.query(
        "INSERT INTO visitors (site_number, hash, day) VALUES (?, ?, ?) "
        "ON CONFLICT DO NOTHING RETURNING number",
        *values, key.day,
    )  # fmt: skip
    if not found:
        found = db.query("SELECT number FROM visitors WHERE site_number = ? AND hash = ?", *values)
    return found[0][0]
