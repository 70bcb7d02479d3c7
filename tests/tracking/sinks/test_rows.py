"""The rows that sinks send: each row of events_v1 and session_v1 is complete by itself."""

import json
import re
from typing import Any
from uuid import UUID

import pytest

from alice import clock, database
from alice.clock import rfc3339
from alice.tracking.log.event import Kind
from alice.tracking.log.visit import Dialect
from alice.tracking.sinks import rows
from alice.tracking.sinks.sink import EVENTS, SCHEMA, VISITS
from tests.tracking.sinks.making import SITE, Log

CONTEXT = {"campaign_id": "c1", "workspace_id": "w1", "landing_page_id": "l1", "attribution_id": "a1"}
# The columns of the tables as the originals have them.
EVENTS_V1 = """
timestamp id event_id event_value event_value_currency event_value_type event_type event_placement user_id
campaign_id session_id workspace_id project_id landing_page_id attribution_id segment_id ab_test_id
ab_test_variant_id form_id clicked_element clicked_url metadata referrer_url page_load_time dom_ready_time
scroll_percentage time_on_page session_event_sequence environment campaign_environment page_url viewport_width
viewport_height
"""
SESSION_V1 = """
timestamp session_id user_id project_id workspace_id campaign_id landing_page_id segment_id ab_test_id
ab_test_variant_id utm_source utm_medium utm_campaign utm_term utm_content ref source country continent city
region region_code timezone is_eu_country device_type device_os browser browser_version connection_type
is_mobile referrer language user_agent bot_score is_corporate_proxy is_verified_bot is_ssl domain_type
user_hostname is_returning campaign_environment environment uri
"""


def read(stream: str) -> list[dict[str, Any]]:
    with database.connected(database.events_db):
        return [json.loads(line) for line in rows.read(stream, 0, 1 << 40)]


def columns(file: str, table: str) -> list[str]:
    text = (SCHEMA / file).read_text()
    if file.endswith(".sql"):
        return re.findall(
            r"^    (\w+) ", text.partition(f"EXISTS {table} (")[2].partition("\n)")[0], re.MULTILINE
        )
    return re.findall(r"^    `(\w+)` \S.* `json:\$\.\1`,?$", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("stream", "table", "original"), [(EVENTS, "events_v1", EVENTS_V1), (VISITS, "session_v1", SESSION_V1)]
)
@pytest.mark.parametrize("file", ["clickhouse.sql", "clickhouse-18.sql", "{}.datasource"])
def test_the_shipped_tables_have_the_columns_of_the_rows_and_of_the_originals(
    log: Log, stream: str, table: str, original: str, file: str
) -> None:
    log.events(log.visit())
    ((row),) = read(stream)

    assert sorted(row) == sorted(columns(file.format(table), table))
    assert set(original.split()) <= set(row)


def test_an_event_of_the_eventtracker_comes_out_as_it_went_in(log: Log, frozen_clock: int) -> None:
    visit = log.visit(
        CONTEXT | {"environment": "preview", "campaign_environment": "trial"},
        dialect=Dialect.EVENT_TRACKER,
        session_id="s1",
        user_id="u1",
        ab_test="t1",
        ab_variant="v1",
    )
    given = {
        "event_value": 12.5, "event_value_currency": "EUR", "event_value_type": "dynamic", "form_id": "f1",
        "clicked_element": "a.buy", "clicked_url": "/buy", "page_load_time": 120.5, "dom_ready_time": 80,
        "scroll_percentage": 40, "time_on_page": 17, "viewport_width": 390, "viewport_height": 844,
        "metadata": '{"cups":2}', "page_url": "https://wonderland.example/tea", "referrer_url": "https://a.example/",
    }  # fmt: skip
    log.events(visit, kind=Kind.CONVERSION, name="order", **given)

    ((row),) = read(EVENTS)
    assert {name: row[name] for name in given} == given
    assert {name: row[name] for name in CONTEXT} == CONTEXT
    assert (row["environment"], row["campaign_environment"]) == ("preview", "trial")
    assert (row["session_id"], row["user_id"], row["project_id"]) == ("s1", "u1", SITE)
    assert (row["event_type"], row["event_id"], row["session_event_sequence"]) == ("conversion", "order", 1)
    assert (row["ab_test_id"], row["ab_test_variant_id"]) == ("t1", "v1")
    assert row["timestamp"] == row["received_at"] == rfc3339(frozen_clock)
    assert UUID(row["id"]).version == 7


