"""The one way events come in: limits and site before the transaction; in it known ids, visit, append.

A dialect translates what it is sent into hits and hands them over; what it gets back is committed.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import orjson

from alice import clock, database
from alice.clock import days, hours
from alice.database import events
from alice.recorder import Recorder
from alice.tracking import device, event, event_property, identity, visit, visitor
from alice.tracking.campaign import NO_CAMPAIGN, Campaign, bucket
from alice.tracking.country import Countries
from alice.tracking.event import Kind
from alice.tracking.limit import Limits
from alice.tracking.request import Caller
from alice.tracking.site import SiteRow, Sites
from alice.tracking.text import Numbers
from alice.tracking.visit import Counted, Dialect, Expired, Progress, VisitRow
from alice.tracking.visitor import VisitorKey, Visitors
from alice.web.errors import NotFound, TooMany

OLDEST = days(7)  # what a client reports as older is taken to be this old
LONGEST_ENGAGEMENT = hours(1)  # that one report can claim
INTERACTIONS = frozenset(
    (Kind.CUSTOM, Kind.CLICK, Kind.FORM_INTERACTION, Kind.FORM_SUBMIT, Kind.CONVERSION, Kind.ENGAGEMENT)
)  # fmt: skip


@dataclass(slots=True)
class Hit:
    """One event, translated from a dialect."""

    kind: Kind
    name: str | None = None  # of custom events
    path: str | None = None  # clean: without query and fragment
    occurred_at: int | None = None  # by the client's clock (ms); None: now
    id: str | None = None  # the client's; a known one is answered as the first time
    properties: dict[str, Any] | None = None
    engaged_ms: int = 0


@dataclass(slots=True)
class Arrival:
    """What a visit is told when it opens."""

    path: str | None = None
    referrer: str | None = None  # a host
    campaign: Campaign | None = None
    language: str | None = None
    timezone: str | None = None
    screen: str | None = None  # "WxH"
    ab_test: str | None = None
    ab_variant: str | None = None
    user_id: str | None = None
    identity: dict[str, Any] | None = None  # what they said about themselves, with their consent
    context: dict[str, Any] | None = None  # what the dialect carries along


class Key(NamedTuple):
    """How a visit is found."""

    dialect: Dialect
    visitor: VisitorKey
    session_id: str | None = None  # the client's own name for it; None: the visitor's newest
    before: Callable[[], VisitorKey | None] = lambda: None  # as whom else they may have a visit that goes on


class Recorded(NamedTuple):
    """What is committed: the visit as it is now, and each hit's number in it."""

    visit: Counted
    sequences: list[int]
    created: list[bool]  # False: the id was known, and nothing was changed


