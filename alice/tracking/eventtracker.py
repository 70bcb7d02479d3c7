"""The EventTracker dialect: sessions that a client names, opens and renews, and the events in them.

Everything is under `/api/v1/events`: `POST session` (also as `session/init`), `session/validate`,
`session/renew`, `session/flush`, `track`, `batch-track`, and `GET session/:id`. A session is a visit.
Responses are `{success, data}`, errors `{success: false, error}`. For an expired session the response is 200
with `new_session_id`, so that the client renews the session and sends the event again.

Events are committed before the response, so there is no buffer: `events_in_buffer` and `flushed_events` are
0. `flushed_to_tinybird` is false because sinks read the log later, on their own.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from alice import clock, database
from alice.clock import days, minutes
from alice.errors import NotFound, Refusal
from alice.ids import new_id, uuid7
from alice.tracking import body, campaign
from alice.tracking.answer import OPEN, Answer
from alice.tracking.event import Kind
from alice.tracking.eventtracker_schema import CAMPAIGN, Event, Init, Named, Renewal, Session, check
from alice.tracking.pipeline import Tracking
from alice.tracking.recording import Hit, VisitDetails, VisitKey
from alice.tracking.request import Caller
from alice.tracking.site import SiteRow
from alice.tracking.text import texts
from alice.tracking.visit import VARIANT, Dialect, Expired, VisitRow, attributes_of

PREFIX = "/api/v1/events/"
ATTRIBUTION_DAYS = 30  # how long after an old session's last activity a renewal copies its attribution
EXPIRED = "Session expired"
NOT_FOUND = "Session not found"
KINDS = {
    "pageview": Kind.PAGE_VIEW,
    "click": Kind.CLICK,
    "scroll": Kind.SCROLL,
    "form_submit": Kind.FORM_SUBMIT,
    "conversion": Kind.CONVERSION,
    "engagement": Kind.ENGAGEMENT,
    "system": Kind.SYSTEM,
}
PAGE_VIEW = "page-view"  # the event_id of page views from clients that lack the type "pageview"
# Fields stored as a session's context. Those of the A/B test have columns of their own.
CONTEXT = (
    "project_id", "workspace_id", "campaign_id", "landing_page_id", "attribution_id", "segment_id",
    "environment", "campaign_environment", "campaign_slug", "original_hostname", "is_ephemeral",
)  # fmt: skip
SHOWN = ("project_id", "workspace_id", "campaign_id", "landing_page_id")
# Fields of an event stored as its properties. The others become its kind, name, time, id and visit.
PROPERTIES = tuple(
    name
    for name in Event.model_fields
    if name not in ("session_id", "project_id", "id", "timestamp", "event_type", "event_id")
)

# Pages of any origin may send events; no cookie is read here.
PREFLIGHT = [
    OPEN,
    ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
    ("Access-Control-Allow-Headers", "Content-Type"),
    ("Access-Control-Max-Age", "86400"),
]


def handle(tracking: Tracking, method: str, path: str, raw: bytes, caller: Caller) -> Answer:
    """Respond to a request below PREFIX."""
    name = path.removeprefix(PREFIX)
    post = POSTS.get(name)
    shown = None if post else _shown_session(name)
    if post is None and shown is None:
        return _refused(404, "There is nothing here.")
    allowed = "POST" if post else "GET"
    if method == "OPTIONS":
        return Answer(204, None, PREFLIGHT)
    if method != allowed:
        return _refused(405, f"Only {allowed} goes here.", [("Allow", f"{allowed}, OPTIONS")])
    try:
        tracking.admit(caller)
        status, answer = post(tracking, raw, caller) if post else _show(tracking, shown)
    except Refusal as refusal:
        return _refused(refusal.status, refusal.message, [*refusal.headers.items()])
    return Answer(status, answer, [OPEN])


def _shown_session(name: str) -> str | None:
    """The id in `session/:id`, or None. WSGI decodes the path's UTF-8 bytes as Latin-1 (PEP 3333)."""
    where, _, session_id = name.partition("/")
    if where != "session" or not session_id or "\0" in session_id:
        return None
    return session_id.encode("latin-1", "replace").decode("utf-8", "replace")


def _refused(status: int, message: str, headers: list[tuple[str, str]] | None = None) -> Answer:
    return Answer(status, {"success": False, "error": message}, [OPEN, *(headers or [])])


Answered = tuple[int, dict[str, Any]]  # status and body


class Found(NamedTuple):
    """A session, and the site it belongs to."""

    visit: VisitRow
    site: SiteRow


def _success(data: dict[str, Any]) -> Answered:
    return 200, {"success": True, "data": data}


# Sessions


