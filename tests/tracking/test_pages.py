"""The public page of each site, and the script that every site names."""

import gzip
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from alice import clock, database
from alice.app import create_app
from alice.clock import seconds
from alice.config import Settings
from alice.tracking.script import served
from alice.tracking.sinks import registry
from alice.tracking.site import SiteRow
from tests.conftest import EventRows
from tests.tracking.calling import site as sites


def test_a_site_says_what_is_collected(client: FlaskClient, site: SiteRow) -> None:
    page = client.get(f"/privacy/{site.id}")

    assert page.status_code == 200
    for word in (
        "Wonderland",
        "wonderland.example",
        "30 minutes",
        "No cookie is set",
        "optOut",
        "deleted after 7 days",
        "found from the proxy or the time zone",
    ):
        assert word in page.text


def test_a_site_says_how_long_it_keeps_visits(client: FlaskClient, app: object) -> None:
    with database.connected(database.events_db):
        forgetful = sites.create("tea.example", "Tea", owner_id=None, retention_days=90)

    assert "deleted after 90 days" in client.get(f"/privacy/{forgetful.id}").text


def test_without_a_sink_the_page_mentions_no_copies(client: FlaskClient, site: SiteRow) -> None:
    page = client.get(f"/privacy/{site.id}").text

    assert "Copies" not in page and "copies" not in page


@pytest.mark.parametrize(
    ("sinks", "says"),
    [
        ({"clickhouse_url": "http://u:hush@ch.example:8123/tea"}, ["A ClickHouse database"]),
        ({"tinybird_token": "p.hush"}, ["Tinybird, a service"]),
        ({"ndjson": True}, ["Files"]),
        (
            {"clickhouse_url": "http://ch.example", "tinybird_token": "p.hush", "ndjson": True},
            ["A ClickHouse database", "Tinybird, a service", "Files"],
        ),
    ],
    ids=["clickhouse", "tinybird", "ndjson", "all"],
)
def test_a_site_says_where_copies_go_and_that_deleting_here_does_not_reach_them(
    settings: Settings, own_site: SiteRow, sinks: dict[str, Any], says: list[str]
) -> None:
    where = replace(settings, **sinks)
    assert len(registry.configured(where)) == len(says)
    app = create_app(where)
    with database.connected(database.events_db):
        forgetful = sites.create("tea.example", "Tea", owner_id=None, retention_days=90)
    client = app.test_client()

    for address in (f"/privacy/{forgetful.id}", "/privacy"):
        page = client.get(address).text
        named = [kind for kind in ("A ClickHouse database", "Tinybird, a service", "Files") if kind in page]
        assert "is also copied to" in page and named == says
        assert "What is deleted here is not deleted there" in page
        assert "hush" not in page and "ch.example" not in page
    assert "deleted here after 90 days" in client.get(f"/privacy/{forgetful.id}").text


def test_alices_own_page_offers_to_opt_out(client: FlaskClient, own_site: SiteRow) -> None:
    page = client.get("/privacy")

    assert "Do not count this browser" in page.text
    assert "data-site-id" in page.text
    own_id = page.text.partition('data-site-id="')[2].partition('"')[0]
    assert client.get(f"/privacy/{own_id}").text == page.text


def test_before_setup_pages_are_not_counted_and_no_get_writes(
    client: FlaskClient, events_db: EventRows, frozen_clock: int
) -> None:
    assert "data-site-id" not in client.get("/login").text
    privacy = client.get("/privacy")
    assert (privacy.status_code, "are not counted" in privacy.text) == (200, True)
    assert events_db.one("SELECT COUNT(*) FROM sites") == 0

    own = sites.own()
    clock.advance(seconds(2))
    assert f'data-site-id="{own.id}"' in client.get("/login").text


def test_an_unknown_site_has_no_page(client: FlaskClient) -> None:
    assert client.get("/privacy/nosuchsite12").status_code == 404


def test_alices_pages_are_not_counted_if_the_admin_says_so(settings: Settings, site: SiteRow) -> None:
    client = create_app(replace(settings, track_pages=False)).test_client()

    assert "tracker" not in client.get("/login").text
    assert "are not counted" in client.get("/privacy").text
    others = client.get(f"/privacy/{site.id}").text
    assert "What is kept" in others and "are not counted" not in others


def test_the_script_is_kept_for_a_year_by_its_hash_and_asked_again_without(
    client: FlaskClient, own_site: SiteRow
) -> None:
    plain = client.get("/tracker.js")
    src = client.get("/login").text.partition('src="/tracker.')[2].partition('"')[0]
    hashed = client.get(f"/tracker.{src}")

    assert plain.data == hashed.data == served.script()
    assert plain.mimetype == "text/javascript"
    assert plain.headers["Cache-Control"] == "public, max-age=3600"
    assert "max-age=31536000" in hashed.headers["Cache-Control"]
    assert plain.headers["Access-Control-Allow-Origin"] == "*"
    again = client.get("/tracker.js", headers={"If-None-Match": plain.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    small = client.get("/tracker.js", headers={"Accept-Encoding": "gzip, br"})
    assert small.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(small.data) == served.script()
    assert "max-age=3600" in client.get("/tracker.000000000000.js").headers["Cache-Control"]