@dataclass(frozen=True)
class Tracking:
    """What an application keeps of tracking while it runs."""

    recorder: Recorder
    sites: Sites
    visitors: Visitors
    limits: Limits
    countries: Countries
    trusted_proxies: int = 0
    _numbers: Numbers = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_numbers", Numbers(self.recorder))

    def site(self, site_id: str) -> SiteRow | None:
        """The site with this id, as it was at most 2 s ago."""
        return self.sites.find(site_id)

    def admit(self, caller: Caller | None, site_id: str | None = None, cost: int = 1) -> None:
        """Count `cost` events against the limits of an address, a site, or both. Raises TooMany."""
        wait = self.limits.check(caller.address if caller else None, site_id, cost)
        if wait is not None:
            raise TooMany(wait, "Too many events. Please wait a little.")

    def record(
        self,
        site: SiteRow,
        key: Key,
        caller: Caller,
        arrive: Callable[[], Arrival],
        hits: list[Hit],
        idle_ms: int | None = None,
    ) -> Recorded:
        """Append to the visit of the key, or to a new one if it has none that is live; committed.

        What `arrive` answers is asked for only where the visit has to be told it.
        """
        numbers = self._of_hits(hits)
        progress = _progress(hits, numbers)

        def usual() -> Recorded:
            """A live visit and new ids; raises _Unusual, which undoes it, for anything else."""
            now = clock.now()
            found = visit.advance(_selector(site, key), progress, now)
            if found is None or 0 < progress.page_views == found.page_views:
                raise _Unusual
            return _append(found, [(hit, _id(hit)) for hit in hits], numbers, now)

        if not any(hit.kind == Kind.IDENTIFY for hit in hits):
            try:
                return self.recorder.submit(usual)
            except _Unusual:
                pass  # nothing of it was kept; the long way knows what to do
        arrival = arrive()
        told = self._told(site, caller, arrival)

        def operation() -> Recorded:
            return _append_all(site.number, hits, numbers, partial(_live, site, key, told, arrival, idle_ms))

        return self.recorder.submit(operation)

    def record_all(
        self, site: SiteRow, caller: Caller, sessions: list[tuple[Key, Arrival, list[Hit]]]
    ) -> None:
        """Append to several visits, all or nothing; committed."""
        prepared = [
            (key, self._told(site, caller, arrival), arrival, hits, self._of_hits(hits))
            for key, arrival, hits in sessions
        ]

        def operation() -> None:
            for key, told, arrival, hits, numbers in prepared:
                live = partial(_live, site, key, told, arrival, None)
                _append_all(site.number, hits, numbers, live)

        self.recorder.submit(operation)

    def open(
        self, site: SiteRow, key: Key, caller: Caller, arrival: Arrival, idle_ms: int | None = None
    ) -> VisitRow:
        """The live visit of the key, or a new one; committed."""
        told = self._told(site, caller, arrival)

        def operation() -> VisitRow:
            now = clock.now()
            return _touched(_live(site, key, told, arrival, idle_ms, now), now)

        return self.recorder.submit(operation)

    def append(self, visit_number: int, hits: list[Hit], arrival: Arrival | None = None) -> Recorded:
        """Append to this visit, which learns what it had not been told; committed.

        Raises Expired if it is over.
        """
        numbers = self._of_hits(hits)
        told = self._first_told(arrival) if arrival else {}

        def live(now: int) -> VisitRow:
            found = visit.find(visit.numbered(visit_number))
            if found is None or found.is_over(now):
                raise Expired
            _learn(found, told)
            return found

        def operation() -> Recorded:
            found = visit.find(visit.numbered(visit_number))
            if found is None:
                raise Expired
            return _append_all(found.site_number, hits, numbers, live)

        return self.recorder.submit(operation)

    def renew(
        self,
        site: SiteRow,
        key: Key,
        caller: Caller,
        arrival: Arrival,
        old_session_id: str | None,
        idle_ms: int | None = None,
    ) -> VisitRow:
        """Open a visit that carries on where its visitor of the old one came from; committed.

        One of the new name that is live is resumed.
        """
        told = self._told(site, caller, arrival)

        def operation() -> VisitRow:
            now = clock.now()
            old = _named(key.dialect, old_session_id, site)
            if old is None or old.session_id == key.session_id:
                return _touched(_live(site, key, told, arrival, idle_ms, now), now)
            carried = {
                name: number
                for name, number in visit.told(old.number, visit.ATTRIBUTION).items()
                if number and not (name in visit.VARIANT and told[name])  # what is asked for now wins
            }
            arrival.context = old.context | (arrival.context or {})
            arrival.user_id = arrival.user_id or old.user_id
            visit.close(old.number, min(now, old.due_at))
            return _touched(_live(site, key, told | carried, arrival, idle_ms, now, old.number), now)

        return self.recorder.submit(operation)

    def find(
        self, dialect: Dialect, session_id: str, site_number: int, user_id: str | None = None
    ) -> VisitRow | None:
        """The newest visit of this name on a site."""
        with database.connected(database.events_db):
            return visit.find(visit.named(dialect, session_id, site_number, user_id))

    def find_anywhere(self, dialect: Dialect, session_id: str) -> VisitRow | None:
        """Of all sites' visits of this name the oldest that is live, else the newest."""
        with database.connected(database.events_db):
            return visit.find(visit.live_for_longest(dialect, session_id, clock.now()))

    def touch(self, visit_number: int) -> None:
        """A sign of life without an event; changes nothing when the visit is over."""

        def operation() -> None:
            visit.advance(visit.numbered(visit_number), Progress(), clock.now())

        self.recorder.submit(operation)

    def _told(self, site: SiteRow, caller: Caller, arrival: Arrival) -> dict[str, int | None]:
        """The columns of a new visit, as numbers of strings."""
        known = device.of(caller.user_agent, caller.hints) if caller.user_agent is not None else device.UNSAID
        country = self.countries.find(caller.environ, caller.address, arrival.timezone)
        texts = {
            "landing_path": arrival.path,
            "device": known.kind,
            "browser": known.browser,
            "os": known.os,
            "language": arrival.language or caller.language,
            "timezone": arrival.timezone,
            "screen": arrival.screen,
            "country": country.code,
            "country_source": country.source,
            "ab_test": arrival.ab_test,
            "ab_variant": arrival.ab_variant,
            **_origin(arrival),
        }
        numbers = self._numbers.of(texts.values())
        told = {column: numbers[text] for column, text in texts.items()}
        told["is_bot"] = int(known.kind == device.BOT)
        return told

    def _first_told(self, arrival: Arrival) -> dict[str, int | None]:
        """What an event can tell that the session's opening did not."""
        texts = _origin(arrival) | {"ab_test": arrival.ab_test, "ab_variant": arrival.ab_variant}
        numbers = self._numbers.of(texts.values())
        return {column: numbers[text] for column, text in texts.items()}

    def _of_hits(self, hits: Iterable[Hit]) -> dict[str | None, int | None]:
        texts: set[str | None] = set()
        for hit in hits:
            texts.add(hit.name)
            texts.add(hit.path)
            texts.update(hit.properties or ())
        return self._numbers.of(texts)


