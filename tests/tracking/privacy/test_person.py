"""Exporting and erasing all data of one user."""

import threading
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from alice import clock, database
from alice.accounts import user
from alice.clock import hours, rfc3339
from alice.ids import event_id, visit_id
from alice.tracking.log import visit as visits
from alice.tracking.log.caller import Caller
from alice.tracking.log.hit import VisitDetails, VisitKey
from alice.tracking.log.visit import Dialect
from alice.tracking.pipeline import Tracking
from alice.tracking.privacy import person
from alice.tracking.site import SiteRow
from tests.cast import Cast
from tests.conftest import EventRows, Rows
from tests.tracking.conftest import Post

CONSENTING = {"consent": "granted", "visitorId": "browser-1"}


def test_an_export_holds_visits_events_and_identities(
    post: Post, site: SiteRow, frozen_clock: int, events_db: EventRows
) -> None:
    post(url="/before", **CONSENTING)
    post(type="identify", id="ada", data={"plan": "free"}, **CONSENTING)
    post(type="event", name="tea", data={"cups": 3}, url="/tea", **CONSENTING)
    post(url="/somebody-else")

    shown = person.export("ada")

    assert [known["data"] for known in shown["identities"]] == [{"plan": "free"}]
    (visit,) = shown["visits"]
    now, number = rfc3339(frozen_clock), events_db.one("SELECT number FROM visits WHERE user_id = 'ada'")
    assert visit | {"events": []} == {
        "id": visit_id(frozen_clock, number),
        "site_id": site.id,
        "started_at": now,
        "last_at": now,
        "closed_at": None,
        "session_id": None,
        "page_views": 1,
        "interactions": 1,
        "engaged_ms": 0,
        "context": {},
        "landing_path": "/before",
        "exit_path": "/before",
        "bucket": "Direct",
        "device": "desktop",
        "browser": "Chrome",
        "os": "Windows",
        "events": [],
    }
    assert [(event["sequence"], event["kind"], event["path"]) for event in visit["events"]] == [
        (1, "page_view", "/before"), (2, "identify", None), (3, "custom", "/tea"),
    ]  # fmt: skip
    ((seq, occurred_at),) = events_db.query("SELECT seq, occurred_at FROM events WHERE sequence = 3")
    assert visit["events"][2] == {
        "id": event_id(frozen_clock, seq, site.id),
        "sequence": 3,
        "kind": "custom",
        "name": "tea",
        "path": "/tea",
        "occurred_at": rfc3339(occurred_at),
        "received_at": now,
        "engaged_ms": None,
        "properties": {"cups": 3},
    }
    assert shown["user_id"] == "ada"


def test_an_export_of_a_visit_that_is_closed_tells_when_and_what_its_dialect_keeps(
    tracking: Tracking, site: SiteRow, caller: Caller, frozen_clock: int
) -> None:
    key = VisitKey(Dialect.EVENT_TRACKER, tracking.visitors.known(site, "user:ada"), "tab")
    details = VisitDetails(user_id="ada", context={"campaign_id": "c-1"}, ab_test="hat", ab_variant="10/6")
    number = tracking.open(site, key, caller, details).number
    with database.connected(database.events_db):
        visits.close(database.events, number, frozen_clock + 5)

    (shown,) = person.export("ada")["visits"]
    assert (shown["closed_at"], shown["session_id"]) == (rfc3339(frozen_clock + 5), "tab")
    assert (shown["context"], shown["language"]) == ({"campaign_id": "c-1"}, "en-GB")
    assert (shown["ab_test"], shown["ab_variant"], shown["events"]) == ("hat", "10/6", [])


