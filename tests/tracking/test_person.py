"""One person can be shown all that is kept of them, and erased everywhere."""

from uuid import uuid4

from flask.testing import FlaskClient

from alice import database
from alice.accounts import user
from alice.tracking import erasures, person
from alice.tracking.site import SiteRow
from tests.conftest import Cast, EventRows, Rows
from tests.tracking.conftest import Post

CONSENTING = {"consent": "granted", "visitorId": "browser-1"}


def test_an_export_holds_visits_events_and_identities(post: Post, site: SiteRow) -> None:
    post(url="/before", **CONSENTING)
    post(type="identify", id="ada", data={"plan": "free"}, **CONSENTING)
    post(type="event", name="tea", data={"cups": 3}, url="/tea", **CONSENTING)
    post(url="/somebody-else")

    shown = person.export("ada")

    assert [known["data"] for known in shown["identities"]] == [{"plan": "free"}]
    (visit,) = shown["visits"]
    assert (visit["site_id"], visit["landing_path"], visit["browser"]) == (site.id, "/before", "Chrome")
    assert [(event["kind"], event["path"]) for event in visit["events"]] == [
        ("page_view", "/before"), ("identify", None), ("custom", "/tea"),
    ]  # fmt: skip
    assert visit["events"][2]["properties"] == {"cups": 3}


def test_erasing_leaves_nothing_of_the_person_and_all_of_others(post: Post, events_db: EventRows) -> None:
    post(type="identify", id="ada", data={"plan": "free"}, eventId=str(uuid4()), **CONSENTING)
    post(type="event", name="tea", data={"cups": 3}, eventId=str(uuid4()), **CONSENTING)
    post(url="/somebody-else", eventId=str(uuid4()))

    assert person.erase("ada") == 1

    tables = ("identities", "event_properties", "visits", "visitors", "events", "event_ids")
    assert [events_db.one(f"SELECT COUNT(*) FROM {table}") for table in tables] == [0, 0, 1, 1, 1, 1]
    assert person.export("ada") == {"user_id": "ada", "identities": [], "visits": []}


def test_an_event_that_is_sent_again_after_an_erasure_is_taken_as_new(
    post: Post, events_db: EventRows
) -> None:
    id = str(uuid4())
    post(type="identify", id="ada", eventId=id, **CONSENTING)
    person.erase("ada")
    post(url="/", eventId=id)

    assert events_db.one("SELECT COUNT(*) FROM events") == 1


def test_an_event_sent_again_in_the_middle_of_an_erasure_is_taken_as_new(
    post: Post, events_db: EventRows
) -> None:
    id = str(uuid4())
    post(url="/", eventId=id)
    events_db.execute("DELETE FROM events")

    assert post(url="/", eventId=id)["success"]
    assert post(url="/", eventId=id)["success"]
    assert events_db.one("SELECT COUNT(*) FROM events") == 1


def test_one_site_is_erased_and_not_another(
    browser: FlaskClient, site: SiteRow, other_site: SiteRow, events_db: EventRows
) -> None:
    for one in (site, other_site):
        payload = {"type": "identify", "id": "ada", **CONSENTING}
        origin = {"Origin": f"https://{one.domain}"}
        assert browser.post(f"/api/v2/track/{one.id}", json=payload, headers=origin).status_code == 200

    assert person.erase("ada", site.number) == 1
    assert events_db.query("SELECT site_number FROM visits") == [(other_site.number,)]


def test_a_deleted_user_is_erased_from_the_event_log_too(cast: Cast, db: Rows, events_db: EventRows) -> None:
    movement = {"userId": cast.reader.id, "sessionId": "s-1", "event": "page_view", "data": {"path": "/"}}
    assert cast.reader.client.post("/api/track", json=movement).status_code == 200
    with database.connected():
        user.delete(cast.reader.id)
    assert events_db.one("SELECT COUNT(*) FROM events") == 1

    with database.connected():
        assert (erasures.consume(), erasures.consume()) == (1, 0)
    assert events_db.one("SELECT COUNT(*) FROM events") == 0
    assert db.one("SELECT COUNT(*) FROM erasures") == 0
