"""Movements come back as they were sent, each once."""

import pytest
from flask.testing import FlaskClient

from alice.clock import seconds
from alice.ids import new_id
from tests.cast import Cast
from tests.conftest import EventRows
from tests.tracking.dialects.usertracker.conftest import Send, every_page, moved, session_of

pytestmark = pytest.mark.usefixtures("own_site")

DATA = {
    "path": "/chapter/1?utm_source=mail&x=1",
    "element": "BUTTON#next.primary",
    "coordinates": {"x": 12, "y": 34.5},
    "duration": 1500,
    "metadata": {"deep": [1, "two", None, {"three": True}]},
    "scrollX": 0,
    "scrollY": -2,
    "ratio": 0.25,
    "ok": False,
    "none": None,
    "when": "2025-01-20T10:30:00Z",
    "big": 9007199254740993,
    "Ünï": "čaj \N{TEACUP WITHOUT HANDLE}",
}


@pytest.mark.parametrize(
    "event", ["page_view", "click", "scroll", "hover", "form_interaction", "x", "a custom one " * 4]
)
def test_a_movement_comes_back_as_it_was_sent(send: Send, cast: Cast, frozen_clock: int, event: str) -> None:
    at = frozen_clock - seconds(5)
    answer = send(event, timestamp=at, data=DATA)

    assert (answer.status_code, answer.json) == (200, {"success": True})
    (found,) = session_of(cast.reader.client, cast.reader.id)["movements"]
    assert found.pop("id")
    assert found == {
        "userId": cast.reader.id,
        "sessionId": "tab-1",
        "event": event,
        "timestamp": at,
        "data": DATA,
    }


def test_a_movement_without_data_and_time_happened_now(send: Send, cast: Cast, frozen_clock: int) -> None:
    send("click", data=None)

    (found,) = session_of(cast.reader.client, cast.reader.id)["movements"]
    assert (found["timestamp"], found["data"]) == (frozen_clock, {})


def test_a_batch_is_kept_in_its_order(cast: Cast, events_db: EventRows) -> None:
    me = cast.reader.id
    sent = [moved(me, "scroll", f"tab-{index % 2}", data={"index": index}) for index in range(500)]

    assert cast.reader.client.post("/api/track", json={"movements": sent}).json == {"success": True}
    of_one = every_page(lambda **query: session_of(cast.reader.client, me, "tab-1", **query))
    assert [found["data"]["index"] for found in of_one] == [*range(499, 0, -2)]
    assert events_db.query("SELECT sequence FROM visits ORDER BY number") == [(250,), (250,)]


def test_a_movement_that_is_sent_again_is_kept_once(send: Send, cast: Cast) -> None:
    id = new_id()

    assert [send("click", id=id).json for _ in range(3)] == [{"success": True}] * 3
    assert len(session_of(cast.reader.client, cast.reader.id)["movements"]) == 1


def test_an_id_is_known_within_its_session_alone(server: FlaskClient, auditor: FlaskClient) -> None:
    for user_id in ("hatter", "hatter", "hare"):
        assert server.post("/api/track", json=moved(user_id, id="1")).status_code == 200

    assert [len(session_of(auditor, name)["movements"]) for name in ("hatter", "hare")] == [1, 1]


def test_a_batch_of_many_properties_is_kept(server: FlaskClient, events_db: EventRows) -> None:
    data = {f"k{number}": number for number in range(100)}
    movements = [moved(f"user-{number}", data=data) for number in range(200)]

    assert server.post("/api/track", json={"movements": movements}).status_code == 200
    assert events_db.one("SELECT COUNT(*) FROM event_properties") == 200 * 100


def test_the_first_page_view_of_a_session_gives_its_attribution(
    server: FlaskClient, events_db: EventRows
) -> None:
    visited = [
        ("click", "/before?utm_source=no"),
        ("page_view", "/tea?utm_source=mail"),
        ("page_view", "/cup"),
    ]
    movements = [moved("hatter", event, data={"path": path}) for event, path in visited]
    server.post("/api/track", json={"movements": [moved("hare"), *movements]})

    sql = "SELECT user_id, landing_path, bucket FROM visits ORDER BY number"
    assert events_db.query(sql) == [("hare", None, None), ("hatter", "/tea", "mail|unknown|unknown")]


@pytest.mark.parametrize(
    ("path", "kept"), [("/a?q=1#x", "/a"), ("", None), (7, None), (["/"], None), ("mailto:hatter", None)]
)
def test_a_path_that_is_not_a_pages_is_stored_as_data_only(
    server: FlaskClient, auditor: FlaskClient, events_db: EventRows, path: object, kept: str | None
) -> None:
    assert server.post("/api/track", json=moved("hatter", data={"path": path})).status_code == 200

    sql = "SELECT s.text FROM events e LEFT JOIN strings s ON s.number = e.path"
    assert events_db.query(sql) == [(kept,)]
    assert session_of(auditor, "hatter")["movements"][0]["data"] == {"path": path}
