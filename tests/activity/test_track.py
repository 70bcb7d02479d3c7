"""POST /api/activity/track: a 2xx means committed, and a retry changes nothing."""

import json
from datetime import datetime, timedelta, timezone

import pytest
from werkzeug.test import TestResponse

from alice import clock
from alice.clock import days, hours, minutes, rfc3339
from alice.ids import new_id
from tests.activity.making import grant, section_of, view
from tests.cast import BOOK, LOCKED_BOOK, PAGES, Cast
from tests.conftest import Counted, Rows

URL = "/api/activity/track"


def error(answer: TestResponse) -> dict:
    return answer.json["error"]


def test_one_activity_is_logged_with_state_page_read_and_progress(cast: Cast, db: Rows) -> None:
    answer = cast.reader.client.post(URL, json=view(3))

    assert answer.status_code == 201
    assert answer.json["created"] is True
    assert db.query("SELECT seq, id, user_id, session_id, page_number FROM activity_logs") == [
        (answer.json["seq"], answer.json["id"], cast.reader.id, cast.reader.session_id, 3)
    ]
    assert db.query("SELECT book_id, current_page, status, total_pages_read FROM reader_states") == [
        (BOOK, 3, "reading", 1)
    ]
    assert db.query("SELECT page_number, times FROM page_reads") == [(3, 1)]
    assert db.query("SELECT last_page FROM reading_progress") == [(3,)]


def test_the_same_id_again_is_200_and_changes_nothing(cast: Cast, db: Rows) -> None:
    activity = view(2, id=new_id())
    first = cast.reader.client.post(URL, json=activity)
    again = cast.reader.client.post(URL, json=activity | {"page_number": 5})

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json == first.json | {"created": False}
    assert db.query("SELECT current_page, total_pages_read FROM reader_states") == [(2, 1)]


def test_an_id_is_the_same_in_capitals(cast: Cast) -> None:
    id = new_id()
    first = cast.reader.client.post(URL, json=view(id=id))
    again = cast.reader.client.post(URL, json=view(id=id.upper()))

    assert again.status_code == 200
    assert again.json["seq"] == first.json["seq"]


def test_another_readers_id_is_409(cast: Cast, db: Rows) -> None:
    id = new_id()
    cast.reader.client.post(URL, json=view(id=id))
    answer = cast.newcomer.client.post(URL, json={"activity_type": "VOCABULARY_REVIEW", "id": id})

    assert answer.status_code == 409
    assert db.one("SELECT COUNT(*) FROM activity_logs") == 1
    assert db.query("SELECT user_id FROM reader_states") == [(cast.reader.id,)]


def test_a_batch_answers_each_id_and_seq_in_order(cast: Cast, db: Rows) -> None:
    ids = [new_id() for _ in range(3)]
    answer = cast.reader.client.post(
        URL, json={"activities": [view(n + 1, id=id) for n, id in enumerate(ids)]}
    )

    assert answer.status_code == 201
    assert [row["id"] for row in answer.json["activities"]] == ids
    seqs = [row["seq"] for row in answer.json["activities"]]
    assert seqs == sorted(seqs)
    assert db.query("SELECT current_page, total_pages_read FROM reader_states") == [(3, 3)]


def test_an_id_twice_in_one_batch_is_one_row(cast: Cast, db: Rows) -> None:
    id = new_id()
    answer = cast.reader.client.post(URL, json={"activities": [view(1, id=id), view(2, id=id)]})

    assert [row["created"] for row in answer.json["activities"]] == [True, False]
    assert len({row["seq"] for row in answer.json["activities"]}) == 1
    assert db.query("SELECT page_number FROM activity_logs") == [(1,)]
    assert db.query("SELECT page_number, times FROM page_reads") == [(1, 1)]
    assert db.query("SELECT current_page FROM reader_states") == [(1,)]
    assert db.query("SELECT last_page FROM reading_progress") == [(1,)]


