"""identities: the user ids that visitors of a site gave, with their consent; `data` is a JSON object."""

from typing import Any

import orjson

from alice.database import Log


def keep(
    db: Log, site_number: int, user_id: str, visitor_number: int, data: dict[str, Any], now: int
) -> None:
    """Store a visitor's user id and data; newer data replaces older."""
    db.execute(
        "INSERT INTO identities (site_number, user_id, visitor_number, data, seen_at) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (site_number, user_id, visitor_number) "
        "DO UPDATE SET data = excluded.data, seen_at = excluded.seen_at",
        site_number, user_id, visitor_number, orjson.dumps(data).decode(), now,
    )  # fmt: skip
