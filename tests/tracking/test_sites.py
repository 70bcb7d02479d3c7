"""Sites: who may add, list and remove them, and what is deleted with a site."""

import threading
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alice import clock, database
from alice.clock import minutes, rfc3339, seconds
from alice.errors import Conflict, NotFound
from alice.ids import new_id
from alice.tracking.pipeline import Tracking
from alice.tracking.site import SiteRow, Sites
from tests import bystander
from tests.cast import Cast
from tests.conftest import EventRows
from tests.tracking.calling import api_key
from tests.tracking.calling import site as sites
from tests.tracking.conftest import Post

ACCESS_DENIED = {"error": "Access denied"}


def add(client: FlaskClient, **site: Any) -> Any:
    answer = client.post("/api/v2/sites", json=site)
    assert answer.status_code == 201, answer.json
    return answer.json


def ids(client: FlaskClient) -> list[str]:
    return [site["id"] for site in client.get("/api/v2/sites").json["sites"]]


def test_a_site_is_added_and_returned_with_its_embed_code(cast: Cast, frozen_clock: int) -> None:
    made = add(cast.consultant.client, domain="https://Wonderland.example/tea", name=" Wonderland ")

    assert made == {
        "id": made["id"],
        "domain": "wonderland.example",
        "name": "Wonderland",
        "origins": [],
        "idleMinutes": 30,
        "retentionDays": None,
        "embedCode": f'<script defer src="http://localhost/tracker.js" data-site-id="{made["id"]}"></script>',
        "createdAt": rfc3339(frozen_clock),
    }
    assert sites.ID.fullmatch(made["id"])
    assert cast.consultant.client.get("/api/v2/sites").json == {"sites": [made]}


def test_fields_of_a_site_that_are_not_sent_have_defaults(cast: Cast, tracking: Tracking) -> None:
    named = add(cast.admin.client, domain="wonderland.example", unknown="ignored")
    added = add(
        cast.admin.client,
        domain="bücher.example",
        origins=["https://App.example:443", "http://localhost:8080"],
        idleMinutes=5,
        retentionDays=90,
    )

    assert (named["name"], named["idleMinutes"], named["retentionDays"]) == ("wonderland.example", 30, None)
    assert (added["domain"], added["idleMinutes"], added["retentionDays"]) == ("xn--bcher-kva.example", 5, 90)
    assert tracking.site(added["id"]).origins == {"https://app.example", "http://localhost:8080"}
    assert tracking.site(added["id"]).idle_ms == clock.minutes(5)


def test_fields_of_a_site_are_taken_up_to_their_bounds(cast: Cast) -> None:
    origins = [f"https://app-{number:02}.example" for number in range(20)]
    spaced = [origin.ljust(300) for origin in origins]
    most = add(
        cast.admin.client,
        domain=f"{'d' * 60}.{'e' * 60}.example",
        name="x" * 100,
        origins=spaced,
        idleMinutes=30,
        retentionDays=3650,
    )
    least = add(cast.admin.client, domain="d", name="x", idleMinutes=5, retentionDays=1)
    unnamed = add(cast.admin.client, domain=f"{'d' * 60}.{'e' * 60}.example")

    assert (most["name"], most["origins"], most["retentionDays"]) == ("x" * 100, origins, 3650)
    assert (least["domain"], least["name"], least["idleMinutes"], least["retentionDays"]) == ("d", "x", 5, 1)
    assert unnamed["name"] == unnamed["domain"][:100]


@pytest.mark.parametrize(
    ("site", "field"),
    [
        ({}, "domain"),
        ({"domain": ""}, "domain"),
        ({"domain": "two words"}, "domain"),
        ({"domain": 7}, "domain"),
        ({"domain": "user@example.org"}, "domain"),
        ({"domain": "x" * 301}, "domain"),
        ({"domain": "a.example", "name": " "}, "name"),
        ({"domain": "a.example", "name": "x" * 101}, "name"),
        ({"domain": "a.example", "name": "two\nlines"}, "name"),
        ({"domain": "a.example", "origins": "https://a.example"}, "origins"),
        ({"domain": "a.example", "origins": ["https://a.example/path"]}, "origins[0]"),
        ({"domain": "a.example", "origins": ["*"]}, "origins[0]"),
        ({"domain": "a.example", "origins": ["https://a.example"] * 21}, "origins"),
        ({"domain": "a.example", "idleMinutes": 4}, "idleMinutes"),
        ({"domain": "a.example", "idleMinutes": 31}, "idleMinutes"),
        ({"domain": "a.example", "idleMinutes": "10"}, "idleMinutes"),
        ({"domain": "a.example", "retentionDays": 0}, "retentionDays"),
        ({"domain": "a.example", "retentionDays": 3651}, "retentionDays"),
        ({"domain": "a.example", "origins": ["https://b.example".ljust(301)]}, "origins[0]"),
    ],
    ids=str,
)
def test_what_a_site_cannot_be_is_a_400_that_names_it(
    cast: Cast, events_db: EventRows, site: dict[str, Any], field: str
) -> None:
    answer = cast.consultant.client.post("/api/v2/sites", json=site)

    assert answer.status_code == 400
    assert answer.json["error"].startswith(f"{field} ")
    assert events_db.one("SELECT COUNT(*) FROM sites") == 0


