"""The UserTracker dialect: what users do (movements), told by their own browser or by a site's server.

A movement is `{userId, sessionId, event, timestamp?, data?, id?}`. Its session is opened by the first one,
and followed by another of the same name when it is over; movements stay.
"""

from collections.abc import Iterable
from typing import Annotated, Any, TypeVar

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from alice.database import events
from alice.errors import Malformed
from alice.tracking import body, campaign
from alice.tracking.event import Kind
from alice.tracking.pipeline import Tracking
from alice.tracking.recording import Hit, VisitDetails, VisitKey
from alice.tracking.request import Caller
from alice.tracking.site import SiteRow
from alice.tracking.visit import Dialect, VisitRow
from alice.web.validation import explain

KINDS = {
    "page_view": Kind.PAGE_VIEW,
    "click": Kind.CLICK,
    "scroll": Kind.SCROLL,
    "hover": Kind.HOVER,
    "form_interaction": Kind.FORM_INTERACTION,
}
NAMES = {kind: name for name, kind in KINDS.items()}  # any other event is CUSTOM and has a name of its own
LARGEST_DEVICE_INFO = 4096  # bytes


def _small(info: dict[str, Any]) -> dict[str, Any]:
    if len(orjson.dumps(info)) > LARGEST_DEVICE_INFO:
        raise ValueError(f"may hold at most {LARGEST_DEVICE_INFO} bytes")
    return info


Id = Annotated[str, Field(min_length=1, max_length=200)]


class Sent(BaseModel):
    """JSON of this dialect; unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    userId: Id  # noqa: N815 - names are the dialect's
    sessionId: Id  # noqa: N815


class Movement(Sent):
    event: Annotated[str, Field(min_length=1, max_length=64)]
    timestamp: Annotated[float, Field(ge=0, lt=1e15)] | None = None  # ms, by the client's clock
    data: dict[str, Any] | None = None
    id: Annotated[str, Field(min_length=1, max_length=64)] | None = None  # a known one is not kept again


class Batch(BaseModel):
    movements: list[Movement]


class Opening(Sent):
    deviceInfo: Annotated[dict[str, Any], AfterValidator(_small)] | None = None  # noqa: N815


Model = TypeVar("Model", bound=BaseModel)


def movements(raw: bytes) -> list[Movement]:
    """The movements of a body: one, or `{"movements": [...]}`. Raises Malformed (400) or TooLarge (413)."""
    document = body.read(raw)
    if isinstance(document, dict) and "movements" in document:
        for movement in body.batch(document, "movements"):
            body.require_small(movement, raw)
        return validated(Batch, document).movements
    return [_one(Movement, document, raw)]


def opening(raw: bytes) -> Opening:
    """The session that a body asks to open. Raises Malformed (400) or TooLarge (413)."""
    return _one(Opening, body.read(raw), raw)


def validated(model: type[Model], document: Any) -> Model:
    """Raises Malformed (400), which names the field."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise Malformed(explain(error), "invalid") from None


def _one(model: type[Model], document: Any, raw: bytes) -> Model:
    body.require_small(document, raw)
    return validated(model, document)


# Keeping


def record(tracking: Tracking, site: SiteRow, sent: Iterable[Movement], caller: Caller) -> None:
    """Append the movements to their sessions, in the order given; all or nothing, and committed."""
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


def open_session(tracking: Tracking, site: SiteRow, asked: Opening, caller: Caller) -> VisitRow:
    """The live session of this name, or a new one; what is said of the device replaces what was."""
    info = asked.deviceInfo or {}
    context = {"deviceInfo": kept_of(asked)}
    details = VisitDetails(
        user_id=asked.userId,
        screen=_short(info.get("screenResolution")),
        timezone=_short(info.get("timezone")),
        context=context,
    )
    key = _key(tracking, site, asked.userId, asked.sessionId)
    found = tracking.open(site, key, caller, details)
    if not context["deviceInfo"] or found.context == context:
        return found
    kept = orjson.dumps(context).decode()
    tracking.recorder.submit(
        lambda: events.execute("UPDATE visits SET context = ? WHERE number = ?", kept, found.number)
    )
    return found._replace(context_json=kept)


def kept_of(asked: Opening) -> dict[str, Any]:
    """What is kept of what was said of the device. A user agent is never stored as such; what it tells is."""
    return {name: value for name, value in (asked.deviceInfo or {}).items() if name != "userAgent"}


def told_by_server(caller: Caller, device_info: dict[str, Any] | None = None) -> Caller:
    """Whom a site's server speaks of: of the request only the wish not to be tracked is theirs."""
    agent = (device_info or {}).get("userAgent")
    return Caller("", agent if isinstance(agent, str) and agent else None, {}, caller.objects)


def _key(tracking: Tracking, site: SiteRow, user_id: str, session_id: str) -> VisitKey:
    return VisitKey(Dialect.USER_TRACKER, tracking.visitors.known(site, f"user:{user_id}"), session_id)


def _details(of_session: list[Movement]) -> VisitDetails:
    view = next((movement for movement in of_session if movement.event == "page_view"), None)
    came = _address(view) if view else campaign.NOWHERE
    return VisitDetails(path=came.path, campaign=came.campaign, user_id=of_session[0].userId)


def _hit(movement: Movement) -> Hit:
    kind = KINDS.get(movement.event, Kind.CUSTOM)
    return Hit(
        kind,
        movement.event if kind == Kind.CUSTOM else None,
        _address(movement).path,
        None if movement.timestamp is None else int(movement.timestamp),
        # Ids are known across all visitors of a site; a user's need only differ from their session's others.
        "\0".join((movement.userId, movement.sessionId, movement.id)) if movement.id else None,
        movement.data,
    )


def _address(movement: Movement) -> campaign.Address:
    path = (movement.data or {}).get("path")
    return campaign.address(path) if isinstance(path, str) and path else campaign.NOWHERE


def _short(value: Any) -> str | None:
    """A text that a column of visits can hold."""
    return value if isinstance(value, str) and 0 < len(value) <= 64 else None
