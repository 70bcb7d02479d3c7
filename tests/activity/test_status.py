"""What a consultant is shown: idle, active, reading or stuck, by one pure function."""

from dataclasses import replace

import pytest

from alice.activity.state import State
from alice.activity.status import Presence, derive
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


def test_a_heartbeat_from_the_page_is_reading() -> None:
    beat = Presence("book", 5, NOW + minutes(3), minutes(3))

    assert shown(ON_PAGE_5, later=minutes(4), presence=beat) == "reading"


def test_any_request_is_a_sign_of_life() -> None:
    assert shown(ON_PAGE_5, later=minutes(15), seen=NOW + minutes(14)) == "active"


def test_logging_out_is_idle_at_once() -> None:
    gone = replace(ON_PAGE_5, last_activity_type="LOGOUT")

    assert shown(gone) == "idle"


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


def test_dwell_on_another_page_does_not_count() -> None:
    assert shown(ON_PAGE_5, presence=Presence("book", 6, NOW, minutes(30))) == "reading"


def test_whoever_left_long_ago_is_idle_not_stuck() -> None:
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
