"""Finding the title, the id and the chapters of a text."""

import pytest

from alice.library.manuscript import BadBook, Block, Draft, Heading, Manuscript, Verse, compose
from alice.library.text import Run, clean
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


def test_given_facts_override_those_of_the_file() -> None:
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


def test_titles_and_ids_may_be_as_long_as_they_are_said_to_be() -> None:
    book = composed(TEXT, title="x" * 300, id="y" * 64)

    assert (book.title, book.id) == ("x" * 300, "y" * 64)


@pytest.mark.parametrize(
    ("headings", "title", "chapters"),
    [
        ([1, 2], "1 of 2", ["2 of 2"]),
        ([1, 1], "", ["1 of 2", "2 of 2"]),
        ([2, 2], "", ["1 of 2", "2 of 2"]),
        ([2, 1], "", ["1 of 2", "2 of 2"]),
        ([1, 2, 1], "", ["1 of 3", "2 of 3", "3 of 3"]),
        ([1, 3], "", ["1 of 2"]),
        ([1], "", ["1 of 1"]),
    ],
)
def test_only_a_first_heading_above_all_chapters_names_the_book(
    headings: list[int], title: str, chapters: list[str]
) -> None:
    flow: list[Block | Heading] = []
    for number, level in enumerate(headings, 1):
        flow += [Heading(level, f"{number} of {len(headings)}"), TEXT]
    draft = Draft({}, flow)

    if not title:
        with pytest.raises(BadBook, match="has no title"):
            compose(draft)
    book = compose(draft, title=title or "A Book")
    assert [chapter.title for chapter in book.chapters if chapter.number] == chapters


def test_headings_below_the_highest_are_no_chapters() -> None:
    flow = (Heading(4, "One"), TEXT, Heading(5, "Sub"), TEXT, Heading(4, "Two"), TEXT)

    assert outline(composed(*flow)) == [(1, "One"), (2, "Two")]


def test_a_heading_without_words_is_called_by_its_number() -> None:
    assert outline(composed(TEXT, Heading(2, " "), TEXT, Heading(2, ""), TEXT)) == [
        (0, "A Book"), (1, "Chapter 1"), (2, "Chapter 2"),
    ]  # fmt: skip


@pytest.mark.parametrize(("length", "is_chapter"), [(300, True), (301, False)])
def test_a_heading_too_long_for_a_title_is_a_strong_paragraph(length: int, is_chapter: bool) -> None:
    book = composed(Heading(2, "One"), TEXT, Heading(2, "x" * length), TEXT)

    assert len(book.chapters) == 1 + is_chapter
    assert book.chapters[-1].blocks[-1] == TEXT


@pytest.mark.parametrize("heading", ["Contents", "CONTENTS.", "Table of  Contents:"])
def test_a_table_of_contents_is_no_chapter(heading: str) -> None:
    assert outline(composed(Heading(2, heading), TEXT, Heading(2, "One"), TEXT)) == [(1, "One")]


def test_the_facts_are_tidied() -> None:
    book = composed(TEXT, title=" A\n Book ", author=" B  C ", description=" d\te ", language=" de ")

    assert (book.title, book.author, book.description, book.language) == ("A Book", "B C", "d e", "de")


def test_a_book_of_verse_alone_is_a_book() -> None:
    assert outline(composed(Verse((((Run("How doth"),),),)))) == [(1, "A Book")]


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
def test_a_missing_or_unfit_fact_is_named(flow: list, facts: dict[str, str], message: str) -> None:
    with pytest.raises(BadBook, match=message):
        composed(*flow, **facts)


def test_text_is_cleaned_of_what_no_reader_sees() -> None:
    assert clean("a\r\nb\rc\x07\u00ad\x0c\u200bd e\u0301") == "a\nb\ncd é"