def test_owners_see_their_own_sites_and_admins_all_the_newest_first(cast: Cast) -> None:
    first = add(cast.consultant.client, domain="a.example")["id"]
    second = add(cast.stranger.client, domain="b.example")["id"]
    third = add(cast.consultant.client, domain="c.example")["id"]

    assert ids(cast.consultant.client) == [third, first]
    assert ids(cast.stranger.client) == [second]
    assert ids(cast.admin.client) == [third, second, first, bystander.SITE_ID]


def test_only_its_owner_and_admins_remove_a_site(cast: Cast) -> None:
    for who in (cast.consultant, cast.admin):
        path = f"/api/v2/sites/{add(cast.consultant.client, domain='a.example')['id']}"
        refused = cast.stranger.client.delete(path)
        removed = who.client.delete(path)
        again = who.client.delete(path)

        assert (refused.status_code, refused.json) == (403, ACCESS_DENIED)
        assert (removed.status_code, removed.json) == (200, {"success": True})
        assert (again.status_code, again.json) == (404, {"error": "There is no site with this id."})


def test_readers_have_no_sites(cast: Cast) -> None:
    for answer in (
        cast.reader.client.get("/api/v2/sites"),
        cast.reader.client.post("/api/v2/sites", json={"domain": "a.example"}),
    ):
        assert (answer.status_code, answer.json) == (403, ACCESS_DENIED)


