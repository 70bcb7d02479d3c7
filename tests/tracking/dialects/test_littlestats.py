"""The LittleStats dialect: what browsers send, the responses, and what is stored."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import orjson
import pytest
from flask.testing import FlaskClient

from alice import clock, database
from alice.app import create_app
from alice.clock import DAY, hours, minutes
from alice.config import Settings
from alice.tracking.log.event import Kind
from alice.tracking.site import SiteRow
from tests.conftest import EventRows
from tests.tracking.calling import site as sites
from tests.tracking.conftest import Post

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"


@pytest.fixture
def midday() -> Iterator[int]:
    """The clock stands at noon, far from the change of salts."""
    noon = clock.now() // DAY * DAY + hours(12)
    clock.freeze(noon)
    yield noon
    clock.thaw()


def column(events_db: EventRows, name: str) -> Any:
    """The text that the only visit has in a column of strings."""
    return events_db.one(f"SELECT {name} FROM visits")


def test_a_page_view_is_answered_with_its_visit(post: Post, midday: int) -> None:
    answer = post(type="pageview", url="/", website="ignored")

    assert answer["success"] is True
    assert answer["cache"] == {
        "visitId": answer["cache"]["visitId"],
        "iat": midday // 1000,
        "sessionStart": midday,
    }


def test_a_payload_without_type_is_a_page_view(post: Post, events_db: EventRows) -> None:
    post(url="/chapter/1")

    assert events_db.query("SELECT kind, sequence FROM events") == [(Kind.PAGE_VIEW, 1)]
    assert events_db.one("SELECT page_views FROM visits") == 1


def test_hits_of_one_browser_are_one_visit_until_it_is_idle(
    post: Post, midday: int, events_db: EventRows
) -> None:
    first = post(url="/a")["cache"]["visitId"]
    clock.advance(minutes(29))
    assert post(url="/b")["cache"]["visitId"] == first
    clock.advance(minutes(31))

    assert post(url="/c")["cache"]["visitId"] != first
    assert events_db.query("SELECT page_views, sequence FROM visits ORDER BY number") == [(2, 2), (1, 1)]


def test_two_browsers_are_two_visitors(
    post: Post, browser: FlaskClient, site: SiteRow, events_db: EventRows
) -> None:
    post(url="/")
    browser.post(f"/api/v2/track/{site.id}", json={"url": "/"}, headers={"User-Agent": FIREFOX})

    assert events_db.one("SELECT COUNT(*) FROM visitors") == 2


def test_a_visit_goes_on_past_midnight(post: Post, events_db: EventRows) -> None:
    clock.freeze((clock.now() // DAY + 1) * DAY - minutes(5))
    post(url="/late")
    clock.advance(minutes(10))
    post(url="/early")
    clock.thaw()

    assert events_db.query("SELECT page_views FROM visits") == [(2,)]


def test_without_consent_a_visitor_is_another_one_the_next_day(
    post: Post, midday: int, events_db: EventRows
) -> None:
    post(url="/", visitorId="should-not-be-kept")
    clock.advance(DAY)
    post(url="/", visitorId="should-not-be-kept")

    hashes = events_db.query("SELECT hash, day FROM visitors ORDER BY number")
    assert len({bytes(hash) for hash, _ in hashes}) == 2
    assert [day for _, day in hashes] == [midday // DAY, midday // DAY + 1]


def test_with_consent_a_visitor_is_known_again(post: Post, midday: int, events_db: EventRows) -> None:
    for _ in range(2):
        post(url="/", visitorId="kept-by-the-browser", consent="granted")
        clock.advance(DAY)

    assert events_db.query("SELECT day FROM visitors") == [(None,)]
    assert events_db.one("SELECT COUNT(*) FROM visits") == 2


@pytest.mark.parametrize("more", [{}, {"visitorId": ""}])
def test_who_consents_and_has_no_id_is_known_for_a_day(
    post: Post, midday: int, events_db: EventRows, more: dict[str, str]
) -> None:
    post(url="/", consent="granted", **more)
    post(url="/")

    assert events_db.query("SELECT day FROM visitors") == [(midday // DAY,)]


@pytest.mark.parametrize(("length", "status"), [(200, 200), (201, 400)])
def test_the_id_that_a_browser_keeps_has_at_most_200_characters(
    browser: FlaskClient, site: SiteRow, length: int, status: int
) -> None:
    sent = {"url": "/", "consent": "granted", "visitorId": "v" * length}

    assert browser.post(f"/api/v2/track/{site.id}", json=sent).status_code == status


def test_a_browsers_time_is_kept(post: Post, midday: int, events_db: EventRows) -> None:
    post(url="/", timestamp=midday - 1500.5)
    post(url="/")

    times = events_db.query("SELECT occurred_at, received_at FROM events ORDER BY seq")
    assert times == [(midday - 1501, midday), (midday, midday)]


def test_a_view_without_an_address_is_a_view_all_the_same(post: Post, events_db: EventRows) -> None:
    post(referrer="https://rabbit.example/")
    post(url="")

    assert events_db.query("SELECT path FROM events") == [(None,), (None,)]
    assert events_db.query("SELECT page_views, landing_path FROM visits") == [(2, None)]
    assert column(events_db, "referrer_host") == "rabbit.example"


def test_where_a_visitor_came_from_is_kept(post: Post, events_db: EventRows) -> None:
    post(
        url="/landing?utm_source=news&utm_medium=mail&utm_campaign=tea&secret=1#part",
        referrer="https://www.rabbit.example/hole?q=private",
        screen="1280x800",
        language="en-GB",
        timezone="Europe/London",
    )
    post(url="/next")

    assert column(events_db, "landing_path") == "/landing"
    assert column(events_db, "exit_path") == "/next"
    assert column(events_db, "referrer_host") == "rabbit.example"
    assert column(events_db, "bucket") == "news|mail|tea"
    assert column(events_db, "screen") == "1280x800"
    assert column(events_db, "browser") == "Chrome"
    assert column(events_db, "os") == "Windows"
    strings = {text for (text,) in events_db.query("SELECT text FROM strings")}
    assert not any("secret" in text or "private" in text for text in strings)


@pytest.mark.parametrize("at_once", [True, False])
def test_an_event_left_over_from_an_earlier_visit_gives_no_attribution(
    post: Post, events_db: EventRows, at_once: bool
) -> None:
    left = {"type": "page_exit", "url": "/yesterday", "engaged": 4}
    view = {"url": "/landing?utm_source=news", "referrer": "https://rabbit.example/"}
    for events in [[left, view]] if at_once else [[left], [view]]:
        post(events=events)

    assert column(events_db, "landing_path") == "/landing"
    assert column(events_db, "referrer_host") == "rabbit.example"
    assert column(events_db, "bucket") == "news|unknown|unknown"
    assert events_db.query("SELECT sequence, page_views FROM visits") == [(2, 1)]


@pytest.mark.parametrize("screen", ["", "wide", "1280x", "123456x1", "1280x800px"])
def test_odd_values_of_a_browser_cost_no_view(post: Post, events_db: EventRows, screen: str) -> None:
    post(url="/a?" + "q" * 9000, referrer="https://rabbit.example/" + "r" * 9000, screen=screen)

    assert column(events_db, "landing_path") == "/a"
    assert column(events_db, "referrer_host") == "rabbit.example"
    assert column(events_db, "screen") is None


@pytest.mark.parametrize(("length", "source"), [(4000, "news"), (4001, "new")])
def test_of_an_address_4000_characters_are_looked_at(
    post: Post, events_db: EventRows, length: int, source: str
) -> None:
    post(url=f"/a?{'q' * (length - 19)}&utm_source=news")

    assert column(events_db, "utm_source") == source


@pytest.mark.parametrize("host", ["wonderland.example", "www.wonderland.example", "localhost"])
def test_ones_own_pages_are_no_referrer(post: Post, events_db: EventRows, host: str) -> None:
    post(url="/a", referrer=f"https://{host}/b")

    assert column(events_db, "referrer_host") is None
    assert column(events_db, "bucket") == "Direct"


def test_a_custom_event_keeps_its_properties(post: Post, events_db: EventRows) -> None:
    post(type="event", name="purchase_complete", data={"orderId": "12345", "value": 99.99, "gift": True})

    assert (
        events_db.one("SELECT s.text FROM events e JOIN strings s ON s.number = e.name")
        == "purchase_complete"
    )
    rows = events_db.query(
        "SELECT s.text, p.type FROM event_properties p JOIN strings s ON s.number = p.key ORDER BY s.text"
    )
    assert rows == [("gift", 3), ("orderId", 1), ("value", 2)]
    assert events_db.one("SELECT interactions FROM visits") == 1


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("click", Kind.CLICK), ("scroll", Kind.SCROLL), ("form_interaction", Kind.FORM_INTERACTION),
        ("form_submit", Kind.FORM_SUBMIT),
    ],
)  # fmt: skip
def test_what_the_add_ons_send_is_of_a_kind_of_its_own(
    post: Post, events_db: EventRows, name: str, kind: Kind
) -> None:
    post(type="event", name=name, data={"id": "tea"})

    assert events_db.query("SELECT kind, name FROM events") == [(kind, None)]
    assert events_db.query("SELECT text FROM event_properties") == [("tea",)]


def test_time_on_page_adds_up(post: Post, events_db: EventRows) -> None:
    post(url="/")
    post(type="page_exit", url="/", engaged=12.5, scroll=80)
    post(type="heartbeat", url="/", engaged=5)

    assert events_db.query("SELECT engaged_ms, page_views FROM visits") == [(17500, 1)]
    assert events_db.query("SELECT engaged_ms FROM events ORDER BY seq") == [(None,), (12500,), (5000,)]


@pytest.mark.parametrize(("engaged", "kept"), [(0, 0), (0.5, 500), (999_999, hours(1)), (1_000_000, 0)])
def test_of_time_on_page_a_report_may_claim_an_hour_and_nonsense_is_none(
    post: Post, events_db: EventRows, engaged: float, kept: int
) -> None:
    post(type="heartbeat", engaged=engaged)

    assert events_db.one("SELECT engaged_ms FROM visits") == kept


def test_a_visitor_is_identified_only_with_consent(post: Post, events_db: EventRows) -> None:
    post(type="identify", id="user_123", data={"plan": "premium"})
    assert events_db.query("SELECT * FROM identities") == []
    assert events_db.query("SELECT user_id FROM visits") == [(None,)]

    post(type="identify", id="user_123", data={"plan": "premium"}, consent="granted", visitorId="v1")
    assert events_db.query("SELECT user_id, data FROM identities") == [("user_123", '{"plan":"premium"}')]
    assert events_db.one("SELECT COUNT(*) FROM visits WHERE user_id = 'user_123'") == 1


def test_the_last_identify_event_of_a_batch_counts(post: Post, events_db: EventRows) -> None:
    said = [{"type": "identify", "id": "hatter", "data": {"hat": "10/6"}}, {"type": "identify", "id": "hare"}]
    post(events=[*said, {"url": "/"}], consent="granted", visitorId="v1")

    assert events_db.query("SELECT user_id FROM visits") == [("hare",)]
    assert events_db.query("SELECT user_id, data FROM identities") == [("hare", "{}")]


def test_the_same_event_twice_counts_once(post: Post, events_db: EventRows) -> None:
    id = str(uuid4())
    first = post(url="/", eventId=id)
    again = post(url="/", eventId=id)

    assert again["cache"]["visitId"] == first["cache"]["visitId"]
    assert events_db.query("SELECT page_views, sequence FROM visits") == [(1, 1)]


def test_a_batch_keeps_the_good_and_names_the_bad(post: Post, events_db: EventRows) -> None:
    answer = post(
        screen="1x1",
        events=[
            {"url": "/a"},
            {"type": "nonsense"},
            {"type": "event"},
            {"type": "event", "name": "x"},
            7,
            {"type": "identify"},
            {"type": "page_exit"},
        ],
    )

    assert [item["index"] for item in answer["failed"]] == [1, 2, 4, 5]
    assert "type must be one of" in answer["failed"][0]["error"]
    assert [item["error"] for item in answer["failed"][1:]] == [
        "name is required for an event.",
        "The body must be an object.",
        "id is required to identify somebody.",
    ]
    assert events_db.one("SELECT COUNT(*) FROM events") == 3
    assert column(events_db, "screen") == "1x1"


def test_a_batch_of_bad_events_alone_is_answered_without_a_visit(post: Post, events_db: EventRows) -> None:
    answer = post(events=[{"type": "identify"}])

    failed = [{"index": 0, "error": "id is required to identify somebody."}]
    assert answer == {"success": True, "cache": None, "failed": failed}
    assert events_db.one("SELECT COUNT(*) FROM visits") == 0


def test_fields_of_a_batch_are_defaults_for_its_events(post: Post, events_db: EventRows) -> None:
    post(
        url="/common?utm_source=queen",
        referrer="https://rabbit.example/",
        screen="1x1",
        language="cs",
        timezone="Europe/Prague",
        visitorId="v1",
        consent="granted",
        events=[{}, {"url": "/own", "screen": "2x2", "language": "en"}],
    )

    names = "landing_path", "exit_path", "utm_source", "referrer_host", "screen", "language", "timezone"
    assert [column(events_db, name) for name in names] == [
        "/common",
        "/own",
        "queen",
        "rabbit.example",
        "1x1",
        "cs",
        "Europe/Prague",
    ]
    assert events_db.query("SELECT day FROM visitors") == [(None,)]


@pytest.mark.usefixtures("frozen_clock")
@pytest.mark.parametrize("limit", ["track_per_address", "track_per_site"])
def test_each_event_of_a_batch_counts_as_one(settings: Settings, site: SiteRow, limit: str) -> None:
    client = create_app(replace(settings, **{limit: 4})).test_client(use_cookies=False)
    batch = {"events": [{"url": "/"}, 7, {"url": "/"}]}
    answers = [client.post(f"/api/v2/track/{site.id}", json=sent) for sent in (batch, {}, {})]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60


def test_each_event_of_a_batch_has_its_own_visitor_and_consent(post: Post, events_db: EventRows) -> None:
    post(
        events=[
            {"url": "/", "consent": "granted", "visitorId": "alice"},
            {"type": "identify", "id": "dinah", "consent": "denied"},
            {"url": "/", "consent": "granted", "visitorId": "kitty"},
        ]
    )

    assert events_db.one("SELECT COUNT(*) FROM identities") == 0
    assert events_db.query("SELECT user_id, sequence FROM visits ORDER BY number") == [(None, 1)] * 3


def test_an_event_of_a_batch_may_be_no_larger_than_another(post: Post, events_db: EventRows) -> None:
    large = {"type": "event", "name": "large", "data": {"x": "y" * 70_000}}
    answer = post(events=[{"url": "/"}, large], data={"of": "nobody"})

    assert answer["failed"] == [{"index": 1, "error": "One event may hold at most 64 KB."}]
    assert events_db.query("SELECT sequence FROM events") == [(1,)]
    assert events_db.one("SELECT COUNT(*) FROM event_properties") == 0


def test_engaged_time_never_exceeds_the_age_of_the_visit(
    post: Post, midday: int, events_db: EventRows
) -> None:
    post(url="/")
    post(events=[{"type": "heartbeat", "engaged": 3600}] * 500)
    clock.advance(minutes(10))
    post(type="heartbeat", engaged=600)

    assert events_db.one("SELECT engaged_ms FROM visits") == minutes(10)


def test_an_id_that_others_could_have_is_refused(browser: FlaskClient, site: SiteRow) -> None:
    answer = browser.post(f"/api/v2/track/{site.id}", json={"url": "/", "eventId": "1"})

    assert answer.status_code == 400
    assert "eventId" in answer.json["error"]


def test_the_scroll_depth_is_stored_with_exits_and_heartbeats(post: Post, events_db: EventRows) -> None:
    for type in ("pageview", "heartbeat", "page_exit"):
        post(type=type, scroll=80, engaged=240)
        post(type=type, engaged=1)

    assert events_db.query("SELECT number FROM event_properties") == [(80.0,), (80.0,)]


def test_a_page_of_any_origin_may_read_why_it_was_refused(browser: FlaskClient, site: SiteRow) -> None:
    large = browser.post(f"/api/v2/track/{site.id}", data=b" " * 1_000_001)
    foreign = browser.post(f"/api/v2/track/{site.id}", headers={"Origin": "https://evil.example"})
    nowhere = browser.post("/api/v2/track/nosuchsite12")

    assert [answer.status_code for answer in (large, foreign, nowhere)] == [413, 403, 404]
    for answer in (large, foreign, nowhere):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"no json", 400), (b"[]", 400), (b'"text"', 400), (b'{"type": "x"}', 400), (b'{"events": []}', 400),
        (b'{"screen": 1280}', 400), (b'{"type": "identify"}', 400), (b'{"engaged": 1e400}', 400),
        (b'{"url": "/\\u0000"}', 400), (b'{"a":' * 20 + b"1" + b"}" * 20, 400),
        (orjson.dumps({f"k{n}": n for n in range(101)}), 400),
        (orjson.dumps({"events": [{"url": "/"}] * 501}), 400),
        (orjson.dumps({"url": "/", "data": {"x": "y" * 70_000}}), 413),
        (orjson.dumps({"url": "/", "data": {"x": "y" * 70_000}, "z": []}), 413),
        (b" " * 1_000_001, 413),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_and_leaves_nothing(
    browser: FlaskClient, site: SiteRow, events_db: EventRows, raw: bytes, status: int
) -> None:
    answer = browser.post(f"/api/v2/track/{site.id}", data=raw, content_type="text/plain")

    assert answer.status_code == status
    assert answer.json["error"]
    assert events_db.one("SELECT COUNT(*) FROM visits") == 0


def test_an_unknown_site_is_a_404_and_is_not_made(
    browser: FlaskClient, site: SiteRow, events_db: EventRows
) -> None:
    for id in ("nosuchsite12", "", "a/b", site.id.upper() + "x"):
        assert browser.post(f"/api/v2/track/{id}", json={"url": "/"}).status_code == 404

    assert events_db.one("SELECT COUNT(*) FROM sites") == 1
    assert events_db.one("SELECT COUNT(*) FROM visitors") == 0


@pytest.mark.parametrize("header", ["DNT", "Sec-GPC"])
def test_nothing_is_stored_with_dnt_or_gpc(
    browser: FlaskClient, site: SiteRow, events_db: EventRows, header: str
) -> None:
    answer = browser.post(f"/api/v2/track/{site.id}", json={"url": "/"}, headers={header: "1"})

    assert answer.json == {"success": True, "cache": None}
    assert events_db.one("SELECT COUNT(*) FROM visitors") == 0


def test_beacons_as_plain_text_are_taken(browser: FlaskClient, site: SiteRow, events_db: EventRows) -> None:
    answer = browser.post(f"/api/v2/track/{site.id}", data=b'{"url": "/"}', content_type="text/plain")

    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "https://wonderland.example"
    assert events_db.one("SELECT COUNT(*) FROM events") == 1


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://wonderland.example", 204), ("http://wonderland.example", 204),
        ("https://www.wonderland.example", 204), ("https://evil.example", 403),
        ("https://wonderland.example.evil.example", 403), ("null", 403), ("https://[", 403),
        ("https://alice.example:8443", 204), ("https://shop.example", 403),
    ],
)  # fmt: skip
def test_only_the_sites_own_pages_and_alices_may_send(
    browser: FlaskClient, site: SiteRow, origin: str, status: int
) -> None:
    headers = {"Origin": origin, "Host": "alice.example:8000"}
    answer = browser.options(f"/api/v2/track/{site.id}", headers=headers)

    assert answer.status_code == status
    assert answer.headers["Access-Control-Allow-Origin"] == (origin if status == 204 else "*")
    if status == 204:
        assert answer.headers["Access-Control-Max-Age"] == "86400"
        assert answer.headers["Vary"] == "Origin"


def test_a_page_of_another_origin_may_send_if_the_site_names_it(browser: FlaskClient) -> None:
    with database.connected(database.events_db):
        tea = sites.create("tea.example", "Tea", owner_id=None, origins=["https://shop.example"])
    for origin, status in (("https://shop.example", 204), ("http://shop.example", 403)):
        answer = browser.options(f"/api/v2/track/{tea.id}", headers={"Origin": origin})
        assert answer.status_code == status


def test_a_page_with_the_origin_null_may_not_send(browser: FlaskClient, site: SiteRow) -> None:
    nameless = {"HTTP_ORIGIN": "null", "HTTP_HOST": ""}
    answer = browser.options(f"/api/v2/track/{site.id}", environ_overrides=nameless)

    assert answer.status_code == 403


def test_a_wrong_method_is_a_405_that_names_the_right_ones(browser: FlaskClient, site: SiteRow) -> None:
    answer = browser.get(f"/api/v2/track/{site.id}")

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST, OPTIONS")


def test_bots_are_kept_apart(browser: FlaskClient, site: SiteRow, events_db: EventRows) -> None:
    agent = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
    browser.post(f"/api/v2/track/{site.id}", json={"url": "/"}, headers={"User-Agent": agent})

    assert events_db.query("SELECT is_bot FROM visits") == [(1,)]


def test_what_a_visitor_does_counts_as_an_interaction_and_a_view_does_not(
    post: Post, events_db: EventRows
) -> None:
    post(url="/")
    assert events_db.query("SELECT page_views, interactions FROM visits") == [(1, 0)]
    post(type="event", name="liked")

    assert events_db.query("SELECT page_views, interactions FROM visits") == [(1, 1)]
