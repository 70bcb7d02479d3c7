"""identities: the user ids that visitors of a site gave, with their consent."""

from typing import Any

import orjson
from peewee import CompositeKey, ForeignKeyField, TextField

from alice.database import EventsModel, Millis, events
from alice.tracking.log.visitor import Visitor
from alice.tracking.site import Site


class Identity(EventsModel):
    site = ForeignKeyField(Site, column_name="site_number", on_delete="CASCADE", index=False)
    user_id = TextField()
    visitor = ForeignKeyField(Visitor, column_name="visitor_number", on_delete="CASCADE")
    data = TextField(default="{}")  # a JSON object
    seen_at = Millis()

    class Meta:
        table_name = "identities"
        primary_key = CompositeKey("site", "user_id", "visitor")


def keep(site_number: int, user_id: str, visitor_number: int, data: dict[str, Any], now: int) -> None:
    """Store a visitor's user id and data; newer data replaces older. Runs in the event's transaction."""
    events.execute(
        "INSERT INTO identities (site_number, user_id, visitor_number, data, seen_at) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (site_number, user_id, visitor_number) "
        "DO UPDATE SET data = excluded.data, seen_at = excluded.seen_at",
        site_number, user_id, visitor_number, orjson.dumps(data).decode(), now,
    )  # fmt: skip
