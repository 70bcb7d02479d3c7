"""/api/v1/events/session: sessions that a client names, opened, validated, flushed, shown and renewed."""

import json
from typing import Any
from uuid import RFC_4122, UUID

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from alice import clock
from alice.clock import days, minutes
from alice.tracking.dialects.eventtracker import finding
from alice.tracking.log.visit import Dialect
from alice.tracking.pipeline import Tracking
from alice.tracking.site import SiteRow
from tests.conftest import EventRows
from tests.tracking.dialects.eventtracker.conftest import EVENTS, Call, view


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
        "session",
        **session,
        page_url="https://wonderland.example/tea?utm_source=queen&utm_medium=post&secret=1",
        referrer="https://www.looking-glass.example/door?who=me",
        language="en-GB",
        timezone="Europe/London",
        ab_test_id="test-1",
        ab_test_variant_id="b",
        attribution_id="first-click",
        environment="production",
    )

    columns = "landing_path, referrer_host, utm_source, utm_medium, language, timezone, ab_test, ab_variant"
    rows = events_db.query(f"SELECT {columns} FROM visits")
    assert rows == [
        ("/tea", "looking-glass.example", "queen", "post", "en-GB", "Europe/London", "test-1", "b")
    ]
    context = json.loads(events_db.one("SELECT context FROM visits"))
    assert (context["attribution_id"], context["environment"]) == ("first-click", "production")
    assert "secret" not in str(rows) + str(context)


def test_the_words_of_a_session_win_over_the_address_of_its_page(
    call: Call, session: dict[str, Any], events_db: EventRows
) -> None:
    call("session", **session, page_url="/tea?utm_source=king&ref=cat", utm_source="queen")

    sql = "SELECT utm_source, context FROM visits"
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
def test_with_dnt_or_gpc_requests_succeed_and_nothing_is_stored(
    browser: FlaskClient, session: dict[str, Any], events_db: EventRows, header: dict[str, str]
) -> None:
    def call(path: str, **document: Any) -> TestResponse:
        return browser.post(f"{EVENTS}/{path}", json=document, headers=header)

    def data(path: str, **document: Any) -> Any:
        answer = call(path, **document).json
        assert answer["success"] is True
        return answer["data"]

    untracked = {
        "session_id": "session-1",
        "session_duration_minutes": 30,
        "event_sequence": 0,
        "click_id": None,
    }
    unbuffered = {"events_in_buffer": 0, "flushed_to_tinybird": False}
    assert data("session", **session) == untracked
    shorter = data("session", **session, session_timeout_minutes=12)
    assert shorter == untracked | {"session_duration_minutes": 12}
    validated = call("session/validate", session_id="session-1").json
    assert validated == {"success": True, "valid": True, "reason": "not_tracked"}
    renewed = data("session/renew", **session, old_session_id="session-1")
    assert UUID(renewed.pop("session_id")).version == 7
    assert renewed | {"session_id": "session-1"} == untracked | {"user_id": "user-1"}
    assert data("session/renew", **session, new_session_id="session-2")["session_id"] == "session-2"
    assert data("session/flush", session_id="session-1") == {"flushed_events": 0}
    assert data("track", **view()) == {"event_sequence": 0} | unbuffered
    batch = data("batch-track", events=[view()])
    assert UUID(batch.pop("batch_id"))
    assert batch == {"processed_events": 0} | unbuffered
    for table in ("visits", "visitors", "events", "strings"):
        assert events_db.one(f"SELECT COUNT(*) FROM {table}") == 0


def test_with_dnt_or_gpc_a_renewal_does_not_continue_the_old_session(
    browser: FlaskClient, session: dict[str, Any], opened: str
) -> None:
    def renew() -> Any:
        fields = session | {"old_session_id": opened}
        return browser.post(f"{EVENTS}/session/renew", json=fields, headers={"DNT": "1"}).json["data"]

    assert renew()["session_id"] != renew()["session_id"]


def test_a_page_may_be_named_as_uri_and_what_is_empty_says_nothing(
    call: Call, session: dict[str, Any], events_db: EventRows
) -> None:
    empty = dict.fromkeys(("language", "timezone", "ab_test_id", "ab_test_variant_id", "page_url"), "")
    call("session", **session, **empty, uri="/tea?utm_source=queen", referrer_url="https://glass.example/")

    columns = "landing_path, utm_source, referrer_host, language, timezone, ab_test, ab_variant"
    assert events_db.query(f"SELECT {columns} FROM visits") == [
        ("/tea", "queen", "glass.example", None, None, None, None)
    ]


# Validate, flush, show


def test_validating_is_a_sign_of_life(call: Call, opened: str) -> None:
    for _ in range(3):
        clock.advance(minutes(20))
        answer = call("session/validate", session_id=opened)
        assert answer.status_code == 200
        assert answer.json["success"] is True
        assert (answer.json["valid"], answer.json["reason"]) == (True, "valid")
        assert answer.json["session"]["last_activity"] == clock.now()


def test_an_expired_session_proposes_one_id_to_everybody(call: Call, opened: str) -> None:
    clock.advance(minutes(31))
    validated = call("session/validate", session_id=opened)
    tracked = call("track", **view())

    assert validated.status_code == 200
    assert validated.json == {
        "success": True,
        "valid": False,
        "reason": "expired",
        "new_session_id": tracked.json["new_session_id"],
    }
    assert UUID(validated.json["new_session_id"]).version == 7


