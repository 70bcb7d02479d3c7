"""The transaction that records events: check for duplicate ids, find or open the visit, append to the log.

The dialect has already translated its request into hits, and strings have their numbers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import orjson

from alice import clock
from alice.clock import days, hours
from alice.database import Unavailable, events
from alice.errors import NotFound
from alice.tracking.log import event, event_property, identity, visit, visitor
from alice.tracking.log.campaign import Campaign
from alice.tracking.log.event import Kind
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


class NotFastPath(Exception):
    """Undoes the fast path: the visit is not open, this is its first page view, or an id is a duplicate."""


def id_of(hit: Hit) -> bytes | None:
    """The client's id of the event, in 16 bytes; None if it gave none."""
    return event.id_bytes(hit.id, hit.occurred_at) if hit.id else None


def append_new(
    site_number: int,
    hits: Sequence[Hit],
    numbers: Mapping[str | None, int | None],
    find: Callable[[int], VisitRow],
) -> Recorded:
    """Append the hits with new ids to the visit that `find(now)` returns.

    If all ids are duplicates, nothing is changed and `find` is not called.
    """
    ids = [id_of(hit) for hit in hits]
    duplicates = event.known_ids(site_number, [id for id in ids if id is not None])
    if duplicates and all(id in duplicates for id in ids):
        return _result_of_duplicates([duplicates[id] for id in ids])
    event.forget_ids(site_number, [id for id in ids if id is not None and id not in duplicates])
    now = clock.now()
    found = find(now)
    new: list[tuple[Hit, bytes | None]] = []
    positions: dict[bytes, int] = {}
    for hit, id in zip(hits, ids, strict=True):
        if id is None or (id not in duplicates and id not in positions):
            new.append((hit, id))
            if id is not None:
                positions[id] = len(new)
    progress = progress_of([hit for hit, _ in new], numbers)
    changed = visit.advance(visit.numbered(found.number), progress, now)
    if changed is None:
        raise Unavailable("the visit was closed or erased meanwhile")
    append(changed, new, numbers, now)
    return _result(changed, found.sequence, ids, duplicates, positions)


def _result(
    changed: Counted,
    sequence: int,
    ids: Sequence[bytes | None],
    duplicates: dict[bytes, int],
    positions: dict[bytes, int],
) -> Recorded:
    recorded = dict(zip(duplicates, _sequences(list(duplicates.values())), strict=True)) if duplicates else {}
    sequences, created, seen = [], [], 0
    for id in ids:
        if id in recorded:
            sequences.append(recorded[id])
            created.append(False)
        elif id is not None and positions[id] <= seen:  # twice in one batch
            sequences.append(sequence + positions[id])
            created.append(False)
        else:
            seen += 1
            sequences.append(sequence + seen)
            created.append(True)
    return Recorded(changed, sequences, created)


def _result_of_duplicates(seqs: list[int]) -> Recorded:
    return Recorded(visit.of_event(seqs[0]), _sequences(seqs), [False] * len(seqs))


def _sequences(seqs: list[int]) -> list[int]:
    marks = ", ".join("?" * len(seqs))
    found = dict(events.query(f"SELECT seq, sequence FROM events WHERE seq IN ({marks})", *seqs))
    return [found.get(seq, 0) for seq in seqs]


def find_or_open(
    site: SiteRow,
    key: VisitKey,
    attributes: dict[str, int | None],
    details: VisitDetails,
    idle_ms: int | None,
    now: int,
    renewed_from: int | None = None,
) -> VisitRow:
    """The open visit of the key, or a new one."""
    found = visit.find(selector(site, key, details.user_id))
    if found is None and (before := key.before()) is not None:
        found = visit.find(visit.of_visitor(site.number, before.hash, key.dialect))
    if found is not None and not found.is_over(now) and _has_other_user(found, key, details):
        visit.close(found.number, now)
        found = None
    if found is None or found.is_over(now):
        if found is not None and key.dialect == Dialect.USER_TRACKER:
            attributes, details = _carry_over(found, attributes, details)
        found = _open(site, key, attributes, details, idle_ms or site.idle_ms, now, renewed_from)
    else:
        fill_in(found, attributes | {"user_id": details.user_id})
    if details.identity is not None and details.user_id and key.visitor.day is None:
        identity.keep(site.number, details.user_id, found.visitor_number, details.identity, now)
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
    old: VisitRow, attributes: dict[str, int | None], details: VisitDetails
) -> tuple[dict[str, int | None], VisitDetails]:
    """Fill in the details of a new visit from the old one of the same session: its device and context."""
    device = visit.attributes_of(old.number, visit.DEVICE)
    attributes = {**device, **{name: number for name, number in attributes.items() if number is not None}}
    return attributes, replace(details, context=details.context or old.context)


