"""The address and the User-Agent of a visitor are nowhere on the disk."""

import json
from pathlib import Path

import pytest
from flask import Flask

from alice import database
from alice.config import Settings
from tests.cast import Cast
from tests.servers import Server, serving
from tests.tracking.calling import site as sites

ADDRESSES = ["203.0.113.77", "2001:db8:77:66:55:44:33:22"]
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:177.0) Gecko/20100101 Firefox/177.0 Unmistakable/7.7"


def send_in_all_dialects(server: Server, site_id: str, cast: Cast, address: str) -> None:
    headers = {"X_Forwarded_For": address, "User_Agent": AGENT}
    session = {
        "session_id": f"s-{len(address)}",
        "user_id": "ada",
        "campaign_id": "c",
        "workspace_id": "w",
        "project_id": site_id,
        "landing_page_id": "l",
    }
    movement = {
        "userId": cast.reader.id,
        "sessionId": f"m-{len(address)}",
        "event": "click",
        "data": {"path": "/"},
    }
    sent = [
        (f"/api/v2/track/{site_id}", {"url": "/", "type": "pageview"}, None),
        (f"/api/v2/track/{site_id}", {"type": "nonsense"}, None),
        ("/api/v1/events/session", session, None),
        ("/api/v1/events/track", {"session_id": f"s-{len(address)}", "event_type": "pageview"}, None),
        (
            "/api/track/session",
            {"userId": cast.reader.id, "sessionId": f"m-{len(address)}"},
            cast.reader.token,
        ),
        ("/api/track", movement, cast.reader.token),
    ]
    statuses = [server.post(path, body, token, **headers).status for path, body, token in sent]
    assert statuses == [200, 400, 200, 200, 200, 200]


@pytest.mark.engine("sqlite")
def test_no_address_is_kept_or_logged(app: Flask, settings: Settings, cast: Cast) -> None:
    with database.connected(database.events_db):
        site = sites.create("wonderland.example", "Wonderland", owner_id=None)
        sites.own()
    with serving(settings, ALICE_TRUSTED_PROXIES="1", ALICE_NDJSON="1", ALICE_SINK_SECONDS="1") as server:
        for address in ADDRESSES:
            send_in_all_dialects(server, site.id, cast, address)
        files = list(settings.data_dir.rglob("*"))
        assert_nowhere([*files, server.folder / "stdout", server.folder / "stderr"])
    kept = sorted(path.name for path in settings.data_dir.rglob("*") if path.is_file())
    assert {"events.db", "alice.db"} <= set(kept)
    assert_nowhere([*settings.data_dir.rglob("*"), server.folder / "stdout", server.folder / "stderr"])


def assert_nowhere(files: list[Path]) -> None:
    wanted = [text.encode() for text in (*ADDRESSES, "Unmistakable", json.dumps(AGENT)[1:-1])]
    for path in files:
        if path.is_file():
            content = path.read_bytes()
            assert not [text for text in wanted if text in content], path