def test_erasing_leaves_nothing_of_the_person_and_all_of_others(post: Post, events_db: EventRows) -> None:
    post(type="identify", id="ada", data={"plan": "free"}, eventId=str(uuid4()), **CONSENTING)
    post(type="event", name="tea", data={"cups": 3}, eventId=str(uuid4()), **CONSENTING)
    post(url="/somebody-else", eventId=str(uuid4()))

    assert person.erase("ada") == (1, 1)

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
    events_db.execute("DELETE FROM events WHERE seq > 0")

    assert post(url="/", eventId=id)["success"]
    assert post(url="/", eventId=id)["success"]
    assert events_db.one("SELECT COUNT(*) FROM events") == 1


def test_one_site_is_shown_or_erased_and_not_another(
    post: Post, site: SiteRow, doomed: SiteRow, frozen_clock: int, events_db: EventRows
) -> None:
    first, second = str(uuid4()), str(uuid4())  # the same on both
    for where in (site, doomed):
        post(where.id, url="/nobody-yet", eventId=first, **CONSENTING)
    clock.advance(hours(1))
    for where in (site, doomed):
        post(where.id, type="identify", id="ada", eventId=second, data={"on": where.id}, **CONSENTING)
    of_all, of_other = person.export("ada"), person.export("ada", site.number)

    assert [visit["site_id"] for visit in of_all["visits"]] == [site.id, doomed.id] * 2
    assert sorted(known["site_id"] for known in of_all["identities"]) == sorted([site.id, doomed.id])
    assert person.erase("ada", doomed.number) == (2, 1)
    assert person.export("ada") == person.export("ada", site.number) == of_other
    assert [visit["site_id"] for visit in of_other["visits"]] == [site.id] * 2
    assert of_other["identities"] == [
        {"site_id": site.id, "data": {"on": site.id}, "seen_at": rfc3339(clock.now())}
    ]
    tables = ("visits", "visitors", "events", "event_ids", "identities")
    assert [events_db.one(f"SELECT COUNT(*) FROM {table}") for table in tables] == [2, 1, 2, 2, 1]