def _init(tracking: Tracking, raw: bytes, caller: Caller) -> Answered:
    """Open the session, or resume it when it is live."""
    asked = check(Init, _read(raw))
    site = _site(tracking, asked.project_id)
    if caller.objects:
        return _success(_untracked(asked.session_id, asked, site))
    user_id = None if asked.is_ephemeral else asked.user_id
    key = _key(tracking, site, asked.session_id, user_id, caller)
    details = _details(asked, user_id, site, _origin(asked))
    visit = tracking.open(site, key, caller, details, _idle(asked))
    return _success(_state(visit) | {"click_id": visit.id})


def _validate(tracking: Tracking, raw: bytes, caller: Caller) -> Answered:
    """Check whether the session is live. The check counts as activity and extends a live session."""
    asked = check(Named, _read(raw))
    if caller.objects:
        return 200, {"success": True, "valid": True, "reason": "not_tracked"}
    found = _find(tracking, asked.session_id)
    if found is None:
        return 200, {"success": True, "valid": False, "reason": "not_found"}
    if not found.visit.is_over(clock.now()):
        tracking.touch(found.visit.number)
        found = _find(tracking, asked.session_id) or found
    if found.visit.is_over(clock.now()):
        new = _successor(tracking, found.site, found.visit)
        return 200, {"success": True, "valid": False, "reason": "expired", "new_session_id": new}
    return 200, {"success": True, "valid": True, "reason": "valid", "session": _state(found.visit)}


def _renew(tracking: Tracking, raw: bytes, caller: Caller) -> Answered:
    """Open a session with the attribution of an old one; without an old one, with what the client sent."""
    asked = check(Renewal, _read(raw))
    site = _site(tracking, asked.project_id)
    old = None if caller.objects else _old_visit(tracking, site, asked)
    new = asked.new_session_id or (_successor(tracking, site, old) if old else new_id())
    if caller.objects:
        return _success(_untracked(new, asked, site) | {"user_id": asked.user_id})
    user_id = None if _is_ephemeral(asked, old) else asked.user_id or (old.user_id if old else None)
    # The attribution of an old visit is copied as it is, not mixed with newer values.
    origin = {} if old else _preserved(asked) or _origin(asked)
    visit = tracking.renew(
        site,
        _key(tracking, site, new, user_id, caller),
        caller,
        _details(asked, user_id, site, origin),
        old.session_id if old else None,
        _idle(asked) or (old.idle_ms if old else None),
    )
    kept = visit.renewed_from is not None or (not old and bool(_preserved(asked)))
    return _success(_state(visit) | {"click_id": visit.id} | _renewal(visit, asked.user_id, kept))


def _old_visit(tracking: Tracking, site: SiteRow, asked: Renewal) -> VisitRow | None:
    """The visit to renew. None if it is unknown or inactive for over ATTRIBUTION_DAYS, or if it has a user
    but the client is ephemeral now (consent withdrawn).
    """
    if asked.old_session_id is None:
        return None
    old = tracking.find(Dialect.EVENT_TRACKER, asked.old_session_id, site.number)
    if old is None or clock.now() - old.last_at > days(ATTRIBUTION_DAYS):
        return None
    return None if asked.is_ephemeral and old.user_id else old


def _is_ephemeral(asked: Renewal, old: VisitRow | None) -> bool:
    """The client's value; if it sent none, the old session's."""
    if asked.is_ephemeral is None and old is not None:
        return bool(old.context.get("is_ephemeral"))
    return bool(asked.is_ephemeral)


def _renewal(visit: VisitRow, user_id: str | None, kept: bool) -> dict[str, Any]:
    """A renewal's response besides the state. `user_id` is only what the client itself sent, if anything."""
    with database.connected(database.events_db):
        variant = attributes_of(visit.number, VARIANT)
        words = texts([*variant.values()])
    return {
        "user_id": user_id,
        "ab_test_id": words[variant["ab_test"]],
        "ab_test_variant_id": words[variant["ab_variant"]],
        "attribution_duration_days": ATTRIBUTION_DAYS,
        "attribution_preserved": kept,
    }


def _flush(tracking: Tracking, raw: bytes, caller: Caller) -> Answered:
    asked = check(Named, _read(raw))
    if not caller.objects:
        _require(tracking, asked.session_id)
    return _success({"flushed_events": 0})


def _show(tracking: Tracking, session_id: str) -> Answered:
    return _success(_state(_require(tracking, session_id).visit))


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


def _untracked(session_id: str, asked: Session, site: SiteRow) -> dict[str, Any]:
    """The response to a client that sends DNT or GPC: the session is not stored."""
    return {
        "session_id": session_id,
        "session_duration_minutes": (_idle(asked) or site.idle_ms) // minutes(1),
        "event_sequence": 0,
        "click_id": None,
    }


def _idle(asked: Session) -> int | None:
    return minutes(asked.session_timeout_minutes) if asked.session_timeout_minutes else None


