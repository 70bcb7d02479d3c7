"""What a dialect translates a request into: hits, the details of their visit, and how to find that visit."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from alice.clock import days, hours
from alice.tracking.log.campaign import NO_CAMPAIGN, Campaign, bucket
from alice.tracking.log.event import Kind
from alice.tracking.log.visit import Dialect, Progress
from alice.tracking.log.visitor import VisitorKey

OLDEST = days(7)  # older times from a client are set to this age
LONGEST_ENGAGEMENT = hours(1)  # that one event can add
INTERACTIONS = frozenset(
    (Kind.CUSTOM, Kind.CLICK, Kind.FORM_INTERACTION, Kind.FORM_SUBMIT, Kind.CONVERSION, Kind.ENGAGEMENT)
)


@dataclass(slots=True)
class Hit:
    """An event before it is appended."""

    kind: Kind
    name: str | None = None  # of custom events
    path: str | None = None  # without query and fragment
    occurred_at: int | None = None  # by the client's clock (ms); None: now
    id: str | None = None  # the client's; a duplicate gets the result of the first
    properties: dict[str, Any] | None = None
    engaged_ms: int = 0

    def engagement(self) -> int:
        """The client's engaged time (ms), limited to an hour."""
        return min(max(self.engaged_ms, 0), LONGEST_ENGAGEMENT) if self.engaged_ms else 0

    def clamped_time(self, now: int) -> int:
        """The client's time, limited to the last 7 days; now if it sent none."""
        return now if self.occurred_at is None else min(max(self.occurred_at, now - OLDEST), now)


def progress_of(hits: Iterable[Hit]) -> Progress:
    """What these hits add to their visit."""
    events, page_views, paths, interactions, engaged_ms = 0, 0, [], 0, 0
    for hit in hits:
        events += 1
        if hit.kind == Kind.PAGE_VIEW:
            page_views += 1
            if hit.path is not None:
                paths.append(hit.path)
        elif hit.kind in INTERACTIONS:
            interactions += 1
        engaged_ms += hit.engagement()
    first, last = (paths[0], paths[-1]) if paths else (None, None)
    return Progress(events, page_views, interactions, engaged_ms, last, first)


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

    def attribution(self) -> dict[str, str | None]:
        """Attributes that an event can add to its visit: where the visitor came from, and the A/B test."""
        variant = {"ab_test": self.ab_test, "ab_variant": self.ab_variant}
        campaign = self.campaign or NO_CAMPAIGN
        if self.path is None and self.referrer is None and campaign == NO_CAMPAIGN:
            return variant
        return variant | {
            "referrer_host": self.referrer,
            "bucket": bucket(campaign, self.referrer),
            "utm_source": campaign.source,
            "utm_medium": campaign.medium,
            "utm_campaign": campaign.name,
            "utm_term": campaign.term,
            "utm_content": campaign.content,
        }


class VisitKey(NamedTuple):
    """How to find a visit."""

    dialect: Dialect
    visitor: VisitorKey
    session_id: str | None = None  # the client's; None: the visitor's newest visit
    # The visitor key of the day before, for visits that continue past midnight UTC.
    yesterday: Callable[[], VisitorKey | None] = lambda: None
