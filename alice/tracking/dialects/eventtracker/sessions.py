"""Sessions of the EventTracker dialect: open, check, renew and read them. A session is a visit."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from alice import clock
from alice.clock import days, minutes
from alice.database import events
from alice.ids import new_id
from alice.tracking.dialects.answer import Answer
from alice.tracking.dialects.eventtracker.finding import (
    find,
    parse,
    require,
    site_of,
    success,
    successor,
)
from alice.tracking.dialects.eventtracker.schema import CAMPAIGN, Init, Renewal, SessionFields, SessionId
from alice.tracking.log import campaign
from alice.tracking.log.caller import Caller
from alice.tracking.log.hit import VisitDetails, VisitKey
from alice.tracking.log.visit import VARIANT, Dialect, VisitRow, attributes_of
from alice.tracking.pipeline import Tracking
from alice.tracking.site import SiteRow

ATTRIBUTION_DAYS = 30  # how long after an old session's last activity a renewal copies its attribution
# Fields stored as a session's context. Those of the A/B test have columns of their own.
CONTEXT = (
    "project_id", "workspace_id", "campaign_id", "landing_page_id", "attribution_id", "segment_id",
    "environment", "campaign_environment", "campaign_slug", "original_hostname", "is_ephemeral",
)  # fmt: skip
SHOWN = ("project_id", "workspace_id", "campaign_id", "landing_page_id")


def init(tracking: Tracking, raw: bytes, caller: Caller) -> Answer:
    """Open the session, or resume it if it is open."""
    request = parse(Init, raw)
    site = site_of(tracking, request.project_id)
    if caller.opted_out:
        return success(_untracked(request.session_id, request, site))
    user_id = None if request.is_ephemeral else request.user_id
    key = _key(tracking, site, request.session_id, user_id, caller)
    details = _details(request, user_id, site, _origin(request))
    visit = tracking.open(site, key, caller, details, _idle(request))
    return success(_state(visit) | {"click_id": visit.id})


def validate(tracking: Tracking, raw: bytes, caller: Caller) -> Answer:
    """Check whether the session is open. The check counts as activity, so it extends an open session."""
    request = parse(SessionId, raw)
    if caller.opted_out:
        return Answer(200, {"success": True, "valid": True, "reason": "not_tracked"})
    found = find(tracking, request.session_id)
    if found is None:
        return Answer(200, {"success": True, "valid": False, "reason": "not_found"})
    if not found.visit.is_over(clock.now()):
        tracking.touch(found.visit.number)
        found = find(tracking, request.session_id) or found
    if found.visit.is_over(clock.now()):
        new = successor(tracking, found.site, found.visit)
        return Answer(200, {"success": True, "valid": False, "reason": "expired", "new_session_id": new})
    return Answer(200, {"success": True, "valid": True, "reason": "valid", "session": _state(found.visit)})


def renew(tracking: Tracking, raw: bytes, caller: Caller) -> Answer:
    """Open a session with the attribution of an old one; without an old one, with what the client sent."""
    request = parse(Renewal, raw)
    site = site_of(tracking, request.project_id)
    if caller.opted_out:
        new = request.new_session_id or new_id()
        return success(_untracked(new, request, site) | {"user_id": request.user_id})
    old = _old_visit(tracking, site, request)
    new = request.new_session_id or (successor(tracking, site, old) if old else new_id())
    user_id = None if _is_ephemeral(request, old) else request.user_id or (old.user_id if old else None)
    # The attribution of an old visit is copied as it is, not mixed with newer values.
    preserved = _texts(request.preserved_attribution)
    origin = {} if old else preserved or _origin(request)
    visit = tracking.renew(
        site,
        _key(tracking, site, new, user_id, caller),
        caller,
        _details(request, user_id, site, origin),
        old.session_id if old else None,
        _idle(request) or (old.idle_ms if old else None),
    )
    kept = visit.renewed_from is not None or (not old and bool(preserved))
    return success(_state(visit) | {"click_id": visit.id} | _renewal(visit, request.user_id, kept))


def _old_visit(tracking: Tracking, site: SiteRow, request: Renewal) -> VisitRow | None:
    """The visit to renew. None if it is unknown or inactive for over ATTRIBUTION_DAYS, or if it has a user
    but the client is ephemeral now (consent withdrawn).
    """
    if request.old_session_id is None:
        return None
    old = tracking.find(Dialect.EVENT_TRACKER, request.old_session_id, site.number)
    if old is None or clock.now() - old.last_at > days(ATTRIBUTION_DAYS):
        return None
    return None if request.is_ephemeral and old.user_id else old


def _is_ephemeral(request: Renewal, old: VisitRow | None) -> bool:
    """The client's value; if it sent none, the old session's."""
    if request.is_ephemeral is None and old is not None:
        return bool(old.context.get("is_ephemeral"))
    return bool(request.is_ephemeral)


def _renewal(visit: VisitRow, user_id: str | None, kept: bool) -> dict[str, Any]:
    """A renewal's response besides the state. `user_id` is only what the client itself sent, if anything."""
    variant = attributes_of(events, visit.number, VARIANT)
    return {
        "user_id": user_id,
        "ab_test_id": variant["ab_test"],
        "ab_test_variant_id": variant["ab_variant"],
        "attribution_duration_days": ATTRIBUTION_DAYS,
        "attribution_preserved": kept,
    }