def fill_in(found: VisitRow, attributes: Mapping[str, int | str | None]) -> None:
    """Fill in attributes that the visit lacks; where it came from is fixed once it has a landing page."""
    if found.landing_path is not None:
        fixed = set(visit.ATTRIBUTION) - set(visit.VARIANT)
        attributes = {column: number for column, number in attributes.items() if column not in fixed}
    visit.fill_in(found.number, attributes)


def selector(site: SiteRow, key: VisitKey, user_id: str | None = None) -> visit.Selector:
    """How to find the visit of the key."""
    if key.session_id is None:
        return visit.of_visitor(site.number, key.visitor.hash, key.dialect)
    # Several users may have a UserTracker session with the same id.
    owner = user_id if key.dialect == Dialect.USER_TRACKER else None
    return visit.by_session_id(key.dialect, key.session_id, site.number, owner)


def by_session_id(dialect: Dialect, session_id: str | None, site: SiteRow) -> VisitRow | None:
    """The site's newest visit with this session id."""
    return visit.find(visit.by_session_id(dialect, session_id, site.number)) if session_id else None


def _open(
    site: SiteRow,
    key: VisitKey,
    attributes: dict[str, int | None],
    details: VisitDetails,
    idle_ms: int,
    now: int,
    renewed_from: int | None,
) -> VisitRow:
    if not events.query("SELECT 1 FROM sites WHERE number = ?", site.number):
        raise NotFound("There is no site with this id.")  # it was removed in the meantime
    return visit.open(
        attributes
        | {
            "site_number": site.number,
            "visitor_number": visitor.number_of(site.number, key.visitor),
            "dialect": key.dialect,
            "session_id": key.session_id,
            "user_id": details.user_id,
            "started_at": now,
            "last_at": now,
            "due_at": now + idle_ms,
            "context": orjson.dumps(details.context).decode() if details.context else None,
            "renewed_from": renewed_from,
        }
    )


def touched(found: VisitRow, now: int) -> VisitRow:
    """Record activity without an event; return the visit after it."""
    visit.advance(visit.numbered(found.number), Progress(), now)
    return visit.find(visit.numbered(found.number)) or found


def progress_of(hits: Sequence[Hit], numbers: Mapping[str | None, int | None]) -> Progress:
    """What these hits add to their visit."""
    page_views, paths, interactions, engaged_ms = 0, [], 0, 0
    for hit in hits:
        if hit.kind == Kind.PAGE_VIEW:
            page_views += 1
            if hit.path is not None:
                paths.append(numbers[hit.path])
        elif hit.kind in INTERACTIONS:
            interactions += 1
        engaged_ms += _engaged(hit)
    first, last = (paths[0], paths[-1]) if paths else (None, None)
    return Progress(len(hits), page_views, interactions, engaged_ms, last, first)


def _engaged(hit: Hit) -> int:
    return min(max(hit.engaged_ms, 0), LONGEST_ENGAGEMENT) if hit.engaged_ms else 0


def append(
    found: Counted,
    new: list[tuple[Hit, bytes | None]],
    numbers: Mapping[str | None, int | None],
    now: int,
) -> Recorded:
    """Append to a visit that already counts these hits. Raises NotFastPath if an id is a duplicate."""
    first = found.sequence - len(new) + 1
    rows = [
        (
            found.number, sequence, int(hit.kind), numbers[hit.name], numbers[hit.path],
            _clamped(hit, now), now, _engaged(hit) or None,
        )
        for sequence, (hit, _) in enumerate(new, first)
    ]  # fmt: skip
    seqs = event.append(found.site_number, rows)
    ids = [(id, seq) for (_, id), seq in zip(new, seqs, strict=True) if id is not None]
    if not event.remember_ids(found.site_number, ids):
        raise NotFastPath
    properties = [
        (seq, numbers[name], value)
        for (hit, _), seq in zip(new, seqs, strict=True)
        if hit.properties
        for name, value in hit.properties.items()
    ]
    if properties:
        event_property.append(properties)
    return Recorded(found, [*range(first, found.sequence + 1)], [True] * len(rows))


def _clamped(hit: Hit, now: int) -> int:
    """The client's time, limited to the last 7 days; now if it sent none."""
    return now if hit.occurred_at is None else min(max(hit.occurred_at, now - OLDEST), now)