# Visitor and attribution


def _key(tracking: Tracking, site: SiteRow, session_id: str, user_id: str | None, caller: Caller) -> VisitKey:
    visitors = tracking.visitors
    visitor = visitors.known(site, f"user:{user_id}") if user_id else visitors.anonymous(site, caller)
    return VisitKey(Dialect.EVENT_TRACKER, visitor, session_id)


def _details(asked: Session, user_id: str | None, site: SiteRow, origin: Mapping[str, str]) -> VisitDetails:
    page = asked.page_url or asked.uri
    query = urlencode({name: value for name, value in origin.items() if name in CAMPAIGN})
    referrer = origin.get("referrer")
    context = {name: value for name in CONTEXT if (value := getattr(asked, name, None)) is not None}
    return VisitDetails(
        path=campaign.address(page).path if page else None,
        referrer=campaign.referrer(referrer, frozenset((site.domain,))) if referrer else None,
        campaign=campaign.address(f"/?{query}").campaign if query else None,
        language=asked.language or None,
        timezone=asked.timezone or None,
        screen=asked.screen,
        ab_test=asked.ab_test_id or None,
        ab_variant=asked.ab_test_variant_id or None,
        user_id=user_id,
        context=context | {name: origin[name] for name in ("ref", "source") if name in origin},
    )


def _origin(asked: Session) -> dict[str, str]:
    """Referrer and campaign: from the request's own fields, else current_url_utm, else the page's query."""
    found = dict(parse_qsl(urlsplit(asked.page_url or asked.uri or "").query))
    if isinstance(asked, Renewal):
        found |= _texts(asked.current_url_utm)
    told = {name: getattr(asked, name) for name in CAMPAIGN}
    told["referrer"] = asked.referrer or asked.referrer_url or getattr(asked, "current_referrer", None)
    return found | {name: value for name, value in told.items() if value}


def _preserved(asked: Renewal) -> dict[str, str]:
    """The attribution that the client has stored and sends with a renewal."""
    return _texts(asked.preserved_attribution)


def _texts(given: Mapping[str, Any] | None) -> dict[str, str]:
    names = (*CAMPAIGN, "referrer")
    return {name: value for name in names if given and isinstance(value := given.get(name), str) and value}


# Events


def _track(tracking: Tracking, raw: bytes, caller: Caller) -> Answered:
    """Append one event to its session."""
    asked = check(Event, _read(raw))
    if caller.objects:
        return _success({"event_sequence": 0} | _UNBUFFERED)
    found = _require(tracking, asked.session_id, asked.project_id)
    tracking.admit(None, found.site.id)
    try:
        recorded = tracking.append(found.visit.number, [_hit(asked)], _later_details([asked]))
    except Expired:
        new = _successor(tracking, found.site, found.visit)
        return 200, {"success": False, "error": EXPIRED, "new_session_id": new}
    return _success({"event_sequence": recorded.sequences[0]} | _UNBUFFERED)


_UNBUFFERED = {"events_in_buffer": 0, "flushed_to_tinybird": False}


def _hit(event: Event) -> Hit:
    kind = Kind.PAGE_VIEW if event.event_id == PAGE_VIEW else KINDS[event.event_type]
    properties = {name: value for name in PROPERTIES if (value := getattr(event, name)) is not None}
    if kind != KINDS[event.event_type]:
        properties["event_type"] = event.event_type
    path = campaign.address(event.page_url).path if event.page_url else None
    return Hit(kind, event.event_id or None, path, event.timestamp, event.id, properties)


def _later_details(events: Sequence[Event]) -> VisitDetails | None:
    """Attribution of the first event with a page_url, and the A/B test of the first event with one.

    They fill in what the session lacks; None if no event has either.
    """
    details = None
    for event in events:
        if event.page_url:
            came = campaign.address(event.page_url)
            own = frozenset((came.host,) if came.host else ())
            referrer = campaign.referrer(event.referrer_url, own) if event.referrer_url else None
            details = VisitDetails(path=came.path, referrer=referrer, campaign=came.campaign)
            break
    for event in events:
        if event.ab_test_id or event.ab_test_variant_id:
            details = details or VisitDetails()
            details.ab_test, details.ab_variant = event.ab_test_id or None, event.ab_test_variant_id or None
            break
    return details


class Failure(NamedTuple):
    """An event of a batch that was not stored."""

    index: int
    error: str
    new_session_id: str | None = None


Group = list[tuple[int, Event]]  # events with their index in the batch


def _batch(tracking: Tracking, raw: bytes, caller: Caller) -> Answered:
    """Append events of one or several sessions, in one transaction per session."""
    items = body.batch(body.read(raw))
    if len(items) > 1:
        tracking.admit(caller, cost=len(items) - 1)
    events, failed = _checked(items, raw)
    if caller.objects:
        return _success(_processed(0))
    groups, lost = _groups(tracking, events)
    failed += lost
    for found, group in groups:
        tracking.admit(None, found.site.id, len(group))
    for found, group in groups:
        failed += _append(tracking, found, group)
    return _batch_answer(len(items), sorted(failed))


