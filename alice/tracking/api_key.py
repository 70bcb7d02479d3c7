"""api_keys: with them, servers send and read events. Only a hash of each key is stored."""

import hashlib
import re
import secrets
from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple

from peewee import SQL, CharField, ForeignKeyField, TextField

from alice import clock, database
from alice.clock import minutes
from alice.database import Queries, events, events_db
from alice.ids import new_id
from alice.models import EventsModel, Millis
from alice.tracking.site import Site

INGEST, READ = SCOPES = ("ingest", "read")
KEY = re.compile(r"[0-9a-f]{64}")  # 32 random bytes; other texts are not looked up
USE_WRITTEN_EVERY = minutes(1)  # the precision of last_used_at


class ApiKey(EventsModel):
    id = CharField(36, primary_key=True)
    site = ForeignKeyField(Site, column_name="site_number", on_delete="CASCADE")
    name = TextField()
    key_hash = CharField(64, unique=True)
    scope = CharField(6, constraints=[SQL("CHECK (scope IN ('ingest', 'read'))")])
    created_at = Millis()
    last_used_at = Millis(null=True)
    revoked_at = Millis(null=True)

    class Meta:
        table_name = "api_keys"


class NewKey(NamedTuple):
    """A new key. Its text is not stored."""

    id: str
    key: str


class KeyAccess(NamedTuple):
    """What a key gives access to."""

    id: str
    site_id: str
    scope: str
    last_used_at: int | None  # ms

    def use_is_due(self, now: int) -> bool:
        """Whether to write last_used_at now: not at every request."""
        return self.last_used_at is None or now - self.last_used_at >= USE_WRITTEN_EVERY


class KeySummary(NamedTuple):
    """A key in a list. Times in ms."""

    id: str
    site_id: str
    name: str
    scope: str
    created_at: int
    last_used_at: int | None
    revoked_at: int | None


def create(site_number: int, scope: str, name: str) -> NewKey:
    """Make a key of one scope (ingest or read) for one site."""
    id, key = new_id(), secrets.token_hex(32)
    columns = {"site": site_number, "name": name, "scope": scope}
    with database.transaction(events_db):
        ApiKey.create(id=id, key_hash=_hash(key), created_at=clock.now(), **columns)
    return NewKey(id, key)


def check(key: str) -> KeyAccess | None:
    """What the key gives access to; None if it is malformed (without a query), unknown or revoked."""
    if not KEY.fullmatch(key):
        return None
    rows = events.query(
        "SELECT k.id, s.id, k.scope, k.last_used_at "
        "FROM api_keys k JOIN sites s ON s.number = k.site_number "
        "WHERE k.key_hash = ? AND k.revoked_at IS NULL",
        _hash(key),
    )
    return KeyAccess(*rows[0]) if rows else None


def write_used(db: Queries, used: Iterable[tuple[Hashable, Any]]) -> None:
    """Write when keys (by id) were last used; a TouchWriter for the recorder."""
    for id, at in used:
        db.execute("UPDATE api_keys SET last_used_at = ? WHERE id = ?", at, id)


def revoke(key_id: str) -> bool:
    """Revoke the key; return False if it does not exist or was revoked already."""
    with database.transaction(events_db):
        sql = "UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL"
        return events.execute(sql, clock.now(), key_id) == 1


def everyones(site_number: int | None = None) -> list[KeySummary]:
    """All keys (of one site, if given), including revoked ones, the newest first."""
    condition, values = ("", ()) if site_number is None else ("WHERE k.site_number = ? ", (site_number,))
    rows = events.query(
        "SELECT k.id, s.id, k.name, k.scope, k.created_at, k.last_used_at, k.revoked_at "
        f"FROM api_keys k JOIN sites s ON s.number = k.site_number {condition}ORDER BY k.id DESC",
        *values,
    )
    return [KeySummary(*row) for row in rows]


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
