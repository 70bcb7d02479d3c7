"""visitors: the visitors of a site, each as a keyed hash of 16 bytes that does not reveal who they are.

`day` is the day of the salt, in days since the epoch; NULL: the lasting salt, for visitors with consent.
identities: the user ids that visitors gave, with their consent; `data` is a JSON object.
"""

from typing import Any, NamedTuple

import orjson

from alice.database import Log


class VisitorKey(NamedTuple):
    """A visitor's hash, and the day of the salt it was made with (None: the lasting salt)."""

    hash: bytes
    day: int | None


def number_of(db: Log, site_number: int, key: VisitorKey) -> int:
    """The visitor's number; inserts a new visitor. Raises peewee.IntegrityError if the site is gone."""
    insert = (
        "INSERT INTO visitors (site_number, hash, day) VALUES (?, ?, ?) "
        "ON CONFLICT DO NOTHING RETURNING number"
    )
    found = db.query(insert, site_number, key.hash, key.day)
    if not found:
        select = "SELECT number FROM visitors WHERE site_number = ? AND hash = ?"
        found = db.query(select, site_number, key.hash)
    return found[0][0]


def identify(db: Log, site_number: int, number: int, user_id: str, data: dict[str, Any], now: int) -> None:
    """Store a visitor's user id and data; newer data replaces older."""
    sql = (
        "INSERT INTO identities (site_number, user_id, visitor_number, data, seen_at) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (site_number, user_id, visitor_number) "
        "DO UPDATE SET data = excluded.data, seen_at = excluded.seen_at"
    )
    db.execute(sql, site_number, user_id, number, orjson.dumps(data).decode(), now)
