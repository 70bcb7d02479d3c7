"""sites: the websites that are tracked. A site's id is public; requests with events contain it."""

import re
import secrets
import string
from collections.abc import Collection
from typing import NamedTuple
from urllib.parse import urlsplit

import orjson
from peewee import CharField, IntegerField, TextField

from alice import clock, config, database
from alice.clock import minutes, seconds
from alice.database import events, events_db
from alice.errors import Conflict, NotFound
from alice.models import EventsModel, Millis, Sequence

OWN_NAME = "Alice"  # the site without an owner: Alice's own pages
LOCAL = "localhost"  # the domain of Alice's own site without a public address
IDLE_MINUTES = (5, 30)  # minimum and maximum
LONGEST_RETENTION = 3650  # days
LONGEST_NAME = 100  # characters
MAX_ORIGINS = 20

ID_LENGTH = 12
ID = re.compile(rf"[0-9A-Za-z]{{{ID_LENGTH}}}")  # other ids are not looked up
_LETTERS = string.digits + string.ascii_lowercase

CACHED_FOR = seconds(2)
MOST_CACHED = 10_000
REMOVED_AT_ONCE = 500  # rows deleted in one transaction, so that events need not wait long


class Site(EventsModel):
    number = Sequence()  # the key that other tables refer to
    id = CharField(12, unique=True)
    domain = TextField()
    name = TextField()
    owner_id = CharField(36, null=True, index=True)  # a user of alice.db; no foreign key spans two databases
    origins = TextField(default="[]")  # JSON: origins that may send events, besides its own domain
    idle_minutes = IntegerField(default=30)
    retention_days = IntegerField(null=True)  # None: without limit
    created_at = Millis()

    class Meta:
        table_name = "sites"


class SiteRow(NamedTuple):
    """A site as the pipeline reads it."""

    number: int
    id: str
    domain: str  # a host name without port
    name: str
    owner_id: str | None
    origins: frozenset[str]
    idle_ms: int
    retention_days: int | None
    created_at: int  # ms


# Normal forms


def normal_domain(text: str) -> str:
    """The host name of an address or a bare domain. Raises ValueError ("must ...") for other text."""
    address = text.strip()
    if "://" not in address:
        address = f"https://{address}"
    try:
        parts = urlsplit(address)
        return urlsplit(config.origin(f"https://{parts.netloc}")).hostname or ""
    except ValueError:
        raise ValueError("must be a domain such as example.org") from None


def normal_origin(text: str) -> str:
    """An origin as browsers write it. Raises ValueError ("must ...") for other text."""
    try:
        return config.origin(text.strip())
    except ValueError as error:
        raise ValueError(f"must be {error}") from None


def normal_name(text: str) -> str:
    """A name, trimmed. Raises ValueError ("must ...") if it is empty, too long or not one line."""
    name = text.strip()
    if not 1 <= len(name) <= LONGEST_NAME:
        raise ValueError(f"must have 1 to {LONGEST_NAME} characters")
    if not name.isprintable():
        raise ValueError("must be one line of text")
    return name


def origins_json(origins: Collection[str]) -> str:
    """Origins as they are stored."""
    return orjson.dumps(sorted(set(origins))).decode()


# Making and removing


def create(
    domain: str,
    name: str,
    owner_id: str | None,
    origins: Collection[str] = (),
    idle_minutes: int = 30,
    retention_days: int | None = None,
) -> SiteRow:
    """Add a site. Domain, name and origins must be in their normal form.

    Raises Conflict `name_taken` for a site without an owner that is named like Alice's own.
    """
    if owner_id is None and name == OWN_NAME:
        raise Conflict(
            f"The name {OWN_NAME} without an owner is for Alice's own pages.", "name_taken", "name"
        )
    with database.transaction(events_db):
        return _insert(
            domain=domain,
            name=name,
            owner_id=owner_id,
            origins=origins_json(origins),
            idle_minutes=idle_minutes,
            retention_days=retention_days,
        )


def change(site_id: str, **columns: str | int | None) -> SiteRow:
    """Set columns of a site (domain, name, origins as a JSON list, idle_minutes, retention_days).

    Raises NotFound, and Conflict `own_site` for a change of the name of Alice's own site.
    """
    with database.transaction(events_db):
        found = _require(site_id)
        if _is_own(found) and "name" in columns:
            raise Conflict("Alice's own site keeps its name.", "own_site", "name")
        if columns:
            Site.update(**columns).where(Site.number == found.number).execute()
        return _require(site_id)


def own(public_url: str | None = None) -> SiteRow:
    """The site of Alice's own pages, created if it is missing: `alice setup` calls this.

    Its domain is set to that of `public_url`, if one is given.
    """
    domain = normal_domain(public_url) if public_url else None
    found = _own()
    if found is not None and domain in (None, found.domain):
        return found
    # Under the log's lock, so that two processes do not both create one.
    with database.appending(events_db, database.EVENT_LOG):
        found = _own()
        if found is None:
            return _insert(domain=domain or LOCAL, name=OWN_NAME)
        if domain is not None:
            events.execute("UPDATE sites SET domain = ? WHERE number = ?", domain, found.number)
    return found._replace(domain=domain or found.domain)


