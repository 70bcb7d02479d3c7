"""The base of models, and their fields for times and row numbers.

A model is for a table that is used row by row, such as users; the migrations define all tables.
"""

import peewee
from peewee import BigIntegerField

from alice.database import alice_db, events_db


class Millis(BigIntegerField):
    """A time: integer milliseconds since the epoch, UTC. Int in, int out."""


class Sequence(peewee.BigAutoField):
    """An increasing row number that is never reused."""

    def ddl(self, ctx: peewee.Context) -> peewee.NodeList:
        if isinstance(self.model._meta.database.obj, peewee.PostgresqlDatabase):
            return super().ddl(ctx)
        return peewee.NodeList((self.column, peewee.SQL("INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT")))


class Metadata(peewee.Metadata):
    def fields_to_index(self) -> list[peewee.Index]:
        """All indexes of the table, named idx_<table>_<columns>."""
        indexes = super().fields_to_index()
        for index in indexes:
            columns = "_".join(field.column_name for field in index._expressions)
            index._name = f"idx_{self.table_name}_{columns}"
        return indexes


class Model(peewee.Model):
    class Meta:
        database = alice_db
        legacy_table_names = False
        model_metadata_class = Metadata


class EventsModel(Model):
    """A table of events.db."""

    class Meta:
        database = events_db
