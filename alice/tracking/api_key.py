"""api_keys: how servers send and read events. Only a hash of each key is kept."""

import hashlib
import re
import secrets
from collections.abc import Hashable, Iterable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from peewee import SQL, CharField, ForeignKeyField, TextField

from alice import clock, database
from alice.clock import minutes
from alice.database import EventsModel, Millis, events, events_db
from alice.ids import new_id
from alice.tracking.site import Site

INGEST, READ = SCOPES = ("ingest", "read")
KEY = re.compile(r"[0-9a-f]{64}")  # 32 random bytes; nothing else reaches the database
NOTED_EVERY = minutes(1)  # how exactly it is known when a key was last used


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


class Made(NamedTuple):
    """A new key. This is the only place where its text ever is."""

    id: str
    key: str


class KeyAccess(NamedTuple):
    """What a key that was sent opens."""

    id: str
    site_id: str
    scope: str
    last_used_at: int | None  # ms

    def is_to_be_noted(self, now: int) -> bool:
        """Whether its use is worth a write: not at every request."""
        return self.last_used_at is None or now - self.last_used_at >= NOTED_EVERY


class KeySummary(NamedTuple):
    """A key as lists show it. Times in ms."""

    id: str
    site_id: str
    name: str
    scope: str
    created_at: int
    last_used_at: int | None
    revoked_at: int | None


def create(site_number: int, scope: str, name: str) -> Made:
    """Make a key of one scope (ingest or read) for one site."""
    made = Made(new_id(), secrets.token_hex(32))
    with _connected(), database.transaction(events_db):
        ApiKey.create(
            id=made.id, site=site_number, name=name, key_hash=_hash(made.key), scope=scope,
            created_at=clock.now(),
        )  # fmt: skip
    return made


def check(key: str) -> KeyAccess | None:
    """What the key opens; None for one that is unknown or revoked. One query, or none for what is no key."""
    if not KEY.fullmatch(key):
        return None
    with _connected():
        rows = events.query(
            "SELECT k.id, s.id, k.scope, k.last_used_at "
            "FROM api_keys k JOIN sites s ON s.number = k.site_number "
            "WHERE k.key_hash = ? AND k.revoked_at IS NULL",
            _hash(key),
        )
    return KeyAccess(*rows[0]) if rows else None


def write_used(used: Iterable[tuple[Hashable, Any]]) -> None:
    """Note when keys (by id) were last used; the recorder's way of touching."""
    for id, at in used:
        events.execute("UPDATE api_keys SET last_used_at = ? WHERE id = ?", at, id)


def revoke(key_id: str) -> bool:
    """Let the key open nothing from now on; answer whether there was one that did."""
    with _connected(), database.transaction(events_db):
        return bool(
            events.execute(
                "UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", clock.now(), key_id
            )
        )


def everyones(site_number: int | None = None) -> list[KeySummary]:
    """All keys (of one site, if it is given), the newest first; those revoked are among them."""
    condition, values = ("", ()) if site_number is None else ("WHERE k.site_number = ? ", (site_number,))
    with _connected():
        rows = events.query(
            "SELECT k.id, s.id, k.name, k.scope, k.created_at, k.last_used_at, k.revoked_at "
            f"FROM api_keys k JOIN sites s ON s.number = k.site_number {condition}ORDER BY k.id DESC",
            *values,
        )
    return [KeySummary(*row) for row in rows]


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _connected() -> AbstractContextManager[None]:
    return database.connected(events_db)
