"""Analytics: the sessions and movements of a range, filtered and in pages."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alice import clock, database
from alice.clock import days, hours, minutes, seconds
from alice.tracking.dialects.usertracker import reading
from alice.tracking.dialects.usertracker.reading import Filters, Range
from alice.tracking.site import SiteRow
from tests.cast import Cast
from tests.tracking.calling import api_key
from tests.tracking.dialects.usertracker.conftest import Send, analytics, every_page, moved

pytestmark = pytest.mark.usefixtures("own_site")


def test_analytics_return_a_users_sessions_and_movements(send: Send, cast: Cast, frozen_clock: int) -> None:
    send("page_view", "tab-1", data={"path": "/a"})
    clock.advance(seconds(1))
    send("click", "tab-2", data={"path": "/b"})

    found = analytics(cast.reader.client, userId=cast.reader.id)
    newest = {
        "userId": cast.reader.id,
        "sessionId": "tab-2",
        "startTime": frozen_clock + 1000,
        "lastActivity": frozen_clock + 1000,
        "deviceInfo": {},
    }
    oldest = newest | {"sessionId": "tab-1", "startTime": frozen_clock, "lastActivity": frozen_clock}
    assert found["totalSessions"] == 2
    assert found["userSessions"] == found["recentActivity"] == [newest, oldest]
    assert [one["event"] for one in found["movements"]] == ["click", "page_view"]
    assert (found["nextBefore"], found["timeRange"]) == (None, "24h")


@pytest.mark.parametrize(("range", "count"), [("1h", 1), ("24h", 2), ("7d", 3), ("30d", 4)])
def test_a_range_counts_what_happened_in_it_though_its_visits_are_closed(
    send: Send, cast: Cast, app: Flask, range: str, count: int
) -> None:
    at = clock.now()
    try:
        for index, before in enumerate((days(31), days(29), days(6), hours(23), minutes(59))):
            clock.freeze(at - before)
            send("page_view", f"tab-{index}")
        clock.freeze(at)
        found = analytics(cast.reader.client, userId=cast.reader.id, timeRange=range)
    finally:
        clock.thaw()

    assert found["totalSessions"] == len(found["userSessions"]) == len(found["movements"]) == count


def test_what_happened_offline_counts_when_it_happened(send: Send, cast: Cast, frozen_clock: int) -> None:
    send("click", timestamp=frozen_clock - hours(2))

    assert analytics(cast.reader.client, userId=cast.reader.id, timeRange="1h")["totalSessions"] == 0
    assert analytics(cast.reader.client, userId=cast.reader.id, timeRange="24h")["totalSessions"] == 1


@pytest.mark.parametrize("whose", [{"userId": "hatter"}, {}], ids=["a user", "a site"])
def test_a_range_holds_what_happened_in_it_to_the_millisecond(
    server: FlaskClient, auditor: FlaskClient, frozen_clock: int, whose: dict[str, str]
) -> None:
    def last_hour() -> tuple[int, list[str], list[str]]:
        found = analytics(auditor, **whose, timeRange="1h")
        recent, movements = found["recentActivity"], found["movements"]
        return found["totalSessions"], *([one["sessionId"] for one in of] for of in (recent, movements))

    for session, before in (("in", hours(1)), ("before", hours(1) + 1)):
        server.post("/api/track", json=moved("hatter", session=session, timestamp=frozen_clock - before))
    assert last_hour() == (1, ["in"], ["in"])

    clock.advance(1)
    server.post("/api/track", json=moved("hatter", session="now"))
    clock.advance(hours(1))
    assert last_hour() == (1, ["now"], ["now"])
    clock.advance(1)
    assert last_hour() == (0, [], [])


def test_a_session_that_began_anew_is_counted_once(send: Send, cast: Cast, frozen_clock: int) -> None:
    for _ in range(3):
        send("click")
        clock.advance(minutes(31))

    found = analytics(cast.reader.client, userId=cast.reader.id)
    assert (found["totalSessions"], len(found["userSessions"]), len(found["movements"])) == (1, 1, 3)


def test_recent_activity_is_the_ten_sessions_last_active(send: Send, cast: Cast, frozen_clock: int) -> None:
    for index in range(12):
        send("click", f"tab-{index}")
        clock.advance(1)
    send("click", "tab-0")

    found = analytics(cast.reader.client, userId=cast.reader.id)
    assert [one["sessionId"] for one in found["recentActivity"]] == [
        "tab-0",
        *(f"tab-{index}" for index in range(11, 2, -1)),
    ]
    assert (found["totalSessions"], len(found["userSessions"])) == (12, 12)


def test_analytics_return_a_users_500_newest_sessions(server: FlaskClient, auditor: FlaskClient) -> None:
    for names in (["the first"], range(500)):
        movements = [moved("hatter", session=f"{name}") for name in names]
        server.post("/api/track", json={"movements": movements})

    found = analytics(auditor, userId="hatter")
    assert (found["totalSessions"], len(found["userSessions"])) == (501, 500)
    assert "the first" not in {one["sessionId"] for one in found["userSessions"]}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"event": "page_view"}, [4, 0]),
        ({"event": "signed up"}, [3]),
        ({"event": "unheard of"}, []),
        ({"path": "/a"}, [4, 1, 0]),
        ({"path": "/a?q=2#end"}, [4, 1, 0]),
        ({"path": "mailto:hatter"}, []),
        ({"path": "/nowhere"}, []),
        ({"session": "tab-2"}, [4, 3]),
        ({"event": "page_view", "path": "/a", "session": "tab-1"}, [0]),
        ({"unknown": "ignored"}, [4, 3, 2, 1, 0]),
    ],
)
def test_movements_are_filtered(
    server: FlaskClient, auditor: FlaskClient, query: dict[str, str], expected: list[int]
) -> None:
    visited = [
        ("page_view", "tab-1", "/a?q=1"), ("click", "tab-1", "/a"), ("click", "tab-1", "/b"),
        ("signed up", "tab-2", "/b"), ("page_view", "tab-2", "/a#top"),
    ]  # fmt: skip
    movements = [
        moved("hatter", event, session, data={"path": path, "index": index})
        for index, (event, session, path) in enumerate(visited)
    ]
    server.post("/api/track", json={"movements": movements})

    for who in ({"userId": "hatter"}, {}):
        found = every_page(lambda **page: analytics(auditor, **page), **who, **query, limit=1)
        assert sorted((one["data"]["index"] for one in found), reverse=True) == expected
    assert analytics(auditor, userId="hare", **query)["movements"] == []


def test_pages_hold_every_movement_once_while_others_come(
    server: FlaskClient, auditor: FlaskClient, frozen_clock: int
) -> None:
    for index in range(7):
        server.post("/api/track", json=moved("hatter", data={"index": index}))
        clock.advance(index % 2)

    def ask(**query: Any) -> Any:
        page = analytics(auditor, limit=2, **query)
        server.post("/api/track", json=moved("hare", data={"index": 100}))
        return page

    assert [one["data"]["index"] for one in every_page(ask)] == [*range(6, -1, -1)]


def test_analytics_of_a_site_have_no_user_sessions(
    server: FlaskClient, auditor: FlaskClient, frozen_clock: int
) -> None:
    server.post("/api/track", json={"movements": [moved("hatter"), moved("hare")]})

    found = analytics(auditor)
    assert (found["totalSessions"], found["userSessions"]) == (2, [])
    assert [one["userId"] for one in found["recentActivity"]] == ["hare", "hatter"], "the newest first"
    assert analytics(auditor, userId="hare")["totalSessions"] == 1


@pytest.mark.parametrize("query", [{}, {"userId": "hatter"}, {"session": "tab-1"}, {"path": "/a"}], ids=str)
def test_visits_of_other_dialects_and_sites_are_no_sessions(
    post: Send,
    browser: FlaskClient,
    site: SiteRow,
    other_site: SiteRow,
    auditor: FlaskClient,
    query: dict[str, str],
) -> None:
    post(url="/a")
    post(type="identify", id="hatter", consent="granted")
    named = {"session_id": "tab-1", "user_id": "hatter", "project_id": site.id}
    opening = named | {"workspace_id": "", "campaign_id": "", "landing_page_id": ""}
    browser.post("/api/v1/events/session", json=opening)
    browser.post("/api/v1/events/track", json=named | {"event_type": "pageview", "page_url": "/a"})
    elsewhere = {"X-API-Key": api_key.create(other_site.number, "ingest", "server").key}
    browser.post("/api/track", json=moved("hatter", data={"path": "/a"}), headers=elsewhere)

    found = analytics(auditor, **query)
    assert (found["totalSessions"], found["recentActivity"], found["movements"]) == (0, [], [])
    fields = {"userId": "hatter", "sessionId": "tab-1"}
    assert auditor.get("/api/track/session", query_string=fields).status_code == 404


@pytest.mark.parametrize("user_id", [None, "hatter"])
@pytest.mark.parametrize(
    "only", [Filters(), Filters("click"), Filters("x"), Filters(path="/a"), Filters(session="s")]
)
@pytest.mark.engine("sqlite")  # PostgreSQL chooses by statistics; on tables this small it rightly scans
def test_no_query_reads_the_whole_log(
    site: SiteRow, events_connection: None, user_id: str | None, only: Filters
) -> None:
    statements: list[Any] = []
    database.events_db.query_hooks.append(statements.append)
    try:
        of = Range(site, user_id, clock.now() - hours(1))
        reading.page(of, 100, "1-1", only)
        reading.sessions(of, 10)
        reading.count_sessions(of)
    finally:
        database.events_db.query_hooks.remove(statements.append)

    for event in statements:
        plan = database.events.query(f"EXPLAIN QUERY PLAN {event.sql}", *event.params)
        steps = [step for *_, step in plan if step != "SCAN chosen"]
        assert [step for step in steps if step.startswith("SCAN")] == [], event.sql
        of_site = [step for step in steps if step.startswith("SEARCH e ") and "site_number=?" in step]
        assert all("received_at>?" in step for step in of_site), "of a site's log only the range is read"