def test_of_a_partly_known_batch_only_new_activities_count(cast: Cast, db: Rows, frozen_clock: int) -> None:
    """A client that got no response sends the same activities again, and newer ones."""
    known, new, newer = (view(page, id=new_id()) for page in (1, 2, 3))
    first = cast.reader.client.post(URL, json=known).json
    other = cast.reader.client.post(URL, json=view(4)).json
    answer = cast.reader.client.post(URL, json={"activities": [new, known, newer]})

    assert answer.status_code == 201
    rows = answer.json["activities"]
    assert [(row["id"], row["created"]) for row in rows] == [
        (new["id"], True), (known["id"], False), (newer["id"], True),
    ]  # fmt: skip
    assert rows[1]["seq"] == first["seq"] < other["seq"] < rows[0]["seq"] < rows[2]["seq"]
    assert db.query("SELECT seq, id, page_number FROM activity_logs ORDER BY seq") == [
        (first["seq"], known["id"], 1), (other["seq"], other["id"], 4), (rows[0]["seq"], new["id"], 2),
        (rows[2]["seq"], newer["id"], 3),
    ]  # fmt: skip
    assert db.query("SELECT page_number, times FROM page_reads ORDER BY page_number") == [
        (1, 1), (2, 1), (3, 1), (4, 1),
    ]  # fmt: skip
    assert db.query("SELECT current_page, previous_page, total_pages_read FROM reader_states") == [(3, 2, 4)]
    assert db.query("SELECT last_page FROM reading_progress") == [(3,)]


def test_a_wholly_known_batch_is_200_and_changes_nothing(cast: Cast, db: Rows) -> None:
    batch = {"activities": [view(page, id=new_id()) for page in (2, 1)]}
    first = cast.reader.client.post(URL, json=batch)
    again = cast.reader.client.post(URL, json=batch)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json["activities"] == [row | {"created": False} for row in first.json["activities"]]
    assert db.query("SELECT page_number, times FROM page_reads ORDER BY page_number") == [(1, 1), (2, 1)]
    assert db.query("SELECT current_page, page_returns FROM reader_states") == [(1, 0)]


def test_another_readers_id_in_a_batch_refuses_all_of_it(cast: Cast, db: Rows) -> None:
    grant(db, cast.newcomer, BOOK)
    activity = view(id=new_id())
    cast.reader.client.post(URL, json=activity)
    answer = cast.newcomer.client.post(URL, json={"activities": [view(2, id=new_id()), activity, view(3)]})

    assert answer.status_code == 409
    assert db.query("SELECT user_id FROM activity_logs") == [(cast.reader.id,)]
    assert db.query("SELECT user_id FROM reader_states") == [(cast.reader.id,)]
    assert db.query("SELECT user_id FROM page_reads") == [(cast.reader.id,)]
    assert db.query("SELECT user_id FROM reading_progress") == [(cast.reader.id,)]


def test_one_invalid_item_refuses_the_batch_and_is_named(cast: Cast, db: Rows) -> None:
    batch = [view(1), view(2), view(3), view(0)]
    answer = cast.reader.client.post(URL, json={"activities": batch})

    assert answer.status_code == 422
    assert error(answer)["field"] == "activities[3].page_number"
    assert "at least 1" in error(answer)["message"]
    assert db.one("SELECT COUNT(*) FROM activity_logs") == 0


def test_the_only_item_of_a_batch_is_named_too(cast: Cast) -> None:
    answer = cast.reader.client.post(URL, json={"activities": [view(PAGES + 1)]})

    assert error(answer)["field"] == "activities[0].page_number"


@pytest.mark.parametrize("size", [0, 101])
def test_a_batch_holds_1_to_100(cast: Cast, size: int) -> None:
    answer = cast.reader.client.post(URL, json={"activities": [view()] * size})

    assert answer.status_code == 422
    assert error(answer)["field"] == "activities"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("PAGE_SYNC", "PAGE_VIEW"),
        ("DEFINITION_LOOKUP", "WORD_LOOKUP"),
        ("AI_QUERY", "AI_INTERACTION"),
        ("AI_HELP", "AI_INTERACTION"),
        ("FEEDBACK_SUBMISSION", "FEEDBACK"),
    ],
)
def test_names_of_the_go_program_are_mapped(cast: Cast, db: Rows, old: str, new: str) -> None:
    answer = cast.reader.client.post(URL, json={"event_type": old, "book_id": BOOK, "page_number": 1})

    assert answer.status_code == 201
    assert db.one("SELECT activity_type FROM activity_logs") == new


