"""The consultant API: exactly the bodies of the founding document, for consultants and admins only."""

import re

import pytest
from werkzeug.test import TestResponse

from alice import clock
from alice.activity import log
from alice.activity.types import Activity
from alice.clock import hours, minutes, rfc3339
from alice.ids import new_id
from alice.recorder import Recorder
from tests import bystander
from tests.activity.making import grant
from tests.activity.making import view as report
from tests.conftest import BOOK, Cast, Counted, Person, Rows

ENDPOINTS = [
    "active-readers",
    "online-readers",
    "readers",
    "recent-activities",
    "reader/activity",
    "reader/state",
]
HER_PAGES = [5, 5, 3, 3, 3]  # where the bystander's activities were, the newest first
NOON = 1_750_075_200_000  # 2025-06-16T12:00:00Z
WHEN = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


def get(cast: Cast, path: str, **query: object) -> TestResponse:
    return cast.consultant.client.get(f"/api/consultant/{path}", query_string=query)


def view(cast: Cast, page: int = 1, **more: object) -> None:
    assert cast.reader.client.post("/api/activity/track", json=report(page, **more)).status_code == 201


def heard(person: Person, page: int) -> None:
    """Let their reading page send a heartbeat."""
    body = {"book_id": BOOK, "page_number": page}
    assert person.client.post("/api/heartbeat", json=body).status_code == 204


@pytest.mark.parametrize("path", ENDPOINTS)
def test_only_consultants_and_admins_are_answered(cast: Cast, path: str) -> None:
    url = f"/api/consultant/{path}?user_id={cast.reader.id}" if "/" in path else f"/api/consultant/{path}"

    statuses = [person.client.get(url).status_code for person in cast]
    assert statuses == [403, 403, 200, 200, 200, 401]
    assert cast.reader.client.get(url).json["error"]["code"] == "forbidden"


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


def test_recent_activities_have_the_founding_body(cast: Cast, frozen_clock: int) -> None:
    id = new_id()
    view(cast, 2, id=id, metadata={"from": "shelf"})
    body = get(cast, "recent-activities", limit=1).json

    assert body["count"] == 1
    (activity,) = body["activities"]
    assert activity.pop("seq") > 0
    assert activity == {
        "id": id,
        "user_id": cast.reader.id,
        "activity_type": "PAGE_VIEW",
        "book_id": BOOK,
        "page_number": 2,
        "section_id": None,
        "metadata": {"from": "shelf"},
        "occurred_at": rfc3339(frozen_clock),
        "created_at": rfc3339(frozen_clock),
    }


