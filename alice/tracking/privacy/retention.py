"""Delete what is too old: events, event ids, visits and visitors without events, salts.

Everything is deleted in steps of one transaction each, so that events need not wait long. After an
interruption the next run deletes the rest.
"""

from collections.abc import Collection, Iterator
from typing import NamedTuple

from alice import clock, database
from alice.clock import DAY, days
from alice.database import events, events_db, transaction
from alice.tracking import site
from alice.tracking.privacy.salt import Salts
from alice.tracking.site import SiteRow

IDS_KEPT = days(7)  # an event that is sent again within this time is recognised
AT_ONCE = 1000  # rows in one transaction


class Pruned(NamedTuple):
    """How many rows of the log were deleted."""

    events: int = 0
    visits: int = 0
    visitors: int = 0
    ids: int = 0


def prune() -> Pruned:
    """Delete events that are older than their site's retention, and ids older than 7 days. Rollups stay."""
    total = Pruned()
    with database.connected(events_db):
        for row in site.everyones():
            total = Pruned(*(sum(pair) for pair in zip(total, _prune_site(row), strict=True)))
    return total


def _prune_site(row: SiteRow) -> Pruned:
    now, pruned = clock.now(), Pruned()
    if row.retention_days is not None:
        before = now - days(row.retention_days)
        pruned = pruned._replace(
            events=_in_steps(_OLD_EVENTS, row.number, before),
            visits=_in_steps(_EMPTY_VISITS, row.number, before),
            visitors=_in_steps(_UNUSED_VISITORS, row.number),
        )
    return pruned._replace(ids=forget_ids(row.number, _oldest_known(row.number, now)))


_OLD_EVENTS = (
    "DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE site_number = ? AND received_at < ? "
    "ORDER BY received_at LIMIT ?)"
)
_EMPTY_VISITS = (
    "DELETE FROM visits WHERE number IN (SELECT v.number FROM visits v "
    "WHERE v.site_number = ? AND v.started_at < ? AND v.closed_at IS NOT NULL "
    "AND NOT EXISTS (SELECT 1 FROM events e WHERE e.visit_number = v.number) LIMIT ?)"
)
_UNUSED_VISITORS = (
    "DELETE FROM visitors WHERE number IN (SELECT o.number FROM visitors o WHERE o.site_number = ? "
    "AND NOT EXISTS (SELECT 1 FROM visits v WHERE v.visitor_number = o.number) LIMIT ?)"
)


def _in_steps(statement: str, *values: int) -> int:
    total = 0
    while True:
        with transaction(events_db):
            deleted = events.execute(statement, *values, AT_ONCE)
        total += deleted
        if deleted < AT_ONCE:
            return total


# Ids


def _oldest_known(site_number: int, now: int) -> int:
    """The seq of the oldest event whose id must be kept; if there is none, one above the newest id's seq.

    That seq is read from event_ids, because the event may be deleted already.
    """
    oldest = "SELECT seq FROM events WHERE site_number = ? AND received_at >= ? ORDER BY received_at LIMIT 1"
    newest = "SELECT MAX(seq) FROM event_ids WHERE site_number = ?"
    sql = f"SELECT COALESCE(({oldest}), ({newest}) + 1, 0)"
    return events.query(sql, site_number, now - IDS_KEPT, site_number)[0][0]


def forget_ids(site_number: int, before: int) -> int:
    """Delete the site's event ids below this seq; return how many.

    The table is ordered by id, which is nearly the order of time: it is scanned once, in steps.
    """
    total, sql = 0, "DELETE FROM event_ids WHERE site_number = ? AND id >= ? AND id <= ? AND seq < ?"
    for first, last in _id_ranges(site_number):
        with transaction(events_db):
            total += events.execute(sql, site_number, first, last, before)
    return total


def forget_ids_of(site_number: int, seqs: Collection[int]) -> None:
    """Delete the ids of these events of a site, which are given by seq."""
    sql = "SELECT id, seq FROM event_ids WHERE site_number = ? AND id >= ? AND id <= ?"
    for first, last in _id_ranges(site_number):
        rows = events.query(sql, site_number, first, last)
        ids = [(site_number, bytes(id)) for id, seq in rows if seq in seqs]
        if ids:
            with transaction(events_db):
                events.execute_many("DELETE FROM event_ids WHERE site_number = ? AND id = ?", ids)


def _id_ranges(site_number: int) -> Iterator[tuple[bytes, bytes]]:
    """The site's ids in ranges of AT_ONCE: the first and last id of each."""
    after, sql = b"", "SELECT id FROM event_ids WHERE site_number = ? AND id > ? ORDER BY id LIMIT ?"
    while rows := events.query(sql, site_number, after, AT_ONCE):
        after = bytes(rows[-1][0])
        yield bytes(rows[0][0]), after


# Salts


def destroy_salts(salts: Salts) -> int:
    """Delete the salts of past days that no open visit uses, and all of removed sites; return how many."""
    today, destroyed = clock.now() // DAY, 0
    with database.connected(events_db):
        for site_id in salts.sites():  # salts are only made for a site that exists
            if site.find(site_id) is None:
                destroyed += salts.destroy_all(site_id)
        for site_id, day in salts.days():
            row = site.find(site_id)
            if row is not None and day < today and not _in_use(row.number, day):
                salts.destroy(site_id, day)
                destroyed += 1
    return destroyed


def _in_use(site_number: int, day: int) -> bool:
    sql = (
        "SELECT 1 FROM visits v JOIN visitors o ON o.number = v.visitor_number "
        "WHERE v.closed_at IS NULL AND v.site_number = ? AND o.day = ? LIMIT 1"
    )
    return bool(events.query(sql, site_number, day))
