"""Malformed input to the public endpoints of tracking: the response is JSON, and never a 500."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from alice import database
from alice.tracking import site as sites
from alice.tracking.site import SiteRow
from tests.tracking.conftest import CHROME

EVENTS = "/api/v1/events"
PATHS = [
    "/api/v2/track/{}",
    *(
        f"{EVENTS}/{rest}"
        for rest in (
            "session",
            "session/renew",
            "session/validate",
            "session/flush",
            "track",
            "batch-track",
        )
    ),
]

KEYS = st.sampled_from(
    [
        "type",
        "events",
        "eventId",
        "timestamp",
        "url",
        "referrer",
        "screen",
        "language",
        "timezone",
        "consent",
        "visitorId",
        "name",
        "id",
        "data",
        "engaged",
        "scroll",
        "session_id",
        "user_id",
        "campaign_id",
        "workspace_id",
        "project_id",
        "landing_page_id",
        "event_type",
        "event_value",
        "session_timeout_minutes",
        "metadata",
        "page_url",
        "new_session_id",
        "old_session_id",
        "ab_test_id",
    ]
)
WORDS = ["event", "pageview", "granted", "1x1", "/", "http://[", "2025-01-20", "s-1", "click"]
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(),
        st.text(max_size=30),
        st.sampled_from(WORDS),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(KEYS | st.text(max_size=8), inner, max_size=5)
    ),
    max_leaves=12,
)
BODIES = st.dictionaries(KEYS, VALUES, max_size=8).map(
    lambda body: orjson.dumps(body, default=str, option=orjson.OPT_NON_STR_KEYS)
)


@pytest.fixture
def site(visited_by_bystander: Callable[[int], None]) -> SiteRow:
    with database.connected(database.events_db):
        made = sites.create("wonderland.example", "Wonderland", owner_id=None)
    visited_by_bystander(made.number)
    return made


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    client = app.test_client(use_cookies=False)
    client.environ_base.update(HTTP_USER_AGENT=CHROME, HTTP_ORIGIN="https://wonderland.example")
    return client


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=BODIES | st.binary(max_size=60))
@example(raw=b'{"events": [{"type": "event", "name": "x", "data": {"a": 1e400, "b": -1e999}}]}')
@example(raw=b'{"type": "event", "name": "\\ud800", "data": {"\\u0000": 1}}')
@example(raw=b'{"type": "event", "name": "x", "data": {"a": 123456789012345678901234567890}}')
def test_anything_is_answered(browser: FlaskClient, site: SiteRow, path: str, raw: bytes) -> None:
    answer = browser.post(path.format(site.id), data=raw, content_type="text/plain")

    assert answer.status_code < 500, (raw, answer.text)
    assert isinstance(answer.json, dict)


@pytest.mark.parametrize(
    "body",
    [
        {
            "type": "identify",
            "id": "ada",
            "data": {"x": "y" * 60_000},
            "consent": "granted",
            "visitorId": "v",
        },
        {"type": "event", "name": "n" * 200, "data": {"k" * 200: "v" * 60_000}},
        {"url": "/" + "p" * 3999, "referrer": "https://" + "r" * 3000 + ".example"},
        {"url": "/\u202e\ufeff", "title": "x" * 10_000, "timestamp": 0, "engaged": 1e300},
    ],
)
def test_what_is_large_is_kept_or_refused(browser: FlaskClient, site: SiteRow, body: dict[str, Any]) -> None:
    assert browser.post(f"/api/v2/track/{site.id}", json=body).status_code in (200, 400, 413)
