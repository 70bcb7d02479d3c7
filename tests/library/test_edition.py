"""Which ids stay when a text changes, and where its readers are then."""

import pytest

from alice.library.edition import Ids, Moves, keep_ids
from tests.library.making import edition

TEXTS = [f"Number {n} of text." for n in range(1, 7)]  # two on a page: 3 pages
ONE, TWO, THREE, FOUR, FIVE, SIX = TEXTS
IDS = Ids(["c1"], ["1", "2", "3", "4", "5", "6"])
OLD = edition(TEXTS)


def kept(*texts: str) -> list[str]:
    """The old ids of these texts; `-` for a new id."""
    new = keep_ids(OLD, IDS, edition(list(texts)))
    return [id if id in IDS.sections else "-" for id in new.sections]


def moved(page: int, section: str | None, *texts: str) -> tuple[int, str | None]:
    new = edition(list(texts))
    return Moves(OLD, IDS, new, keep_ids(OLD, IDS, new)).place(page, section)


def test_unchanged_text_keeps_its_ids() -> None:
    assert kept(*TEXTS) == IDS.sections


def test_new_text_gets_new_ids_and_moves_no_others() -> None:
    assert kept(ONE, "New and not old.", TWO, THREE, FOUR, FIVE, SIX) == ["1", "-", "2", "3", "4", "5", "6"]


def test_changed_text_is_new_text() -> None:
    assert kept(ONE, TWO, "Three was changed now.", FOUR, FIVE, SIX) == ["1", "2", "-", "4", "5", "6"]


def test_ids_keep_their_order() -> None:
    ids = kept(FOUR, FIVE, SIX, ONE)

    assert ids == ["4", "5", "6", "-"]


def test_a_chapter_keeps_its_id_when_another_comes_before_it() -> None:
    old = edition(TEXTS, TEXTS)
    new = edition(["Quite a new chapter."], TEXTS, TEXTS)
    titles = ["New", "Chapter 1", "Chapter 2"]
    new.chapters[:] = [row._replace(title=title) for row, title in zip(new.chapters, titles, strict=True)]
    ids = Ids(["c1", "c2"], [str(n) for n in range(12)])

    assert keep_ids(old, ids, new).chapters[1:] == ["c1", "c2"]


@pytest.mark.parametrize("section", ["3", None])
def test_a_place_follows_its_text(section: str | None) -> None:
    assert moved(2, section, THREE, FOUR, FIVE, SIX) == (1, section)
    assert moved(2, section, "A new one here.", "And another new one.", *TEXTS) == (3, section)


def test_a_place_whose_section_is_gone_goes_to_the_nearest_left_before_it() -> None:
    assert moved(2, "4", ONE, TWO, THREE, FIVE, SIX) == (2, "3")
    assert moved(2, "3", TWO, FOUR, FIVE, SIX) == (1, "2")


def test_a_place_at_the_start_goes_to_the_first_text_that_is_left() -> None:
    assert moved(1, "1", FIVE, SIX) == (1, "5")


def test_a_place_on_a_page_alone_goes_where_the_page_begins() -> None:
    assert moved(3, None, "A new one here.", *TEXTS) == (3, None)
    assert moved(3, None, ONE) == (1, None)


def test_a_section_of_no_use_is_forgotten() -> None:
    assert moved(2, "unknown", *TEXTS) == (2, None)


@pytest.mark.parametrize(("page", "expected"), [(1, 1), (2, 2), (3, 2), (99, 2)])
def test_without_any_text_left_a_place_stays_within_the_book(page: int, expected: int) -> None:
    assert moved(page, None, *(f"Quite another text {n}." for n in range(4))) == (expected, None)
