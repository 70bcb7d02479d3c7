"""Where readers left their books: the page of the newest view, in whatever order views arrive."""

import pytest

from alice.clock import minutes, rfc3339
from tests.activity.making import grant, section_of, view
from tests.cast import BOOK, LOCKED_BOOK, Cast
from tests.conftest import Rows

Places = list[tuple[str, int, str | None, int]]


def track(cast: Cast, *activities: dict) -> None:
    answer = cast.reader.client.post("/api/activity/track", json={"activities": [*activities]})
    assert answer.status_code == 201, answer.text


def places(db: Rows) -> Places:
    return db.query(
        "SELECT book_id, last_page, section_id, last_read_at FROM reading_progress ORDER BY book_id"
    )


def at(time: int) -> dict[str, str]:
    return {"occurred_at": rfc3339(time)}


@pytest.mark.parametrize("order", [(3, 2, 1), (1, 3, 2), (1, 2, 3)])
def test_of_several_views_the_newest_is_the_place(
    cast: Cast, db: Rows, frozen_clock: int, order: tuple[int, ...]
) -> None:
    """A client that was offline sends the views it kept, in any order."""
    track(cast, *(view(page, **at(frozen_clock - minutes(10 - page))) for page in order))

    assert places(db) == [(BOOK, 3, None, frozen_clock - minutes(7))]


def test_of_views_in_the_same_millisecond_the_last_is_the_place(
    cast: Cast, db: Rows, frozen_clock: int
) -> None:
    track(cast, view(3), view(4))
    assert places(db) == [(BOOK, 4, None, frozen_clock)]

    track(cast, view(2))
    assert places(db) == [(BOOK, 2, None, frozen_clock)]


def test_each_book_has_its_own_place(cast: Cast, db: Rows, frozen_clock: int) -> None:
    grant(db, cast.reader, LOCKED_BOOK)
    track(cast, view(3), view(2, book_id=LOCKED_BOOK), view(4, **at(frozen_clock - 1)))

    assert places(db) == [(LOCKED_BOOK, 2, None, frozen_clock), (BOOK, 3, None, frozen_clock)]


def test_a_view_that_comes_late_moves_no_place(cast: Cast, db: Rows, frozen_clock: int) -> None:
    section = section_of(db, 3)
    track(cast, view(3, activity_type="SECTION_VIEW", section_id=section))
    track(cast, view(2, **at(frozen_clock - 1)))

    assert places(db) == [(BOOK, 3, section, frozen_clock)]


@pytest.mark.parametrize("kind", ["WORD_LOOKUP", "AI_INTERACTION", "HELP_REQUEST", "FEEDBACK"])
def test_only_views_move_the_place(cast: Cast, db: Rows, frozen_clock: int, kind: str) -> None:
    track(cast, view(3), view(4, activity_type=kind), {"activity_type": kind})

    assert places(db) == [(BOOK, 3, None, frozen_clock)]


def test_a_section_stays_chosen_on_its_page_alone(cast: Cast, db: Rows, frozen_clock: int) -> None:
    first, second = section_of(db, 3, 1), section_of(db, 3, 2)

    def chosen(activity: dict) -> tuple[int, str | None]:
        track(cast, activity)
        ((_, page, section, _),) = places(db)
        return page, section

    assert chosen(view(3, activity_type="SECTION_VIEW", section_id=first)) == (3, first)
    assert chosen(view(3)) == (3, first)
    assert chosen(view(3, activity_type="SECTION_VIEW", section_id=second)) == (3, second)
    assert chosen(view(4)) == (4, None)
    assert chosen(view(3)) == (3, None)
