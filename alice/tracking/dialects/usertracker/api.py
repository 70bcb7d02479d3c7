"""The UserTracker dialect over HTTP.

Signed-in users send and read their own movements on Alice's own site; admins read those of all users. With
an API key, servers send or read the movements of all users of the key's site. Errors are `{"error": "..."}`.
"""

from typing import Annotated, Any, Literal, NamedTuple

from flask import Blueprint, Response, request
from flask_login import current_user
from pydantic import BaseModel, ConfigDict, Field

from alice import clock
from alice.accounts.user import ADMIN
from alice.clock import days, hours
from alice.errors import Forbidden, Malformed, NotFound, Unauthenticated
from alice.tracking import api_key
from alice.tracking.api_key import INGEST, READ
from alice.tracking.context import connect, tracking
from alice.tracking.dialects import body, errors
from alice.tracking.dialects.body import Model
from alice.tracking.dialects.usertracker import reading, writing
from alice.tracking.dialects.usertracker.reading import CURSOR, MOST_SESSIONS, RECENT, Filters, Range
from alice.tracking.log.caller import Caller, caller
from alice.tracking.log.visit import Dialect
from alice.tracking.site import SiteRow
from alice.web.access import public
from alice.web.context import settings
from alice.web.json import respond

RANGES = {"1h": hours(1), "24h": hours(24), "7d": days(7), "30d": days(30)}
NEWEST = 100  # movements of a session in one response

blueprint = Blueprint("usertracker_api", __name__, url_prefix="/api/track")
connect(blueprint)
errors.install(blueprint)


# Access


class Reach(NamedTuple):
    """The movements that a request may send or read."""

    site: SiteRow
    own_id: str | None = None  # only this user's; None: every user's
    by_key: bool = False

    def require(self, user_id: str) -> None:
        if self.own_id not in (None, user_id):
            raise Forbidden()


def _reach(scope: str) -> Reach:
    """Authorise the request. Raises Unauthenticated, or Forbidden for a key of the other scope."""
    key = _key()
    if key is not None:
        # Every request counts for its address, or keys could be guessed. Events count for the site.
        tracking().admit(_caller())
        return Reach(_site_of_key(key, scope), by_key=True)
    user = current_user._get_current_object()
    if not user.is_authenticated:
        raise Unauthenticated()
    own = tracking().sites.own()
    if own is None:
        raise NotFound("Alice's own site is missing. `alice setup` makes it.")
    reads_all = user.role == ADMIN and scope == READ
    return Reach(own, None if reads_all else user.id)


def _key() -> str | None:
    """The API key of the request, if it has one. A wrong key is refused, even with a session."""
    sent = request.headers.get("X-API-Key")
    if sent is not None:
        return sent.strip()
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    return bearer if api_key.KEY.fullmatch(bearer) else None


def _site_of_key(key: str, scope: str) -> SiteRow:
    found = api_key.check(key)
    if found is None:
        raise Unauthenticated()
    if found.scope != scope:
        raise Forbidden(f"This key is for scope {found.scope} only.", "wrong_scope")
    now = clock.now()
    if found.use_is_due(now):
        tracking().recorder.touch(api_key.write_used, found.id, now)
    of_site = tracking().site(found.site_id)
    if of_site is None:
        raise Unauthenticated()
    return of_site


# Movements


@blueprint.post("")
@public
def track() -> Response:
    """Record one movement, or up to 500; with a 2xx response they are committed."""
    reach, sender = _reach(INGEST), _caller()
    counted = None if reach.by_key else sender  # a server's requests are counted already
    tracking().admit(counted, reach.site.id)
    movements = writing.movements(request.get_data(cache=False))
    for user_id in {movement.userId for movement in movements}:
        reach.require(user_id)
    if len(movements) > 1:
        tracking().admit(counted, reach.site.id, len(movements) - 1)
    if not sender.opted_out:
        visitor = writing.visitor_of_server(sender) if reach.by_key else sender
        writing.record(tracking(), reach.site, movements, visitor)
    return respond({"success": True})


