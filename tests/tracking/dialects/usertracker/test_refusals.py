"""Requests that are refused, with an error that names what is wrong."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.cast import Cast
from tests.conftest import EventRows
from tests.tracking.dialects.usertracker.conftest import Send, moved

pytestmark = pytest.mark.usefixtures("own_site")


@pytest.mark.parametrize("name", ["userId", "sessionId", "event"])
@pytest.mark.parametrize("value", ["", None, 7, "x" * 300])
def test_a_missing_or_wrong_field_is_named(cast: Cast, name: str, value: object) -> None:
    good = moved(cast.reader.id)
    missing = {key: kept for key, kept in good.items() if key != name}
    for bad in (missing, missing | {name: value}):
        one = cast.reader.client.post("/api/track", json=bad)
        several = cast.reader.client.post("/api/track", json={"movements": [good, bad]})

        assert (one.status_code, several.status_code) == (400, 400)
        assert one.json["error"].startswith(f"{name} ")
        assert several.json["error"].startswith(f"movements[1].{name} ")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b'"x"',
        b'"movements"',
        b'["movements"]',
        b"\xff",
        b"[" * 100_000,
        b'{"movements": []}',
        b'{"movements": 1}',
        b'{"movements": [[]]}',
        b'{"movements": null}',
        b'{"userId": NaN}',
    ],
)
def test_a_body_that_is_not_a_movement_is_a_400(cast: Cast, body: bytes) -> None:
    answer = cast.reader.client.post("/api/track", data=body, content_type="application/json")

    assert answer.status_code == 400
    assert isinstance(answer.json["error"], str)


@pytest.mark.parametrize(
    ("name", "longest"), [("userId", 200), ("sessionId", 200), ("event", 64), ("id", 64)]
)
def test_a_name_has_1_to_so_many_characters(
    server: FlaskClient, events_db: EventRows, name: str, longest: int
) -> None:
    for length, status in [(0, 400), (1, 200), (longest, 200), (longest + 1, 400)]:
        sent = moved("hatter") | {name: "x" * length}
        assert server.post("/api/track", json=sent).status_code == status

    assert events_db.one("SELECT COUNT(*) FROM events") == 2


@pytest.mark.parametrize(
    "more",
    [
        {"data": []},
        {"data": "text"},
        {"timestamp": "soon"},
        {"timestamp": -1},
        {"timestamp": 1e16},
        {"data": {"x" * 201: 1}},
        {"data": {"a\0b": 1}},
        {"data": {"a": "\0"}},
        {"id": ""},
        {"id": "x" * 65},
        {"data": {str(number): 1 for number in range(101)}},
    ],
    ids=str,
)
def test_a_movement_that_cannot_be_kept_is_a_400(
    send: Send, events_db: EventRows, more: dict[str, Any]
) -> None:
    assert send("click", **more).status_code == 400
    assert events_db.one("SELECT COUNT(*) FROM events") == 0


def test_one_bad_movement_refuses_its_batch(cast: Cast, events_db: EventRows) -> None:
    movements = [moved(cast.reader.id)] * 500

    assert (
        cast.reader.client.post("/api/track", json={"movements": [*movements, *movements]}).status_code == 400
    )
    assert events_db.one("SELECT COUNT(*) FROM visits") == 0


def test_one_movement_has_at_most_64_kb(send: Send) -> None:
    assert send("click", data={"text": "x" * 60_000}).status_code == 200
    assert send("click", data={"text": "x" * 70_000}).status_code == 413
    assert send("click", data={"list": ["x" * 70_000]}).status_code == 413


def test_a_movement_of_a_batch_may_be_no_larger_than_another(cast: Cast, events_db: EventRows) -> None:
    movements = [moved(cast.reader.id), moved(cast.reader.id) | {"data": {"text": "x" * 70_000}}]

    assert cast.reader.client.post("/api/track", json={"movements": movements}).status_code == 413
    assert events_db.one("SELECT COUNT(*) FROM visits") == 0


@pytest.mark.parametrize(
    ("info", "status"),
    [([], 400), ("text", 400), ({"x": "y" * (4096 - 8)}, 200), ({"x": "y" * (4096 - 7)}, 400)],
    ids=["list", "text", "4096 bytes", "4097 bytes"],
)
def test_device_info_is_an_object_of_at_most_4096_bytes(cast: Cast, info: object, status: int) -> None:
    fields = moved(cast.reader.id, deviceInfo=info)

    assert cast.reader.client.post("/api/track/session", json=fields).status_code == status


@pytest.mark.parametrize("missing", ["userId", "sessionId"])
def test_a_session_needs_both_its_ids(cast: Cast, missing: str) -> None:
    fields = {"userId": cast.reader.id, "sessionId": "tab-1"}
    del fields[missing]
    got = cast.reader.client.get("/api/track/session", query_string=fields)
    opened = cast.reader.client.post("/api/track/session", json=fields)

    assert (got.status_code, got.json) == (400, {"error": f"{missing} is required."})
    assert (opened.status_code, opened.json) == (400, {"error": f"{missing} is required."})


@pytest.mark.parametrize("name", ["tab-1", "\N{SNOWMAN}", "' OR 1=1 --", "x" * 200])
def test_an_unknown_session_is_a_404(cast: Cast, name: str) -> None:
    answer = cast.reader.client.get(
        "/api/track/session", query_string={"userId": cast.reader.id, "sessionId": name}
    )

    assert (answer.status_code, answer.json) == (404, {"error": "There is no session with this id."})


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "before=x", "before=1", "before=1-%00"])
def test_a_wrong_limit_or_cursor_is_a_400(cast: Cast, query: str) -> None:
    for path in ("session", "analytics"):
        answer = cast.reader.client.get(f"/api/track/{path}?userId={cast.reader.id}&sessionId=a&{query}")
        assert answer.status_code == 400


@pytest.mark.parametrize("range", ["", "2h", "24H", "all"])
def test_an_unknown_range_is_a_400_that_names_the_valid_ones(cast: Cast, range: str) -> None:
    answer = cast.reader.client.get(f"/api/track/analytics?userId={cast.reader.id}&timeRange={range}")

    assert answer.status_code == 400
    assert answer.json["error"].startswith("timeRange must be one of '1h', '24h', '7d'")


@pytest.mark.engine("sqlite")
@pytest.mark.parametrize(("path", "allowed"), [("/api/track", "POST"), ("/api/track/session", "GET")])
def test_a_wrong_method_is_a_405_that_names_the_right_ones(cast: Cast, path: str, allowed: str) -> None:
    answer = cast.reader.client.put(path, json={})

    assert answer.status_code == 405
    assert allowed in answer.headers["Allow"]
