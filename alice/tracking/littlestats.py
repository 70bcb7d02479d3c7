"""The LittleStats dialect: what tracker.js sends.

`POST /api/v2/track/:siteId` takes one payload or `{"events": [...]}`, answers `{success, cache}`. Without
consent a visitor is known for a day, by a hash; with it, by an id that their browser keeps.
"""

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from alice import clock
from alice.tracking import body, campaign
from alice.tracking.answer import Answer
from alice.tracking.event import Kind
from alice.tracking.pipeline import Arrival, Hit, Key, Recorded, Tracking
from alice.tracking.request import Caller
from alice.tracking.site import SiteRow
from alice.tracking.visit import Dialect
from alice.web.errors import Malformed, Refusal
from alice.web.validation import explain

PREFIX = "/api/v2/track/"
PREFLIGHT = [
    ("Access-Control-Allow-Methods", "POST, OPTIONS"),
    ("Access-Control-Allow-Headers", "Content-Type"),
    ("Access-Control-Max-Age", "86400"),
]
KINDS = {
    "pageview": Kind.PAGE_VIEW,
    "event": Kind.CUSTOM,
    "identify": Kind.IDENTIFY,
    "page_exit": Kind.PAGE_EXIT,
    "heartbeat": Kind.HEARTBEAT,
}
# Events that the add-ons of tracker.js send; they are kinds of their own.
NAMED_KINDS = {
    "click": Kind.CLICK,
    "scroll": Kind.SCROLL,
    "form_interaction": Kind.FORM_INTERACTION,
    "form_submit": Kind.FORM_SUBMIT,
}

Short = Annotated[str, StringConstraints(max_length=200)]
Address = Annotated[str, StringConstraints(max_length=4000)]