def test_the_id_that_follows_differs_from_session_to_session(
    call: Call, session: dict[str, Any], opened: str
) -> None:
    call("session", **session | {"session_id": "session-2"})
    clock.advance(minutes(31))

    proposed = {call("track", **view(name)).json["new_session_id"] for name in ("session-1", "session-2")}
    assert len(proposed) == 2


def test_the_id_that_follows_is_a_uuid_of_the_sessions_start_and_of_what_nobody_can_guess(
    tracking: Tracking, site: SiteRow, opened: str, events_connection: None
) -> None:
    visit = tracking.find(Dialect.EVENT_TRACKER, opened, site.number)
    ids = [UUID(finding.successor(tracking, site, visit._replace(number=number))) for number in range(80)]

    assert {id.int >> 80 for id in ids} == {visit.started_at}
    assert {(id.version, id.variant) for id in ids} == {(7, RFC_4122)}
    varying = 0
    for id in ids:
        varying |= id.int ^ ids[0].int
    assert varying.bit_count() == 74, "all bits but those of the time, the version and the variant"


def test_validating_an_unknown_session_is_200_not_found(call: Call) -> None:
    answer = call("session/validate", session_id="nobody")

    assert answer.status_code == 200
    assert answer.json == {"success": True, "valid": False, "reason": "not_found"}


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
        "session/renew",
        **session,
        new_session_id="session-2",
        old_session_id="nobody",
        preserved_attribution={"utm_source": "queen", "utm_medium": 7, "utm_term": "", "unknown": [1]},
        current_url_utm={"utm_source": "king"},
    ).json["data"]

    assert data["attribution_preserved"] is True
    sql = "SELECT utm_source, utm_medium, utm_term FROM visits"
    assert events_db.query(sql) == [("queen", None, None)]


@pytest.mark.parametrize("preserved", [None, {}, {"utm_source": ""}, {"utm_source": 7}], ids=str)
def test_a_renewal_without_any_attribution_takes_that_of_its_page(
    call: Call, session: dict[str, Any], events_db: EventRows, preserved: dict[str, Any] | None
) -> None:
    data = call(
        "session/renew",
        **session | {"user_id": None},
        preserved_attribution=preserved,
        page_url="/tea?utm_source=cat&utm_medium=post",
        current_url_utm={"utm_source": "king"},
        current_referrer="https://glass.example/",
    ).json["data"]

    assert (data["attribution_preserved"], data["user_id"]) == (False, None)
    sql = (
        "SELECT v.utm_source, v.utm_medium, v.referrer_host, v.user_id, o.day FROM visits v "
        "JOIN visitors o ON o.number = v.visitor_number"
    )
    assert events_db.query(sql) == [("king", "post", "glass.example", None, clock.now() // days(1))]


@pytest.mark.parametrize(("after", "kept"), [(days(30), True), (days(30) + 1, False)])
def test_attribution_is_carried_for_30_days(
    call: Call, session: dict[str, Any], opened: str, after: int, kept: bool
) -> None:
    clock.advance(after)
    data = call("session/renew", **session, old_session_id=opened, new_session_id="session-2").json["data"]

    assert data["attribution_preserved"] is kept


def test_a_renewal_may_name_another_user_and_another_length(
    call: Call, session: dict[str, Any], opened: str, events_db: EventRows
) -> None:
    renewal = session | {"old_session_id": opened, "new_session_id": "session-2", "user_id": "user-2"}
    data = call("session/renew", **renewal, session_timeout_minutes=7).json["data"]

    assert (data["user_id"], data["session_duration_minutes"]) == ("user-2", 7)
    sql = "SELECT session_id, user_id FROM visits ORDER BY number"
    assert events_db.query(sql) == [(opened, "user-1"), ("session-2", "user-2")]


def test_a_session_that_is_renewed_under_its_own_name_goes_on(
    call: Call, session: dict[str, Any], opened: str, events_db: EventRows
) -> None:
    call("track", **view())
    renewal = session | {"old_session_id": opened, "new_session_id": opened}
    data = call("session/renew", **renewal, preserved_attribution={"utm_source": "queen"}).json["data"]

    assert (data["event_sequence"], data["attribution_preserved"]) == (1, False)
    assert events_db.query("SELECT utm_source FROM visits") == [(None,)]


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
    for said, new in (({}, "session-2"), ({"is_ephemeral": True}, "session-3")):
        renewal = session | said | {"old_session_id": "session-1", "new_session_id": new}
        assert call("session/renew", **renewal).json["data"]["attribution_preserved"] is True
    assert events_db.query("SELECT DISTINCT user_id FROM visits") == [(None,)]


def test_who_consents_in_a_renewal_is_known_from_then_on(
    call: Call, session: dict[str, Any], events_db: EventRows
) -> None:
    call("session", **session, is_ephemeral=True)
    renewal = session | {"old_session_id": "session-1", "new_session_id": "session-2", "is_ephemeral": False}
    call("session/renew", **renewal)

    assert events_db.query("SELECT user_id FROM visits ORDER BY number") == [(None,), ("user-1",)]