def close_visits() -> None:
    """Close every visit that is due; in steps, so that no event waits for long."""
    with database.connected(database.events_db):
        while True:
            with database.transaction(database.events_db):
                closed = visit.close_due(clock.now())
            if closed < visit.CLOSE_AT_ONCE:
                return


def _origin(arrival: Arrival) -> dict[str, str | None]:
    """Where the visitor comes from, by column; nothing while nobody has said it."""
    came = arrival.campaign or NO_CAMPAIGN
    if arrival.path is None and arrival.referrer is None and came == NO_CAMPAIGN:
        return {}
    return {
        "referrer_host": arrival.referrer,
        "bucket": bucket(came, arrival.referrer),
        "utm_source": came.source,
        "utm_medium": came.medium,
        "utm_campaign": came.name,
        "utm_term": came.term,
        "utm_content": came.content,
    }


# Inside the transaction


class _Unusual(Exception):
    """Not the quick way: a visit to be opened or with its first view, an id that is known, somebody who says
    who they are."""


def _id(hit: Hit) -> bytes | None:
    return event.id_bytes(hit.id, hit.occurred_at) if hit.id else None


def _append_all(
    site_number: int, hits: Sequence[Hit], numbers: dict[str | None, int | None], live: Any
) -> Recorded:
    """Append the hits whose id is new to the visit that `live(now)` answers."""
    ids = [_id(hit) for hit in hits]
    known = event.known_ids(site_number, [id for id in ids if id is not None])
    if known and all(id in known for id in ids):
        return _as_the_first_time([known[id] for id in ids])
    event.forget_ids(site_number, [id for id in ids if id is not None and id not in known])
    now = clock.now()
    found = live(now)
    fresh: list[tuple[Hit, bytes | None]] = []
    places: dict[bytes, int] = {}
    for hit, id in zip(hits, ids, strict=True):
        if id is None or (id not in known and id not in places):
            fresh.append((hit, id))
            if id is not None:
                places[id] = len(fresh)
    progress = _progress([hit for hit, _ in fresh], numbers)
    changed = visit.advance(visit.numbered(found.number), progress, now, found.user_id)
    _append(changed, fresh, numbers, now)
    return _answer(changed, found.sequence, ids, known, places)


def _answer(
    changed: Counted,
    sequence: int,
    ids: Sequence[bytes | None],
    known: dict[bytes, int],
    places: dict[bytes, int],
) -> Recorded:
    before = dict(zip(known, _sequences(list(known.values())), strict=True)) if known else {}
    sequences, created, seen = [], [], 0
    for id in ids:
        if id in before:
            sequences.append(before[id])
            created.append(False)
        elif id is not None and places[id] <= seen:  # twice in one batch
            sequences.append(sequence + places[id])
            created.append(False)
        else:
            seen += 1
            sequences.append(sequence + seen)
            created.append(True)
    return Recorded(changed, sequences, created)


def _as_the_first_time(seqs: list[int]) -> Recorded:
    return Recorded(visit.of_event(seqs[0]), _sequences(seqs), [False] * len(seqs))


def _sequences(seqs: list[int]) -> list[int]:
    marks = ", ".join("?" * len(seqs))
    found = dict(events.query(f"SELECT seq, sequence FROM events WHERE seq IN ({marks})", *seqs))
    return [found.get(seq, 0) for seq in seqs]


def _live(
    site: SiteRow,
    key: Key,
    told: dict[str, int | None],
    arrival: Arrival,
    idle_ms: int | None,
    now: int,
    renewed_from: int | None = None,
) -> VisitRow:
    """The visit of the key that is not over, or a new one."""
    found = visit.find(_selector(site, key, arrival.user_id))
    if found is None and (before := key.before()) is not None:
        found = visit.find(visit.of_visitor(site.number, before.hash, key.dialect))
    if found is not None and not found.is_over(now) and _is_somebody_else(found, key, arrival):
        visit.close(found.number, now)
        found = None
    if found is None or found.is_over(now):
        if found is not None and key.dialect == Dialect.USER_TRACKER:
            told, arrival = _go_on(found, told, arrival)
        found = _open(site, key, told, arrival, idle_ms or site.idle_ms, now, renewed_from)
    else:
        _learn(found, told)
        found = found._replace(user_id=arrival.user_id or found.user_id)
    if arrival.identity is not None and arrival.user_id and key.visitor.day is None:
        identity.keep(site.number, arrival.user_id, found.visitor_number, arrival.identity, now)
    return found