def test_what_an_event_does_not_say_has_the_tables_default(log: Log) -> None:
    log.events(log.visit(), path=None)

    ((row),) = read(EVENTS)
    assert (row["event_value"], row["event_value_currency"], row["event_value_type"]) == (0, "USD", "static")
    assert (row["event_placement"], row["page_url"], row["event_id"]) == ("internal", "", "page-view")
    assert row["session_id"] == row["visit_id"]
    assert row["user_id"] == b"0123456789abcdef".hex()
    assert row["metadata"] is None
    assert (row["workspace_id"], row["campaign_id"], row["landing_page_id"]) == ("", "", "")
    assert (row["environment"], row["campaign_environment"]) == ("production", "production")


@pytest.mark.parametrize(
    "given",
    [
        {"scroll_percentage": 0, "time_on_page": 0, "viewport_width": 0, "viewport_height": 0},
        {
            "scroll_percentage": 100, "time_on_page": 4_294_967_295, "viewport_width": 65_535,
            "viewport_height": 65_535, "event_value": -0.5, "page_load_time": 1e9, "event_type": "click",
        },
    ],
)  # fmt: skip
def test_what_just_fits_is_in_its_column(log: Log, given: dict[str, Any]) -> None:
    log.events(log.visit(), **given)

    ((row),) = read(EVENTS)
    assert {name: row[name] for name in given} == given
    assert row["metadata"] is None


@pytest.mark.parametrize(
    "given",
    [
        {"scroll_percentage": -1, "time_on_page": -1, "viewport_width": -1, "viewport_height": -1},
        {
            "scroll_percentage": 101, "time_on_page": 4_294_967_296, "viewport_width": 65_536,
            "viewport_height": 65_536, "event_value": True, "page_load_time": "fast", "event_type": "tea",
        },
        {"clicked_element": 5, "event_type": 7, "scroll_percentage": True},
        {"metadata": "steep", "cups": 2},
        {"metadata": 2},
    ],
)  # fmt: skip
def test_what_does_not_quite_fit_is_metadata(log: Log, given: dict[str, Any]) -> None:
    log.events(log.visit(), **given)
    log.events(log.visit())

    row, without = read(EVENTS)
    assert json.loads(row["metadata"]) == given
    assert all(row[name] == without[name] for name in given if name in row and name != "metadata")


def test_what_has_no_column_or_does_not_fit_it_is_metadata_with_its_type(log: Log) -> None:
    given = {"cups": 2, "sweet": True, "who": {"hare": 1}, "scroll_percentage": 900, "event_value": "much"}
    log.events(log.visit(), kind=Kind.CUSTOM, name="poured", **given)

    ((row),) = read(EVENTS)
    assert json.loads(row["metadata"]) == given
    assert (row["scroll_percentage"], row["event_value"]) == (None, 0)


def test_an_eventtracker_page_view_keeps_the_type_it_was_sent_with(log: Log) -> None:
    log.events(log.visit(), kind=Kind.PAGE_VIEW, name="page-view", event_type="system")
    log.events(log.visit(), kind=Kind.CUSTOM, name="poured", event_type="tea")

    assert [row["event_type"] for row in read(EVENTS)] == ["system", "custom"]
    assert json.loads(read(EVENTS)[1]["metadata"]) == {"event_type": "tea"}


def test_what_the_other_dialects_call_otherwise_finds_its_column(log: Log) -> None:
    log.events(log.visit(), kind=Kind.CLICK, element="a#tea", href="/tea")
    log.events(log.visit(), kind=Kind.PAGE_EXIT, scroll=62.5, engaged_ms=12_999)
    log.events(log.visit(), kind=Kind.PAGE_EXIT, engaged_ms=12_000)

    click, leaving, just = read(EVENTS)
    assert (click["page_url"], click["time_on_page"], just["time_on_page"]) == ("/tea", None, 12)
    assert (click["clicked_element"], click["clicked_url"], click["metadata"]) == ("a#tea", "/tea", None)
    assert (leaving["scroll_percentage"], leaving["time_on_page"]) == (62, 12)


