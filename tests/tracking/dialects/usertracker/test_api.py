"""The UserTracker API: limits, responses to servers, ranges, and errors."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alice import clock, database
from alice.app import create_app
from alice.clock import days, hours
from alice.config import Settings
from alice.tracking.site import SiteRow
from tests.cast import Cast
from tests.conftest import EventRows
from tests.tracking.calling import api_key

Asking = Callable[..., FlaskClient]


def moved(**more: Any) -> dict[str, Any]:
    return {"userId": "hatter", "sessionId": "tab-1", "event": "click"} | more


@pytest.fixture
def by_key(app: Flask, site: SiteRow) -> Asking:
    """A program with a key of the site, in an application of these settings."""

    def asking(scope: str, of: Flask = app) -> FlaskClient:
        client = of.test_client(use_cookies=False)
        client.environ_base["HTTP_X_API_KEY"] = f" {api_key.create(site.number, scope, scope).key} "
        return client

    return asking


# Limits


def test_keys_cannot_be_guessed_without_end(settings: Settings) -> None:
    client = create_app(replace(settings, track_per_address=3)).test_client(use_cookies=False)
    answers = [client.get("/api/track/analytics", headers={"X-API-Key": "0" * 64}) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]


def test_what_a_server_sends_counts_for_its_site_and_each_request_for_its_address(
    settings: Settings, by_key: Asking
) -> None:
    server = by_key("ingest", create_app(replace(settings, track_per_address=4, track_per_site=6)))

    def send(count: int) -> int:
        return server.post("/api/track", json={"movements": [moved()] * count}).status_code

    assert (send(5), send(2), send(1), send(1)) == (200, 429, 429, 429)


def test_a_server_may_send_as_many_events_as_its_site_may_get(settings: Settings, by_key: Asking) -> None:
    server = by_key("ingest", create_app(replace(settings, track_per_address=4, track_per_site=3)))
    sent = [{"movements": [moved()] * 3}, moved()]

    assert [server.post("/api/track", json=body).status_code for body in sent] == [200, 429]


def test_opening_a_session_counts_for_the_site_and_for_a_users_address(
    settings: Settings, cast: Cast, by_key: Asking, own_site: SiteRow
) -> None:
    app = create_app(replace(settings, track_per_address=2, track_per_site=1))
    server, cast.reader.app = by_key("ingest", app), app
    by_server = [server.post("/api/track/session", json=moved()).status_code for _ in range(2)]
    assert by_server == [200, 429]

    app = create_app(replace(settings, track_per_address=1))
    cast.reader.app = app
    fields = moved(userId=cast.reader.id)
    by_user = [cast.reader.client.post("/api/track/session", json=fields).status_code for _ in range(2)]
    assert by_user == [200, 429]


# Sessions and ranges


def test_a_server_gets_the_session_that_it_opens(by_key: Asking, frozen_clock: int) -> None:
    answer = by_key("ingest").post("/api/track/session", json=moved(deviceInfo={"model": "hat"}))

    assert answer.json == {
        "success": True,
        "session": {
            "userId": "hatter",
            "sessionId": "tab-1",
            "startTime": frozen_clock,
            "lastActivity": frozen_clock,
            "deviceInfo": {"model": "hat"},
            "movements": [],
            "nextBefore": None,
        },
    }


def test_with_dnt_or_gpc_a_session_is_returned_and_not_stored(
    by_key: Asking, frozen_clock: int, events_db: EventRows
) -> None:
    fields = moved(deviceInfo={"model": "hat"})
    answer = by_key("ingest").post("/api/track/session", json=fields, headers={"DNT": "1"})

    assert answer.json == {
        "success": True,
        "session": {
            "userId": "hatter",
            "sessionId": "tab-1",
            "startTime": frozen_clock,
            "lastActivity": frozen_clock,
            "deviceInfo": {},
            "movements": [],
            "nextBefore": None,
        },
    }
    assert events_db.one("SELECT COUNT(*) FROM visits") == 0


def test_a_range_is_as_long_as_its_name_says(by_key: Asking, frozen_clock: int) -> None:
    by_key("ingest").post("/api/track", json=moved())
    auditor = by_key("read")

    def counts_at(after: int) -> list[int]:
        clock.freeze(frozen_clock + after)
        answers = (
            auditor.get(f"/api/track/analytics?timeRange={name}") for name in ("1h", "24h", "7d", "30d")
        )
        return [answer.json["totalSessions"] for answer in answers]

    assert (counts_at(hours(1)), counts_at(hours(1) + 1)) == ([1, 1, 1, 1], [0, 1, 1, 1])
    assert (counts_at(hours(24)), counts_at(hours(24) + 1)) == ([0, 1, 1, 1], [0, 0, 1, 1])
    assert (counts_at(days(7)), counts_at(days(7) + 1)) == ([0, 0, 1, 1], [0, 0, 0, 1])
    assert (counts_at(days(30)), counts_at(days(30) + 1)) == ([0, 0, 0, 1], [0, 0, 0, 0])


@pytest.mark.parametrize("path", ["session?userId=a%00b&sessionId=tab", "analytics?userId=a%00b"])
def test_a_query_that_cannot_be_kept_is_a_400(by_key: Asking, path: str) -> None:
    answer = by_key("read").get(f"/api/track/{path}")

    assert (answer.status_code, "cannot be kept" in answer.json["error"]) == (400, True)


# Sites


def test_the_line_for_a_sites_pages_names_the_public_address(settings: Settings, cast: Cast) -> None:
    cast.admin.app = create_app(replace(settings, public_url="https://alice.example.org"))
    made = cast.admin.client.post("/api/v2/sites", json={"domain": "a.example"}).json

    assert made["embedCode"].startswith('<script defer src="https://alice.example.org/tracker.js"')


# Refusals


def test_a_key_of_a_site_that_is_removed_at_this_moment_opens_nothing(
    by_key: Asking, doomed: SiteRow, events_db: EventRows
) -> None:
    client = by_key("ingest")
    client.environ_base["HTTP_X_API_KEY"] = api_key.create(doomed.number, "ingest", "server").key

    def remove(query: Any) -> None:
        if "FROM api_keys" in query.sql:
            database.events_db.query_hooks.remove(remove)
            events_db.execute("DELETE FROM sites WHERE number = ?", doomed.number)

    database.events_db.query_hooks.append(remove)
    answer = client.post("/api/track", json=moved())

    assert (answer.status_code, answer.json) == (401, {"error": "Unauthorized", "code": "AUTH_REQUIRED"})
    assert events_db.one("SELECT COUNT(*) FROM visits") == 0


def test_an_error_of_the_server_has_the_shape_of_the_dialect(by_key: Asking) -> None:
    client = by_key("read")

    def fail(query: Any) -> None:
        raise RuntimeError("a secret")

    database.events_db.query_hooks.append(fail)
    answer = client.get("/api/track/analytics")
    database.events_db.query_hooks.remove(fail)

    assert answer.status_code == 500
    assert (answer.json.keys(), "secret" in answer.text) == ({"error"}, False)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_before_setup_alice_has_no_site_to_send_to(cast: Cast, events_db: EventRows, method: str) -> None:
    query = {"userId": cast.reader.id, "sessionId": "tab-1"}
    answer = cast.reader.client.open("/api/track/session", method=method, query_string=query, json=query)

    assert (answer.status_code, "alice setup" in answer.json["error"]) == (404, True)
    assert events_db.one("SELECT COUNT(*) FROM sites") == 0
