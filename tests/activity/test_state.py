"""What each activity changes in a reader's state, without a database."""

import pytest

from alice.activity.state import KEEP_DWELLS, PageLeft, State
from alice.activity.types import Activity
from alice.clock import minutes, seconds

START = minutes(1000)


class Reading:
    """A reader's state, and the pages that their activities left."""

    def __init__(self) -> None:
        self.state = State()
        self.left: list[PageLeft | None] = []
        self._at = START

    def do(
        self,
        kind: str,
        page: int | None = None,
        *,
        after: int = seconds(10),
        book: str = "book",
        section: str | None = None,
    ) -> State:
        """Do one thing, `after` (ms) the one before; it is appended a second later."""
        self._at += after
        activity = Activity("id", kind, self._at, self._at + seconds(1), page and book, page, section)
        self.left.append(self.state.apply(activity))
        return self.state

    def late(self, kind: str, page: int | None = None) -> State:
        """Do one thing a millisecond before the newest."""
        activity = Activity("id", kind, self._at - 1, self._at + minutes(5), page and "book", page)
        self.left.append(self.state.apply(activity))
        return self.state


@pytest.fixture
def reading() -> Reading:
    return Reading()


def test_the_first_view_of_a_page_says_where_and_when(reading: Reading) -> None:
    reading.do("PAGE_VIEW", 3, after=0)

    assert reading.state == State(
        book_id="book",
        current_page=3,
        last_activity_type="PAGE_VIEW",
        last_activity_at=START,
        page_entered_at=START,
        page_viewed_at=START,
        updated_at=START + seconds(1),
    )
    assert reading.left == [None]


def test_a_section_view_says_which_section_but_not_that_the_page_was_seen(reading: Reading) -> None:
    reading.do("SECTION_VIEW", 3, after=0, section="s")

    assert reading.state == State(
        book_id="book",
        current_page=3,
        current_section_id="s",
        last_activity_type="SECTION_VIEW",
        last_activity_at=START,
        page_entered_at=START,
        section_viewed_at=START,
        updated_at=START + seconds(1),
    )


def test_lookups_and_questions_count_for_the_page_and_in_all(reading: Reading) -> None:
    for kind, page in (
        ("PAGE_VIEW", 3),
        ("WORD_LOOKUP", 3),
        ("AI_INTERACTION", 3),
        ("AI_INTERACTION", None),
        ("FEEDBACK", 3),
    ):
        state = reading.do(kind, page)
    assert (state.page_lookups, state.page_ai_questions) == (1, 2)
    assert (state.total_word_lookups, state.total_ai_interactions) == (1, 2)

    state = reading.do("WORD_LOOKUP", 4)
    assert (state.page_lookups, state.page_ai_questions) == (1, 0)
    assert (state.total_word_lookups, state.total_ai_interactions) == (2, 2)

    state = reading.do("AI_INTERACTION", 5)
    assert (state.page_lookups, state.page_ai_questions) == (0, 1)
    assert (state.total_word_lookups, state.total_ai_interactions) == (2, 3)


def test_each_request_for_help_is_open_until_one_is_resolved(reading: Reading) -> None:
    opened = [
        reading.do(kind, page).open_help_requests
        for kind, page in (
            ("PAGE_VIEW", 3), ("HELP_RESOLVED", None), ("HELP_REQUEST", 3), ("HELP_REQUEST", None),
            ("WORD_LOOKUP", 3), ("PROMPT_SHOWN", 3), ("PAGE_VIEW", 4), ("LOGOUT", None),
            ("HELP_RESOLVED", None),
            ("AI_INTERACTION", 4), ("HELP_RESOLVED", None), ("HELP_RESOLVED", None), ("HELP_REQUEST", None),
        )
    ]  # fmt: skip

    assert opened == [0, 0, 1, 2, 2, 2, 2, 2, 1, 1, 0, 0, 1]


@pytest.mark.parametrize("kind", ["VOCABULARY_REVIEW", "HELP_REQUEST", "LOGIN", "BOOK_VERIFIED"])
def test_an_activity_without_a_page_leaves_no_page(reading: Reading, kind: str) -> None:
    reading.do("SECTION_VIEW", 3, section="s")
    state = reading.do(kind)

    assert (state.book_id, state.current_page, state.current_section_id) == ("book", 3, "s")
    assert (state.page_entered_at, state.last_activity_at) == (START + seconds(10), START + seconds(20))
    assert reading.left == [None, None]


def test_a_late_activity_counts_but_moves_nothing(reading: Reading) -> None:
    reading.do("PAGE_VIEW", 3, after=0)
    for kind in ("PAGE_VIEW", "SECTION_VIEW", "WORD_LOOKUP", "AI_INTERACTION", "HELP_REQUEST", "LOGOUT"):
        reading.late(kind, 4)

    assert reading.state == State(
        book_id="book",
        current_page=3,
        last_activity_type="PAGE_VIEW",
        last_activity_at=START,
        total_word_lookups=1,
        total_ai_interactions=1,
        page_entered_at=START,
        page_viewed_at=START,
        open_help_requests=1,
        updated_at=START + minutes(5),
    )
    assert reading.left == [None] * 7


def test_what_happens_in_the_same_millisecond_is_not_late(reading: Reading) -> None:
    reading.do("PAGE_VIEW", 3)

    assert reading.do("PAGE_VIEW", 4, after=0).current_page == 4


