"""Senders and readers of movements: a reader, a site's server, a program with a key to read."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alice.tracking.site import SiteRow
from tests.cast import Cast
from tests.tracking.calling import api_key

SERVER = "python-requests/2.32.5"

Send = Callable[..., Any]


@pytest.fixture
def send(cast: Cast) -> Send:
    """The reader's movement; answers the response."""

    def sending(event: str = "page_view", session: str = "tab-1", **more: Any) -> Any:
        return cast.reader.client.post("/api/track", json=moved(cast.reader.id, event, session, **more))

    return sending


@pytest.fixture
def server(app: Flask, site: SiteRow) -> FlaskClient:
    """A site's server, which may send."""
    client = app.test_client(use_cookies=False)
    client.environ_base["HTTP_X_API_KEY"] = api_key.create(site.number, "ingest", "server").key
    client.environ_base["HTTP_USER_AGENT"] = SERVER
    return client


@pytest.fixture
def auditor(app: Flask, site: SiteRow) -> FlaskClient:
    """A program that may read the site."""
    client = app.test_client(use_cookies=False)
    client.environ_base["HTTP_X_API_KEY"] = api_key.create(site.number, "read", "auditor").key
    return client


def moved(user_id: str, event: str = "page_view", session: str = "tab-1", **more: Any) -> dict[str, Any]:
    return {"userId": user_id, "sessionId": session, "event": event} | more


def session_of(client: FlaskClient, user_id: str, session: str = "tab-1", **more: Any) -> Any:
    answer = client.get("/api/track/session", query_string={"userId": user_id, "sessionId": session} | more)
    assert answer.status_code == 200, answer.json
    return answer.json


def analytics(client: FlaskClient, **query: Any) -> Any:
    answer = client.get("/api/track/analytics", query_string=query)
    assert answer.status_code == 200, answer.json
    return answer.json


def every_page(ask: Callable[..., Any], **query: Any) -> list[Any]:
    """The movements of all pages, followed by the cursor."""
    found, before = [], {}
    while True:
        page = ask(**query, **before)
        found += page["movements"]
        if page["nextBefore"] is None:
            return found
        before = {"before": page["nextBefore"]}
