"""Erasures: a log of deleted users.

Tracking reads it to erase their data, because no foreign key reaches the tracking database.
"""

from alice import clock
from alice.database import execute


def note(user_id: str) -> None:
    """Record that the user is being deleted. Runs inside the transaction that deletes them."""
    execute("INSERT INTO erasures (user_id, erased_at) VALUES (?, ?)", user_id, clock.now())
