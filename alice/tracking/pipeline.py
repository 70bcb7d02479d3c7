"""The one way events come in: limits and site before the transaction; in it known ids, visit, append.

A dialect translates what it is sent into hits and hands them over; what it gets back is committed.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from alice import clock, database
from alice.errors import TooMany
from alice.recorder import Recorder
from alice.tracking import device, recording, visit
from alice.tracking.campaign import NO_CAMPAIGN, bucket
from alice.tracking.country import Countries
from alice.tracking.event import Kind
from alice.tracking.limit import Limits
from alice.tracking.recording import Arrival, Hit, Key, Recorded
from alice.tracking.request import Caller
from alice.tracking.site import SiteRow, Sites
from alice.tracking.text import Numbers
from alice.tracking.visit import Dialect, Expired, Progress, VisitRow
from alice.tracking.visitor import Visitors


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
        progress = recording.progress_of(hits, numbers)

        def usual() -> Recorded:
            """A live visit and new ids; raises Unusual, which undoes it, for anything else."""
            now = clock.now()
            found = visit.advance(recording.selector(site, key), progress, now)
            if found is None or 0 < progress.page_views == found.page_views:
                raise recording.Unusual
            return recording.append(found, [(hit, recording.id_of(hit)) for hit in hits], numbers, now)

        if not any(hit.kind == Kind.IDENTIFY for hit in hits):
            try:
                return self.recorder.submit(usual)
            except recording.Unusual:
                pass  # nothing of it was kept; the long way knows what to do
        arrival = arrive()
        told = self._told(site, caller, arrival)

        def operation() -> Recorded:
            return recording.append_new(
                site.number, hits, numbers, partial(recording.live, site, key, told, arrival, idle_ms)
            )

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
                live = partial(recording.live, site, key, told, arrival, None)
                recording.append_new(site.number, hits, numbers, live)

        self.recorder.submit(operation)

    def open(
        self, site: SiteRow, key: Key, caller: Caller, arrival: Arrival, idle_ms: int | None = None
    ) -> VisitRow:
        """The live visit of the key, or a new one; committed."""
        told = self._told(site, caller, arrival)

        def operation() -> VisitRow:
            now = clock.now()
            return recording.touched(recording.live(site, key, told, arrival, idle_ms, now), now)

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
            recording.learn(found, told)
            return found

        def operation() -> Recorded:
            found = visit.find(visit.numbered(visit_number))
            if found is None:
                raise Expired
            return recording.append_new(found.site_number, hits, numbers, live)

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
            old = recording.named(key.dialect, old_session_id, site)
            if old is None or old.session_id == key.session_id:
                return recording.touched(recording.live(site, key, told, arrival, idle_ms, now), now)
            carried = {
                name: number
                for name, number in visit.told(old.number, visit.ATTRIBUTION).items()
                if number and not (name in visit.VARIANT and told[name])  # what is asked for now wins
            }
            arrival.context = old.context | (arrival.context or {})
            arrival.user_id = arrival.user_id or old.user_id
            visit.close(old.number, min(now, old.due_at))
            return recording.touched(
                recording.live(site, key, told | carried, arrival, idle_ms, now, old.number), now
            )

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
        numbers = self._numbers.of({*texts.values()})
        told = {column: numbers[text] for column, text in texts.items()}
        told["is_bot"] = int(known.kind == device.BOT)
        return told

    def _first_told(self, arrival: Arrival) -> dict[str, int | None]:
        """What an event can tell that the session's opening did not."""
        texts = _origin(arrival) | {"ab_test": arrival.ab_test, "ab_variant": arrival.ab_variant}
        numbers = self._numbers.of({*texts.values()})
        return {column: numbers[text] for column, text in texts.items()}

    def _of_hits(self, hits: Iterable[Hit]) -> Mapping[str | None, int | None]:
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