def test_recent_activities_page_by_cursor(cast: Cast) -> None:
    for page in range(1, 6):
        view(cast, page)

    first = get(cast, "recent-activities", limit=2).json
    second = get(cast, "recent-activities", limit=2, before=first["next_before"]).json
    last = get(cast, "recent-activities", before=second["next_before"]).json

    pages = [[a["page_number"] for a in body["activities"]] for body in (first, second, last)]
    assert pages == [[5, 4], [3, 2], [1, *HER_PAGES]]
    assert last["next_before"] is None


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
    """The ids of a list of readers, asked for `limit` at a time."""
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
def test_who_is_there_is_listed_once_the_newest_sign_of_life_first(
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
    heard(cast.newcomer, 4)
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


def test_who_stays_very_long_on_a_page_is_stuck_by_the_heartbeats(
    cast: Cast, recorder: Recorder, frozen_clock: int
) -> None:
    view(cast, 3)

    def shown() -> set[tuple[str, str | None]]:
        clock.advance(minutes(1))
        heard(cast.reader, 3)
        recorder.flush()
        lists = [get(cast, path).json["readers"][0] for path in ("active-readers", "online-readers")]
        lists.append(get(cast, "reader/state", user_id=cast.reader.id).json)
        return {(reader["status"], reader["stuck_reason"]) for reader in lists}

    assert [shown() for _ in range(6)][-1] == {("reading", None)}
    assert shown() == {("stuck", "6 minutes on page 3")}


def test_who_always_reads_slowly_is_not_stuck_for_that(
    cast: Cast, recorder: Recorder, frozen_clock: int
) -> None:
    for page, age in ((1, 8), (2, 4), (3, 0)):
        view(cast, page, occurred_at=rfc3339(frozen_clock - minutes(age)))
    for _ in range(7):
        heard(cast.reader, 3)
        recorder.flush()
        clock.advance(minutes(1))

    (reader,) = get(cast, "active-readers").json["readers"]
    assert (reader["status"], reader["stuck_reason"]) == ("reading", None)


def test_a_request_for_help_is_seen_until_it_is_resolved(
    cast: Cast, recorder: Recorder, frozen_clock: int
) -> None:
    def shown() -> list[tuple[str, str | None]]:
        state = get(cast, "reader/state", user_id=cast.reader.id).json
        (listed,) = get(cast, "active-readers").json["readers"]
        return [(told["status"], told["stuck_reason"]) for told in (state, listed)]

    view(cast, 3)
    assert shown() == [("reading", None)] * 2
    view(cast, 3, activity_type="HELP_REQUEST")
    assert shown() == [("stuck", "asked for help")] * 2
    view(cast, 4)
    assert shown() == [("stuck", "asked for help")] * 2

    resolved = Activity(new_id(), "HELP_RESOLVED", clock.now(), clock.now())
    recorder.submit(lambda db: log.append(db, cast.reader.id, None, [resolved]))
    assert shown() == [("reading", None)] * 2


def test_who_was_only_heard_of_by_heartbeats_is_reading(
    cast: Cast, recorder: Recorder, frozen_clock: int
) -> None:
    view(cast, 3)
    clock.advance(minutes(3))
    recorder.flush()
    assert get(cast, "active-readers").json["readers"][0]["status"] == "active"

    heard(cast.reader, 3)
    recorder.flush()
    assert get(cast, "active-readers").json["readers"][0]["status"] == "reading"


def test_who_signed_out_is_idle_at_once(cast: Cast, frozen_clock: int) -> None:
    view(cast, 3)
    assert cast.reader.browser.post("/api/auth/logout").status_code < 300

    (reader,) = get(cast, "active-readers").json["readers"]
    assert (reader["status"], reader["current_page"]) == ("idle", 3)


def test_a_readers_summary_has_the_founding_body(cast: Cast, frozen_clock: int) -> None:
    clock.freeze(NOON)
    for age, kind in (
        (0, "WORD_LOOKUP"),
        (0, "WORD_LOOKUP"),
        (0, "PAGE_VIEW"),
        (0, "PAGE_VIEW"),
        (hours(1), "PAGE_VIEW"),
        (hours(24), "FEEDBACK"),
        (hours(24) + 1, "FEEDBACK"),
        (hours(30), "AI_INTERACTION"),
        (hours(72), "FEEDBACK"),
        (hours(72) + 1, "PAGE_VIEW"),
    ):
        view(cast, activity_type=kind, occurred_at=rfc3339(NOON - age))

    assert get(cast, "reader/activity", user_id=cast.reader.id, hours=72).json == {
        "total_activities": 9,
        "active_days": 3,
        "word_lookups": 2,
        "ai_interactions": 1,
        "page_views": 3,
    }
    assert get(cast, "reader/activity", user_id=cast.reader.id).json["total_activities"] == 6


def test_active_days_are_utc_dates(cast: Cast) -> None:
    midnight = 1_750_032_000_000  # 2025-06-16T00:00:00Z
    clock.freeze(midnight + minutes(1))
    try:
        view(cast, occurred_at=rfc3339(midnight - 1))
        view(cast, occurred_at=rfc3339(midnight))
        assert get(cast, "reader/activity", user_id=cast.reader.id).json["active_days"] == 2
    finally:
        clock.thaw()


def test_a_readers_state_has_the_founding_body(cast: Cast, db: Rows, frozen_clock: int) -> None:
    section = db.one(
        "SELECT id FROM sections WHERE book_id = ? AND page_number = 2 AND section_number = 1", BOOK
    )
    view(cast, 2, activity_type="SECTION_VIEW", section_id=section)

    assert get(cast, "reader/state", user_id=cast.reader.id).json == {
        "user_id": cast.reader.id,
        "book_id": BOOK,
        "current_page": 2,
        "current_section_id": section,
        "last_activity_type": "SECTION_VIEW",
        "last_activity_at": rfc3339(frozen_clock),
        "total_pages_read": 0,
        "total_word_lookups": 0,
        "total_ai_interactions": 0,
        "status": "reading",
        "stuck_reason": None,
        "updated_at": rfc3339(frozen_clock),
    }


def test_a_reader_with_no_activity_gets_zeros(cast: Cast) -> None:
    summary = get(cast, "reader/activity", user_id=cast.newcomer.id)
    state = get(cast, "reader/state", user_id=cast.newcomer.id)

    assert summary.status_code == state.status_code == 200
    assert set(summary.json.values()) == {0}
    assert state.json["status"] == "idle"
    assert '"total_pages_read":0,"total_word_lookups":0,"total_ai_interactions":0,' in state.text
    assert (state.json["total_pages_read"], state.json["current_page"]) == (0, None)


@pytest.mark.parametrize("path", ["reader/activity", "reader/state"])
@pytest.mark.parametrize("who", ["unknown", "malformed", "consultant"])
def test_who_is_no_reader_is_404(cast: Cast, path: str, who: str) -> None:
    ids = {"unknown": new_id(), "malformed": "';--", "consultant": cast.consultant.id}

    assert get(cast, path, user_id=ids[who]).status_code == 404


@pytest.mark.parametrize(
    ("path", "query", "field", "bound"),
    [
        ("active-readers", {"minutes": 0}, "minutes", "1"),
        ("active-readers", {"minutes": 1441}, "minutes", "1440"),
        ("active-readers", {"minutes": "soon"}, "minutes", "number"),
        ("active-readers", {"before": "x"}, "before", ""),
        ("recent-activities", {"limit": 0}, "limit", "1"),
        ("recent-activities", {"limit": 501}, "limit", "500"),
        ("recent-activities", {"before": -1}, "before", "1"),
        ("recent-activities", {"before": 10**30}, "before", ""),
        ("reader/activity", {"user_id": "x", "hours": 8761}, "hours", "8760"),
        ("reader/activity", {}, "user_id", "required"),
        ("reader/state", {}, "user_id", "required"),
        ("readers", {"sort": "name"}, "sort", ""),
    ],
)
def test_query_values_are_bounded_and_the_refusal_names_field_and_bound(
    cast: Cast, path: str, query: dict, field: str, bound: str
) -> None:
    answer = get(cast, path, **query)

    assert answer.status_code == 422
    assert answer.json["error"]["field"] == field
    assert bound in answer.json["error"]["message"]


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("active-readers", {"minutes": 1, "limit": 1, "before": f"0_{new_id()}"}, 200),
        ("active-readers", {"minutes": 1440, "limit": 500, "before": f"{'9' * 15}_{new_id()}"}, 200),
        ("active-readers", {"before": f"{'9' * 16}_{new_id()}"}, 422),
        ("online-readers", {"before": f"1_{new_id()}"}, 200),
        ("readers", {"before": "x" * 36}, 200),
        ("readers", {"before": "x" * 37}, 422),
        ("recent-activities", {"before": 1}, 200),
        ("recent-activities", {"before": 1 << 62}, 200),
        ("recent-activities", {"before": 0}, 422),
        ("recent-activities", {"before": (1 << 62) + 1}, 422),
        ("reader/activity", {"hours": 1}, 200),
        ("reader/activity", {"hours": 8760}, 200),
        ("reader/activity", {"hours": 0}, 422),
        ("reader/activity", {"user_id": "x" * 100}, 404),
        ("reader/activity", {"user_id": "x" * 101}, 422),
        ("reader/state", {"user_id": "x" * 100}, 404),
        ("reader/state", {"user_id": "x" * 101}, 422),
    ],
)
def test_bounds_are_within(cast: Cast, path: str, query: dict, status: int) -> None:
    who = {"user_id": cast.reader.id} if "/" in path else {}

    assert get(cast, path, **who | query).status_code == status


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


@pytest.mark.parametrize(
    ("path", "queries"),
    [
        ("active-readers", 2),
        ("online-readers", 2),
        ("readers", 2),
        ("recent-activities", 2),
        ("reader/state", 2),
        ("reader/activity", 3),
    ],
)
def test_an_endpoint_asks_a_fixed_number_of_queries(
    cast: Cast, counted: Counted, path: str, queries: int
) -> None:
    view(cast)
    with counted() as statements:
        get(cast, path, **({"user_id": cast.reader.id} if "/" in path else {}))

    assert len(statements) == queries
