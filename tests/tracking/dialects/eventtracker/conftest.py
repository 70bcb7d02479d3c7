"""A client of EventTracker: its requests, and the stored properties of its event."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from alice import database
from alice.tracking.log.event_property import properties
from alice.tracking.site import SiteRow
from tests.conftest import EventRows

EVENTS = "/api/v1/events"
Call = Callable[..., TestResponse]


@pytest.fixture
def call(browser: FlaskClient) -> Call:
    """POST to the dialect."""
    return lambda path, **document: browser.post(f"{EVENTS}/{path}", json=document)


@pytest.fixture
def session(site: SiteRow) -> dict[str, Any]:
    """What a client says to open a session."""
    return {
        "session_id": "session-1",
        "user_id": "user-1",
        "project_id": site.id,
        "workspace_id": "workspace-1",
        "campaign_id": "campaign-1",
        "landing_page_id": "page-1",
    }


@pytest.fixture
def opened(call: Call, session: dict[str, Any], frozen_clock: int) -> str:
    """The id of a session that has been opened."""
    assert call("session", **session).status_code == 200
    return session["session_id"]


def kept(events_db: EventRows) -> dict[str, Any]:
    """The properties of the only event."""
    seq = events_db.one("SELECT seq FROM events")
    with database.connected(database.events_db):
        return properties([seq])[seq]


def view(session_id: str = "session-1", **more: Any) -> dict[str, Any]:
    return {"session_id": session_id, "event_type": "pageview"} | more