class Payload(BaseModel):
    """One event as browsers send it. Unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    type: Literal["pageview", "event", "identify", "page_exit", "heartbeat"] = "pageview"
    eventId: Annotated[str, Field(max_length=64)] | None = None  # noqa: N815 - names are the dialect's
    timestamp: Annotated[float, Field(ge=0, lt=1e15)] | None = None
    url: Address | None = None
    referrer: Address | None = None
    screen: Annotated[str, StringConstraints(pattern=r"^\d{1,5}x\d{1,5}$")] | None = None
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
    """Answer a request to the dialect's address."""
    site = tracking.site(path[len(PREFIX) :])
    if site is None:
        return Answer(404, {"error": "There is no site with this id."})
    origin = caller.environ.get("HTTP_ORIGIN")
    if origin is not None and not _may_send(origin, site, caller):
        return Answer(403, {"error": "This origin may not send events to this site."})
    headers = [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")] if origin else []
    if method == "OPTIONS":
        return Answer(204, None, [*headers, *PREFLIGHT])
    if method != "POST":
        return Answer(405, {"error": "Only POST goes here."}, [*headers, ("Allow", "POST, OPTIONS")])
    try:
        return Answer(200, _take(tracking, site, raw, caller), headers)
    except Refusal as refusal:
        more = list(refusal.headers.items())
        return Answer(refusal.status, {"error": refusal.message}, [*headers, *more])


def _may_send(origin: str, site: SiteRow, caller: Caller) -> bool:
    """Whether a page of this origin belongs to the site."""
    host = _host(origin)
    own = caller.environ.get("HTTP_HOST", "").partition(":")[0]
    return host in (site.domain, f"www.{site.domain}", own) or origin in site.origins


@lru_cache(maxsize=1024)
def _host(origin: str) -> str:
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:
        return ""


def _take(tracking: Tracking, site: SiteRow, raw: bytes, caller: Caller) -> dict[str, Any]:
    tracking.admit(caller, site.id)
    if caller.objects:
        return {"success": True, "cache": None}
    payloads, failed = _payloads(body.read(raw))
    if len(payloads) > 1:
        tracking.admit(caller, site.id, len(payloads) - 1)
    recorded = _record(tracking, site, payloads, caller) if payloads else None
    answer: dict[str, Any] = {"success": True, "cache": _cache(recorded)}
    return answer | {"failed": failed} if failed else answer


def _payloads(document: Any) -> tuple[list[Payload], list[dict[str, Any]]]:
    """The good ones, and what is wrong with the others of a batch. Raises Malformed for a single bad one."""
    if not isinstance(document, dict):
        raise Malformed("The body must be an object.")
    items = document.get("events")
    if items is None:
        return [_payload(document)], []
    if not isinstance(items, list) or not 1 <= len(items) <= body.MAX_EVENTS:
        raise Malformed(f"events must be a list of 1 to {body.MAX_EVENTS}.")
    good, failed = [], []
    common = {name: value for name, value in document.items() if name != "events"}
    for index, item in enumerate(items):
        try:
            good.append(_payload(common | item if isinstance(item, dict) else item))
        except Malformed as error:
            failed.append({"index": index, "error": error.message})
    return good, failed


def _payload(item: Any) -> Payload:
    try:
        payload = Payload.model_validate(item)
    except ValidationError as error:
        raise Malformed(explain(error)) from None
    if payload.type == "event" and payload.name is None:
        raise Malformed("name is required for an event.")
    if payload.type == "identify" and payload.id is None:
        raise Malformed("id is required to identify somebody.")
    return payload


def _record(tracking: Tracking, site: SiteRow, payloads: list[Payload], caller: Caller) -> Recorded:
    first = payloads[0]
    granted = first.consent == "granted"
    if granted and first.visitorId:
        key = Key(Dialect.LITTLESTATS, tracking.visitors.known(site, f"visitor:{first.visitorId}"))
    else:
        before = partial(tracking.visitors.yesterday, site, caller)
        key = Key(Dialect.LITTLESTATS, tracking.visitors.anonymous(site, caller), before=before)
    return tracking.record(
        site, key, caller, _arrival(payloads, site, caller, granted), [_hit(payload) for payload in payloads]
    )


def _arrival(payloads: list[Payload], site: SiteRow, caller: Caller, granted: bool) -> Arrival:
    first = payloads[0]
    came = _place(first.url) if first.url else None
    arrival = Arrival(
        path=came.path if came else None,
        referrer=_referrer(first, site, caller),
        campaign=came.campaign if came else campaign.NO_CAMPAIGN,
        language=first.language,
        timezone=first.timezone,
        screen=first.screen,
    )
    said = next((payload for payload in reversed(payloads) if payload.type == "identify"), None)
    if granted and said is not None:
        arrival.user_id, arrival.identity = said.id, said.data or {}
    return arrival


# Most of what a site's visitors send names the same few pages.
_place = lru_cache(maxsize=2048)(campaign.address)


def _referrer(first: Payload, site: SiteRow, caller: Caller) -> str | None:
    if not first.referrer:
        return None
    own = frozenset((site.domain, caller.environ.get("HTTP_HOST", "").partition(":")[0]))
    return campaign.referrer(first.referrer, own)


def _hit(payload: Payload) -> Hit:
    kind, name, properties = KINDS[payload.type], None, None
    if kind == Kind.CUSTOM:
        name, properties = payload.name, payload.data
        if name in NAMED_KINDS:
            kind, name = NAMED_KINDS[name], None
    elif kind == Kind.PAGE_EXIT and payload.scroll:
        properties = {"scroll": payload.scroll}
    return Hit(
        kind,
        name,
        _place(payload.url).path if payload.url else None,
        None if payload.timestamp is None else int(payload.timestamp),
        payload.eventId,
        properties,
        int((payload.engaged or 0) * 1000) if payload.engaged and payload.engaged < 1e6 else 0,
    )


def _cache(recorded: Recorded | None) -> Mapping[str, Any] | None:
    if recorded is None:
        return None
    found = recorded.visit
    return {"visitId": found.id, "iat": clock.now() // 1000, "sessionStart": found.started_at}
