"""How all events are recorded. A dialect translates a request into hits and passes them to Tracking.

Limits and sites are checked before the transaction; log/recording.py has the steps inside it. Methods return
when the result is committed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from alice import clock, database
from alice.database import Log, events, events_db
from alice.errors import TooMany
from alice.recorder import Recorder
from alice.tracking.limit import Limits
from alice.tracking.log import device, recording, visit
from alice.tracking.log.caller import Caller
from alice.tracking.log.country import Countries
from alice.tracking.log.event import Kind
from alice.tracking.log.hit import Hit, VisitDetails, VisitKey
from alice.tracking.log.recording import Recorded
from alice.tracking.log.strings import Strings
from alice.tracking.log.visit import Dialect, Expired, Progress, VisitRow
from alice.tracking.privacy.visitor_key import Visitors
from alice.tracking.site import SiteRow, Sites


@dataclass
class Tracking:
    """Records events and finds visits; the application has one."""

    recorder: Recorder
    sites: Sites
    visitors: Visitors
    limits: Limits
    countries: Countries
    trusted_proxies: int = 0
    _strings: Strings = field(default_factory=Strings, init=False)

    def site(self, site_id: str) -> SiteRow | None:
        """The site with this id, as it was at most 2 s ago."""
        return self.sites.find(site_id)

    def admit(self, caller: Caller | None, site_id: str | None = None, cost: int = 1) -> None:
        """Count `cost` events against the limits of the address, the site, or both. Raises TooMany."""
        wait = self.limits.check(caller.address if caller else None, site_id, cost)
        if wait is not None:
            raise TooMany(wait, "Too many events. Please wait a little.")

    def record(
        self,
        site: SiteRow,
        key: VisitKey,
        caller: Caller,
        make_details: Callable[[], VisitDetails],
        hits: list[Hit],
    ) -> Recorded:
        """Append to the open visit of the key, or to a new one.

        make_details() is called only if a visit is opened or gets its first page view, or if a hit is of
        kind IDENTIFY.
        """
        identifies = any(hit.kind == Kind.IDENTIFY for hit in hits)

        def operation(db: Log) -> Recorded:
            now = clock.now()
            incoming = recording.deduplicate(db, site.number, hits)
            if not incoming.new:
                return recording.first_result(db, incoming)
            progress = incoming.progress()
            # The open visit may belong to another user than the one who identifies now.
            counted = None if identifies else visit.advance(db, recording.selector(site, key), progress, now)
            if counted is None:
                details = make_details()
                attributes = self._attributes(site, caller, details)
                counted = recording.advance_or_open(db, site, key, attributes, details, progress, now)
            elif 0 < progress.page_views == counted.page_views:
                visit.fill_in(db, counted.number, self._attributes(site, caller, make_details()))
            return recording.append(db, counted, incoming, self._strings, now)

        return self._submit(operation)

    def record_all(
        self, site: SiteRow, caller: Caller, sessions: list[tuple[VisitKey, VisitDetails, list[Hit]]]
    ) -> None:
        """Append to several visits, all or nothing."""
        prepared = [
            (key, self._attributes(site, caller, details), details, hits) for key, details, hits in sessions
        ]

        def operation(db: Log) -> list[Recorded]:
            now, recorded = clock.now(), []
            for key, attributes, details, hits in prepared:
                incoming = recording.deduplicate(db, site.number, hits)
                if incoming.new:
                    progress = incoming.progress()
                    counted = recording.advance_or_open(db, site, key, attributes, details, progress, now)
                    recorded.append(recording.append(db, counted, incoming, self._strings, now))
            return recorded

        for recorded in self.recorder.submit(operation):
            self._strings.keep(recorded.numbers)

    def append(self, visit_number: int, hits: list[Hit], details: VisitDetails | None = None) -> Recorded:
        """Append to this visit, and fill in attributes that it lacks. Raises Expired if it is over."""
        attributes = details.attribution() if details else {}

        def operation(db: Log) -> Recorded:
            now = clock.now()
            found = visit.find(db, visit.numbered(visit_number))
            if found is None:
                raise Expired
            incoming = recording.deduplicate(db, found.site_number, hits)
            if not incoming.new:
                return recording.first_result(db, incoming)
            if found.is_over(now):
                raise Expired
            recording.fill_in(db, found, attributes)
            counted = recording.advance(db, visit_number, incoming.progress(), now)
            return recording.append(db, counted, incoming, self._strings, now)

        return self._submit(operation)

    def _submit(self, operation: Callable[[Log], Recorded]) -> Recorded:
        recorded = self.recorder.submit(operation)
        self._strings.keep(recorded.numbers)
        return recorded

    def open(
        self, site: SiteRow, key: VisitKey, caller: Caller, details: VisitDetails, idle_ms: int | None = None
    ) -> VisitRow:
        """The open visit of the key, or a new one."""
        return self.renew(site, key, caller, details, None, idle_ms)

    def renew(
        self,
        site: SiteRow,
        key: VisitKey,
        caller: Caller,
        details: VisitDetails,
        old_session_id: str | None,
        idle_ms: int | None = None,
    ) -> VisitRow:
        """Close the old visit and open one that keeps its attribution.

        A visit with the new session id that is open already is resumed. If there is no old visit, or it has
        the new session id, this does the same as open().
        """
        attributes = self._attributes(site, caller, details)
        old_visit = visit.by_session_id(key.dialect, old_session_id, site.number) if old_session_id else None

        def operation(db: Log) -> VisitRow:
            now = clock.now()
            old = visit.find(db, old_visit) if old_visit else None
            carried, renewed_from = (attributes, details), None
            if old is not None and old.session_id != key.session_id:
                carried = recording.carry_attribution(db, old, attributes, details)
                visit.close(db, old.number, min(now, old.due_at))
                renewed_from = old.number
            counted = recording.advance_or_open(
                db, site, key, *carried, Progress(), now, idle_ms, renewed_from
            )
            return visit.find(db, visit.numbered(counted.number))

        return self.recorder.submit(operation)

    def find(
        self, dialect: Dialect, session_id: str, site_number: int, user_id: str | None = None
    ) -> VisitRow | None:
        """The site's newest visit with this session id; only of this user, if one is given."""
        return visit.find(events, visit.by_session_id(dialect, session_id, site_number, user_id))

    def find_anywhere(self, dialect: Dialect, session_id: str) -> VisitRow | None:
        """Of all sites' visits with this session id, the oldest open one, else the newest."""
        return visit.find(events, visit.oldest_open(dialect, session_id, clock.now()))

    def touch(self, visit_number: int) -> None:
        """Record activity without an event; changes nothing when the visit is over."""
        now = clock.now()
        self.recorder.submit(lambda db: visit.advance(db, visit.numbered(visit_number), Progress(), now))

    def set_context(self, visit_number: int, context: str) -> None:
        """Replace the context of a visit, JSON text."""
        self.recorder.submit(lambda db: visit.set_context(db, visit_number, context))

    def _attributes(self, site: SiteRow, caller: Caller, details: VisitDetails) -> dict[str, Any]:
        """The attributes of a new visit, and is_bot."""
        client = device.UNKNOWN
        if caller.user_agent is not None:
            client = device.of(caller.user_agent, caller.environ)
        country = self.countries.find(caller.environ, caller.address, details.timezone)
        return {
            "landing_path": details.path,
            "device": client.kind,
            "browser": client.browser,
            "os": client.os,
            "language": details.language or caller.language,
            "timezone": details.timezone,
            "screen": details.screen,
            "country": country.code,
            "country_source": country.source,
            **details.attribution(),
            "is_bot": int(client.kind == device.BOT),
        }


def close_visits() -> None:
    """Close every visit that is due, in steps, so that events need not wait long."""
    with database.connected(events_db):
        while True:
            with database.transaction(events_db):
                closed = visit.close_due(events, clock.now())
            if closed < visit.CLOSE_AT_ONCE:
                return