def test_the_old_event_table_is_a_view_over_the_log(cast: Cast, db: Rows) -> None:
    lookup = {
        "activity_type": "WORD_LOOKUP",
        "book_id": BOOK,
        "page_number": 1,
        "metadata": {"content": "rabbit"},
    }
    cast.reader.client.post(URL, json=lookup)

    kept = db.query(
        "SELECT event_type, book_id, page_number, content FROM interactions WHERE user_id = ?", cast.reader.id
    )
    assert kept == [("DEFINITION_LOOKUP", BOOK, 1, "rabbit")]


@pytest.mark.parametrize(
    "name",
    [
        "LOGIN",
        "LOGOUT",
        "BOOK_VERIFIED",
        "HELP_RESOLVED",
        "PROMPT_ACCEPTED",
        "page_view",
        "",
        "DANCE",
        "__class__",
    ],
)
def test_what_clients_may_not_report_is_422(cast: Cast, name: str) -> None:
    answer = cast.reader.client.post(URL, json={"activity_type": name})

    assert answer.status_code == 422
    assert error(answer)["field"] == "activity_type"


@pytest.mark.parametrize(
    ("broken", "field"),
    [
        ({"page_number": "3"}, "page_number"),
        ({"page_number": 1.5}, "page_number"),
        ({"page_number": True}, "page_number"),
        ({"page_number": PAGES + 1}, "page_number"),
        ({"page_number": None}, "page_number"),
        ({"book_id": None}, "book_id"),
        ({"book_id": 7}, "book_id"),
        ({"book_id": "x" * 201}, "book_id"),
        ({"id": "42"}, "id"),
        ({"section_id": "nowhere"}, "section_id"),
        ({"section_id": new_id()}, "section_id"),
        ({"metadata": [1]}, "metadata"),
        ({"metadata": {"word": "x" * 5000}}, "metadata"),
        ({"occurred_at": "yesterday"}, "occurred_at"),
        ({"occurred_at": "2025-01-20T10:30:00"}, "occurred_at"),
        ({"event_type": "PAGE_VIEW"}, "activity_type"),
        ({"activity_type": None}, "activity_type"),
        ({"user_id": "me"}, "user_id"),
        ({"activities": []}, "activities"),
    ],
)
def test_wrong_input_is_422_and_names_the_field(cast: Cast, db: Rows, broken: dict, field: str) -> None:
    answer = cast.reader.client.post(URL, json=view() | broken)

    assert answer.status_code == 422
    assert error(answer)["field"] == field
    assert db.one("SELECT COUNT(*) FROM activity_logs") == 0


def test_an_unknown_book_is_404_and_a_locked_one_403(cast: Cast) -> None:
    unknown = cast.reader.client.post(URL, json=view(book_id="x" * 200))
    locked = cast.reader.client.post(URL, json=view(book_id=LOCKED_BOOK))

    assert unknown.status_code == 404
    assert locked.status_code == 403
    assert error(locked)["code"] == "book_locked"


def test_a_section_view_moves_the_state_to_the_section(cast: Cast, db: Rows) -> None:
    section = section_of(db, 2)
    answer = cast.reader.client.post(URL, json=view(2, activity_type="SECTION_VIEW", section_id=section))

    assert answer.status_code == 201
    assert db.query("SELECT current_page, current_section_id, status FROM reader_states") == [
        (2, section, "reading")
    ]
    assert db.one("SELECT section_id FROM reading_progress") == section


def test_a_batch_has_nothing_beside_it(cast: Cast, db: Rows) -> None:
    answer = cast.reader.client.post(URL, json={"activities": [view()], "page_number": 3})

    assert answer.status_code == 422
    assert "either one activity or activities" in error(answer)["message"]
    assert db.one("SELECT COUNT(*) FROM activity_logs") == 0


def test_occurred_at_is_clamped_to_thirty_days_and_not_the_future(
    cast: Cast, db: Rows, frozen_clock: int
) -> None:
    for at in (frozen_clock - days(90), frozen_clock + hours(3)):
        cast.reader.client.post(URL, json=view(occurred_at=rfc3339(at)))

    assert db.query("SELECT occurred_at FROM activity_logs ORDER BY seq") == [
        (frozen_clock - days(30),),
        (frozen_clock,),
    ]


