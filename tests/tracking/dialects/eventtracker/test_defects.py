"""Defects of the original EventTracker that Alice does not have. The numbers are those of their list."""

import json
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from alice import clock
from alice.clock import days, minutes
from alice.tracking.pipeline import close_visits
from alice.tracking.site import SiteRow
from tests.conftest import EventRows
from tests.tracking.dialects.eventtracker.conftest import EVENTS, Call, kept, view


def test_2_and_4_closing_a_session_takes_no_event_along(
    call: Call, opened: str, events_db: EventRows
) -> None:
    call("batch-track", events=[view()] * 3)
    clock.advance(days(1))
    close_visits()

    assert events_db.one("SELECT COUNT(*) FROM visits WHERE closed_at IS NOT NULL") == 1
    assert events_db.one("SELECT COUNT(*) FROM events") == 3


def test_5_load_times_are_kept(call: Call, opened: str, events_db: EventRows) -> None:
    call("track", **view(page_load_time=812.5, dom_ready_time=300))

    assert kept(events_db) == {"page_load_time": 812.5, "dom_ready_time": 300}


def test_9_a_refused_event_leaves_no_gap(call: Call, opened: str) -> None:
    call("track", **view())
    assert call("track", **view(event_type="dance")).status_code == 400

    assert call("track", **view()).json["data"]["event_sequence"] == 2


def test_10_opening_a_live_session_again_resumes_it(
    call: Call, session: dict[str, Any], opened: str, events_db: EventRows
) -> None:
    first = call("track", **view())
    clock.advance(minutes(20))
    again = call("session", **session).json["data"]
    second = call("track", **view())

    assert (first.json["data"]["event_sequence"], again["event_sequence"]) == (1, 1)
    assert again["created_at"] == clock.now() - minutes(20)
    assert again["expires_at"] == clock.now() + minutes(30)
    assert second.json["data"]["event_sequence"] == 2
    assert events_db.one("SELECT COUNT(*) FROM visits") == 1


def test_11_a_renewal_carries_attribution_over_for_real(
    call: Call, session: dict[str, Any], events_db: EventRows
) -> None:
    call(
        "session",
        **session,
        page_url="/tea?utm_source=queen&utm_campaign=croquet",
        referrer="https://glass.example/",
        attribution_id="first-click",
        ab_test_id="test-1",
        ab_test_variant_id="b",
    )
    renewal = session | {"old_session_id": "session-1", "new_session_id": "session-2", "user_id": None}
    data = call("session/renew", **renewal, page_url="/other?utm_medium=post").json["data"]

    assert data["attribution_preserved"] is True
    assert (data["ab_test_id"], data["ab_test_variant_id"]) == ("test-1", "b")
    columns = (
        "referrer_host, utm_source, utm_medium, utm_campaign, bucket, landing_path, user_id, visitor_number"
    )
    old, new = events_db.query(f"SELECT {columns} FROM visits ORDER BY number")
    assert new == old
    contexts = events_db.query("SELECT context FROM visits ORDER BY number")
    assert json.loads(contexts[1][0])["attribution_id"] == "first-click"


def test_11_a_renewal_of_nothing_does_not_claim_to_have_kept_attribution(
    call: Call, session: dict[str, Any]
) -> None:
    data = call("session/renew", **session, old_session_id="nobody").json["data"]

    assert data["attribution_preserved"] is False


def test_11_a_renewal_needs_no_new_id_from_the_client(
    call: Call, session: dict[str, Any], opened: str
) -> None:
    clock.advance(minutes(31))
    proposed = call("track", **view()).json["new_session_id"]
    answer = call("session/renew", **session, old_session_id=opened)

    assert answer.status_code == 200
    assert answer.json["data"]["session_id"] == proposed


def test_12_a_renewed_session_lasts_as_long_as_the_old_one(call: Call, session: dict[str, Any]) -> None:
    call("session", **session, session_timeout_minutes=12)
    answer = call("session/renew", **session, old_session_id="session-1", new_session_id="session-2")

    assert answer.status_code == 200
    assert answer.json["data"]["session_duration_minutes"] == 12


def test_13_an_event_of_an_unknown_session_is_404(call: Call, events_db: EventRows) -> None:
    answer = call("track", **view("nobody"))

    assert answer.status_code == 404
    assert answer.json == {"success": False, "error": "Session not found"}
    assert events_db.one("SELECT COUNT(*) FROM visits") == 0


@pytest.mark.engine("sqlite")
@pytest.mark.parametrize(
    "path", ["session", "session/validate", "session/renew", "session/flush", "track", "batch-track"]
)
def test_14_a_missing_field_is_400_not_500(call: Call, path: str) -> None:
    answer = call(path, unknown=1)

    assert answer.status_code == 400
    assert answer.json["success"] is False


