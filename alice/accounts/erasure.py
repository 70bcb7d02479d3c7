"""Erasures: a log of deleted users.

Tracking reads it to erase their data, because no foreign key reaches the tracking database.
"""

from peewee import CharField

from alice import clock
from alice.database import Millis, Model, Sequence


class Erasure(Model):
    seq = Sequence()
    user_id = CharField(36)
    erased_at = Millis()

    class Meta:
        table_name = "erasures"


def note(user_id: str) -> None:
    """Record that the user is being deleted. Runs inside the transaction that deletes them."""
    Erasure.create(user_id=user_id, erased_at=clock.now())
