"""The LittleStats dialect: what tracker.js sends.

`POST /api/v2/track/:siteId` takes one payload or `{"events": [...]}`; the response is `{success, cache}`.
Without consent a visitor is recognised for a day, by a hash; with it, by an id that their browser stores.
"""

import re
from collections.abc import Mapping
from functools import lru_cache, partial
from itertools import groupby
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from alice import clock
from alice.errors import Forbidden, Malformed, NotFound, Refusal
from alice.tracking.dialects import body
from alice.tracking.dialects.answer import OPEN, Answer
from alice.tracking.log import campaign
from alice.tracking.log.caller import Caller
from alice.tracking.log.event import Kind
from alice.tracking.log.hit import Hit, VisitDetails, VisitKey
from alice.tracking.log.recording import Recorded
from alice.tracking.log.visit import Dialect
from alice.tracking.pipeline import Tracking
from alice.tracking.site import SiteRow

PREFIX = "/api/v2/track/"
PREFLIGHT = [
    ("Access-Control-Allow-Methods", "POST, OPTIONS"),
    ("Access-Control-Allow-Headers", "Content-Type"),
    # Browsers require it for beacons with JSON; no cookie is read here.
    ("Access-Control-Allow-Credentials", "true"),
    ("Access-Control-Max-Age", "86400"),
]
KINDS = {
    "pageview": Kind.PAGE_VIEW,
    "event": Kind.CUSTOM,
    "identify": Kind.IDENTIFY,
    "page_exit": Kind.PAGE_EXIT,
    "heartbeat": Kind.HEARTBEAT,
}
# Names that the add-ons of tracker.js use for custom events; stored as kinds of their own.
NAMED_KINDS = {
    "click": Kind.CLICK,
    "scroll": Kind.SCROLL,
    "form_interaction": Kind.FORM_INTERACTION,
    "form_submit": Kind.FORM_SUBMIT,
}

# Fields that a batch may hold once for all its events.
COMMON = ("url", "referrer", "screen", "language", "timezone", "visitorId", "consent")
MAX_ADDRESS = 4000  # characters of a URL; the rest is ignored

Short = Annotated[str, StringConstraints(max_length=200)]


