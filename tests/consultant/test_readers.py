"""The lists of readers: who is active, who is online, and all of them."""

import re

import pytest

from alice import clock
from alice.clock import hours, minutes, rfc3339
from alice.recorder import Recorder
from tests import bystander
from tests.activity.making import grant
from tests.activity.making import view as report
from tests.cast import BOOK, Cast
from tests.conftest import Rows
from tests.consultant.asking import ENDPOINTS, beat, get, view

WHEN = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


def test_active_readers_have_the_founding_body(cast: Cast, frozen_clock: int) -> None:
    view(cast, 3)
    body = get(cast, "active-readers").json

    assert body["count"] == 1
    assert body["readers"] == [
        {
            "user_id": cast.reader.id,
            "email": "reader@example.com",
            "first_name": "Reader",
            "last_name": "Example",
            "book_id": BOOK,
            "current_page": 3,
            "last_active_at": rfc3339(frozen_clock),
            "status": "reading",
            "stuck_reason": None,
        }
    ]


def test_active_readers_are_those_of_the_last_minutes(cast: Cast, frozen_clock: int) -> None:
    view(cast)
    clock.advance(minutes(31))

    assert get(cast, "active-readers").json["readers"] == []
    assert get(cast, "active-readers", minutes=32).json["count"] == 1


def test_a_reader_without_activity_is_active_by_any_request(cast: Cast, recorder: Recorder) -> None:
    cast.newcomer.client.get("/api/auth/me")
    recorder.flush()

    (reader,) = get(cast, "active-readers").json["readers"]
    assert reader["user_id"] == cast.newcomer.id
    assert (reader["book_id"], reader["current_page"], reader["status"]) == (None, None, "idle")


def test_consultants_are_never_listed(cast: Cast, recorder: Recorder) -> None:
    get(cast, "active-readers")
    recorder.flush()

    for path in ("active-readers", "online-readers"):
        assert get(cast, path).json["readers"] == []
    everyone = {cast.reader.id, cast.newcomer.id, bystander.USER_ID}
    assert {r["user_id"] for r in get(cast, "readers").json["readers"]} == everyone


@pytest.fixture
def crowd(cast: Cast, db: Rows, frozen_clock: int) -> list[str]:
    """The ids of seven more readers with sessions, the newest sign of life first; three have the same."""
    ages = {"f6": 0, "f7": 1, "f5": 2, "f4": 2, "f1": 2, "f3": 3, "f2": minutes(5)}
    for number, age in ages.items():
        at = frozen_clock - age
        db.execute(
            "INSERT INTO users (id, email, password_hash, role, last_active_at, online_since, created_at, "
            "updated_at) VALUES (?, ?, '', 'reader', ?, ?, ?, ?)",
            reader_id(number),
            f"{number}@example.com",
            at,
            at,
            at,
            at,
        )
        db.execute(
            "INSERT INTO sessions "
            "(id, user_id, token_hash, created_at, last_active_at, expires_at, remember) "
            "SELECT ?, ?, ?, created_at, last_active_at, expires_at, remember FROM sessions WHERE id = ?",
            reader_id(number),
            reader_id(number),
            number,
            cast.reader.session_id,
        )
    return [reader_id(number) for number in ages]


def reader_id(number: str) -> str:
    return f"ffffffff-0000-7000-8000-0000000000{number}"


def listed(cast: Cast, path: str, limit: int) -> list[str]:
    """The ids of a list of readers, fetched `limit` at a time."""
    found, more = [], {}
    while len(found) < 100:
        body = get(cast, path, limit=limit, **more).json
        assert body["count"] == len(body["readers"]) <= limit
        found += [reader["user_id"] for reader in body["readers"]]
        more = {"before": body["next_before"]}
        if body["next_before"] is None:
            break
    return found


@pytest.mark.parametrize("limit", [1, 2, 7, 500])
@pytest.mark.parametrize("path", ["active-readers", "online-readers"])
def test_each_active_reader_is_listed_once_newest_sign_of_life_first(
    cast: Cast, crowd: list[str], path: str, limit: int
) -> None:
    assert listed(cast, path, limit) == crowd


@pytest.mark.parametrize("limit", [1, 2, 500])
def test_all_readers_are_listed_once_the_newest_account_first(
    cast: Cast, crowd: list[str], limit: int
) -> None:
    everyone = {*crowd, cast.reader.id, cast.newcomer.id, bystander.USER_ID}

    assert listed(cast, "readers", limit) == sorted(everyone, reverse=True)


@pytest.mark.parametrize("limit", [1, 2, 500])
def test_a_reader_is_active_by_what_they_did_before_any_request_is_written(
    cast: Cast, db: Rows, crowd: list[str], limit: int
) -> None:
    view(cast, occurred_at=rfc3339(clock.now() - minutes(29)))
    for reader in (cast.reader.id, *crowd[:2]):
        db.execute("INSERT INTO reading_presence VALUES (?, ?, 1, ?, 0)", reader, BOOK, clock.now())
    for last_request in (None, clock.now() - hours(1), clock.now() - minutes(30)):
        db.execute("UPDATE users SET last_active_at = ? WHERE id = ?", last_request, cast.reader.id)
        assert listed(cast, "active-readers", limit) == [*crowd, cast.reader.id]


