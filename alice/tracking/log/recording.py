"""The steps of recording events, in the transaction: known ids, the visit, the log.

The dialect has already translated its request into hits.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import orjson
from peewee import IntegrityError

from alice.clock import days, hours
from alice.database import Log
from alice.engines import Unavailable
from alice.errors import NotFound
from alice.tracking.log import event, event_property, identity, visit, visitor
from alice.tracking.log.campaign import Campaign
from alice.tracking.log.event import Kind
from alice.tracking.log.strings import Strings
from alice.tracking.log.visit import Counted, Dialect, Progress, VisitRow
from alice.tracking.log.visitor import VisitorKey
from alice.tracking.site import SiteRow

OLDEST = days(7)  # older times from a client are set to this age
LONGEST_ENGAGEMENT = hours(1)  # that one event can add
INTERACTIONS = frozenset(
    (Kind.CUSTOM, Kind.CLICK, Kind.FORM_INTERACTION, Kind.FORM_SUBMIT, Kind.CONVERSION, Kind.ENGAGEMENT)
)  # fmt: skip


@dataclass(slots=True)
class Hit:
    """One event, translated from a dialect."""

    kind: Kind
    name: str | None = None  # of custom events
    path: str | None = None  # without query and fragment
    occurred_at: int | None = None  # by the client's clock (ms); None: now
    id: str | None = None  # the client's; a duplicate gets the result of the first
    properties: dict[str, Any] | None = None
    engaged_ms: int = 0


@dataclass(slots=True)
class VisitDetails:
    """What a dialect knows about a visit."""

    path: str | None = None
    referrer: str | None = None  # a host
    campaign: Campaign | None = None
    language: str | None = None
    timezone: str | None = None
    screen: str | None = None  # "WxH"
    ab_test: str | None = None
    ab_variant: str | None = None
    user_id: str | None = None
    identity: dict[str, Any] | None = None  # data of an identify event, with consent
    context: dict[str, Any] | None = None  # other fields of the dialect


class VisitKey(NamedTuple):
    """How to find a visit."""

    dialect: Dialect
    visitor: VisitorKey
    session_id: str | None = None  # the client's; None: the visitor's newest visit
    # Yesterday's visitor key, for visits that continue past midnight UTC.
    before: Callable[[], VisitorKey | None] = lambda: None


class Recorded(NamedTuple):
    """What was recorded: the visit after it, and each hit's sequence in the visit."""

    visit: Counted
    sequences: list[int]
    created: list[bool]  # False: a duplicate id; nothing was changed
    numbers: Mapping[str | None, int | None] = {}  # of the strings used, to be cached after the commit


# Known ids


class Incoming(NamedTuple):
    """The hits of a request for one visit."""

    ids: list[bytes | None]  # of all hits
    known: dict[bytes, event.Known]  # the events that have one of these ids already
    new: list[tuple[Hit, bytes | None]]  # the hits without those, each id once


def incoming(db: Log, site_number: int, hits: Sequence[Hit]) -> Incoming:
    """Compare the ids of the hits with those that the site has."""
    ids = [event.id_bytes(hit.id, hit.occurred_at) if hit.id else None for hit in hits]
    known = event.known(db, site_number, [id for id in ids if id is not None])
    new, seen = [], set(known)
    for hit, id in zip(hits, ids, strict=True):
        if id is None or id not in seen:
            new.append((hit, id))
            seen.add(id)
    return Incoming(ids, known, new)


def recorded_before(db: Log, arrived: Incoming) -> Recorded:
    """The result of the first time, for hits that are all known. Changes nothing."""
    first = arrived.known[arrived.ids[0]]
    return _recorded(visit.counted(db, first.visit_number), arrived)


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
    found = _open_visit(db, site, key, details, now)
    if found is None or found.is_over(now):
        if found is not None and key.dialect == Dialect.USER_TRACKER:
            attributes, details = _carry_over(db, found, attributes, details)
        counted = _open(db, site, key, attributes, details, progress, now, idle_ms, renewed_from)
    else:
        fill_in(db, found, {**attributes, "user_id": details.user_id})
        counted = advance(db, found.number, progress, now)
    if details.identity is not None and details.user_id and key.visitor.day is None:
        identity.keep(db, site.number, details.user_id, counted.visitor_number, details.identity, now)
    return counted


def advance(db: Log, visit_number: int, progress: Progress, now: int) -> Counted:
    """Count the progress in an open visit."""
    counted = visit.advance(db, visit.numbered(visit_number), progress, now)
    if counted is None:
        raise Unavailable("the visit was closed or erased meanwhile")
    return counted


