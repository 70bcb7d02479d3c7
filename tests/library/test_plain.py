"""Plain text, as people and text libraries write it."""

import pytest

from alice.library.formats.plain import read
from alice.library.manuscript import Break, Heading, Paragraph, Verse
from alice.library.text import Run, plain


@pytest.mark.parametrize(
    ("lines", "title"),
    [
        ("CHAPTER I.", "CHAPTER I."),
        ("Chapter 1", "Chapter 1"),
        ("CHAPTER I.\nDown the Rabbit-Hole", "CHAPTER I. Down the Rabbit-Hole"),
        ("Chapter One: In Which", "Chapter One: In Which"),
        ("chapter ii — The Pool", "chapter ii — The Pool"),
        ("CHAPTER I.\nDown the\nRabbit-Hole", "CHAPTER I. Down the Rabbit-Hole"),
    ],
)
def test_a_chapter_line_starts_a_chapter(lines: str, title: str) -> None:
    assert read(f"{lines}\n\nText.").flow == [Heading(2, title), Paragraph((Run("Text."),))]


@pytest.mark.parametrize(
    "text", ["Chapter one was long and dull.", "In Chapter 1 she fell.", "Chapter I.\na\nb\nc"]
)
def test_a_paragraph_about_a_chapter_is_a_paragraph(text: str) -> None:
    assert isinstance(read(text).flow[0], Paragraph)


def test_lines_flow_together_and_empty_lines_part_paragraphs() -> None:
    draft = read("One\ntwo.\n \n\t\n\nThree.\n")

    assert [plain(block.text) for block in draft.flow] == ["One two.", "Three."]


def test_paragraphs_of_indented_lines_keep_their_lines() -> None:
    (before, poem, after) = read("He sang:\n\n    How doth\n      Improve\n\n    And pour\n\nSo he did.").flow

    assert isinstance(before, Paragraph)
    assert isinstance(after, Paragraph)
    assert isinstance(poem, Verse)
    assert [[plain(line) for line in stanza] for stanza in poem.stanzas] == [
        ["How doth", "  Improve"],
        ["And pour"],
    ]


@pytest.mark.parametrize(
    ("source", "kind"),
    [("   Three spaces.", Paragraph), ("    Four spaces.", Verse), ("    Four\nand none.", Paragraph)],
)
def test_verse_is_indented_by_four_spaces_in_every_line(source: str, kind: type) -> None:
    assert [type(block) for block in read(source).flow] == [kind]


def test_a_tab_in_verse_is_eight_spaces() -> None:
    (poem,) = read("He sang:\n\n\tHow doth\n        Improve\n          And").flow[1:]

    assert [plain(line) for line in poem.stanzas[0]] == ["How doth", "Improve", "  And"]


@pytest.mark.parametrize(
    "source",
    [
        "One.\n\n*** START OF THE BOOK ***\n\nTwo.",
        "One.\n\n*** START OF THIS BOOK ***\n\nTwo.\n\n*** END OF THE BOOK ***\n\n*** END OF THE BOOK ***",
    ],
)
def test_marks_that_do_not_enclose_a_book_leave_nothing_out(source: str) -> None:
    paragraphs = [plain(block.text) for block in read(source).flow if isinstance(block, Paragraph)]

    assert paragraphs[0] == "One."
    assert "Two." in paragraphs


def test_underscores_are_italics() -> None:
    (paragraph,) = read("So _very_ odd, snake_case_name and _.").flow

    assert paragraph.text == (Run("So "), Run("very", em=True), Run(" odd, snake_case_name and _."))


@pytest.mark.parametrize("line", ["***", "* * *", "     *      *      *", "-----"])
def test_a_row_of_asterisks_is_a_break(line: str) -> None:
    assert read(f"One.\n\n{line}\n\nTwo.").flow[1] == Break()


def test_what_a_text_library_puts_around_a_book_is_left_out() -> None:
    source = (
        "Some licence.\n*** START OF THE PROJECT GUTENBERG EBOOK ALICE ***\n\nThe text.\n\n"
        "*** END OF THE PROJECT GUTENBERG EBOOK ALICE ***\nMore licence."
    )

    assert read(source).flow == [Paragraph((Run("The text."),))]


def test_a_list_of_chapters_is_no_text() -> None:
    draft = read("Contents\n\n CHAPTER I.     Down\n CHAPTER II.    The Pool\n\nCHAPTER I.\nDown\n\nText.")

    assert [type(block) for block in draft.flow] == [Heading, Paragraph]


def test_html_is_text_like_any_other() -> None:
    (paragraph,) = read("<script>alert(1)</script>").flow

    assert plain(paragraph.text) == "<script>alert(1)</script>"


def test_a_text_of_nothing_but_empty_lines_takes_no_time() -> None:
    assert read("\n \n" * 200_000).flow == []