def test_15_an_external_event_is_checked_and_numbered_like_any_other(call: Call, opened: str) -> None:
    external = view(event_type="conversion", event_placement="external")

    assert call("track", **external).json["data"]["event_sequence"] == 1
    assert call("track", **external | {"event_value": "much"}).status_code == 400


def test_16_a_batch_sent_again_after_a_renewal_is_counted_once(
    call: Call, session: dict[str, Any], opened: str, events_db: EventRows
) -> None:
    batch = [view(id=str(uuid4())) for _ in range(5)]
    call("batch-track", events=batch[:3])
    clock.advance(minutes(31))
    new = call("batch-track", events=batch).json["new_session_id"]
    call("session/renew", **session, old_session_id=opened, new_session_id=new)
    answer = call("batch-track", events=[event | {"session_id": new} for event in batch])

    assert answer.json["data"]["processed_events"] == 5
    assert events_db.one("SELECT COUNT(*) FROM events") == 5
    assert events_db.query("SELECT session_id, sequence FROM visits ORDER BY number") == [
        (opened, 3), (new, 2),
    ]  # fmt: skip


def test_18_a_user_is_the_same_visitor_in_each_session(
    call: Call, session: dict[str, Any], opened: str, events_db: EventRows
) -> None:
    clock.advance(days(3))
    call("session", **session | {"session_id": "session-2"})
    call("session", **session | {"session_id": "session-3", "user_id": "user-2"})

    numbers = [number for (number,) in events_db.query("SELECT visitor_number FROM visits ORDER BY number")]
    assert numbers[0] == numbers[1] != numbers[2]


def test_19_an_active_visitor_is_not_cut_in_two(call: Call, opened: str, events_db: EventRows) -> None:
    for sequence in range(1, 6):
        clock.advance(minutes(25))
        assert call("track", **view()).json["data"]["event_sequence"] == sequence
    assert events_db.one("SELECT COUNT(*) FROM visits") == 1


def test_20_a_session_id_tells_neither_who_it_is_nor_where_they_came_from(
    browser: FlaskClient, call: Call, session: dict[str, Any]
) -> None:
    call(
        "session",
        **session,
        page_url="/tea?utm_source=queen",
        referrer="https://glass.example/",
        attribution_id="first-click",
        timezone="Europe/London",
    )
    answers = [
        call("session/validate", session_id="session-1"),
        browser.get(f"{EVENTS}/session/session-1"),
        call("session/renew", **session | {"user_id": None}, old_session_id="session-1"),
    ]
    for answer in answers:
        assert answer.status_code == 200
        for secret in ("user-1", "queen", "glass", "first-click", "London", "192.0.2", "Chrome"):
            assert secret not in answer.text


def test_23_a_session_can_be_renewed_long_after_it_has_expired(
    call: Call, session: dict[str, Any], opened: str
) -> None:
    clock.advance(days(20))
    close_visits()
    new = call("track", **view()).json["new_session_id"]
    call("session/renew", **session, old_session_id=opened, new_session_id=new)

    assert call("track", **view(new)).json["data"]["event_sequence"] == 1


def test_24_views_count_page_views_and_nothing_else(call: Call, opened: str, events_db: EventRows) -> None:
    call("track", **view())
    call("track", session_id=opened, event_type="engagement", event_id="page-view")
    call("track", session_id=opened, event_type="engagement", event_id="scroll-threshold-25")
    call("track", session_id=opened, event_type="system", event_id="page-unload", time_on_page=3)
    call("track", session_id=opened, event_type="conversion", event_id="cup-of-tea")

    assert events_db.query("SELECT page_views, interactions, sequence FROM visits") == [(2, 2, 5)]


def test_24_a_page_view_that_is_sent_as_something_else_keeps_its_type(
    call: Call, opened: str, events_db: EventRows
) -> None:
    call("track", session_id=opened, event_type="engagement", event_id="page-view")

    assert kept(events_db) == {"event_type": "engagement"}


def test_25_a_visit_is_known_before_its_events(
    call: Call, session: dict[str, Any], site: SiteRow, events_db: EventRows
) -> None:
    batch = [view(), view()]
    assert call("batch-track", events=batch).status_code == 404
    call("session", **session)
    call("batch-track", events=batch)

    sql = "SELECT COUNT(*), COUNT(v.device) FROM events e JOIN visits v ON v.number = e.visit_number"
    assert events_db.query(sql) == [(2, 2)]
