"""How all events are recorded: limits and site before the transaction; duplicate ids, visit and log in it.

A dialect translates a request into hits and passes them here. Methods return when the result is committed.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from alice import clock, database
from alice.errors import TooMany
from alice.recorder import Recorder
from alice.tracking.limit import Limits
from alice.tracking.log import device, recording, visit
from alice.tracking.log.caller import Caller
from alice.tracking.log.campaign import NO_CAMPAIGN, bucket
from alice.tracking.log.country import Countries
from alice.tracking.log.event import Kind
from alice.tracking.log.recording import Hit, Recorded, VisitDetails, VisitKey
from alice.tracking.log.strings import Numbers
from alice.tracking.log.visit import Dialect, Expired, Progress, VisitRow
from alice.tracking.privacy.visitor_key import Visitors
from alice.tracking.site import SiteRow, Sites


@dataclass(frozen=True)
class Tracking:
    """What tracking needs for as long as the application runs."""

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
        idle_ms: int | None = None,
    ) -> Recorded:
        """Append to the open visit of the key, or to a new one.

        make_details() is called only if the fast path does not apply.
        """
        numbers = self._of_hits(hits)
        progress = recording.progress_of(hits, numbers)

        def fast_path() -> Recorded:
            """Append new ids to an open visit; raises NotFastPath, which undoes it, in any other case."""
            now = clock.now()
            found = visit.advance(recording.selector(site, key), progress, now)
            if found is None or 0 < progress.page_views == found.page_views:
                raise recording.NotFastPath
            return recording.append(found, [(hit, recording.id_of(hit)) for hit in hits], numbers, now)

        if not any(hit.kind == Kind.IDENTIFY for hit in hits):
            try:
                return self.recorder.submit(fast_path)
            except recording.NotFastPath:
                pass  # it was rolled back; the code below handles every case
        details = make_details()
        attributes = self._attributes(site, caller, details)

        def operation() -> Recorded:
            return recording.append_new(
                site.number,
                hits,
                numbers,
                partial(recording.find_or_open, site, key, attributes, details, idle_ms),
            )

        return self.recorder.submit(operation)

    def record_all(
        self, site: SiteRow, caller: Caller, sessions: list[tuple[VisitKey, VisitDetails, list[Hit]]]
    ) -> None:
        """Append to several visits, all or nothing."""
        prepared = [
            (key, self._attributes(site, caller, details), details, hits, self._of_hits(hits))
            for key, details, hits in sessions
        ]

        def operation() -> None:
            for key, attributes, details, hits, numbers in prepared:
                find = partial(recording.find_or_open, site, key, attributes, details, None)
                recording.append_new(site.number, hits, numbers, find)

        self.recorder.submit(operation)

    def open(
        self, site: SiteRow, key: VisitKey, caller: Caller, details: VisitDetails, idle_ms: int | None = None
    ) -> VisitRow:
        """The open visit of the key, or a new one."""
        attributes = self._attributes(site, caller, details)

        def operation() -> VisitRow:
            now = clock.now()
            return recording.touched(
                recording.find_or_open(site, key, attributes, details, idle_ms, now), now
            )

        return self.recorder.submit(operation)

    def append(self, visit_number: int, hits: list[Hit], details: VisitDetails | None = None) -> Recorded:
        """Append to this visit, and fill in attributes that it lacks. Raises Expired if it is over."""
        numbers = self._of_hits(hits)
        attributes = self._attribution(details) if details else {}

        def find(now: int) -> VisitRow:
            found = visit.find(visit.numbered(visit_number))
            if found is None or found.is_over(now):
                raise Expired
            recording.fill_in(found, attributes)
            return found

        def operation() -> Recorded:
            found = visit.find(visit.numbered(visit_number))
            if found is None:
                raise Expired
            return recording.append_new(found.site_number, hits, numbers, find)

        return self.recorder.submit(operation)

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

        def operation() -> VisitRow:
            now = clock.now()
            old = recording.by_session_id(key.dialect, old_session_id, site)
            if old is None or old.session_id == key.session_id:
                return recording.touched(
                    recording.find_or_open(site, key, attributes, details, idle_ms, now), now
                )
            carried = {
                name: number
                for name, number in visit.attributes_of(old.number, visit.ATTRIBUTION).items()
                if number and not (name in visit.VARIANT and attributes[name])  # the new one wins
            }
            details.context = old.context | (details.context or {})
            details.user_id = details.user_id or old.user_id
            visit.close(old.number, min(now, old.due_at))
            return recording.touched(
                recording.find_or_open(site, key, attributes | carried, details, idle_ms, now, old.number),
                now,
            )

        return self.recorder.submit(operation)

    def find(
        self, dialect: Dialect, session_id: str, site_number: int, user_id: str | None = None
    ) -> VisitRow | None:
        """The site's newest visit with this session id; only of this user, if one is given."""
        with database.connected(database.events_db):
            return visit.find(visit.by_session_id(dialect, session_id, site_number, user_id))

    def find_anywhere(self, dialect: Dialect, session_id: str) -> VisitRow | None:
        """Of all sites' visits with this session id, the oldest open one, else the newest."""
        with database.connected(database.events_db):
            return visit.find(visit.oldest_open(dialect, session_id, clock.now()))

    def touch(self, visit_number: int) -> None:
        """Record activity without an event; changes nothing when the visit is over."""

        def operation() -> None:
            visit.advance(visit.numbered(visit_number), Progress(), clock.now())

        self.recorder.submit(operation)

    def _attributes(self, site: SiteRow, caller: Caller, details: VisitDetails) -> dict[str, int | None]:
        """The attributes of a new visit as numbers of strings, and is_bot."""
        client = (
            device.of(caller.user_agent, caller.hints) if caller.user_agent is not None else device.UNSAID
        )
        country = self.countries.find(caller.environ, caller.address, details.timezone)
        texts = {
            "landing_path": details.path,
            "device": client.kind,
            "browser": client.browser,
            "os": client.os,
            "language": details.language or caller.language,
            "timezone": details.timezone,
            "screen": details.screen,
            "country": country.code,
            "country_source": country.source,
            "ab_test": details.ab_test,
            "ab_variant": details.ab_variant,
            **_origin(details),
        }
        numbers = self._numbers.of({*texts.values()})
        attributes = {column: numbers[text] for column, text in texts.items()}
        attributes["is_bot"] = int(client.kind == device.BOT)
        return attributes

    def _attribution(self, details: VisitDetails) -> dict[str, int | None]:
        """The attributes that an event can add to its visit."""
        texts = _origin(details) | {"ab_test": details.ab_test, "ab_variant": details.ab_variant}
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
    """Close every visit that is due, in steps, so that events need not wait long."""
    with database.connected(database.events_db):
        while True:
            with database.transaction(database.events_db):
                closed = visit.close_due(clock.now())
            if closed < visit.CLOSE_AT_ONCE:
                return


def _origin(details: VisitDetails) -> dict[str, str | None]:
    """Where the visitor came from, by column; empty if the dialect sent nothing about it."""
    campaign = details.campaign or NO_CAMPAIGN
    if details.path is None and details.referrer is None and campaign == NO_CAMPAIGN:
        return {}
    return {
        "referrer_host": details.referrer,
        "bucket": bucket(campaign, details.referrer),
        "utm_source": campaign.source,
        "utm_medium": campaign.medium,
        "utm_campaign": campaign.name,
        "utm_term": campaign.term,
        "utm_content": campaign.content,
    }
