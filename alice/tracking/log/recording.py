"""The steps of recording hits in one transaction: deduplicate, find or open the visit, append to the log."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import orjson
from peewee import IntegrityError

from alice.database import Log
from alice.engines import Unavailable
from alice.errors import NotFound
from alice.tracking.log import event, event_property, visit, visitor
from alice.tracking.log.hit import Hit, VisitDetails, VisitKey, progress_of
from alice.tracking.log.strings import Strings
from alice.tracking.log.visit import Counted, Dialect, Progress, VisitRow
from alice.tracking.log.visitor import VisitorKey
from alice.tracking.site import SiteRow


class Recorded(NamedTuple):
    """What was recorded: the visit after it, and each hit's sequence in the visit."""

    visit: Counted
    sequences: list[int]
    created: list[bool]  # False: a duplicate id; nothing was changed
    numbers: Mapping[str | None, int | None] = {}  # of the strings used, to be cached after the commit


# Duplicates


class Incoming(NamedTuple):
    """The hits of a request for one visit, compared with the events that the site has."""

    ids: list[bytes | None]  # of all hits
    stored: dict[bytes, event.StoredEvent]  # the events that have one of these ids
    new: list[tuple[Hit, bytes | None]]  # the other hits, each id once

    def progress(self) -> Progress:
        """What the new hits add to their visit."""
        return progress_of(hit for hit, _ in self.new)


def deduplicate(db: Log, site_number: int, hits: Sequence[Hit]) -> Incoming:
    """Separate the hits that the site does not have yet from those that it has."""
    ids = [event.id_bytes(hit.id, hit.occurred_at) if hit.id else None for hit in hits]
    stored = event.find(db, site_number, [id for id in ids if id is not None])
    new, seen = [], set(stored)
    for hit, id in zip(hits, ids, strict=True):
        if id is None or id not in seen:
            new.append((hit, id))
            seen.add(id)
    return Incoming(ids, stored, new)


def first_result(db: Log, incoming: Incoming) -> Recorded:
    """The result of the first time, for hits that are all duplicates. Changes nothing."""
    first = incoming.stored[incoming.ids[0]]
    return _recorded(visit.counted(db, first.visit_number), incoming)


# The visit


def advance_or_open(
    db: Log,
    site: SiteRow,
    key: VisitKey,
    attributes: Mapping[str, Any],
    details: VisitDetails,
    progress: Progress,
    now: int,
    idle_ms: int | None = None,
    renewed_from: int | None = None,
) -> Counted:
    """Count the progress in the open visit of the key, or in a new one.

    Raises NotFound if the site was removed in the meantime.
    """
    found = _newest_visit(db, site, key, details, now)
    if found is not None and not found.is_over(now):
        fill_in(db, found, {**attributes, "user_id": details.user_id})
        counted = advance(db, found.number, progress, now)
    else:
        if found is not None and key.dialect == Dialect.USER_TRACKER:
            attributes, details = _carry_device(db, found, attributes, details)
        columns = {
            **attributes,
            "dialect": key.dialect,
            "session_id": key.session_id,
            "user_id": details.user_id,
            "context": orjson.dumps(details.context).decode() if details.context else None,
            "renewed_from": renewed_from,
        }
        counted = _open(db, site, key.visitor, columns, progress, idle_ms or site.idle_ms, now)
    if details.identity is not None and details.user_id and key.visitor.day is None:
        visitor.identify(db, site.number, counted.visitor_number, details.user_id, details.identity, now)
    return counted


def advance(db: Log, visit_number: int, progress: Progress, now: int) -> Counted:
    """Count the progress in an open visit."""
    counted = visit.advance(db, visit.numbered(visit_number), progress, now)
    if counted is None:
        raise Unavailable("the visit was closed or erased meanwhile")
    return counted


def _newest_visit(db: Log, site: SiteRow, key: VisitKey, details: VisitDetails, now: int) -> VisitRow | None:
    """The newest visit of the key, which may be over; None if there is none, or another user's."""
    found = visit.find(db, selector(site, key, details.user_id))
    if found is None and (yesterday := key.yesterday()) is not None:
        found = visit.find(db, visit.of_visitor(site.number, yesterday.hash, key.dialect))
    if found is not None and not found.is_over(now) and _has_other_user(found, key, details):
        visit.close(db, found.number, now)
        return None
    return found


def _has_other_user(found: VisitRow, key: VisitKey, details: VisitDetails) -> bool:
    """Whether the visit belongs to another user: a visit never has two users.

    A request with a session_id but no user_id never matches a session that has a user.
    """
    if found.user_id is None:
        return False
    if details.user_id is None:
        return key.session_id is not None
    return details.user_id != found.user_id


