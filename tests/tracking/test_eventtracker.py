"""/api/v1/events: sessions that a client names, and events in them, as EventTracker's clients send them."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from alice import clock, database
from alice.clock import days, hours, minutes, rfc3339
from alice.tracking.event_property import properties
from alice.tracking.pipeline import Tracking
from alice.tracking.site import SiteRow
from tests.conftest import EventRows

EVENTS = "/api/v1/events"
Call = Callable[..., TestResponse]


@pytest.fixture
def call(browser: FlaskClient) -> Call:
    """POST to the dialect."""
    return lambda path, **document: browser.post(f"{EVENTS}/{path}", json=document)


@pytest.fixture
def session(site: SiteRow) -> dict[str, Any]:
    """What a client says to open a session."""
    return {
        "session_id": "session-1", "user_id": "user-1", "project_id": site.id, "workspace_id": "workspace-1",
        "campaign_id": "campaign-1", "landing_page_id": "page-1",
    }  # fmt: skip


@pytest.fixture
def opened(call: Call, session: dict[str, Any], frozen_clock: int) -> str:
    """The id of a session that has been opened."""
    assert call("session", **session).status_code == 200
    return session["session_id"]


def kept(events_db: EventRows) -> dict[str, Any]:
    """The properties of the only event."""
    seq = events_db.one("SELECT seq FROM events")
    with database.connected(database.events_db):
        return properties([seq])[seq]


def view(session_id: str = "session-1", **more: Any) -> dict[str, Any]:
    return {"session_id": session_id, "event_type": "pageview"} | more


# Sessions


def test_a_session_opens_a_visit_and_tells_ids_times_and_sequence(
    call: Call, session: dict[str, Any], events_db: EventRows, frozen_clock: int
) -> None:
    answer = call("session", **session)

    assert answer.status_code == 200
    assert answer.json["success"] is True
    data = answer.json["data"]
    assert UUID(data.pop("click_id")).version == 7
    assert data == {
        "session_id": "session-1",
        "project_id": session["project_id"],
        "workspace_id": "workspace-1",
        "campaign_id": "campaign-1",
        "landing_page_id": "page-1",
        "session_duration_minutes": 30,
        "event_sequence": 0,
        "created_at": frozen_clock,
        "last_activity": frozen_clock,
        "expires_at": frozen_clock + minutes(30),
        "is_expired": False,
    }
    assert events_db.query("SELECT session_id, user_id, sequence, closed_at FROM visits") == [
        ("session-1", "user-1", 0, None)
    ]


@pytest.mark.parametrize("who", [{"user_id": "user-2"}, {"is_ephemeral": True}])
def test_a_live_session_is_nobody_elses(
    call: Call, session: dict[str, Any], opened: str, events_db: EventRows, who: dict[str, Any]
) -> None:
    call("track", **view())
    answer = call("session", **session | who)
    call("track", **view())

    assert answer.json["data"]["event_sequence"] == 0
    assert events_db.query("SELECT user_id, sequence FROM visits ORDER BY number") == [
        ("user-1", 1), (None if "is_ephemeral" in who else "user-2", 1),
    ]  # fmt: skip


def test_a_session_of_the_same_name_on_another_site_takes_no_events(
    call: Call, session: dict[str, Any], opened: str, site: SiteRow, other_site: SiteRow
) -> None:
    call("session", **session | {"project_id": other_site.id})
    call("track", **view())

    assert call("session", **session).json["data"]["event_sequence"] == 1
    clock.advance(minutes(31))
    call("session", **session | {"project_id": other_site.id})
    assert call("track", **view()).json["data"]["event_sequence"] == 1
    assert call("session", **session | {"project_id": other_site.id}).json["data"]["event_sequence"] == 1


def test_init_is_another_name_of_the_session_call(
    call: Call, session: dict[str, Any], events_db: EventRows
) -> None:
    assert call("session/init", **session).json["data"]["session_id"] == "session-1"
    assert events_db.one("SELECT COUNT(*) FROM visits") == 1


def test_a_session_keeps_where_its_visitor_came_from(
    call: Call, session: dict[str, Any], events_db: EventRows
) -> None:
    call(
        "session", **session, page_url="https://wonderland.example/tea?utm_source=queen&utm_medium=post&secret=1",
        referrer="https://www.looking-glass.example/door?who=me", language="en-GB", timezone="Europe/London",
        ab_test_id="test-1", ab_test_variant_id="b", attribution_id="first-click", environment="production",
    )  # fmt: skip

    columns = "landing_path, referrer_host, utm_source, utm_medium, language, timezone, ab_test, ab_variant"
    rows = events_db.query(f"SELECT {columns} FROM visits")
    texts = dict(events_db.query("SELECT number, text FROM strings"))
    assert [texts[number] for number in rows[0]] == [
        "/tea", "looking-glass.example", "queen", "post", "en-GB", "Europe/London", "test-1", "b",
    ]  # fmt: skip
    context = json.loads(events_db.one("SELECT context FROM visits"))
    assert (context["attribution_id"], context["environment"]) == ("first-click", "production")
    assert "secret" not in str(texts) + str(context)


def test_the_words_of_a_session_win_over_the_address_of_its_page(
    call: Call, session: dict[str, Any], events_db: EventRows
) -> None:
    call("session", **session, page_url="/tea?utm_source=king&ref=cat", utm_source="queen")

    sql = "SELECT s.text, v.context FROM visits v JOIN strings s ON s.number = v.utm_source"
    ((source, context),) = events_db.query(sql)
    assert (source, json.loads(context)["ref"]) == ("queen", "cat")


@pytest.mark.parametrize("length", [5, 30])
def test_a_session_lasts_as_long_as_it_asks_for(
    call: Call, session: dict[str, Any], frozen_clock: int, length: int
) -> None:
    data = call("session", **session, session_timeout_minutes=length).json["data"]

    assert data["session_duration_minutes"] == length
    clock.advance(minutes(length))
    assert call("session/validate", session_id="session-1").json["valid"] is True
    clock.advance(minutes(length) + 1)
    assert call("session/validate", session_id="session-1").json["reason"] == "expired"


def test_an_expired_session_that_is_opened_again_starts_from_one(
    call: Call, session: dict[str, Any], opened: str
) -> None:
    call("track", **view())
    clock.advance(minutes(31))

    assert call("session", **session).json["data"]["event_sequence"] == 0
    assert call("track", **view()).json["data"]["event_sequence"] == 1


@pytest.mark.parametrize("path", ["session", "session/renew"])
def test_an_unknown_project_is_404_and_leaves_nothing(
    call: Call, session: dict[str, Any], events_db: EventRows, path: str
) -> None:
    answer = call(path, **session | {"project_id": "nowhere"})

    assert answer.status_code == 404
    assert answer.json == {"success": False, "error": "There is no project with this id."}
    for table in ("visits", "visitors", "events"):
        assert events_db.one(f"SELECT COUNT(*) FROM {table}") == 0


def test_without_consent_a_session_keeps_no_user(
    call: Call, session: dict[str, Any], events_db: EventRows
) -> None:
    call("session", **session, is_ephemeral=True)

    assert events_db.query("SELECT user_id FROM visits") == [(None,)]
    assert events_db.one("SELECT day FROM visitors") == clock.now() // days(1)


@pytest.mark.parametrize("header", [{"DNT": "1"}, {"Sec-GPC": "1"}])
def test_whoever_objects_is_answered_and_nothing_is_kept(
    browser: FlaskClient, session: dict[str, Any], events_db: EventRows, header: dict[str, str]
) -> None:
    def call(path: str, **document: Any) -> TestResponse:
        return browser.post(f"{EVENTS}/{path}", json=document, headers=header)

    assert call("session", **session).json["data"]["event_sequence"] == 0
    assert call("session/validate", session_id="session-1").json["valid"] is True
    assert call("session/renew", **session, old_session_id="session-1").json["success"] is True
    assert call("session/flush", session_id="session-1").json["data"] == {"flushed_events": 0}
    assert call("track", **view()).json["success"] is True
    assert call("batch-track", events=[view()]).json["data"]["processed_events"] == 0
    for table in ("visits", "visitors", "events", "strings"):
        assert events_db.one(f"SELECT COUNT(*) FROM {table}") == 0


# Validate, flush, show


def test_validating_is_a_sign_of_life(call: Call, opened: str) -> None:
    for _ in range(3):
        clock.advance(minutes(20))
        answer = call("session/validate", session_id=opened)
        assert answer.status_code == 200
        assert (answer.json["valid"], answer.json["reason"]) == (True, "valid")
        assert answer.json["session"]["last_activity"] == clock.now()


def test_an_expired_session_proposes_one_id_to_everybody(call: Call, opened: str) -> None:
    clock.advance(minutes(31))
    validated = call("session/validate", session_id=opened)
    tracked = call("track", **view())

    assert (validated.status_code, validated.json["valid"], validated.json["reason"]) == (
        200,
        False,
        "expired",
    )
    assert UUID(validated.json["new_session_id"]).version == 7
    assert tracked.json["new_session_id"] == validated.json["new_session_id"]


def test_the_id_that_follows_differs_from_session_to_session(
    call: Call, session: dict[str, Any], opened: str
) -> None:
    call("session", **session | {"session_id": "session-2"})
    clock.advance(minutes(31))

    proposed = {call("track", **view(name)).json["new_session_id"] for name in ("session-1", "session-2")}
    assert len(proposed) == 2


def test_validating_an_unknown_session_is_200_not_found(call: Call) -> None:
    answer = call("session/validate", session_id="nobody")

    assert answer.status_code == 200
    assert (answer.json["valid"], answer.json["reason"]) == (False, "not_found")


def test_flush_says_how_many_events_waited(call: Call, opened: str) -> None:
    call("track", **view())

    assert call("session/flush", session_id=opened).json == {"success": True, "data": {"flushed_events": 0}}
    assert call("session/flush", session_id="nobody").status_code == 404


def test_a_session_is_shown_by_its_id(browser: FlaskClient, call: Call, opened: str) -> None:
    call("track", **view())
    clock.advance(minutes(31))
    answer = browser.get(f"{EVENTS}/session/{opened}")

    assert answer.status_code == 200
    assert answer.json["data"]["event_sequence"] == 1
    assert answer.json["data"]["is_expired"] is True
    assert browser.get(f"{EVENTS}/session/nobody").status_code == 404


def test_showing_a_session_is_no_sign_of_life(browser: FlaskClient, call: Call, opened: str) -> None:
    clock.advance(minutes(29))
    browser.get(f"{EVENTS}/session/{opened}")
    clock.advance(minutes(2))

    assert call("session/validate", session_id=opened).json["reason"] == "expired"


def test_a_session_may_have_any_name(browser: FlaskClient, call: Call, session: dict[str, Any]) -> None:
    name = "Tee/um fünf 帽子屋"
    call("session", **session | {"session_id": name})

    assert browser.get(f"{EVENTS}/session/{name}").json["data"]["session_id"] == name


# Renewal


def test_renewing_opens_a_session_that_counts_from_one(
    call: Call, session: dict[str, Any], opened: str, events_db: EventRows
) -> None:
    call("track", **view())
    clock.advance(minutes(31))
    new = call("track", **view()).json["new_session_id"]
    answer = call("session/renew", **session, old_session_id=opened, new_session_id=new)

    assert answer.status_code == 200
    data = answer.json["data"]
    assert (data["session_id"], data["event_sequence"], data["user_id"]) == (new, 0, "user-1")
    assert data["expires_at"] == clock.now() + minutes(30)
    assert (data["attribution_duration_days"], data["attribution_preserved"]) == (30, True)
    assert call("track", **view(new)).json["data"]["event_sequence"] == 1
    assert events_db.one("SELECT COUNT(*) FROM visitors") == 1


def test_renewing_a_live_session_ends_it(call: Call, session: dict[str, Any], opened: str) -> None:
    call("session/renew", **session, old_session_id=opened, new_session_id="session-2")

    assert call("track", **view(opened)).json["error"] == "Session expired"
    assert call("track", **view("session-2")).json["data"]["event_sequence"] == 1


def test_renewing_twice_is_one_session(
    call: Call, session: dict[str, Any], opened: str, events_db: EventRows
) -> None:
    renewal = session | {"old_session_id": opened, "new_session_id": "session-2"}
    call("session/renew", **renewal)
    call("track", **view("session-2"))
    again = call("session/renew", **renewal).json["data"]

    assert (again["event_sequence"], again["attribution_preserved"]) == (1, True)
    assert events_db.one("SELECT COUNT(*) FROM visits") == 2


def test_a_renewal_without_an_old_session_takes_the_attribution_that_the_client_kept(
    call: Call, session: dict[str, Any], events_db: EventRows
) -> None:
    data = call(
        "session/renew", **session, new_session_id="session-2", old_session_id="nobody",
        preserved_attribution={"utm_source": "queen", "unknown": [1]}, current_url_utm={"utm_source": "king"},
    ).json["data"]  # fmt: skip

    assert data["attribution_preserved"] is True
    sql = "SELECT s.text FROM visits v JOIN strings s ON s.number = v.utm_source"
    assert events_db.query(sql) == [("queen",)]


def test_attribution_is_carried_for_30_days(call: Call, session: dict[str, Any], opened: str) -> None:
    clock.advance(days(30) + 1)
    data = call("session/renew", **session, old_session_id=opened, new_session_id="session-2").json["data"]

    assert data["attribution_preserved"] is False


def test_withdrawn_consent_cuts_the_new_session_from_the_old(
    call: Call, session: dict[str, Any], opened: str, events_db: EventRows
) -> None:
    renewal = session | {"old_session_id": opened, "new_session_id": "session-2", "is_ephemeral": True}
    data = call("session/renew", **renewal).json["data"]

    assert data["attribution_preserved"] is False
    sql = "SELECT user_id, renewed_from FROM visits WHERE session_id = 'session-2'"
    assert events_db.query(sql) == [(None, None)]
    assert events_db.one("SELECT COUNT(*) FROM visitors") == 2


def test_a_session_without_consent_is_renewed_without(
    call: Call, session: dict[str, Any], events_db: EventRows
) -> None:
    call("session", **session, is_ephemeral=True)
    call("session/renew", **session, old_session_id="session-1", new_session_id="session-2")

    assert events_db.query("SELECT DISTINCT user_id FROM visits") == [(None,)]


# Tracking


def test_an_event_is_answered_with_its_place(call: Call, opened: str, events_db: EventRows) -> None:
    for sequence in (1, 2, 3):
        assert call("track", **view()).json == {
            "success": True,
            "data": {"event_sequence": sequence, "events_in_buffer": 0, "flushed_to_tinybird": False},
        }
    assert events_db.query("SELECT sequence FROM events ORDER BY seq") == [(1,), (2,), (3,)]


@pytest.mark.parametrize(
    ("type", "kind"),
    [
        ("pageview", 1), ("click", 6), ("scroll", 7), ("form_submit", 10), ("conversion", 11),
        ("engagement", 12), ("system", 13),
    ],
)  # fmt: skip
def test_every_event_type_is_known(
    call: Call, opened: str, events_db: EventRows, type: str, kind: int
) -> None:
    assert call("track", session_id=opened, event_type=type).status_code == 200
    assert events_db.query("SELECT kind FROM events") == [(kind,)]


def test_an_event_keeps_all_its_fields_and_no_query(
    call: Call, opened: str, events_db: EventRows, frozen_clock: int
) -> None:
    told = {
        "event_value": 12.5, "event_value_currency": "EUR", "event_value_type": "dynamic",
        "event_placement": "internal", "attribution_id": "first-click", "segment_id": "hatters",
        "form_id": "tea", "clicked_element": "#cup", "page_load_time": 812.5, "dom_ready_time": 300,
        "scroll_percentage": 75, "time_on_page": 42, "viewport_width": 1280, "viewport_height": 720,
        "metadata": '{"cups": 3}', "environment": "production", "campaign_environment": "preview",
    }  # fmt: skip
    answer = call(
        "track", session_id=opened, event_type="conversion", event_id="cup-of-tea", **told,
        timestamp=rfc3339(frozen_clock - 1500), page_url="https://wonderland.example/tea?utm_source=q&mail=me#x",
        referrer_url="https://me:pass@glass.example/?q=secret", clicked_url="mailto:hatter@example.com",
    )  # fmt: skip

    assert answer.status_code == 200
    assert kept(events_db) == told | {
        "page_url": "https://wonderland.example/tea?utm_source=q",
        "referrer_url": "https://glass.example/",
        "clicked_url": "mailto:",
    }
    assert events_db.query(
        "SELECT n.text, p.text, e.occurred_at, e.received_at FROM events e "
        "JOIN strings n ON n.number = e.name JOIN strings p ON p.number = e.path"
    ) == [("cup-of-tea", "/tea", frozen_clock - 1500, frozen_clock)]


@pytest.mark.parametrize(
    ("given", "number"), [(3, 3), (0.25, 0.25), ("12.50", 12.5), ("-4", -4), ("1e3", 1000)]
)
def test_a_value_is_a_number_or_a_text_that_shows_one(
    call: Call, opened: str, events_db: EventRows, given: Any, number: float
) -> None:
    call("track", session_id=opened, event_type="conversion", event_value=given)

    assert kept(events_db) == {"event_value": number}


def test_an_event_sent_again_is_answered_as_the_first_time(
    call: Call, opened: str, events_db: EventRows
) -> None:
    id = str(uuid4())
    first = call("track", **view(id=id))
    call("track", **view())
    again = call("track", **view(id=id.upper()))

    assert again.json == first.json
    assert events_db.one("SELECT COUNT(*) FROM events") == 2


def test_a_retry_is_answered_as_the_first_time_after_the_session_has_expired(call: Call, opened: str) -> None:
    id = str(uuid4())
    first = call("track", **view(id=id))
    clock.advance(hours(1))

    assert call("track", **view(id=id)).json == first.json


def test_an_expired_session_takes_no_event(call: Call, opened: str, events_db: EventRows) -> None:
    clock.advance(minutes(31))
    answer = call("track", **view())

    assert answer.status_code == 200
    assert (answer.json["success"], answer.json["error"]) == (False, "Session expired")
    assert events_db.one("SELECT COUNT(*) FROM events") == 0


def test_the_first_page_tells_where_a_session_came_from(
    call: Call, opened: str, events_db: EventRows
) -> None:
    first = "https://shop.example/tea?utm_source=news&utm_medium=mail&utm_campaign=spring"
    call("track", **view(page_url=first, referrer_url="https://rabbit.example/hole"))
    call(
        "track",
        **view(page_url="https://shop.example/cup?utm_source=other", referrer_url="https://x.example/"),
    )

    told = events_db.query(
        "SELECT l.text, r.text, b.text, u.text FROM visits v JOIN strings l ON l.number = v.landing_path "
        "JOIN strings r ON r.number = v.referrer_host JOIN strings b ON b.number = v.bucket "
        "JOIN strings u ON u.number = v.utm_source"
    )
    assert told == [("/tea", "rabbit.example", "news|mail|spring", "news")]


def test_an_event_may_name_its_project(
    call: Call, session: dict[str, Any], opened: str, other_site: SiteRow, events_db: EventRows
) -> None:
    call("session", **session | {"project_id": other_site.id})
    call("track", **view(project_id=session["project_id"]))

    assert events_db.query("SELECT site_number, sequence FROM visits WHERE sequence > 0") == [
        (events_db.one("SELECT number FROM sites WHERE id = ?", session["project_id"]), 1)
    ]
    assert call("track", **view(project_id="nowhere")).status_code == 404


def test_a_test_that_a_session_hears_of_first_from_an_event_is_the_sessions(
    call: Call, opened: str, events_db: EventRows
) -> None:
    call("track", **view(ab_test_id="test-1", ab_test_variant_id="b"))
    call("track", **view(ab_test_id="test-2", ab_test_variant_id="c"))

    sql = (
        "SELECT t.text, a.text FROM visits v JOIN strings t ON t.number = v.ab_test "
        "JOIN strings a ON a.number = v.ab_variant"
    )
    assert events_db.query(sql) == [("test-1", "b")]


# Batches


def test_a_batch_is_kept_in_its_order(call: Call, opened: str, events_db: EventRows) -> None:
    answer = call("batch-track", events=[view(page_url=f"/{n}") for n in range(50)])

    assert answer.status_code == 200
    data = answer.json["data"]
    assert UUID(data.pop("batch_id"))
    assert data == {"processed_events": 50, "events_in_buffer": 0, "flushed_to_tinybird": False}
    rows = events_db.query(
        "SELECT e.sequence, s.text FROM events e JOIN strings s ON s.number = e.path ORDER BY e.seq"
    )
    assert rows == [(n + 1, f"/{n}") for n in range(50)]


def test_a_batch_of_two_sessions_numbers_each(
    call: Call, session: dict[str, Any], opened: str, events_db: EventRows
) -> None:
    call("session", **session | {"session_id": "session-2"})
    names = ["session-1", "session-2", "session-1"]

    assert call("batch-track", events=[view(n) for n in names]).json["data"]["processed_events"] == 3
    assert events_db.query("SELECT session_id, sequence FROM visits ORDER BY number") == [
        ("session-1", 2), ("session-2", 1),
    ]  # fmt: skip


def test_a_batch_is_in_order_whether_or_not_its_events_name_their_project(
    call: Call, opened: str, site: SiteRow, events_db: EventRows
) -> None:
    named = {"project_id": site.id}
    call("batch-track", events=[view(page_url=f"/{n}", **(named if n % 2 else {})) for n in range(4)])

    rows = events_db.query(
        "SELECT s.text FROM events e JOIN strings s ON s.number = e.path ORDER BY sequence"
    )
    assert [path for (path,) in rows] == ["/0", "/1", "/2", "/3"]


def test_a_path_of_many_bytes_is_cut(call: Call, opened: str, events_db: EventRows) -> None:
    answer = call(
        "batch-track", events=[view(page_url="https://h.example/" + "\N{TEACUP WITHOUT HANDLE}\u4e2d" * 900)]
    )

    assert answer.json["data"]["processed_events"] == 1
    path = events_db.one("SELECT s.text FROM events e JOIN strings s ON s.number = e.path")
    assert 1000 < len(path.encode()) <= 1024


def test_a_partly_bad_batch_says_which_failed_and_keeps_the_good_ones(
    call: Call, opened: str, events_db: EventRows
) -> None:
    batch = [view(), view(event_type="dance"), view("nobody"), "tea", view()]
    answer = call("batch-track", events=batch)

    assert answer.status_code == 200
    assert answer.json["success"] is False
    assert answer.json["error"] == "3 of 5 events were not kept."
    assert answer.json["data"]["processed_events"] == 2
    failed = answer.json["data"]["failed"]
    assert [failure["index"] for failure in failed] == [1, 2, 3]
    assert "event_type must be one of" in failed[0]["error"]
    assert failed[1]["error"] == "Session not found"
    assert events_db.query("SELECT sequence FROM events ORDER BY seq") == [(1,), (2,)]


def test_a_batch_for_an_expired_session_asks_for_a_renewal(call: Call, opened: str) -> None:
    clock.advance(minutes(31))
    answer = call("batch-track", events=[view(), view()])

    assert answer.status_code == 200
    assert (answer.json["success"], answer.json["error"]) == (False, "Session expired")
    assert answer.json["processed_events"] == 0
    assert UUID(answer.json["new_session_id"]).version == 7


def test_a_batch_of_a_live_and_an_expired_session_keeps_the_live_ones(
    call: Call, session: dict[str, Any], opened: str
) -> None:
    clock.advance(minutes(31))
    call("session", **session | {"session_id": "session-2"})
    answer = call("batch-track", events=[view("session-1"), view("session-2")])

    assert answer.status_code == 200
    assert answer.json["processed_events"] == 1
    assert answer.json["data"]["failed"] == [
        {"index": 0, "error": "Session expired", "new_session_id": answer.json["new_session_id"]}
    ]


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([], 400), (None, 400), ({}, 400), ([view()] * 501, 400), ([{}], 400),
        ([view("nobody")], 404),
    ],
)  # fmt: skip
def test_a_batch_of_which_nothing_can_be_kept_is_refused(
    call: Call, opened: str, events: Any, status: int
) -> None:
    answer = call("batch-track", events=events)

    assert answer.status_code == status
    assert answer.json["success"] is False
    assert answer.json["error"]


# Refusals


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


@pytest.mark.parametrize("minutes", [4, 31, "10", 10.5])
@pytest.mark.parametrize("path", ["session", "session/renew"])
def test_a_session_lasts_5_to_30_minutes(
    call: Call, session: dict[str, Any], path: str, minutes: Any
) -> None:
    answer = call(path, **session, session_timeout_minutes=minutes)

    assert answer.status_code == 400
    assert answer.json["error"].startswith("session_timeout_minutes must be ")


@pytest.mark.parametrize("field", ["session_id", "user_id", "project_id", "workspace_id", "campaign_id"])
def test_a_session_names_all_its_ids(call: Call, session: dict[str, Any], field: str) -> None:
    del session[field]
    answer = call("session", **session)

    assert answer.status_code == 400
    assert answer.json == {"success": False, "error": f"{field} is required."}


@pytest.mark.parametrize("raw", [b"", b"tea", b"[]", b'"tea"', b'{"session_id": "a\\u0000b"}'])
@pytest.mark.parametrize(
    "path", ["session", "session/validate", "session/renew", "session/flush", "track", "batch-track"]
)
def test_what_is_no_json_object_is_400(browser: FlaskClient, path: str, raw: bytes) -> None:
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


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "track", "POST, OPTIONS"), ("GET", "session", "POST, OPTIONS"),
        ("PUT", "batch-track", "POST, OPTIONS"), ("DELETE", "session/some-id", "GET, OPTIONS"),
        ("POST", "session/some-id", "GET, OPTIONS"),
    ],
)  # fmt: skip
def test_a_wrong_method_is_405_and_says_which_go(
    browser: FlaskClient, method: str, path: str, allowed: str
) -> None:
    answer = browser.open(f"{EVENTS}/{path}", method=method)

    assert answer.status_code == 405
    assert answer.headers["Allow"] == allowed
    assert answer.json["success"] is False


@pytest.mark.parametrize("path", ["nothing", "session/", "track/", "tracker", "session/%00"])
def test_an_unknown_address_is_404(browser: FlaskClient, path: str) -> None:
    answer = browser.post(f"{EVENTS}/{path}", json={})

    assert answer.status_code == 404
    assert answer.json["success"] is False


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