def flush(tracking: Tracking, raw: bytes, caller: Caller) -> Answer:
    request = parse(SessionId, raw)
    if not caller.opted_out:
        require(tracking, request.session_id)
    return success({"flushed_events": 0})


def show(tracking: Tracking, session_id: str) -> Answer:
    return success(_state(require(tracking, session_id).visit))


def _state(visit: VisitRow) -> dict[str, Any]:
    """What anyone who knows the session's id may read: ids, times (ms), sequence; no user or attribution."""
    context = visit.context
    return {
        "session_id": visit.session_id,
        **{name: context.get(name) for name in SHOWN},
        "session_duration_minutes": visit.idle_ms // minutes(1),
        "event_sequence": visit.sequence,
        "created_at": visit.started_at,
        "last_activity": visit.last_at,
        "expires_at": visit.due_at,
        "is_expired": visit.is_over(clock.now()),
    }


def _untracked(session_id: str, request: SessionFields, site: SiteRow) -> dict[str, Any]:
    """The response to a client that sends DNT or GPC: the session is not stored."""
    return {
        "session_id": session_id,
        "session_duration_minutes": (_idle(request) or site.idle_ms) // minutes(1),
        "event_sequence": 0,
        "click_id": None,
    }


def _idle(request: SessionFields) -> int | None:
    return minutes(request.session_timeout_minutes) if request.session_timeout_minutes else None


# Visitor and attribution


def _key(tracking: Tracking, site: SiteRow, session_id: str, user_id: str | None, caller: Caller) -> VisitKey:
    visitors = tracking.visitors
    visitor = visitors.known(site, f"user:{user_id}") if user_id else visitors.anonymous(site, caller)
    return VisitKey(Dialect.EVENT_TRACKER, visitor, session_id)


def _details(
    request: SessionFields, user_id: str | None, site: SiteRow, origin: Mapping[str, str]
) -> VisitDetails:
    page = request.page_url or request.uri
    query = urlencode({name: value for name, value in origin.items() if name in CAMPAIGN})
    referrer = origin.get("referrer")
    context = {name: value for name in CONTEXT if (value := getattr(request, name, None)) is not None}
    return VisitDetails(
        path=campaign.address(page).path if page else None,
        referrer=campaign.referrer(referrer, frozenset((site.domain,))) if referrer else None,
        campaign=campaign.address(f"/?{query}").campaign if query else None,
        language=request.language or None,
        timezone=request.timezone or None,
        screen=request.screen,
        ab_test=request.ab_test_id or None,
        ab_variant=request.ab_test_variant_id or None,
        user_id=user_id,
        context=context | {name: origin[name] for name in ("ref", "source") if name in origin},
    )


def _origin(request: SessionFields) -> dict[str, str]:
    """Referrer and campaign: from the request's own fields, else current_url_utm, else the page's query."""
    found = dict(parse_qsl(urlsplit(request.page_url or request.uri or "").query))
    if isinstance(request, Renewal):
        found |= _texts(request.current_url_utm)
    own = {name: getattr(request, name) for name in CAMPAIGN}
    own["referrer"] = request.referrer or request.referrer_url or getattr(request, "current_referrer", None)
    return found | {name: value for name, value in own.items() if value}


def _texts(given: Mapping[str, Any] | None) -> dict[str, str]:
    """Referrer and campaign of an object that the client sends with a renewal."""
    names = (*CAMPAIGN, "referrer")
    return {name: value for name in names if given and isinstance(value := given.get(name), str) and value}