def test_turning_a_page_leaves_the_one_before_for_good(reading: Reading) -> None:
    reading.do("SECTION_VIEW", 3, after=0, section="s")
    reading.do("PAGE_VIEW", 3, after=0)
    state = reading.do("PAGE_VIEW", 4, after=seconds(40))

    assert reading.left == [None, None, PageLeft("book", 3, seconds(40))]
    assert (state.current_page, state.previous_page, state.current_section_id) == (4, 3, None)
    assert (state.page_entered_at, state.page_viewed_at) == (START + seconds(40),) * 2
    assert state.recent_dwells == [seconds(40)]


def test_the_section_chosen_on_a_page_is_kept_until_another(reading: Reading) -> None:
    chosen = [
        reading.do(kind, page, section=section).current_section_id
        for kind, page, section in (
            ("SECTION_VIEW", 3, "s"), ("PAGE_VIEW", 3, None), ("WORD_LOOKUP", 3, "t"), ("PAGE_VIEW", 4, None),
        )
    ]  # fmt: skip

    assert chosen == ["s", "s", "t", None]


def test_the_same_page_number_of_another_book_is_another_page(reading: Reading) -> None:
    reading.do("PAGE_VIEW", 3, after=0)
    reading.do("WORD_LOOKUP", 3, after=0)
    state = reading.do("PAGE_VIEW", 3, book="other")

    assert reading.left[-1] == PageLeft("book", 3, seconds(10))
    assert (state.book_id, state.current_page, state.previous_page) == ("other", 3, None)
    assert (state.page_lookups, state.page_entered_at) == (0, START + seconds(10))


def test_going_back_and_forth_is_counted_until_a_third_page(reading: Reading) -> None:
    returns = [reading.do("PAGE_VIEW", page).page_returns for page in (1, 2, 1, 1, 2, 3, 2, 1, 2)]

    assert returns == [0, 0, 1, 1, 2, 0, 1, 0, 1]
    assert reading.state.previous_page == 1


def test_between_two_books_there_is_no_going_back_and_forth(reading: Reading) -> None:
    for book, page in (("book", 1), ("book", 2), ("other", 1), ("book", 2), ("other", 1)):
        state = reading.do("PAGE_VIEW", page, book=book)

    assert (state.page_returns, state.previous_page) == (0, None)


def test_signing_out_leaves_the_page_once_and_coming_back_enters_it_anew(reading: Reading) -> None:
    reading.do("PAGE_VIEW", 3, after=0)
    state = reading.do("LOGOUT")
    assert (state.current_page, state.page_entered_at) == (3, None)
    reading.do("LOGOUT")
    state = reading.do("PAGE_VIEW", 3)
    assert (state.page_entered_at, state.previous_page) == (START + seconds(30), None)
    state = reading.do("PAGE_VIEW", 4)

    assert reading.left == [
        None,
        PageLeft("book", 3, seconds(10)),
        None,
        None,
        PageLeft("book", 3, seconds(10)),
    ]
    assert state.recent_dwells == [seconds(10), seconds(10)]


def test_signing_out_without_having_read_leaves_nothing(reading: Reading) -> None:
    state = reading.do("LOGOUT")

    assert reading.left == [None]
    assert (state.last_activity_type, state.recent_dwells) == ("LOGOUT", [])


@pytest.mark.parametrize(
    ("away", "entered"), [(minutes(10), START), (minutes(10) + 1, START + minutes(1) + minutes(10) + 1)]
)
def test_who_does_nothing_for_more_than_ten_minutes_begins_a_new_stay(
    reading: Reading, away: int, entered: int
) -> None:
    reading.do("PAGE_VIEW", 3, after=0)
    reading.do("WORD_LOOKUP", 3, after=minutes(1))
    state = reading.do("WORD_LOOKUP", 3, after=away)

    assert state.page_entered_at == entered
    assert reading.left == [None] * 3


@pytest.mark.parametrize(
    ("stay", "dwell", "recent"),
    [(minutes(10), minutes(10), [minutes(10)]), (minutes(10) + 1, minutes(10), [])],
)
def test_a_page_left_after_very_long_counts_ten_minutes_and_tells_no_pace(
    reading: Reading, stay: int, dwell: int, recent: list[int]
) -> None:
    reading.do("PAGE_VIEW", 3)
    state = reading.do("PAGE_VIEW", 4, after=stay)

    assert reading.left[-1] == PageLeft("book", 3, dwell)
    assert state.recent_dwells == recent


def test_the_pace_is_that_of_the_newest_pages(reading: Reading) -> None:
    for page in range(KEEP_DWELLS + 3):
        state = reading.do("PAGE_VIEW", 1 + page, after=seconds(page))

    assert KEEP_DWELLS == 20
    assert state.recent_dwells == [seconds(n) for n in range(3, 23)]


@pytest.mark.parametrize("before", [0, seconds(10)])
def test_a_page_only_looked_at_through_its_words_was_not_read(reading: Reading, before: int) -> None:
    reading.do("PAGE_VIEW", 3)
    reading.do("WORD_LOOKUP", 4, after=before)
    state = reading.do("PAGE_VIEW", 5, after=seconds(7))

    assert reading.left == [None, PageLeft("book", 3, before), None]
    assert state.recent_dwells == [before, seconds(7)]


def test_a_page_looked_something_up_on_before_it_was_in_view_is_read(reading: Reading) -> None:
    reading.do("WORD_LOOKUP", 3)
    reading.do("PAGE_VIEW", 3)
    reading.do("PAGE_VIEW", 4)

    assert reading.left == [None, None, PageLeft("book", 3, seconds(20))]