def test_a_list_holds_no_more_than_it_says_unless_it_is_asked_to(
    cast: Cast, db: Rows, frozen_clock: int
) -> None:
    many = "WITH RECURSIVE many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < 501)"
    db.execute(
        "INSERT INTO users (id, email, password_hash, role, last_active_at, created_at, updated_at) "
        f"{many} SELECT 'many-' || n, 'many-' || n, '', 'reader', ?, 0, 0 FROM many",
        frozen_clock,
    )
    db.execute(
        "INSERT INTO sessions "
        "(id, user_id, token_hash, created_at, last_active_at, expires_at, remember) "
        f"{many} SELECT 'many-' || n, 'many-' || n, 'many-' || n, 0, 0, ?, expires_at > 0 FROM many "
        "JOIN sessions ON sessions.id = ?",
        frozen_clock + 1,
        cast.reader.session_id,
    )
    activities = [{"activity_type": "VOCABULARY_REVIEW"}] * 100
    cast.reader.client.post("/api/activity/track", json={"activities": activities})

    sizes = {path: get(cast, path).json["count"] for path in ENDPOINTS[:4]}
    assert sizes == {
        "active-readers": 500,
        "online-readers": 500,
        "readers": 100,
        "recent-activities": 100,
    }


def test_each_reader_of_a_list_has_their_own_state_and_status(
    cast: Cast, db: Rows, recorder: Recorder, frozen_clock: int
) -> None:
    grant(db, cast.newcomer, BOOK)
    reports = [report(page=2), *[report(page=2, activity_type="WORD_LOOKUP")] * 5]
    for person, activities in ((cast.reader, reports), (cast.newcomer, [report(page=4)])):
        person.client.post("/api/activity/track", json={"activities": activities})
    beat(cast.newcomer, 4)
    recorder.flush()

    expected = {
        cast.reader.id: (2, "stuck", "5 lookups and questions on page 2"),
        cast.newcomer.id: (4, "reading", None),
    }
    her = {bystander.USER_ID: (bystander.PAGE, "idle", None)}
    for path, known in (("active-readers", {}), ("online-readers", {}), ("readers", her)):
        shown = {
            reader["user_id"]: (reader["current_page"], reader["status"], reader["stuck_reason"])
            for reader in get(cast, path).json["readers"]
        }
        assert shown == expected | known


def test_online_needs_a_live_session_and_a_request_in_the_last_five_minutes(
    cast: Cast, db: Rows, recorder: Recorder, frozen_clock: int
) -> None:
    cast.reader.client.get("/api/auth/me")
    recorder.flush()
    (reader,) = get(cast, "online-readers").json["readers"]
    assert reader["user_id"] == cast.reader.id
    assert WHEN.match(reader["online_since"])

    clock.advance(minutes(5) + 1)
    assert get(cast, "online-readers").json["count"] == 0

    cast.reader.client.get("/api/auth/me")
    recorder.flush()
    db.execute("UPDATE sessions SET expires_at = ? WHERE user_id = ?", clock.now() + 1, cast.reader.id)
    assert get(cast, "online-readers").json["count"] == 1
    db.execute("UPDATE sessions SET expires_at = ? WHERE user_id = ?", clock.now(), cast.reader.id)
    assert get(cast, "online-readers").json["count"] == 0
    db.execute("DELETE FROM sessions WHERE user_id = ?", cast.reader.id)
    assert get(cast, "online-readers").json["count"] == 0


def test_the_online_list_goes_on_while_heartbeats_wait_to_be_written(
    cast: Cast, recorder: Recorder, frozen_clock: int
) -> None:
    for person in (cast.reader, cast.newcomer):
        person.client.get("/api/auth/me")
    recorder.flush()
    clock.advance(minutes(1))
    view(cast)  # newer than the last request that is written

    first = get(cast, "online-readers", limit=1).json
    second = get(cast, "online-readers", limit=1, before=first["next_before"]).json
    assert {r["user_id"] for r in first["readers"] + second["readers"]} == {cast.reader.id, cast.newcomer.id}


def test_a_list_that_is_just_full_says_that_it_ends(cast: Cast) -> None:
    view(cast)

    full, short = (get(cast, "recent-activities", limit=6 - n).json for n in (0, 1))
    assert (full["count"], full["next_before"]) == (6, None)
    assert (short["count"], short["next_before"]) == (5, short["activities"][-1]["seq"])


def test_online_since_is_when_the_present_run_of_requests_began(
    cast: Cast, recorder: Recorder, frozen_clock: int
) -> None:
    def since_after(gap: int) -> str:
        clock.advance(gap)
        cast.reader.client.get("/api/auth/me")
        recorder.flush()
        return get(cast, "online-readers").json["readers"][0]["online_since"]

    assert since_after(0) == since_after(minutes(5)) == rfc3339(frozen_clock)
    assert since_after(minutes(5) + 1) == rfc3339(clock.now())


def test_readers_carry_their_totals(cast: Cast) -> None:
    kinds = ["PAGE_VIEW"] + ["WORD_LOOKUP"] * 2 + ["AI_INTERACTION"] * 3
    for kind in kinds:
        view(cast, 1, activity_type=kind)
    readers = {r["user_id"]: r for r in get(cast, "readers").json["readers"]}
    readers["state"] = get(cast, "reader/state", user_id=cast.reader.id).json

    totals = ("total_pages_read", "total_word_lookups", "total_ai_interactions")
    assert {who: tuple(shown[total] for total in totals) for who, shown in readers.items()} == {
        cast.reader.id: (1, 2, 3), "state": (1, 2, 3), cast.newcomer.id: (0, 0, 0),
        bystander.USER_ID: (2, 1, 0),
    }  # fmt: skip
    assert WHEN.match(readers[cast.newcomer.id]["created_at"])


def test_hostile_names_come_out_as_they_are(cast: Cast, db: Rows, recorder: Recorder) -> None:
    name = '"><script>alert(1)</script>'
    db.execute("UPDATE users SET first_name = ? WHERE id = ?", name, cast.reader.id)
    view(cast)

    assert get(cast, "active-readers").json["readers"][0]["first_name"] == name