def _carry_device(
    db: Log, old: VisitRow, attributes: Mapping[str, Any], details: VisitDetails
) -> tuple[dict[str, Any], VisitDetails]:
    """Add what a new visit keeps of the previous one of its session: the device and the context."""
    device = visit.attributes_of(db, old.number, visit.DEVICE)
    attributes = {**device, **{name: value for name, value in attributes.items() if value is not None}}
    return attributes, replace(details, context=details.context or old.context)


def carry_attribution(
    db: Log, old: VisitRow, attributes: Mapping[str, Any], details: VisitDetails
) -> tuple[dict[str, Any], VisitDetails]:
    """Add what a renewed visit keeps of the old one: where the visitor came from, the context, the user."""
    attribution = visit.attributes_of(db, old.number, visit.ATTRIBUTION)
    kept = {
        name: value
        for name, value in attribution.items()
        if value and not (name in visit.VARIANT and attributes[name])  # a new A/B test replaces the old
    }
    context, user_id = old.context | (details.context or {}), details.user_id or old.user_id
    return {**attributes, **kept}, replace(details, context=context, user_id=user_id)


def fill_in(db: Log, found: VisitRow, attributes: Mapping[str, Any]) -> None:
    """Fill in attributes that the visit lacks; where it came from is fixed once it has a landing page."""
    if found.landing_path is not None:
        fixed = set(visit.ATTRIBUTION) - set(visit.VARIANT)
        attributes = {column: value for column, value in attributes.items() if column not in fixed}
    visit.fill_in(db, found.number, attributes)


def selector(site: SiteRow, key: VisitKey, user_id: str | None = None) -> visit.Selector:
    """How to find the visit of the key."""
    if key.session_id is None:
        return visit.of_visitor(site.number, key.visitor.hash, key.dialect)
    # Several users may have a UserTracker session with the same id.
    owner = user_id if key.dialect == Dialect.USER_TRACKER else None
    return visit.by_session_id(key.dialect, key.session_id, site.number, owner)


def _open(
    db: Log,
    site: SiteRow,
    key: VisitorKey,
    columns: dict[str, Any],
    progress: Progress,
    idle_ms: int,
    now: int,
) -> Counted:
    try:
        number = visitor.number_of(db, site.number, key)
        columns = {**columns, "site_number": site.number, "visitor_number": number}
        return visit.open(db, columns, progress, idle_ms, now)
    except IntegrityError:  # the site was removed in the meantime
        raise NotFound("There is no site with this id.") from None


# The log


def append(db: Log, counted: Counted, incoming: Incoming, strings: Strings, now: int) -> Recorded:
    """Append the new hits to a visit that counts them already."""
    new = incoming.new
    numbers = strings.numbers(db, _texts(new))
    rows: list[event.Row] = []
    for sequence, (hit, _) in enumerate(new, counted.sequence - len(new) + 1):
        name, path, engaged_ms = numbers[hit.name], numbers[hit.path], hit.engagement() or None
        kind, occurred_at = int(hit.kind), hit.clamped_time(now)
        rows.append((counted.number, sequence, kind, name, path, occurred_at, now, engaged_ms))
    seqs = event.append(db, counted.site_number, rows)
    ids = [(id, seq) for (_, id), seq in zip(new, seqs, strict=True) if id is not None]
    event.remember_ids(db, counted.site_number, ids)
    properties = [
        (seq, numbers[name], value)
        for (hit, _), seq in zip(new, seqs, strict=True)
        if hit.properties
        for name, value in hit.properties.items()
    ]
    event_property.append(db, properties)
    return _recorded(counted, incoming, numbers)


def _texts(new: Sequence[tuple[Hit, bytes | None]]) -> set[str | None]:
    texts: set[str | None] = set()
    for hit, _ in new:
        texts.add(hit.name)
        texts.add(hit.path)
        texts.update(hit.properties or ())
    return texts


def _recorded(
    counted: Counted, incoming: Incoming, numbers: Mapping[str | None, int | None] | None = None
) -> Recorded:
    sequences = {id: stored.sequence for id, stored in incoming.stored.items()}
    result = Recorded(counted, [], [], numbers or {})
    newest = counted.sequence - len(incoming.new)
    for id in incoming.ids:
        created = id is None or id not in sequences
        if created:
            newest += 1
            sequences[id] = newest
        result.sequences.append(sequences[id])
        result.created.append(created)
    return result