def _checked(items: list[Any], raw: bytes) -> tuple[Group, list[Failure]]:
    """Return the valid events of a batch in their order, and a Failure for each invalid one."""
    good, failed = [], []
    for index, item in enumerate(items):
        try:
            body.require_small(item, raw)
            good.append((index, check(Event, item)))
        except Refusal as error:
            failed.append(Failure(index, error.message))
    return good, failed


def _groups(tracking: Tracking, events: Group) -> tuple[list[tuple[Found, Group]], list[Failure]]:
    """Group the events by session; return the groups, and a Failure for each whose session is unknown."""
    find = cache(partial(_find, tracking))
    groups: dict[int, tuple[Found, Group]] = {}
    lost = []
    for index, event in events:
        found = find(event.session_id, event.project_id)
        if found is None:
            lost.append(Failure(index, NOT_FOUND))
        else:
            groups.setdefault(found.visit.number, (found, []))[1].append((index, event))
    return list(groups.values()), lost


def _append(tracking: Tracking, found: Found, group: Group) -> list[Failure]:
    events = [event for _, event in group]
    try:
        tracking.append(found.visit.number, [_hit(event) for event in events], _later_details(events))
    except Expired:
        new = _successor(tracking, found.site, found.visit)
        return [Failure(index, EXPIRED, new) for index, _ in group]
    return []


def _processed(events: int) -> dict[str, Any]:
    return {"processed_events": events, "batch_id": new_id()} | _UNBUFFERED


def _batch_answer(total: int, failed: list[Failure]) -> Answered:
    """Return 200 and success if all events were stored.

    Otherwise 200 if some were, or if a session must be renewed; 404 if no event's session exists; else 400.
    """
    data = _processed(total - len(failed))
    if not failed:
        return _success(data)
    errors = {failure.error for failure in failed}
    answer: dict[str, Any] = {
        "success": False,
        "error": min(errors) if len(errors) == 1 else f"{len(failed)} of {total} events were not kept.",
        "processed_events": total - len(failed),
        "data": data | {"failed": [_told(failure) for failure in failed]},
    }
    renewals = {failure.new_session_id for failure in failed if failure.new_session_id}
    if len(renewals) == 1:
        answer["new_session_id"] = min(renewals)
    if renewals or len(failed) < total:
        return 200, answer
    return 404 if errors == {NOT_FOUND} else 400, answer


def _told(failure: Failure) -> dict[str, Any]:
    told = {"index": failure.index, "error": failure.error}
    return told | {"new_session_id": failure.new_session_id} if failure.new_session_id else told


# Finding


def _read(raw: bytes) -> Any:
    document = body.read(raw)
    body.require_small(document, raw)
    return document


def _site(tracking: Tracking, project_id: str) -> SiteRow:
    site = tracking.site(project_id)
    if site is None:
        raise NotFound("There is no project with this id.")
    tracking.admit(None, site.id)
    return site


def _find(tracking: Tracking, session_id: str, project_id: str | None = None) -> Found | None:
    """The newest session of this name of the project, and its site.

    Without a project: of all sites' sessions of this name the oldest live one, else the newest. So nobody can
    divert a live session's events by opening one of the same name on another site.
    """
    if project_id is None:
        visit = tracking.find_anywhere(Dialect.EVENT_TRACKER, session_id)
    else:
        named = tracking.site(project_id)
        visit = tracking.find(Dialect.EVENT_TRACKER, session_id, named.number) if named else None
    site = tracking.site(visit.context["project_id"]) if visit else None
    return Found(visit, site) if visit and site else None


def _require(tracking: Tracking, session_id: str, project_id: str | None = None) -> Found:
    """The session. Raises NotFound."""
    found = _find(tracking, session_id, project_id)
    if found is None:
        raise NotFound(NOT_FOUND)
    return found


def _successor(tracking: Tracking, site: SiteRow, visit: VisitRow) -> str:
    """The id of the session that follows this one: a UUIDv7 that cannot be guessed.

    Every call returns the same id, so that tabs that renew at the same time share one session.
    """
    secret = int.from_bytes(tracking.visitors.known(site, f"after:{visit.number}").hash)
    return uuid7(visit.started_at, secret & (1 << 74) - 1)


POSTS: dict[str, Callable[[Tracking, bytes, Caller], Answered]] = {
    "session": _init,
    "session/init": _init,
    "session/validate": _validate,
    "session/renew": _renew,
    "session/flush": _flush,
    "track": _track,
    "batch-track": _batch,
}
