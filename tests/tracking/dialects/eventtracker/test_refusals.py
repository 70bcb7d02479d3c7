"""/api/v1/events refuses wrong requests, and the error names what is wrong."""

import json
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from alice.app import create_app
from alice.config import Settings
from alice.tracking.pipeline import Tracking
from tests.conftest import EventRows
from tests.tracking.dialects.eventtracker.conftest import EVENTS, Call, view


@pytest.mark.engine("sqlite")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("session_id", ""), ("session_id", None), ("event_type", "dance"), ("event_value", "a lot"),
        ("event_value", "1e999"), ("event_value", True), ("scroll_percentage", 101),
        ("scroll_percentage", 12.5), ("time_on_page", -1), ("viewport_width", "wide"), ("id", "1"),
        ("timestamp", "at tea time"), ("metadata", {"a": 1}), ("event_value_type", "odd"),
        ("clicked_element", "x" * 1001),
    ],
)  # fmt: skip
def test_a_wrong_field_is_400_and_named(call: Call, opened: str, field: str, value: Any) -> None:
    answer = call("track", **view(opened) | {field: value})

    assert answer.status_code == 400
    assert answer.json["success"] is False
    assert answer.json["error"].startswith(f"{field} ")


@pytest.mark.parametrize(
    ("field", "most", "too_much"),
    [
        ("event_id", "x" * 200, "x" * 201), ("segment_id", "x" * 200, "x" * 201),
        ("form_id", "x" * 1000, "x" * 1001), ("page_url", "/".ljust(4096, "x"), "/".ljust(4097, "x")),
        ("event_value", "1".zfill(40), "1".zfill(41)), ("event_value", " 1 ", " one "),
        ("page_load_time", 0, -0.1), ("page_load_time", 86_400_000, 86_400_000.5),
        ("dom_ready_time", 0.5, -1), ("viewport_width", 0, -1), ("viewport_height", 65_535, 65_536),
        ("scroll_percentage", 0, -1), ("scroll_percentage", 100, 101), ("time_on_page", 0, -1),
        ("time_on_page", 4_294_967_295, 4_294_967_296), ("metadata", "x" * 16_384, "x" * 16_385),
        ("event_value_currency", "x" * 10, "x" * 11),
    ],
)  # fmt: skip
def test_a_field_is_taken_up_to_its_bound(
    call: Call, opened: str, field: str, most: Any, too_much: Any
) -> None:
    assert call("track", **view(opened), **{field: most}).status_code == 200
    refused = call("track", **view(opened), **{field: too_much})

    assert refused.status_code == 400
    assert refused.json["error"].startswith(f"{field} ")


@pytest.mark.parametrize("field", ["session_id", "user_id", "landing_page_id"])
def test_an_id_has_at_most_200_characters(call: Call, session: dict[str, Any], field: str) -> None:
    shortest = {} if field == "landing_page_id" else {field: "x"}
    assert call("session", **session | shortest).status_code == 200
    assert call("session", **session | {field: "x" * 200}).status_code == 200

    refused = call("session", **session | {field: "x" * 201})
    assert refused.status_code == 400
    assert refused.json["error"] == f"{field} must have at most 200 characters."


@pytest.mark.engine("sqlite")
@pytest.mark.parametrize("minutes", [4, 31, "10", 10.5])
@pytest.mark.parametrize("path", ["session", "session/renew"])
def test_a_session_lasts_5_to_30_minutes(
    call: Call, session: dict[str, Any], path: str, minutes: Any
) -> None:
    answer = call(path, **session, session_timeout_minutes=minutes)

    assert answer.status_code == 400
    assert answer.json["error"].startswith("session_timeout_minutes must be ")


@pytest.mark.engine("sqlite")
@pytest.mark.parametrize("field", ["session_id", "user_id", "project_id", "workspace_id", "campaign_id"])
def test_a_session_names_all_its_ids(call: Call, session: dict[str, Any], field: str) -> None:
    del session[field]
    answer = call("session", **session)

    assert answer.status_code == 400
    assert answer.json == {"success": False, "error": f"{field} is required."}