class Payload(BaseModel):
    """One event as browsers send it. Unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    type: Literal["pageview", "event", "identify", "page_exit", "heartbeat"] = "pageview"
    # Unique per site, across all its visitors: must be long enough to be random.
    eventId: Annotated[str, Field(min_length=16, max_length=64)] | None = None  # noqa: N815 - the dialect's
    timestamp: Annotated[float, Field(ge=0, lt=1e15)] | None = None
    url: str | None = None
    referrer: str | None = None
    screen: str | None = None
    language: Annotated[str, Field(max_length=35)] | None = None
    timezone: Annotated[str, Field(max_length=64)] | None = None
    visitorId: Short | None = None  # noqa: N815
    consent: str | None = None
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    id: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    data: dict[str, Any] | None = None
    engaged: Annotated[float, Field(ge=0)] | None = None
    scroll: Annotated[float, Field(ge=0, le=100)] | None = None


def handle(tracking: Tracking, method: str, path: str, raw: bytes, caller: Caller) -> Answer:
    """Respond to a request below PREFIX."""
    headers = [OPEN]
    try:
        tracking.admit(caller)
        site = tracking.site(path[len(PREFIX) :])
        if site is None:
            raise NotFound("There is no site with this id.")
        headers = _permission(caller, site)
        if method == "OPTIONS":
            return Answer(204, None, [*headers, *PREFLIGHT])
        if method != "POST":
            headers.append(("Allow", "POST, OPTIONS"))
            return Answer(405, {"error": "Only POST goes here."}, headers)
        return Answer(200, _take(tracking, site, raw, caller), headers)
    except Refusal as refusal:
        return Answer(refusal.status, {"error": refusal.message}, [*headers, *refusal.headers.items()])


def _permission(caller: Caller, site: SiteRow) -> list[tuple[str, str]]:
    """CORS headers for pages of the site, of its `origins` and of Alice. Raises Forbidden for others."""
    origin = caller.environ.get("HTTP_ORIGIN")
    if origin is None:
        return []
    own = caller.environ.get("HTTP_HOST", "").partition(":")[0]
    host = _host(origin)
    if (host and host in (site.domain, f"www.{site.domain}", own)) or origin in site.origins:
        return [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]
    raise Forbidden("This origin may not send events to this site.")


@lru_cache(maxsize=1024)
def _host(origin: str) -> str:
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:
        return ""


def _take(tracking: Tracking, site: SiteRow, raw: bytes, caller: Caller) -> dict[str, Any]:
    tracking.admit(None, site.id)
    if caller.opted_out:
        return {"success": True, "cache": None}
    payloads, failed = _payloads(raw)
    more = len(payloads) + len(failed) - 1
    if more:
        tracking.admit(caller, site.id, more)
    recorded = None
    for _, of_one in groupby(payloads, _visitor):
        recorded = _record(tracking, site, [*of_one], caller)
    answer: dict[str, Any] = {"success": True, "cache": _cache(recorded)}
    return answer | {"failed": failed} if failed else answer


def _payloads(raw: bytes) -> tuple[list[Payload], list[dict[str, Any]]]:
    """The valid payloads of a batch and the errors of the others. A single invalid one raises Refusal."""
    document = body.read(raw)
    if not isinstance(document, dict):
        raise Malformed("The body must be an object.")
    if document.get("events") is None:
        body.require_small(document, raw)
        return [_payload(document)], []
    good, failed = [], []
    common = {name: document[name] for name in COMMON if name in document}
    for index, item in enumerate(body.batch(document)):
        try:
            body.require_small(item, raw)
            good.append(_payload(common | item if isinstance(item, dict) else item))
        except Refusal as error:
            failed.append({"index": index, "error": error.message})
    return good, failed


def _payload(item: Any) -> Payload:
    payload = body.validated(Payload, item)
    if payload.type == "event" and payload.name is None:
        raise Malformed("name is required for an event.")
    if payload.type == "identify" and payload.id is None:
        raise Malformed("id is required to identify somebody.")
    return payload


def _visitor(payload: Payload) -> tuple[bool, str | None]:
    """Whether the visitor has consented, and if so the id that their browser stores."""
    granted = payload.consent == "granted"
    return granted, payload.visitorId if granted else None


def _record(tracking: Tracking, site: SiteRow, payloads: list[Payload], caller: Caller) -> Recorded:
    """Store payloads of one visitor."""
    granted, name = _visitor(payloads[0])
    if name:
        key = VisitKey(Dialect.LITTLESTATS, tracking.visitors.known(site, f"visitor:{name}"))
    else:
        yesterday = partial(tracking.visitors.yesterday, site, caller)
        key = VisitKey(Dialect.LITTLESTATS, tracking.visitors.anonymous(site, caller), yesterday=yesterday)
    make_details = partial(_details, payloads, site, caller, granted)
    return tracking.record(site, key, caller, make_details, [_hit(payload) for payload in payloads])


def _details(payloads: list[Payload], site: SiteRow, caller: Caller, granted: bool) -> VisitDetails:
    first = payloads[0]
    details = VisitDetails(
        language=first.language,
        timezone=first.timezone,
        screen=first.screen if first.screen and _SCREEN.fullmatch(first.screen) else None,
    )
    # Not from the first event, which may be left over from an earlier visit.
    view = next((payload for payload in payloads if payload.type == "pageview"), None)
    if view is not None:
        details.referrer = _referrer(view, site, caller)
        if view.url:
            _, details.path, details.campaign = _split(view.url)
    identify = next((payload for payload in reversed(payloads) if payload.type == "identify"), None)
    if granted and identify is not None:
        details.user_id, details.identity = identify.id, identify.data or {}
    return details


_SCREEN = re.compile(r"\d{1,5}x\d{1,5}")


def _split(url: str) -> campaign.Address:
    return _address(url[:MAX_ADDRESS])


# Most events of a site are on the same few pages.
_address = lru_cache(maxsize=2048)(campaign.address)


def _referrer(view: Payload, site: SiteRow, caller: Caller) -> str | None:
    if not view.referrer:
        return None
    own = frozenset((site.domain, caller.environ.get("HTTP_HOST", "").partition(":")[0]))
    return campaign.referrer(view.referrer[:MAX_ADDRESS], own)


def _hit(payload: Payload) -> Hit:
    kind, name, properties = KINDS[payload.type], None, None
    if kind == Kind.CUSTOM:
        name, properties = payload.name, payload.data
        if name in NAMED_KINDS:
            kind, name = NAMED_KINDS[name], None
    elif kind in (Kind.PAGE_EXIT, Kind.HEARTBEAT) and payload.scroll:
        properties = {"scroll": payload.scroll}
    return Hit(
        kind,
        name,
        _split(payload.url).path if payload.url else None,
        None if payload.timestamp is None else int(payload.timestamp),
        payload.eventId,
        properties,
        int(payload.engaged * 1000) if payload.engaged and payload.engaged < 1e6 else 0,
    )


def _cache(recorded: Recorded | None) -> Mapping[str, Any] | None:
    if recorded is None:
        return None
    found = recorded.visit
    return {"visitId": found.id, "iat": clock.now() // 1000, "sessionStart": found.started_at}