def test_of_several_that_mean_one_column_none_is_lost(log: Log) -> None:
    given = {"element": "a", "clicked_element": "b", "scroll": 20, "depth": 10, "scroll_percentage": 30}
    visit = log.visit()
    log.events(visit, kind=Kind.CLICK, **given)
    log.events(visit, kind=Kind.SCROLL, scroll=20, depth=10)
    log.events(visit, kind=Kind.SCROLL, scroll=20, scroll_percentage="much")

    both, neither, wrong = read(EVENTS)
    assert (both["clicked_element"], both["scroll_percentage"]) == ("b", 30)
    assert json.loads(both["metadata"]) == {"element": "a", "scroll": 20, "depth": 10}
    assert (neither["scroll_percentage"], json.loads(neither["metadata"])) == (10, {"scroll": 20})
    assert (wrong["scroll_percentage"], json.loads(wrong["metadata"])) == (20, {"scroll_percentage": "much"})


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_of_event_has_a_type(log: Log, kind: Kind) -> None:
    log.events(log.visit(), kind=kind)

    name = "pageview" if kind is Kind.PAGE_VIEW else kind.name.lower()
    assert read(EVENTS)[0]["event_type"] == name


def test_a_visit_tells_where_it_came_from_and_with_what(log: Log, frozen_clock: int) -> None:
    attributes = {
        "utm_source": "letter",
        "utm_medium": "mail",
        "utm_campaign": "spring",
        "utm_term": "tea",
        "utm_content": "top",
        "bucket": "letter|mail|spring",
        "timezone": "Europe/Paris",
        "language": "fr",
        "browser": "Firefox",
    }
    log.visit(
        CONTEXT | {"ref": "r1"},
        country="FR",
        device="mobile",
        os="Android",
        landing_path="/tea",
        referrer_host="news.example",
        **attributes,
    )

    ((row),) = read(VISITS)
    assert {name: row[name] for name in attributes} == attributes
    assert (row["country"], row["is_eu_country"], row["ref"]) == ("FR", 1, "r1")
    assert (row["device_type"], row["is_mobile"], row["device_os"]) == ("mobile", 1, "Android")
    assert (row["referrer"], row["uri"], row["user_hostname"]) == (
        "news.example",
        "/tea",
        "wonderland.example",
    )
    assert (row["is_bot"], row["is_returning"], row["user_agent"]) == (0, 0, "")
    assert row["timestamp"] == rfc3339(frozen_clock)


def test_nothing_known_is_said_as_the_tables_say_it(log: Log) -> None:
    log.visit()

    ((row),) = read(VISITS)
    unknown = (
        "country",
        "continent",
        "city",
        "region",
        "device_type",
        "device_os",
        "browser",
        "connection_type",
    )
    assert {row[name] for name in unknown} == {"Unknown"}
    assert (row["bucket"], row["is_eu_country"], row["utm_source"]) == ("Direct", 0, None)
    flags = ("is_bot", "is_mobile", "is_verified_bot", "is_corporate_proxy", "is_ssl", "is_returning")
    assert {row[name] for name in flags} == {0}


def test_bots_are_flagged_and_not_dropped(log: Log) -> None:
    log.events(log.visit(is_bot=1))
    log.events(log.visit())

    assert [row["is_bot"] for row in read(VISITS)] == [1, 0]
    assert [row["is_bot"] for row in read(EVENTS)] == [1, 0]


def test_somebody_who_comes_again_is_returning(log: Log) -> None:
    log.visit()
    log.visit()

    assert [row["is_returning"] for row in read(VISITS)] == [0, 1]


def test_two_visits_of_one_name_stay_apart(log: Log) -> None:
    for _ in range(2):
        log.events(log.visit(session_id="tab"))

    assert [row["session_id"] for row in read(VISITS)] == ["tab", "tab"]
    assert len({row["visit_id"] for row in read(VISITS)}) == 2
    assert [row["visit_id"] for row in read(EVENTS)] == [row["visit_id"] for row in read(VISITS)]


@pytest.mark.parametrize("stream", [EVENTS, VISITS])
def test_rows_come_in_the_order_of_the_log_and_are_counted_after_a_position(
    log: Log, frozen_clock: int, stream: str
) -> None:
    numbers = []
    for _ in range(5):
        visit = log.visit()
        numbers += log.events(visit) if stream == EVENTS else [visit]
        clock.advance(1)

    with database.connected(database.events_db):
        found = rows.read(stream, numbers[1], numbers[3])
        assert [json.loads(line)["seq"] for line in found] == numbers[1:4]
        assert rows.waiting(stream, numbers[1], 9) == (3, frozen_clock + 2, numbers[2], numbers[4])
        assert rows.waiting(stream, 0, 4) == (4, frozen_clock, numbers[0], numbers[3])
        assert rows.waiting(stream, numbers[4], 9) == (0, None, None, None)
