"""The UserTracker dialect: movements (events) of users, sent by their browser or by a site's server.

A movement is `{userId, sessionId, event, timestamp?, data?, id?}`. The first movement of a session opens a
visit. Once that visit is over, the next movement opens another one under the same sessionId; movements stay.
"""

from collections.abc import Iterable
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from alice.tracking.dialects import body
from alice.tracking.dialects.body import Model
from alice.tracking.log import campaign
from alice.tracking.log.caller import Caller
from alice.tracking.log.event import Kind
from alice.tracking.log.hit import Hit, VisitDetails, VisitKey
from alice.tracking.log.visit import Dialect, VisitRow
from alice.tracking.pipeline import Tracking
from alice.tracking.site import SiteRow

KINDS = {
    "page_view": Kind.PAGE_VIEW,
    "click": Kind.CLICK,
    "scroll": Kind.SCROLL,
    "hover": Kind.HOVER,
    "form_interaction": Kind.FORM_INTERACTION,
}
NAMES = {kind: name for name, kind in KINDS.items()}  # any other event is CUSTOM and keeps its name
LARGEST_DEVICE_INFO = 4096  # bytes


def _small(info: dict[str, Any]) -> dict[str, Any]:
    if len(orjson.dumps(info)) > LARGEST_DEVICE_INFO:
        raise ValueError(f"may hold at most {LARGEST_DEVICE_INFO} bytes")
    return info


Id = Annotated[str, Field(min_length=1, max_length=200)]


class SessionRequest(BaseModel):
    """JSON that names a user's session; unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    userId: Id  # noqa: N815 - names are the dialect's
    sessionId: Id  # noqa: N815


class Movement(SessionRequest):
    event: Annotated[str, Field(min_length=1, max_length=64)]
    timestamp: Annotated[float, Field(ge=0, lt=1e15)] | None = None  # ms, by the client's clock
    data: dict[str, Any] | None = None
    id: Annotated[str, Field(min_length=1, max_length=64)] | None = None  # a duplicate is not stored again


class Movements(BaseModel):
    movements: list[Movement]


class SessionOpening(SessionRequest):
    deviceInfo: Annotated[dict[str, Any], AfterValidator(_small)] | None = None  # noqa: N815


def movements(raw: bytes) -> list[Movement]:
    """Parse a body: a movement, or `{"movements": [...]}`. Raises Malformed (400) or TooLarge (413)."""
    document = body.read(raw)
    if isinstance(document, dict) and "movements" in document:
        for movement in body.batch(document, "movements"):
            body.require_small(movement, raw)
        return body.validated(Movements, document).movements
    return [_one(Movement, document, raw)]


def opening(raw: bytes) -> SessionOpening:
    """Parse a request to open a session. Raises Malformed (400) or TooLarge (413)."""
    return _one(SessionOpening, body.read(raw), raw)


def _one(model: type[Model], document: Any, raw: bytes) -> Model:
    body.require_small(document, raw)
    return body.validated(model, document)


# Storing


def record(tracking: Tracking, site: SiteRow, sent: Iterable[Movement], caller: Caller) -> None:
    """Append the movements to their sessions in the order given, all or none; committed on return."""
    sessions: dict[tuple[str, str], list[Movement]] = {}
    for movement in sent:
        sessions.setdefault((movement.userId, movement.sessionId), []).append(movement)
    tracking.record_all(
        site,
        caller,
        [
            (_key(tracking, site, *name), _details(of_session), [*map(_hit, of_session)])
            for name, of_session in sessions.items()
        ],
    )


def open_session(tracking: Tracking, site: SiteRow, opening: SessionOpening, caller: Caller) -> VisitRow:
    """Return the open session with this id, or a new one. A deviceInfo that is not empty replaces the old."""
    info = opening.deviceInfo or {}
    context = {"deviceInfo": stored_device_info(opening)}
    details = VisitDetails(
        user_id=opening.userId,
        screen=_short(info.get("screenResolution")),
        timezone=_short(info.get("timezone")),
        context=context,
    )
    key = _key(tracking, site, opening.userId, opening.sessionId)
    found = tracking.open(site, key, caller, details)
    if not context["deviceInfo"] or found.context == context:
        return found
    text = orjson.dumps(context).decode()
    tracking.set_context(found.number, text)
    return found._replace(context_json=text)


def stored_device_info(opening: SessionOpening) -> dict[str, Any]:
    """deviceInfo without userAgent. User agents are never stored, only what device.of() reads in them."""
    return {name: value for name, value in (opening.deviceInfo or {}).items() if name != "userAgent"}


def visitor_of_server(caller: Caller, device_info: dict[str, Any] | None = None) -> Caller:
    """The visitor in whose name a server sends: the request's address and headers are the server's.

    Only DNT and GPC count. The user agent is that of `device_info`, if it has one.
    """
    agent = (device_info or {}).get("userAgent")
    return Caller("", agent if isinstance(agent, str) and agent else None, {}, caller.opted_out)


def _key(tracking: Tracking, site: SiteRow, user_id: str, session_id: str) -> VisitKey:
    return VisitKey(Dialect.USER_TRACKER, tracking.visitors.known(site, f"user:{user_id}"), session_id)


def _details(of_session: list[Movement]) -> VisitDetails:
    view = next((movement for movement in of_session if movement.event == "page_view"), None)
    address = _address(view) if view else campaign.NOWHERE
    return VisitDetails(path=address.path, campaign=address.campaign, user_id=of_session[0].userId)


def _hit(movement: Movement) -> Hit:
    kind = KINDS.get(movement.event, Kind.CUSTOM)
    return Hit(
        kind,
        movement.event if kind == Kind.CUSTOM else None,
        _address(movement).path,
        None if movement.timestamp is None else int(movement.timestamp),
        # Stored ids are unique per site, but a client's need only be unique in their session.
        "\0".join((movement.userId, movement.sessionId, movement.id)) if movement.id else None,
        movement.data,
    )


def _address(movement: Movement) -> campaign.Address:
    path = (movement.data or {}).get("path")
    return campaign.address(path) if isinstance(path, str) and path else campaign.NOWHERE


def _short(value: Any) -> str | None:
    """`value` if it is a string of 1 to 64 characters, else None."""
    return value if isinstance(value, str) and 0 < len(value) <= 64 else None