@blueprint.post("/session")
@public
def open_session() -> Response:
    """Open a session, or resume the open one with this id."""
    reach, sender = _reach(INGEST), _caller()
    tracking().admit(None if reach.by_key else sender, reach.site.id)
    opening = writing.opening(request.get_data(cache=False))
    reach.require(opening.userId)
    if sender.opted_out:
        return respond({"success": True, "session": _untracked(opening)})
    visitor = writing.visitor_of_server(sender, opening.deviceInfo) if reach.by_key else sender
    session = reading.session(writing.open_session(tracking(), reach.site, opening, visitor))
    if reach.by_key:  # an ingest key may not read what others sent
        visible = {"deviceInfo": writing.stored_device_info(opening), "movements": [], "nextBefore": None}
        return respond({"success": True, "session": session | visible})
    return respond({"success": True, "session": _with_movements(reach.site, session)})


class Queried(BaseModel):
    """A query string of this dialect; unknown names are ignored."""

    model_config = ConfigDict(extra="ignore")

    before: Annotated[str, Field(pattern=rf"^{CURSOR.pattern}$")] | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = NEWEST


class SessionQuery(Queried):
    userId: writing.Id  # noqa: N815 - names are the dialect's
    sessionId: writing.Id  # noqa: N815


class AnalyticsQuery(Queried):
    userId: writing.Id | None = None  # noqa: N815
    timeRange: Literal["1h", "24h", "7d", "30d"] = "24h"  # noqa: N815
    event: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    path: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    session: writing.Id | None = None


@blueprint.get("/session")
@public
def get_session() -> Response:
    """A session with its newest movements, or those before a cursor."""
    reach = _reach(READ)
    query = _query(SessionQuery)
    reach.require(query.userId)
    row = tracking().find(Dialect.USER_TRACKER, query.sessionId, reach.site.number, query.userId)
    if row is None:
        raise NotFound("There is no session with this id.")
    return respond(_with_movements(reach.site, reading.session(row), query.limit, query.before))


@blueprint.get("/analytics")
@public
def analytics() -> Response:
    """Sessions and movements of a time range: a user's, or (for admins and keys) the whole site's."""
    reach = _reach(READ)
    query = _query(AnalyticsQuery)
    if query.userId is None and reach.own_id is not None:
        raise Malformed("userId is required.", "invalid")
    if query.userId is not None:
        reach.require(query.userId)
    return respond(_analytics(reach.site, query))


def _analytics(of_site: SiteRow, query: AnalyticsQuery) -> dict[str, Any]:
    of = Range(of_site, query.userId, clock.now() - RANGES[query.timeRange])
    only = Filters(query.event, query.path, query.session)
    sessions = reading.sessions(of, RECENT if query.userId is None else MOST_SESSIONS)
    movements, next_before = reading.page(of, query.limit, query.before, only)
    return {
        "totalSessions": reading.count_sessions(of),
        "userSessions": [] if query.userId is None else sessions,
        "recentActivity": sessions[:RECENT],
        "timeRange": query.timeRange,
        "movements": movements,
        "nextBefore": next_before,
    }


def _with_movements(
    of_site: SiteRow, session: dict[str, Any], limit: int = NEWEST, before: str | None = None
) -> dict[str, Any]:
    of = Range(of_site, session["userId"])
    movements, next_before = reading.page(of, limit, before, Filters(session=session["sessionId"]))
    return session | {"movements": movements, "nextBefore": next_before}


def _untracked(opening: writing.SessionOpening) -> dict[str, Any]:
    """The response to a client that sends DNT or GPC. Nothing is stored."""
    now = clock.now()
    return {
        "userId": opening.userId,
        "sessionId": opening.sessionId,
        "startTime": now,
        "lastActivity": now,
        "deviceInfo": {},
        "movements": [],
        "nextBefore": None,
    }


def _caller() -> Caller:
    return caller(request.environ, settings().trusted_proxies)


def _query(model: type[Model]) -> Model:
    values = request.args.to_dict()
    if any("\0" in value for value in values.values()):
        raise Malformed("The query holds a character that cannot be kept.", "invalid")
    return body.validated(model, values)