def remove(site_id: str) -> None:
    """Delete a site and all its data, in steps. A job deletes its salts.

    Raises NotFound, and Conflict `own_site` for Alice's own site: set ALICE_TRACK_PAGES=0 instead.
    """
    found = _require(site_id)
    if _is_own(found):
        raise Conflict("Alice's own site stays. ALICE_TRACK_PAGES=0 stops counting there.", "own_site")
    for statement in _DELETE_ROWS:
        while _step(statement, found.number) == REMOVED_AT_ONCE:
            pass
    with database.transaction(events_db):  # and rows added in the meantime
        events.execute("DELETE FROM sites WHERE number = ?", found.number)


_DELETE_ROWS = (
    "DELETE FROM visits WHERE number IN (SELECT number FROM visits WHERE site_number = ? LIMIT ?)",
    "DELETE FROM visitors WHERE number IN (SELECT number FROM visitors WHERE site_number = ? LIMIT ?)",
    "DELETE FROM event_ids WHERE site_number = ? AND id IN "
    "(SELECT id FROM event_ids WHERE site_number = ? LIMIT ?)",
)


def _step(statement: str, number: int) -> int:
    numbers = [number] * (statement.count("?") - 1)
    with database.transaction(events_db):
        return events.execute(statement, *numbers, REMOVED_AT_ONCE)


def _require(site_id: str) -> SiteRow:
    found = find(site_id)
    if found is None:
        raise NotFound("There is no site with this id.")
    return found


def _insert(**columns: str | int | None) -> SiteRow:
    id = "".join(secrets.choice(_LETTERS) for _ in range(ID_LENGTH))
    Site.create(id=id, created_at=clock.now(), **columns)
    return _require(id)


# Finding

_COLUMNS = "number, id, domain, name, owner_id, origins, idle_minutes, retention_days, created_at"


def find(site_id: str) -> SiteRow | None:
    """The site with this id, as it is now."""
    if not ID.fullmatch(site_id):
        return None
    return _one("WHERE id = ?", site_id)


def numbered(number: int) -> SiteRow | None:
    return _one("WHERE number = ?", number)


def owned_by(user_id: str) -> list[SiteRow]:
    """The user's sites, the newest first."""
    return _rows("WHERE owner_id = ? ORDER BY number DESC", user_id)


def everyones() -> list[SiteRow]:
    """All sites, the newest first."""
    return _rows("ORDER BY number DESC")


class Sites:
    """A cache of sites as they were at most 2 s ago, because every event needs one."""

    def __init__(self) -> None:
        self._cached: dict[str, tuple[int, SiteRow]] = {}  # by id: when it was read, and the row
        self._own: tuple[int, SiteRow | None] | None = None

    def find(self, site_id: str) -> SiteRow | None:
        """The site with this id. An unknown id is looked up each time."""
        now = clock.now()
        at, row = self._cached.get(site_id, (0, None))
        if row is not None and 0 <= now - at < CACHED_FOR:
            return row
        with database.connected(events_db):
            found = find(site_id)
        if found is None:
            self._cached.pop(site_id, None)
            return None
        if len(self._cached) >= MOST_CACHED:
            self._cached = {}
        self._cached[site_id] = (now, found)
        return found

    def own(self) -> SiteRow | None:
        """Alice's own site; None before `alice setup` has made it. Every page contains its id."""
        now = clock.now()
        if self._own is None or not 0 <= now - self._own[0] < CACHED_FOR:
            with database.connected(events_db):
                self._own = now, _own()
        return self._own[1]

    def forget(self, site_id: str) -> None:
        """Remove the site from the cache of this process."""
        self._cached.pop(site_id, None)


def _own() -> SiteRow | None:
    return _one("WHERE owner_id IS NULL AND name = ? ORDER BY number LIMIT 1", OWN_NAME)


def _is_own(row: SiteRow) -> bool:
    return row.owner_id is None and row.name == OWN_NAME


def _one(condition: str, *values: object) -> SiteRow | None:
    found = _rows(condition, *values)
    return found[0] if found else None


def _rows(condition: str, *values: object) -> list[SiteRow]:
    return [_row(row) for row in events.query(f"SELECT {_COLUMNS} FROM sites {condition}", *values)]


def _row(columns: tuple) -> SiteRow:
    *first, origins, idle_minutes, retention_days, created_at = columns
    return SiteRow(
        *first, frozenset(orjson.loads(origins)), minutes(idle_minutes), retention_days, created_at
    )


# For pages


def embed_code(site_id: str, address: str) -> str:
    """The line of HTML that tracks a page; `address` is Alice's, such as https://alice.example.org."""
    return f'<script defer src="{address}/tracker.js" data-site-id="{site_id}"></script>'