@pytest.mark.engine("sqlite")
@pytest.mark.parametrize("raw", [b"", b"tea", b"[]", b'"tea"', b'{"session_id": "a\\u0000b"}'])
@pytest.mark.parametrize(
    "path", ["session", "session/validate", "session/renew", "session/flush", "track", "batch-track"]
)
def test_a_body_that_is_not_a_json_object_is_400(browser: FlaskClient, path: str, raw: bytes) -> None:
    answer = browser.post(f"{EVENTS}/{path}", data=raw)

    assert answer.status_code == 400
    assert answer.json["success"] is False


def test_one_event_of_more_than_64_kb_is_413(call: Call, opened: str) -> None:
    large = view(unknown=["x" * 1000] * 70)
    answer = call("track", **large)

    assert answer.status_code == 413
    assert answer.json["success"] is False
    failed = call("batch-track", events=[view(), large]).json["data"]["failed"]
    assert failed == [{"index": 1, "error": "One event may hold at most 64 KB."}]


@pytest.mark.engine("sqlite")
@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "track", "POST, OPTIONS"), ("GET", "session", "POST, OPTIONS"),
        ("PUT", "batch-track", "POST, OPTIONS"), ("DELETE", "session/some-id", "GET, OPTIONS"),
        ("POST", "session/some-id", "GET, OPTIONS"),
    ],
)  # fmt: skip
def test_a_wrong_method_is_405_and_names_the_right_ones(
    browser: FlaskClient, method: str, path: str, allowed: str
) -> None:
    answer = browser.open(f"{EVENTS}/{path}", method=method)

    assert answer.status_code == 405
    assert answer.headers["Allow"] == allowed
    assert answer.json["success"] is False


@pytest.mark.engine("sqlite")
@pytest.mark.parametrize(
    "path", ["nothing", "session/", "track/", "tracker", "session/%00", "visit/session-1"]
)
def test_an_unknown_address_is_404(browser: FlaskClient, opened: str, path: str) -> None:
    for answer in (browser.post(f"{EVENTS}/{path}", json={}), browser.get(f"{EVENTS}/{path}")):
        assert answer.status_code == 404
        assert answer.json == {"success": False, "error": "There is nothing here."}


def test_pages_of_any_origin_may_send_but_no_cookie_counts(browser: FlaskClient, call: Call) -> None:
    preflight = browser.options(f"{EVENTS}/track")
    answer = call("session/validate", session_id="nobody")

    assert preflight.status_code == 204
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    for headers in (preflight.headers, answer.headers):
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in headers


def test_a_beacon_of_text_is_taken(browser: FlaskClient, opened: str) -> None:
    answer = browser.post(f"{EVENTS}/track", data=json.dumps(view()), content_type="text/plain")

    assert answer.json["data"]["event_sequence"] == 1


@pytest.mark.usefixtures("frozen_clock")
@pytest.mark.parametrize("limit", ["track_per_address", "track_per_site"])
def test_each_request_and_each_event_of_a_batch_counts(
    settings: Settings, session: dict[str, Any], limit: str
) -> None:
    client = create_app(replace(settings, **{limit: 5})).test_client(use_cookies=False)
    sent = [
        ("session", session), ("batch-track", {"events": [view()] * 2}), ("track", view()),
        ("batch-track", {"events": [view()]}), ("track", view()),
    ]  # fmt: skip
    answers = [client.post(f"{EVENTS}/{path}", json=document) for path, document in sent]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]


def test_too_many_events_are_429_with_the_time_to_wait(
    call: Call, opened: str, tracking: Tracking, events_db: EventRows
) -> None:
    batch = [view()] * 500
    answers = [call("batch-track", events=batch) for _ in range(3)]

    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert int(refused[0].headers["Retry-After"]) >= 1
    assert refused[0].json["success"] is False
    assert events_db.one("SELECT COUNT(*) FROM events") == 500 * (3 - len(refused))