def test_occurred_at_in_any_zone_is_the_same_moment(cast: Cast, db: Rows, frozen_clock: int) -> None:
    at = frozen_clock - hours(2)
    east = datetime.fromtimestamp(at / 1000, timezone(timedelta(hours=5, minutes=30))).isoformat()
    assert east.endswith("+05:30")
    cast.reader.client.post(URL, json=view(occurred_at=east))

    assert db.one("SELECT occurred_at FROM activity_logs") == at


def test_a_late_activity_counts_but_moves_nothing(cast: Cast, db: Rows, frozen_clock: int) -> None:
    cast.reader.client.post(URL, json=view(6))
    cast.reader.client.post(URL, json=view(2, occurred_at=rfc3339(frozen_clock - minutes(5))))

    assert db.query("SELECT current_page, last_activity_at, total_pages_read FROM reader_states") == [
        (6, frozen_clock, 2)
    ]
    assert db.one("SELECT last_page FROM reading_progress") == 6


@pytest.mark.parametrize("place", [{}, {"book_id": BOOK}, {"book_id": BOOK, "page_number": 2}])
def test_other_activities_may_name_a_page_or_a_book_or_neither(cast: Cast, db: Rows, place: dict) -> None:
    answer = cast.reader.client.post(URL, json={"activity_type": "FEEDBACK"} | place)

    assert answer.status_code == 201
    assert db.query("SELECT book_id, page_number FROM activity_logs") == [
        (place.get("book_id"), place.get("page_number"))
    ]


@pytest.mark.parametrize("place", [{"page_number": 2}, {"section_id": new_id()}])
def test_a_place_without_its_book_is_refused(cast: Cast, place: dict) -> None:
    answer = cast.reader.client.post(URL, json={"activity_type": "FEEDBACK"} | place)

    assert answer.status_code == 422
    assert error(answer)["field"] == "book_id"


def test_lookups_and_questions_are_counted(cast: Cast, db: Rows) -> None:
    for kind in ("WORD_LOOKUP", "WORD_LOOKUP", "AI_INTERACTION"):
        cast.reader.client.post(URL, json={"activity_type": kind, "book_id": BOOK, "page_number": 1})

    assert db.query(
        "SELECT total_word_lookups, total_ai_interactions, total_pages_read FROM reader_states"
    ) == [(2, 1, 0)]


def test_metadata_is_kept_as_json(cast: Cast, db: Rows) -> None:
    metadata = {"word": "antipathies", "nested": {"é": [1, None, True]}}
    cast.reader.client.post(URL, json={"activity_type": "WORD_LOOKUP", "metadata": metadata})

    assert json.loads(db.one("SELECT metadata FROM activity_logs")) == metadata


@pytest.mark.parametrize(("size", "status"), [(4096, 201), (4097, 422)])
def test_metadata_have_at_most_4096_bytes(cast: Cast, size: int, status: int) -> None:
    """As JSON, in UTF-8: a letter may be several."""
    metadata = {"word": "é" + "x" * (size - len('{"word":"é"}'.encode()))}
    activity = {"activity_type": "WORD_LOOKUP", "metadata": metadata}

    assert cast.reader.client.post(URL, json=activity).status_code == status


@pytest.mark.parametrize("name", ["consultant", "admin"])
def test_only_readers_activity_is_logged(cast: Cast, db: Rows, name: str) -> None:
    answer = getattr(cast, name).client.post(URL, json=view())

    assert answer.status_code == 403
    assert db.one("SELECT COUNT(*) FROM activity_logs") == 0


@pytest.mark.engine("sqlite")
def test_without_a_session_it_is_401(cast: Cast) -> None:
    assert cast.nobody.client.post(URL, json=view()).status_code == 401


def test_one_activity_costs_a_fixed_number_of_statements(cast: Cast, counted: Counted) -> None:
    cast.reader.client.post(URL, json=view(1))
    with counted() as statements:
        cast.reader.client.post(URL, json=view(2))

    # session, access; on PostgreSQL the lock; newest, insert, seq, state, page read, dwell, state, progress
    assert len(statements) <= 11, statements


def test_a_hundred_activities_cost_as_many_statements_as_one(cast: Cast, counted: Counted) -> None:
    batch = [view(1 + n % PAGES, id=new_id(clock.now())) for n in range(100)]
    with counted() as statements:
        assert cast.reader.client.post(URL, json={"activities": batch}).status_code == 201

    assert len(statements) <= 11, statements
