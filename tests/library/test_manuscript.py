"""Finding the title, the id and the chapters of a text."""

import pytest

from alice.library.manuscript import BadBook, Draft, Heading, Manuscript, compose
from alice.library.text import clean
from tests.library.making import paragraph

TEXT = paragraph("Some text.")


def composed(*flow: object, **facts: str) -> Manuscript:
    return compose(Draft({"title": "A Book"} | facts, list(flow)))


def outline(book: Manuscript) -> list[tuple[int, str]]:
    return [(chapter.number, chapter.title) for chapter in book.chapters]


def test_headings_of_the_first_two_levels_start_chapters() -> None:
    book = composed(Heading(1, "One"), TEXT, Heading(2, "Two"), TEXT, Heading(1, "Three"), TEXT)

    assert outline(book) == [(1, "One"), (2, "Two"), (3, "Three")]


@pytest.mark.parametrize(
    ("heading", "title"),
    [
        ("Chapter I: Down the Rabbit-Hole", "Down the Rabbit-Hole"),
        ("CHAPTER XII. Alice’s Evidence", "Alice’s Evidence"),
        ("Chapter 3 — The Pool", "The Pool"),
        ("Chapter One. In Which", "In Which"),
        ("CHAPTER I.", "CHAPTER I"),
        ("Chapters of Accidents", "Chapters of Accidents"),
        ("Chapter and Verse", "Chapter and Verse"),
        ("The  last\none", "The last one"),
    ],
)
def test_a_chapter_is_called_without_its_number(heading: str, title: str) -> None:
    assert outline(composed(Heading(2, heading), TEXT)) == [(1, title)]


def test_a_single_first_heading_above_others_names_the_book() -> None:
    book = compose(Draft({}, [Heading(1, "A Tale"), Heading(2, "One"), TEXT, Heading(2, "Two"), TEXT]))

    assert book.title == "A Tale"
    assert book.id == "a-tale"
    assert outline(book) == [(1, "One"), (2, "Two")]


def test_a_heading_that_repeats_the_title_is_no_chapter() -> None:
    book = composed(Heading(1, "A BOOK"), Heading(1, "One"), TEXT, Heading(1, "Two"), TEXT)

    assert outline(book) == [(1, "One"), (2, "Two")]


def test_text_before_the_first_chapter_is_number_nought() -> None:
    assert outline(composed(TEXT, Heading(2, "One"), TEXT)) == [(0, "A Book"), (1, "One")]


def test_a_text_without_headings_is_one_chapter() -> None:
    assert outline(composed(TEXT)) == [(1, "A Book")]


def test_where_there_are_only_lower_headings_they_start_chapters() -> None:
    assert outline(composed(Heading(3, "One"), TEXT, Heading(3, "Two"), TEXT)) == [(1, "One"), (2, "Two")]


def test_chapters_without_text_and_tables_of_contents_are_left_out() -> None:
    book = composed(
        Heading(2, "Contents"), TEXT, Heading(2, "Part One"), Heading(2, "One"), TEXT, Heading(2, "Empty")
    )

    assert outline(book) == [(1, "One")]


def test_a_lower_heading_is_a_strong_paragraph() -> None:
    (chapter,) = composed(Heading(2, "One"), Heading(3, "Sub"), TEXT).chapters

    assert chapter.blocks[0].text[0].strong
    assert chapter.blocks[0].keep_with_next


def test_what_is_given_wins_over_the_file() -> None:
    draft = Draft({"title": "A", "author": "B", "id": "c"}, [TEXT])

    book = compose(draft, title="D", author=None, id="e")

    assert (book.title, book.author, book.id, book.language) == ("D", "B", "e", "en")


@pytest.mark.parametrize(
    ("title", "book_id"),
    [
        ("Alice’s Adventures in Wonderland", "alices-adventures-in-wonderland"),
        ("Émile & Zoë -- 2", "emile-zoe-2"),
        ("long " * 30, "long-" * 12 + "long"),
    ],
)
def test_an_id_is_made_of_the_title(title: str, book_id: str) -> None:
    assert composed(TEXT, title=title).id == book_id


@pytest.mark.parametrize(
    ("flow", "facts", "message"),
    [
        ([], {}, "there is no text in it"),
        ([Heading(1, "One"), Heading(2, "Two")], {}, "there is no text in it"),
        ([Heading(2, "Contents"), TEXT], {}, "only a table of contents"),
        ([TEXT], {"title": " "}, "the book has no title: give one with --title"),
        ([TEXT], {"title": "x" * 301}, "the title is longer than 300"),
        ([TEXT], {"title": "不思議の国"}, "give one with --id"),
        ([TEXT], {"id": "../etc"}, "the id '../etc' does not fit"),
        ([TEXT], {"id": "x" * 65}, "does not fit"),
    ],
)
def test_what_is_missing_or_unfit_is_named(flow: list, facts: dict[str, str], message: str) -> None:
    with pytest.raises(BadBook, match=message):
        composed(*flow, **facts)


def test_text_is_cleaned_of_what_no_reader_sees() -> None:
    assert clean("a\r\nb\rc\x07\u00ad\x0c\u200bd e\u0301") == "a\nb\ncd é"
