"""The status of a reader: idle, active, reading or stuck, by one pure function."""

from dataclasses import replace

import pytest

from alice.activity.state import State
from alice.activity.status import Presence, derive, implied
from alice.clock import minutes, seconds

NOW = minutes(10_000)
ON_PAGE_5 = State(
    book_id="book",
    current_page=5,
    last_activity_type="PAGE_VIEW",
    last_activity_at=NOW,
    page_entered_at=NOW,
    page_viewed_at=NOW,
)


def shown(state: State, *, later: int = 0, presence: Presence | None = None, seen: int | None = None) -> str:
    return derive(state, presence, seen, NOW + later).name


def test_a_view_is_reading_for_two_minutes_then_active_then_idle() -> None:
    assert shown(ON_PAGE_5) == "reading"
    assert shown(ON_PAGE_5, later=minutes(2)) == "reading"
    assert shown(ON_PAGE_5, later=minutes(2) + 1) == "active"
    assert shown(ON_PAGE_5, later=minutes(10)) == "active"
    assert shown(ON_PAGE_5, later=minutes(10) + 1) == "idle"


AGES = [
    (0, "reading"), (minutes(2), "reading"), (minutes(2) + 1, "active"), (minutes(10), "active"),
    (minutes(10) + 1, "idle"),
]  # fmt: skip


@pytest.mark.parametrize(("age", "status"), AGES)
def test_a_section_view_is_reading_for_as_long(age: int, status: str) -> None:
    at_a_section = replace(ON_PAGE_5, page_viewed_at=None, section_viewed_at=NOW)

    assert shown(at_a_section, later=age) == status


@pytest.mark.parametrize(("age", "status"), AGES)
def test_a_heartbeat_from_the_page_is_reading_for_as_long(age: int, status: str) -> None:
    beat = Presence("book", 5, NOW + minutes(20), minutes(3))

    assert shown(ON_PAGE_5, later=minutes(20) + age, presence=beat) == status


@pytest.mark.parametrize(
    ("age", "status"), [(0, "active"), (minutes(10), "active"), (minutes(10) + 1, "idle")]
)
def test_any_request_is_a_sign_of_life(age: int, status: str) -> None:
    assert shown(ON_PAGE_5, later=minutes(20) + age, seen=NOW + minutes(20)) == status


def test_who_only_signed_in_is_active() -> None:
    assert shown(State(last_activity_type="LOGIN", last_activity_at=NOW)) == "active"


@pytest.mark.parametrize("seen", [-minutes(1), 0])
def test_logging_out_is_idle_at_once(seen: int) -> None:
    gone = replace(ON_PAGE_5, last_activity_type="LOGOUT", open_help_requests=1)

    assert derive(gone, None, NOW, NOW) == ("idle", None)
    assert derive(gone, Presence("book", 5, NOW + seen, minutes(9)), NOW, NOW) == ("idle", None)


def test_what_the_log_implies_is_the_status_at_its_newest_activity() -> None:
    assert implied(ON_PAGE_5) == "reading"
    assert implied(replace(ON_PAGE_5, last_activity_at=NOW + minutes(3))) == "active"
    assert implied(replace(ON_PAGE_5, open_help_requests=1)) == "stuck"
    assert implied(replace(ON_PAGE_5, last_activity_type="LOGOUT")) == "idle"


def test_reading_on_another_device_after_logging_out_is_not_idle() -> None:
    gone = replace(ON_PAGE_5, last_activity_type="LOGOUT")

    assert shown(gone, later=seconds(30), presence=Presence("book", 5, NOW + seconds(20), 0)) == "reading"


@pytest.mark.parametrize(
    ("lookups", "questions", "status"), [(5, 0, "stuck"), (2, 3, "stuck"), (4, 0, "reading")]
)
def test_five_lookups_or_questions_on_one_page_are_stuck(lookups: int, questions: int, status: str) -> None:
    assert shown(replace(ON_PAGE_5, page_lookups=lookups, page_ai_questions=questions)) == status


def test_three_returns_between_two_pages_are_stuck() -> None:
    assert shown(replace(ON_PAGE_5, previous_page=4, page_returns=3)) == "stuck"
    assert shown(replace(ON_PAGE_5, previous_page=4, page_returns=2)) == "reading"


def test_an_open_help_request_is_stuck() -> None:
    assert shown(replace(ON_PAGE_5, open_help_requests=1)) == "stuck"


@pytest.mark.parametrize(
    ("dwells", "dwell", "status"),
    [
        ([], minutes(5), "reading"),
        ([], minutes(5) + 1, "stuck"),
        ([minutes(1)] * 3, minutes(5) + 1, "stuck"),
        ([minutes(2)] * 3, minutes(6), "reading"),
        ([minutes(2)] * 3, minutes(6) + 1, "stuck"),
    ],
)
def test_a_long_dwell_is_stuck_by_the_readers_own_pace(dwells: list[int], dwell: int, status: str) -> None:
    state = replace(ON_PAGE_5, recent_dwells=dwells)

    assert shown(state, later=seconds(10), presence=Presence("book", 5, NOW, dwell)) == status


@pytest.mark.parametrize(("book", "page"), [("book", 6), ("other", 5)])
def test_dwell_on_another_page_does_not_count(book: str, page: int) -> None:
    assert shown(ON_PAGE_5, presence=Presence(book, page, NOW, minutes(30))) == "reading"


@pytest.mark.parametrize(("logged", "heard"), [(6, 7), (7, 6), (7, 0)])
def test_of_the_log_and_the_heartbeats_the_longer_dwell_counts(logged: int, heard: int) -> None:
    state = replace(ON_PAGE_5, page_entered_at=NOW - minutes(logged))

    assert derive(state, Presence("book", 5, NOW, minutes(heard)), None, NOW).stuck_reason == (
        "7 minutes on page 5"
    )


def test_the_pace_is_the_median_of_what_other_pages_took() -> None:
    dwells = [seconds(1), minutes(2), minutes(30)]

    for dwell, status in ((minutes(6), "reading"), (minutes(6) + 1, "stuck")):
        state = replace(ON_PAGE_5, recent_dwells=dwells, page_entered_at=NOW - dwell)
        assert shown(state) == status


def test_a_reader_who_left_long_ago_is_idle_not_stuck() -> None:
    stuck = replace(ON_PAGE_5, open_help_requests=1, page_lookups=9)

    assert shown(stuck, later=minutes(11)) == "idle"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (replace(ON_PAGE_5, page_lookups=4, page_ai_questions=3), "7 lookups and questions on page 5"),
        (replace(ON_PAGE_5, previous_page=4, page_returns=3), "back and forth between pages 4 and 5"),
        (replace(ON_PAGE_5, open_help_requests=1), "asked for help"),
        (replace(ON_PAGE_5, page_entered_at=NOW - minutes(7)), "7 minutes on page 5"),
    ],
)
def test_the_reason_can_be_read_by_a_consultant(state: State, words: str) -> None:
    assert derive(state, None, None, NOW).stuck_reason == words
