"""What is stored about a device, and that DNT and GPC are honoured."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.cast import Cast
from tests.conftest import EventRows
from tests.tracking.conftest import CHROME
from tests.tracking.dialects.usertracker.conftest import moved, session_of

pytestmark = pytest.mark.usefixtures("own_site")


@pytest.mark.parametrize("header", ["DNT", "Sec-GPC"])
def test_nothing_is_stored_with_dnt_or_gpc(cast: Cast, events_db: EventRows, header: str) -> None:
    fields = moved(cast.reader.id)
    moving = cast.reader.client.post("/api/track", json=fields, headers={header: "1"})
    opening = cast.reader.client.post("/api/track/session", json=fields, headers={header: "1"})

    assert moving.json == {"success": True}
    assert opening.json["session"]["sessionId"] == "tab-1"
    assert events_db.one("SELECT COUNT(*) FROM visits") == 0


def test_of_a_user_agent_only_the_device_is_stored(
    server: FlaskClient, auditor: FlaskClient, events_db: EventRows
) -> None:
    info = {"userAgent": CHROME, "screenResolution": "1920x1080", "timezone": "Europe/Prague"}
    answer = server.post("/api/track/session", json=moved("hatter", deviceInfo=info))

    kept = {"screenResolution": "1920x1080", "timezone": "Europe/Prague"}
    assert answer.json["session"]["deviceInfo"] == kept
    assert session_of(auditor, "hatter")["deviceInfo"] == kept
    sql = "SELECT browser, screen, timezone, is_bot FROM visits"
    assert events_db.query(sql) == [("Chrome", "1920x1080", "Europe/Prague", 0)]


@pytest.mark.parametrize("info", [None, {}, {"userAgent": ""}, {"userAgent": 7}], ids=str)
@pytest.mark.parametrize("path", ["/api/track", "/api/track/session"])
def test_a_visitor_that_a_server_sends_is_no_bot_and_has_no_device(
    server: FlaskClient, events_db: EventRows, path: str, info: dict[str, Any] | None
) -> None:
    assert server.post(path, json=moved("hatter", deviceInfo=info)).status_code == 200

    assert events_db.query("SELECT is_bot, language, device FROM visits") == [(0, None, None)]


@pytest.mark.parametrize(
    ("said", "kept"), [("x", "x"), ("x" * 64, "x" * 64), ("x" * 65, None), ("", None), (1920, None)]
)
def test_short_texts_of_a_device_become_attributes_of_the_visit(
    server: FlaskClient, events_db: EventRows, said: object, kept: str | None
) -> None:
    info = {"screenResolution": said, "timezone": said}
    assert server.post("/api/track/session", json=moved("hatter", deviceInfo=info)).status_code == 200

    sql = "SELECT screen, timezone FROM visits"
    assert events_db.query(sql) == [(kept, kept)]
