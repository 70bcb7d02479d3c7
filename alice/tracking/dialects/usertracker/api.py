"""The UserTracker dialect over HTTP.

Signed-in users send and read their own movements on Alice's own site (admins read everybody's). With an API
key, servers send or read the movements of all users of the key's site. Errors are `{"error": "..."}`.
"""

from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from flask import Blueprint, Response, request
from flask_login import current_user
from pydantic import BaseModel, ConfigDict, Field

from alice import clock, database
from alice.accounts.user import ADMIN
from alice.clock import days, hours
from alice.errors import Forbidden, Malformed, NotFound, Unauthenticated
from alice.tracking import api_key
from alice.tracking.api_key import INGEST, READ
from alice.tracking.context import tracking
from alice.tracking.dialects import body, errors
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
    """Authorize the request. Raises Unauthenticated, or Forbidden for a key of the other scope."""
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
    if found.is_to_be_noted(now):
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
    with database.connected(database.events_db):
        reach, who = _reach(INGEST), _caller()
        sender = None if reach.by_key else who
        tracking().admit(sender, reach.site.id)
        movements = writing.movements(request.get_data(cache=False))
        for user_id in {movement.userId for movement in movements}:
            reach.require(user_id)
        if len(movements) > 1:
            tracking().admit(sender, reach.site.id, len(movements) - 1)
        if not who.objects:
            about = writing.told_by_server(who) if reach.by_key else who
            writing.record(tracking(), reach.site, movements, about)
    return respond({"success": True})


@blueprint.post("/session")
@public
def open_session() -> Response:
    """Open a session, or resume the open one with this id."""
    with database.connected(database.events_db):
        reach, who = _reach(INGEST), _caller()
        tracking().admit(None if reach.by_key else who, reach.site.id)
        asked = writing.opening(request.get_data(cache=False))
        reach.require(asked.userId)
        if who.objects:
            return respond({"success": True, "session": _untracked(asked)})
        about = writing.told_by_server(who, asked.deviceInfo) if reach.by_key else who
        session = reading.session(writing.open_session(tracking(), reach.site, asked, about))
        if reach.by_key:  # an ingest key may not read what others sent
            visible = {"deviceInfo": writing.kept_of(asked), "movements": [], "nextBefore": None}
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
    with database.connected(database.events_db):
        reach = _reach(READ)
        asked = _query(SessionQuery)
        reach.require(asked.userId)
        row = tracking().find(Dialect.USER_TRACKER, asked.sessionId, reach.site.number, asked.userId)
        if row is None:
            raise NotFound("There is no session with this id.")
        return respond(_with_movements(reach.site, reading.session(row), asked.limit, asked.before))


@blueprint.get("/analytics")
@public
def analytics() -> Response:
    """Sessions and movements of a time range: a user's, or (for admins and keys) the whole site's."""
    with database.connected(database.events_db):
        reach = _reach(READ)
        asked = _query(AnalyticsQuery)
        if asked.userId is None and reach.own_id is not None:
            raise Malformed("userId is required.", "invalid")
        if asked.userId is not None:
            reach.require(asked.userId)
        return respond(_analytics(reach.site, asked))


def _analytics(of_site: SiteRow, asked: AnalyticsQuery) -> dict[str, Any]:
    of = Range(of_site, asked.userId, clock.now() - RANGES[asked.timeRange])
    only = Filters(asked.event, asked.path, asked.session)
    sessions = reading.sessions(of, RECENT if asked.userId is None else MOST_SESSIONS)
    movements, next_before = reading.page(of, asked.limit, asked.before, only)
    return {
        "totalSessions": reading.count_sessions(of),
        "userSessions": [] if asked.userId is None else sessions,
        "recentActivity": sessions[:RECENT],
        "timeRange": asked.timeRange,
        "movements": movements,
        "nextBefore": next_before,
    }


def _with_movements(
    of_site: SiteRow, session: dict[str, Any], limit: int = NEWEST, before: str | None = None
) -> dict[str, Any]:
    of = Range(of_site, session["userId"])
    movements, next_before = reading.page(of, limit, before, Filters(session=session["sessionId"]))
    return session | {"movements": movements, "nextBefore": next_before}


def _untracked(asked: writing.Opening) -> dict[str, Any]:
    """The response for a user who asks not to be tracked. Nothing is stored."""
    now = clock.now()
    return {
        "userId": asked.userId,
        "sessionId": asked.sessionId,
        "startTime": now,
        "lastActivity": now,
        "deviceInfo": {},
        "movements": [],
        "nextBefore": None,
    }


def _caller() -> Caller:
    return caller(request.environ, settings().trusted_proxies)


Model = TypeVar("Model", bound=BaseModel)


def _query(model: type[Model]) -> Model:
    values = request.args.to_dict()
    if any("\0" in value for value in values.values()):
        raise Malformed("The query holds a character that cannot be kept.", "invalid")
    return body.validated(model, values)