def _open_visit(db: Log, site: SiteRow, key: VisitKey, details: VisitDetails, now: int) -> VisitRow | None:
    """The newest visit of the key, which may be over; None if there is none, or another user's."""
    found = visit.find(db, selector(site, key, details.user_id))
    if found is None and (before := key.before()) is not None:
        found = visit.find(db, visit.of_visitor(site.number, before.hash, key.dialect))
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


def _carry_over(
    db: Log, old: VisitRow, attributes: Mapping[str, Any], details: VisitDetails
) -> tuple[dict[str, Any], VisitDetails]:
    """Fill in the details of a new visit from the old one of the same session: its device and context."""
    device = visit.attributes_of(db, old.number, visit.DEVICE)
    attributes = {**device, **{name: value for name, value in attributes.items() if value is not None}}
    return attributes, replace(details, context=details.context or old.context)


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
    key: VisitKey,
    attributes: Mapping[str, Any],
    details: VisitDetails,
    progress: Progress,
    now: int,
    idle_ms: int | None,
    renewed_from: int | None,
) -> Counted:
    try:
        visitor_number = visitor.number_of(db, site.number, key.visitor)
        columns = {
            **attributes,
            "site_number": site.number,
            "visitor_number": visitor_number,
            "dialect": key.dialect,
            "session_id": key.session_id,
            "user_id": details.user_id,
            "context": orjson.dumps(details.context).decode() if details.context else None,
            "renewed_from": renewed_from,
        }
        return visit.open(db, columns, progress, idle_ms or site.idle_ms, now)
    except IntegrityError:  # the site was removed in the meantime
        raise NotFound("There is no site with this id.") from None


# What hits add to their visit


def progress_of(new: Sequence[tuple[Hit, bytes | None]]) -> Progress:
    """What these hits add to their visit."""
    page_views, paths, interactions, engaged_ms = 0, [], 0, 0
    for hit, _ in new:
        if hit.kind == Kind.PAGE_VIEW:
            page_views += 1
            if hit.path is not None:
                paths.append(hit.path)
        elif hit.kind in INTERACTIONS:
            interactions += 1
        engaged_ms += _engaged(hit)
    first, last = (paths[0], paths[-1]) if paths else (None, None)
    return Progress(len(new), page_views, interactions, engaged_ms, last, first)


def _engaged(hit: Hit) -> int:
    return min(max(hit.engaged_ms, 0), LONGEST_ENGAGEMENT) if hit.engaged_ms else 0


# The log


def append(db: Log, counted: Counted, arrived: Incoming, strings: Strings, now: int) -> Recorded:
    """Append the new hits to a visit that counts them already."""
    numbers = strings.numbers(db, _texts(arrived.new))
    first = counted.sequence - len(arrived.new) + 1
    rows = [
        (
            counted.number, sequence, int(hit.kind), numbers[hit.name], numbers[hit.path],
            _clamped(hit, now), now, _engaged(hit) or None,
        )
        for sequence, (hit, _) in enumerate(arrived.new, first)
    ]  # fmt: skip
    seqs = event.append(db, counted.site_number, rows)
    ids = [(id, seq) for (_, id), seq in zip(arrived.new, seqs, strict=True) if id is not None]
    event.remember_ids(db, counted.site_number, ids)
    properties = [
        (seq, numbers[name], value)
        for (hit, _), seq in zip(arrived.new, seqs, strict=True)
        if hit.properties
        for name, value in hit.properties.items()
    ]
    event_property.append(db, properties)
    return _recorded(counted, arrived, numbers)


def _texts(new: Sequence[tuple[Hit, bytes | None]]) -> set[str | None]:
    texts: set[str | None] = set()
    for hit, _ in new:
        texts.add(hit.name)
        texts.add(hit.path)
        texts.update(hit.properties or ())
    return texts


def _clamped(hit: Hit, now: int) -> int:
    """The client's time, limited to the last 7 days; now if it sent none."""
    return now if hit.occurred_at is None else min(max(hit.occurred_at, now - OLDEST), now)


def _recorded(
    counted: Counted, arrived: Incoming, numbers: Mapping[str | None, int | None] | None = None
) -> Recorded:
    sequences = {id: known.sequence for id, known in arrived.known.items()}
    result = Recorded(counted, [], [], numbers or {})
    newest = counted.sequence - len(arrived.new)
    for id in arrived.ids:
        created = id is None or id not in sequences
        if created:
            newest += 1
            sequences[id] = newest
        result.sequences.append(sequences[id])
        result.created.append(created)
    return result