def test_all_that_is_kept_of_a_site_goes_with_it_and_nothing_else(
    post: Post, site: SiteRow, doomed: SiteRow, events_db: EventRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [new_id() for _ in range(3)]  # the same on both sites
    for where in (site, doomed):
        api_key.create(where.number, "read", "auditor")
        for number in range(3):
            post(
                where.id,
                type="identify",
                id="hatter",
                data={"hat": 10},
                consent="granted",
                visitorId=f"v{number}",
                eventId=ids[number],
            )
            post(
                where.id,
                type="event",
                name="tea",
                data={"cups": number},
                consent="granted",
                visitorId=f"v{number}",
            )
    tables = ("visits", "visitors", "events", "event_ids", "event_properties", "identities", "api_keys")
    before = [events_db.one(f"SELECT COUNT(*) FROM {table}") for table in tables]
    monkeypatch.setattr("alice.tracking.site.REMOVED_AT_ONCE", 2)  # in several steps
    steps = []
    hook = lambda query: steps.append(" ".join(query.sql.split()[:3]))  # noqa: E731
    database.events_db.query_hooks.append(hook)
    sites.remove(doomed.id)
    database.events_db.query_hooks.remove(hook)
    after = [events_db.one(f"SELECT COUNT(*) FROM {table}") for table in tables]

    assert all(count > 0 for count in after)
    assert [count * 2 for count in after] == before
    assert [row.id for row in sites.everyones()] == [site.id, bystander.SITE_ID]
    assert [steps.count(f"DELETE FROM {table}") for table in ("visits", "visitors", "event_ids")] == [2, 2, 2]


def test_a_removed_site_is_unknown_to_those_who_send(cast: Cast, browser: FlaskClient) -> None:
    id = add(cast.admin.client, domain="wonderland.example")["id"]
    assert browser.post(f"/api/v2/track/{id}", json={"url": "/"}).status_code == 200
    cast.admin.client.delete(f"/api/v2/sites/{id}")

    assert browser.post(f"/api/v2/track/{id}", json={"url": "/"}).status_code == 404
    assert browser.options(f"/api/v2/track/{id}").status_code == 404


def test_a_site_is_read_again_after_2_seconds(site: SiteRow, frozen_clock: int) -> None:
    cache = Sites()
    assert cache.find(site.id).domain == "wonderland.example"
    sites.change(site.id, domain="elsewhere.example")

    clock.advance(seconds(2) - 1)
    assert cache.find(site.id).domain == "wonderland.example"
    clock.advance(1)
    assert cache.find(site.id).domain == "elsewhere.example"
    sites.change(site.id, domain="home.example")
    clock.advance(-1)  # the clock is set back
    assert cache.find(site.id).domain == "home.example"


def test_a_process_keeps_no_more_sites_in_mind_than_it_should(
    site: SiteRow, other_site: SiteRow, doomed: SiteRow, frozen_clock: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alice.tracking.site.MOST_CACHED", 2)
    cache = Sites()
    for row in (site, other_site):
        assert cache.find(row.id) == row
        sites.change(row.id, name="Renamed")
    assert (cache.find(site.id), cache.find(other_site.id)) == (site, other_site)

    cache.find(doomed.id)  # too many: they are read anew
    assert (cache.find(site.id).name, cache.find(other_site.id).name) == ("Renamed", "Renamed")


def test_a_site_that_is_forgotten_is_read_at_once_and_no_other(
    site: SiteRow, other_site: SiteRow, frozen_clock: int
) -> None:
    cache = Sites()
    for row in (site, other_site):
        cache.find(row.id)
        sites.change(row.id, name="Renamed")
    cache.forget(site.id)
    cache.forget("nowhere")

    assert (cache.find(site.id).name, cache.find(other_site.id).name) == ("Renamed", other_site.name)


def test_a_change_of_a_site_changes_no_other_and_of_it_what_is_given(
    site: SiteRow, other_site: SiteRow
) -> None:
    changed = sites.change(
        site.id, name="Renamed", idle_minutes=5, retention_days=30, origins='["https://b"]'
    )

    assert (
        changed
        == sites.find(site.id)
        == sites.numbered(site.number)
        == site._replace(
            name="Renamed", idle_ms=minutes(5), retention_days=30, origins=frozenset(["https://b"])
        )
    )
    assert sites.find(other_site.id) == sites.numbered(other_site.number) == other_site
    assert sites.change(site.id) == changed
    with pytest.raises(NotFound):
        sites.change("nowhere", name="X")


def test_a_new_site_is_found_at_once_although_it_was_looked_up_before(
    app: Flask, events_db: EventRows
) -> None:
    cache = Sites()
    made = sites.create("wonderland.example", "Wonderland", None)
    sites.remove(made.id)
    assert cache.find(made.id) is None
    events_db.execute(
        "INSERT INTO sites (id, domain, name, origins, idle_minutes, created_at) "
        "VALUES (?, 'a', 'a', '[]', 30, 0)",
        made.id,
    )

    assert cache.find(made.id).domain == "a"


@pytest.mark.engine("sqlite")
@pytest.mark.parametrize("site_id", ["", "x", "x" * 13, "../../etc/pas", "wonderland\0.", "\N{SNOWMAN}" * 12])
def test_a_malformed_id_finds_no_site(app: Flask, site_id: str) -> None:
    assert sites.find(site_id) is None
    with pytest.raises(NotFound):
        sites.remove(site_id)


# Alice's own


def test_alices_own_site_is_made_once_by_threads_that_start_together(app: Flask) -> None:
    found: list[SiteRow] = []
    threads = [threading.Thread(target=lambda: found.append(sites.own())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(found) == 3 and len({row.id for row in found}) == 1
    assert (found[0].name, found[0].owner_id, found[0].domain) == ("Alice", None, "localhost")
    assert [row.name for row in sites.everyones()] == ["Alice", "Bystander"]


def test_the_domain_of_alices_own_site_follows_her_address(app: Flask) -> None:
    first = sites.own()
    moved = sites.own("https://alice.example.org:8443")

    assert moved == first._replace(domain="alice.example.org") == sites.own()
    assert sites.own("https://alice.example.org") == moved == sites.find(first.id)


def test_alices_own_site_is_made_with_her_address_if_that_is_known(app: Flask, frozen_clock: int) -> None:
    made = sites.own("https://alice.example.org")

    assert made == SiteRow(
        made.number, made.id, "alice.example.org", "Alice", None, frozenset(), minutes(30), None, frozen_clock
    )


def test_only_a_site_called_alice_without_an_owner_is_alices_own(cast: Cast) -> None:
    owned = sites.create("alice.example", "Alice", cast.consultant.id)
    nobodys = sites.create("nobody.example", "Nobody", None)
    own = sites.own()

    assert own.id not in (owned.id, nobodys.id)
    assert sites.own() == own
    for row in (owned, nobodys):
        sites.change(row.id, name="Alicia")
        sites.remove(row.id)
    assert sites.own() == own


def test_alices_own_site_is_read_again_after_2_seconds(app: Flask, frozen_clock: int) -> None:
    cache = Sites()
    assert cache.own() is None
    own = sites.own("https://alice.example.org")
    clock.advance(seconds(2))
    assert cache.own() == own
    sites.change(own.id, retention_days=30)

    assert cache.own() == own
    clock.advance(seconds(2) - 1)
    assert cache.own() == own
    clock.advance(1)
    assert cache.own() == own._replace(retention_days=30)
    sites.change(own.id, retention_days=None)
    clock.advance(-1)
    assert cache.own() == own


def test_alices_own_site_cannot_be_removed_renamed_or_counterfeited(cast: Cast) -> None:
    own = sites.own()
    answer = cast.admin.client.delete(f"/api/v2/sites/{own.id}")

    assert (answer.status_code, "ALICE_TRACK_PAGES" in answer.json["error"]) == (409, True)
    with pytest.raises(Conflict):
        sites.change(own.id, name="Alicia")
    with pytest.raises(Conflict):
        sites.create("evil.example", "Alice", None)
    assert sites.own() == own
