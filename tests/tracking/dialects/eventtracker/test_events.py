"""/api/v1/events/track and batch-track: events in a session, one by one and in batches."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from alice import clock
from alice.clock import hours, minutes, rfc3339
from alice.tracking.site import SiteRow
from tests.conftest import EventRows
from tests.tracking.dialects.eventtracker.conftest import Call, kept, view


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
    assert call("track", session_id=opened, event_type=type, event_id="").status_code == 200
    assert events_db.query("SELECT kind, name FROM events") == [(kind, None)] * 2


@pytest.mark.parametrize(
    ("given", "kept_url"),
    [
        ("https://[", ""), ("javascript:steal()", "javascript:"),
        ("  /tea?utm_term=a&x=1  ", "/tea?utm_term=a"),
        ("https://me@glass.example/?utm_medium=m&utm_campaign=c&utm_content=d&ref=r&source=s&id=7#x",
         "https://glass.example/?utm_medium=m&utm_campaign=c&utm_content=d&ref=r&source=s"),
    ],
)  # fmt: skip
def test_of_an_address_is_kept_what_tells_nothing_of_a_person(
    call: Call, opened: str, events_db: EventRows, given: str, kept_url: str
) -> None:
    call("track", **view(clicked_url=given))

    assert kept(events_db) == {"clicked_url": kept_url}


def test_an_event_keeps_all_its_fields_and_no_query(
    call: Call, opened: str, events_db: EventRows, frozen_clock: int
) -> None:
    fields = {
        "event_value": 12.5,
        "event_value_currency": "EUR",
        "event_value_type": "dynamic",
        "event_placement": "internal",
        "attribution_id": "first-click",
        "segment_id": "hatters",
        "form_id": "tea",
        "clicked_element": "#cup",
        "page_load_time": 812.5,
        "dom_ready_time": 300,
        "scroll_percentage": 75,
        "time_on_page": 42,
        "viewport_width": 1280,
        "viewport_height": 720,
        "metadata": '{"cups": 3}',
        "environment": "production",
        "campaign_environment": "preview",
    }
    answer = call(
        "track",
        session_id=opened,
        event_type="conversion",
        event_id="cup-of-tea",
        **fields,
        timestamp=rfc3339(frozen_clock - 1500),
        page_url="https://wonderland.example/tea?utm_source=q&mail=me#x",
        referrer_url="https://me:pass@glass.example/?q=secret",
        clicked_url="mailto:hatter@example.com",
    )

    assert answer.status_code == 200
    assert kept(events_db) == fields | {
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

    found = events_db.query("SELECT landing_path, referrer_host, bucket, utm_source FROM visits")
    assert found == [("/tea", "rabbit.example", "news|mail|spring", "news")]


@pytest.mark.parametrize(
    ("page", "referrer", "host"),
    [
        ("https://shop.example/tea", "https://www.shop.example/", None),
        ("https://shop.example/tea", "https://rabbit.example/", "rabbit.example"),
        ("/tea", "https://rabbit.example/", "rabbit.example"), ("/tea", None, None), ("/tea", "", None),
    ],
)  # fmt: skip
def test_a_page_of_the_same_host_is_no_referrer(
    call: Call, opened: str, events_db: EventRows, page: str, referrer: str | None, host: str | None
) -> None:
    call("track", **view(page_url=page, referrer_url=referrer))

    sql = "SELECT landing_path, referrer_host FROM visits"
    assert events_db.query(sql) == [("/tea", host)]


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

    sql = "SELECT ab_test, ab_variant FROM visits"
    assert events_db.query(sql) == [("test-1", "b")]


@pytest.mark.parametrize(
    ("said", "kept_of_it"),
    [
        ({"ab_test_id": "test-1", "page_url": "/tea"}, ("test-1", None, "/tea")),
        ({"ab_test_variant_id": "b"}, (None, "b", "/later")),
        ({"ab_test_id": "test-1", "ab_test_variant_id": ""}, ("test-1", None, "/later")),
        ({"ab_test_id": "", "ab_test_variant_id": ""}, ("test-2", "c", "/later")),
    ],
)
def test_of_a_batch_the_first_event_that_names_a_test_or_a_page_tells_it(
    call: Call, opened: str, events_db: EventRows, said: dict[str, str], kept_of_it: tuple[str | None, ...]
) -> None:
    later = view(ab_test_id="test-2", ab_test_variant_id="c", page_url="/later")
    call("batch-track", events=[view(), view(**said), later, later | {"page_url": "/last"}])

    sql = "SELECT ab_test, ab_variant, landing_path FROM visits"
    assert events_db.query(sql) == [kept_of_it]


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


@pytest.mark.parametrize("at_once", [True, False])
def test_a_view_without_an_address_is_neither_the_first_page_nor_the_last(
    call: Call, opened: str, events_db: EventRows, at_once: bool
) -> None:
    events = [view(), view(page_url="/a"), view(page_url="/b"), view()]
    for batch in [events] if at_once else [[event] for event in events]:
        call("batch-track", events=batch)

    sql = "SELECT landing_path, exit_path, page_views FROM visits"
    assert events_db.query(sql) == [("/a", "/b", 4)]


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


def test_a_batch_of_two_expired_sessions_asks_for_a_renewal_of_each(
    call: Call, session: dict[str, Any], opened: str
) -> None:
    call("session", **session | {"session_id": "session-2"})
    clock.advance(minutes(31))
    answer = call("batch-track", events=[view("session-1"), view("session-2")])

    assert answer.status_code == 200
    assert (answer.json["error"], answer.json["processed_events"]) == ("Session expired", 0)
    assert "new_session_id" not in answer.json, "there is more than one"
    proposed = [
        call("session/validate", session_id=name).json["new_session_id"]
        for name in ("session-1", "session-2")
    ]
    assert [failure["new_session_id"] for failure in answer.json["data"]["failed"]] == proposed


def test_a_batch_that_fails_for_several_reasons_says_how_many_do(call: Call, opened: str) -> None:
    answer = call("batch-track", events=[view("nobody"), {}])

    assert answer.status_code == 400
    assert answer.json["success"] is False
    assert answer.json["error"] == "2 of 2 events were not kept."
    assert answer.json["processed_events"] == answer.json["data"]["processed_events"] == 0
    assert answer.json["data"]["failed"][0] == {"index": 0, "error": "Session not found"}


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
