"""Sessions: opened, resumed, begun anew, and shown with their movements."""

import pytest
from flask.testing import FlaskClient

from alice import clock
from alice.clock import minutes
from tests.cast import Cast
from tests.conftest import EventRows
from tests.tracking.dialects.usertracker.conftest import Send, every_page, moved, session_of

pytestmark = pytest.mark.usefixtures("own_site")


def test_a_session_is_opened_and_returned(cast: Cast, frozen_clock: int) -> None:
    fields = {"userId": cast.reader.id, "sessionId": "tab-1", "deviceInfo": {"screenResolution": "1920x1080"}}
    answer = cast.reader.client.post("/api/track/session", json=fields)

    expected = fields | {
        "startTime": frozen_clock,
        "lastActivity": frozen_clock,
        "movements": [],
        "nextBefore": None,
    }
    assert (answer.status_code, answer.json) == (200, {"success": True, "session": expected})
    assert session_of(cast.reader.client, cast.reader.id) == expected


def test_a_movement_opens_its_session(send: Send, cast: Cast, frozen_clock: int) -> None:
    send("click")

    found = session_of(cast.reader.client, cast.reader.id)
    assert (found["startTime"], found["lastActivity"]) == (frozen_clock, frozen_clock)


def test_opening_a_session_again_deletes_nothing(send: Send, cast: Cast, frozen_clock: int) -> None:
    fields = {"userId": cast.reader.id, "sessionId": "tab-1"}
    cast.reader.client.post("/api/track/session", json=fields | {"deviceInfo": {"timezone": "Europe/Prague"}})
    send("page_view", data={"path": "/a"})
    clock.advance(minutes(20))
    again = cast.reader.client.post("/api/track/session", json=fields).json["session"]

    assert (again["startTime"], again["lastActivity"]) == (frozen_clock, frozen_clock + minutes(20))
    assert again["deviceInfo"] == {"timezone": "Europe/Prague"}
    assert [found["data"] for found in again["movements"]] == [{"path": "/a"}]


def test_later_device_info_replaces_the_old(send: Send, cast: Cast) -> None:
    send("click")
    send("click", "tab-2")
    for info in ({"timezone": "Europe/Prague"}, {"screenResolution": "390x844"}):
        fields = {"userId": cast.reader.id, "sessionId": "tab-1", "deviceInfo": info}
        answer = cast.reader.client.post("/api/track/session", json=fields)

        assert answer.json["session"]["deviceInfo"] == info
        assert session_of(cast.reader.client, cast.reader.id)["deviceInfo"] == info
    assert session_of(cast.reader.client, cast.reader.id, "tab-2")["deviceInfo"] == {}


def test_a_session_that_was_idle_begins_anew_and_its_movements_stay(
    send: Send, cast: Cast, frozen_clock: int, events_db: EventRows
) -> None:
    send("click")
    clock.advance(minutes(30) + 1)
    send("scroll")

    found = session_of(cast.reader.client, cast.reader.id)
    assert found["startTime"] == frozen_clock + minutes(30) + 1
    assert [one["event"] for one in found["movements"]] == ["scroll", "click"]
    assert events_db.query("SELECT sequence FROM visits") == [(1,), (1,)]


def test_device_info_is_kept_when_a_session_begins_anew(
    send: Send, cast: Cast, frozen_clock: int, events_db: EventRows
) -> None:
    info = {"screenResolution": "390x844", "timezone": "Europe/London"}
    opening = {"userId": cast.reader.id, "sessionId": "tab-1", "deviceInfo": info}
    cast.reader.client.post("/api/track/session", json=opening)
    clock.advance(minutes(31))
    send()

    assert session_of(cast.reader.client, cast.reader.id)["deviceInfo"] == info
    known = events_db.query("SELECT screen, timezone FROM visits ORDER BY number")
    assert known[0] == known[1]
    assert None not in known[0]


def test_two_users_may_have_sessions_of_one_name(server: FlaskClient, auditor: FlaskClient) -> None:
    for user in ("hatter", "hare"):
        server.post("/api/track", json=moved(user, user))

    assert [one["event"] for one in session_of(auditor, "hatter")["movements"]] == ["hatter"]
    assert [one["event"] for one in session_of(auditor, "hare")["movements"]] == ["hare"]


def test_a_session_shows_its_newest_100_movements_and_where_to_go_on(cast: Cast) -> None:
    me = cast.reader.id
    for start in (0, 105):
        sent = [moved(me, "click", data={"index": start + index}) for index in range(105)]
        cast.reader.client.post("/api/track", json={"movements": sent})

    first = session_of(cast.reader.client, me)
    assert [one["data"]["index"] for one in first["movements"]] == [*range(209, 109, -1)]
    found = every_page(lambda **query: session_of(cast.reader.client, me, **query))
    assert [one["data"]["index"] for one in found] == [*range(209, -1, -1)]