def _is_somebody_else(found: VisitRow, key: Key, arrival: Arrival) -> bool:
    """Whether the visit belongs to another person than is meant: one visit is never two people's.

    A session that is asked for by name and without a name of its user is asked for by nobody in particular.
    """
    if found.user_id is None:
        return False
    if arrival.user_id is None:
        return key.session_id is not None
    return arrival.user_id != found.user_id


def _go_on(
    old: VisitRow, told: dict[str, int | None], arrival: Arrival
) -> tuple[dict[str, int | None], Arrival]:
    """What is known of the device of a session goes on when a new visit follows under its name."""
    known = visit.told(old.number, visit.DEVICE)
    told = {**known, **{name: number for name, number in told.items() if number is not None}}
    return told, replace(arrival, context=arrival.context or old.context)


def _learn(found: VisitRow, told: dict[str, int | None]) -> None:
    """Let a visit know what it was not told when it opened; where it came from only until its first page."""
    if found.landing_path is not None:
        fixed = set(visit.ATTRIBUTION) - set(visit.VARIANT)
        told = {column: number for column, number in told.items() if column not in fixed}
    visit.learn(found.number, told)


def _selector(site: SiteRow, key: Key, user_id: str | None = None) -> visit.Selector:
    """Which visit the key means."""
    if key.session_id is None:
        return visit.of_visitor(site.number, key.visitor.hash, key.dialect)
    # A UserTracker session is its user's; others may have one of the same name.
    owner = user_id if key.dialect == Dialect.USER_TRACKER else None
    return visit.named(key.dialect, key.session_id, site.number, owner)


def _named(dialect: Dialect, session_id: str | None, site: SiteRow) -> VisitRow | None:
    return visit.find(visit.named(dialect, session_id, site.number)) if session_id else None


def _open(
    site: SiteRow,
    key: Key,
    told: dict[str, int | None],
    arrival: Arrival,
    idle_ms: int,
    now: int,
    renewed_from: int | None,
) -> VisitRow:
    if not events.query("SELECT 1 FROM sites WHERE number = ?", site.number):
        raise NotFound("There is no site with this id.")  # it was removed a moment ago
    return visit.open(
        told
        | {
            "site_number": site.number,
            "visitor_number": visitor.number_of(site.number, key.visitor),
            "dialect": key.dialect,
            "session_id": key.session_id,
            "user_id": arrival.user_id,
            "started_at": now,
            "last_at": now,
            "due_at": now + idle_ms,
            "context": orjson.dumps(arrival.context).decode() if arrival.context else None,
            "renewed_from": renewed_from,
        }
    )


def _touched(found: VisitRow, now: int) -> VisitRow:
    visit.advance(visit.numbered(found.number), Progress(), now, found.user_id)
    return visit.find(visit.numbered(found.number)) or found


def _progress(hits: Sequence[Hit], numbers: dict[str | None, int | None]) -> Progress:
    """What these hits add to their visit."""
    viewed, interactions, engaged_ms = [], 0, 0
    for hit in hits:
        if hit.kind == Kind.PAGE_VIEW:
            viewed.append(numbers[hit.path])
        elif hit.kind in INTERACTIONS:
            interactions += 1
        engaged_ms += _engaged(hit)
    first, last = (viewed[0], viewed[-1]) if viewed else (None, None)
    return Progress(len(hits), len(viewed), interactions, engaged_ms, last, first)


def _engaged(hit: Hit) -> int:
    return min(max(hit.engaged_ms, 0), LONGEST_ENGAGEMENT) if hit.engaged_ms else 0


def _append(
    found: Counted,
    fresh: list[tuple[Hit, bytes | None]],
    numbers: dict[str | None, int | None],
    now: int,
) -> Recorded:
    """Append to a visit that counts these hits already."""
    first = found.sequence - len(fresh) + 1
    rows = [
        (
            found.number, sequence, int(hit.kind), numbers[hit.name], numbers[hit.path],
            _clamped(hit, now), now, _engaged(hit) or None,
        )
        for sequence, (hit, _) in enumerate(fresh, first)
    ]  # fmt: skip
    seqs = event.append(found.site_number, rows)
    ids = [(id, seq) for (_, id), seq in zip(fresh, seqs, strict=True) if id is not None]
    if not event.remember_ids(found.site_number, ids):
        raise _Unusual
    event_property.append(
        [
            (seq, numbers[name], value)
            for (hit, _), seq in zip(fresh, seqs, strict=True)
            if hit.properties
            for name, value in hit.properties.items()
        ]
    )
    return Recorded(found, [*range(first, found.sequence + 1)], [True] * len(rows))


def _clamped(hit: Hit, now: int) -> int:
    """The client's time, or the nearest that can be believed."""
    return now if hit.occurred_at is None else min(max(hit.occurred_at, now - OLDEST), now)
