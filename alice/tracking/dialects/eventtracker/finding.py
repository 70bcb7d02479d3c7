"""What all endpoints of EventTracker share: parse a request, find its site and session, report success."""

from typing import Any, NamedTuple

from alice.errors import NotFound
from alice.ids import uuid7
from alice.tracking.dialects import body
from alice.tracking.dialects.answer import Answer
from alice.tracking.dialects.body import Model
from alice.tracking.log.visit import Dialect, VisitRow
from alice.tracking.pipeline import Tracking
from alice.tracking.site import SiteRow

NOT_FOUND = "Session not found"
EXPIRED = "Session expired"


class Found(NamedTuple):
    """A session, and the site it belongs to."""

    visit: VisitRow
    site: SiteRow


def success(data: dict[str, Any]) -> Answer:
    return Answer(200, {"success": True, "data": data})


def parse(model: type[Model], raw: bytes) -> Model:
    """Parse a body. Raises Malformed (400), which names the first invalid field, or TooLarge (413)."""
    document = body.read(raw)
    body.require_small(document, raw)
    return body.validated(model, document)


def site_of(tracking: Tracking, project_id: str) -> SiteRow:
    site = tracking.site(project_id)
    if site is None:
        raise NotFound("There is no project with this id.")
    tracking.admit(None, site.id)
    return site


def find(tracking: Tracking, session_id: str, project_id: str | None = None) -> Found | None:
    """The project's newest session with this id, and its site.

    Without a project: of all sites' sessions with this id the oldest open one, else the newest. So the events
    of an open session cannot be diverted by opening one with the same id on another site.
    """
    if project_id is None:
        visit = tracking.find_anywhere(Dialect.EVENT_TRACKER, session_id)
    else:
        project = tracking.site(project_id)
        visit = tracking.find(Dialect.EVENT_TRACKER, session_id, project.number) if project else None
    site = tracking.site(visit.context["project_id"]) if visit else None
    return Found(visit, site) if visit and site else None


def require(tracking: Tracking, session_id: str, project_id: str | None = None) -> Found:
    """The same as find(). Raises NotFound instead of returning None."""
    found = find(tracking, session_id, project_id)
    if found is None:
        raise NotFound(NOT_FOUND)
    return found


def successor(tracking: Tracking, site: SiteRow, visit: VisitRow) -> str:
    """The id of the session that follows this one: a UUIDv7 that cannot be guessed.

    Every call returns the same id, so that tabs that renew at the same time share one session.
    """
    secret = int.from_bytes(tracking.visitors.known(site, f"after:{visit.number}").hash)
    return uuid7(visit.started_at, secret & (1 << 74) - 1)
