"""Who may send and read movements, and how many."""

from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from alice.app import create_app
from alice.config import Settings
from tests.cast import Cast
from tests.conftest import EventRows
from tests.tracking.dialects.usertracker.conftest import Send, analytics, moved, session_of

pytestmark = pytest.mark.usefixtures("own_site")

PATHS = [
    ("POST", "/api/track"),
    ("POST", "/api/track/session"),
    ("GET", "/api/track/session"),
    ("GET", "/api/track/analytics"),
]


def ask(client: FlaskClient, method: str, path: str, user_id: str) -> Any:
    fields = moved(user_id)
    return client.post(path, json=fields) if method == "POST" else client.get(path, query_string=fields)


@pytest.mark.engine("sqlite")
@pytest.mark.parametrize(("method", "path"), PATHS)
def test_a_request_without_a_session_is_a_401(cast: Cast, method: str, path: str) -> None:
    answer = ask(cast.nobody.client, method, path, cast.reader.id)

    assert (answer.status_code, answer.json) == (401, {"error": "Unauthorized", "code": "AUTH_REQUIRED"})


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize("name", ["newcomer", "consultant"])
def test_data_of_another_user_is_a_403(
    send: Send, cast: Cast, events_db: EventRows, method: str, path: str, name: str
) -> None:
    send("click")
    answer = ask(getattr(cast, name).client, method, path, cast.reader.id)

    assert (answer.status_code, answer.json) == (403, {"error": "Access denied"})
    assert events_db.one("SELECT COUNT(*) FROM visits") == 1


def test_one_movement_of_another_refuses_the_batch(cast: Cast, events_db: EventRows) -> None:
    movements = [moved(cast.newcomer.id), moved(cast.reader.id)]

    assert cast.newcomer.client.post("/api/track", json={"movements": movements}).status_code == 403
    assert events_db.one("SELECT COUNT(*) FROM visits") == 0


def test_an_admin_reads_all_data_and_sends_their_own_only(send: Send, cast: Cast) -> None:
    send("click")

    assert session_of(cast.admin.client, cast.reader.id)["movements"]
    assert analytics(cast.admin.client)["totalSessions"] == 1
    for path in ("/api/track", "/api/track/session"):
        assert cast.admin.client.post(path, json=moved(cast.reader.id)).status_code == 403
        assert cast.admin.client.post(path, json=moved(cast.admin.id)).status_code == 200


def test_user_id_is_required_for_analytics_except_for_admins(cast: Cast) -> None:
    answer = cast.reader.client.get("/api/track/analytics")

    assert (answer.status_code, answer.json) == (400, {"error": "userId is required."})


def test_a_key_that_may_only_send_gets_no_movements(server: FlaskClient) -> None:
    server.post("/api/track", json=moved("alice", data={"path": "/secret"}))
    answer = server.post("/api/track/session", json={"userId": "alice", "sessionId": "tab-1"})

    assert answer.status_code == 200
    assert answer.json["session"]["sessionId"] == "tab-1"
    assert answer.json["session"]["movements"] == []


def test_a_page_of_another_site_cannot_send_with_the_cookie(cast: Cast, events_db: EventRows) -> None:
    browser = cast.reader.browser
    own = browser.post("/api/track", json=moved(cast.reader.id))
    forged = browser.post(
        "/api/track", json=moved(cast.reader.id), headers={"Origin": "https://evil.example"}
    )

    assert (own.status_code, forged.status_code) == (200, 403)
    assert isinstance(forged.json["error"], str)
    assert events_db.one("SELECT COUNT(*) FROM events") == 1


def test_too_many_movements_are_a_429_with_the_time_to_wait(settings: Settings, cast: Cast) -> None:
    app = create_app(replace(settings, track_per_address=3))
    cast.reader.app = app
    movements = [moved(cast.reader.id)] * 3

    assert cast.reader.client.post("/api/track", json={"movements": movements}).status_code == 200
    answer = cast.reader.client.post("/api/track", json=movements[0])
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert isinstance(answer.json["error"], str)