def test_an_erasure_takes_as_many_steps_as_it_needs(
    post: Post, events_db: EventRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(person, "AT_ONCE", 2)
    for number in range(5):
        post(type="identify", id="ada", eventId=str(uuid4()), consent="granted", visitorId=f"b-{number}")

    assert person.erase("ada") == (5, 5)
    tables = ("visits", "visitors", "events", "event_ids", "identities")
    assert [events_db.one(f"SELECT COUNT(*) FROM {table}") for table in tables] == [0, 0, 0, 0, 0]


def test_a_deleted_user_is_erased_from_the_event_log_too(
    cast: Cast, own_site: SiteRow, db: Rows, events_db: EventRows, tmp_path: Path
) -> None:
    movement = {"userId": cast.reader.id, "sessionId": "s-1", "event": "page_view", "data": {"path": "/"}}
    assert cast.reader.client.post("/api/track", json=movement).status_code == 200
    with database.connected():
        user.delete(cast.reader.id)
    assert events_db.one("SELECT COUNT(*) FROM events") == 1

    def note(query: Any) -> None:
        if "DELETE FROM visits" in query.sql:
            database.events_db.query_hooks.remove(note)
            db.execute("INSERT INTO erasures (user_id, erased_at) VALUES (?, 0)", cast.newcomer.id)

    database.events_db.query_hooks.append(note)
    with database.connected():
        assert person.erase_deleted_users(tmp_path) == 1
    assert events_db.one("SELECT COUNT(*) FROM events") == 0
    assert db.query("SELECT user_id FROM erasures") == [(cast.newcomer.id,)]
    with database.connected():
        assert (person.erase_deleted_users(tmp_path), person.erase_deleted_users(tmp_path)) == (1, 0)
    assert db.one("SELECT COUNT(*) FROM erasures") == 0


# A browser that several people share


def share(post: Post) -> None:
    """A visit without a user id, one of anna's, one of bob's, and another without a user id."""
    post(url="/nobody", eventId="n1-0123456789abcd", **CONSENTING)
    clock.advance(hours(1))
    post(type="identify", id="anna", data={"plan": "free"}, eventId="a1-0123456789abcd", **CONSENTING)
    post(url="/anna", eventId="a2-0123456789abcd", **CONSENTING)
    clock.advance(hours(1))
    post(type="identify", id="bob", data={"plan": "gold"}, eventId="b1-0123456789abcd", **CONSENTING)
    post(
        type="event", name="secret", data={"of": "bob"}, url="/bob", eventId="b2-0123456789abcd", **CONSENTING
    )
    clock.advance(hours(1))
    post(url="/nobody", eventId="n2-0123456789abcd", **CONSENTING)


def paths(user_id: str) -> list[list[str | None]]:
    """Of each visit that is shown, its pages."""
    return [[event["path"] for event in visit["events"]] for visit in person.export(user_id)["visits"]]


def test_of_a_shared_browser_each_user_gets_only_visits_with_their_id(post: Post, frozen_clock: int) -> None:
    share(post)

    assert paths("anna") == [[None, "/anna"]]
    assert paths("bob") == [[None, "/bob"]]
    assert [known["data"] for known in person.export("anna")["identities"]] == [{"plan": "free"}]


def test_erasing_one_of_a_shared_browser_leaves_all_that_names_another(
    post: Post, frozen_clock: int, events_db: EventRows
) -> None:
    share(post)
    bobs = person.export("bob")

    assert person.erase("anna").visits == 3

    assert person.export("bob") == bobs
    assert person.export("anna") == {"user_id": "anna", "identities": [], "visits": []}
    tables = ("identities", "visits", "visitors", "events", "event_ids", "event_properties")
    assert [events_db.one(f"SELECT COUNT(*) FROM {table}") for table in tables] == [1, 1, 1, 2, 2, 1]


def test_when_all_who_shared_a_browser_are_erased_nothing_is_left_of_it(
    post: Post, frozen_clock: int, events_db: EventRows
) -> None:
    share(post)
    assert (person.erase("anna").visits, person.erase("bob").visits) == (3, 1)

    tables = ("identities", "visits", "visitors", "events", "event_ids")
    assert [events_db.one(f"SELECT COUNT(*) FROM {table}") for table in tables] == [0, 0, 0, 0, 0]


def test_an_identity_stays_though_no_visit_is_left_of_it(
    post: Post, frozen_clock: int, events_db: EventRows
) -> None:
    share(post)
    events_db.execute("DELETE FROM visits WHERE user_id = 'bob'")  # by retention

    person.erase("anna")

    assert len(person.export("bob")["identities"]) == 1
    assert events_db.one("SELECT COUNT(*) FROM visits") == 0


def test_visits_without_a_user_id_in_a_browser_of_one_user_are_theirs(
    post: Post, frozen_clock: int, events_db: EventRows
) -> None:
    post(url="/before", **CONSENTING)
    clock.advance(hours(1))
    post(type="identify", id="ada", **CONSENTING)
    clock.advance(hours(1))
    post(url="/after", **CONSENTING)

    assert paths("ada") == [["/before"], [None], ["/after"]]
    assert person.erase("ada") == (3, 1)
    assert events_db.one("SELECT COUNT(*) FROM visitors") == 0


@pytest.mark.parametrize("came", [{"url": "/meanwhile"}, {"type": "identify", "id": "anna"}])
def test_what_comes_from_a_browser_while_it_is_erased_goes_too(
    post: Post, frozen_clock: int, events_db: EventRows, came: dict[str, str]
) -> None:
    def come(query: Any) -> None:
        if "FROM event_ids" in query.sql:  # the visits have been listed
            database.events_db.query_hooks.remove(come)
            visitor = threading.Thread(target=post, kwargs=came | CONSENTING)
            visitor.start()
            visitor.join()

    share(post)
    clock.advance(hours(1))  # a new visit
    database.events_db.query_hooks.append(come)

    assert person.erase("anna").visits == 4
    assert come not in database.events_db.query_hooks
    assert events_db.query("SELECT user_id FROM visits") == [("bob",)]
