"""Markdown, as the shipped book uses it."""

import pytest

from alice.library.formats.markdown import read
from alice.library.manuscript import BadBook, Break, Heading, Paragraph, Verse
from alice.library.text import Run, plain


def lines(poem: object) -> list[list[str]]:
    assert isinstance(poem, Verse)
    return [[plain(line) for line in stanza] for stanza in poem.stanzas]


def test_front_matter_gives_the_facts() -> None:
    draft = read('---\ntitle: Alice: a tale\nAuthor: "Lewis Carroll"\n\nyear: 1865\n---\nText.')

    assert draft.facts == {"title": "Alice: a tale", "author": "Lewis Carroll", "year": "1865"}
    assert draft.flow == [Paragraph((Run("Text."),))]


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ('"Alice"', "Alice"), ("'Alice'", "Alice"), ('"Alice\'', '"Alice\''), ('"', '"'), ('""', ""),
        ("", ""), ("xAlicex", "xAlicex"), ("  a: b  ", "a: b"),
    ],
)  # fmt: skip
def test_a_fact_may_stand_in_quotes(given: str, value: str) -> None:
    assert read(f"---\ntitle: {given}\n---\nText.").facts == {"title": value}


def test_front_matter_ends_at_its_first_closing_line() -> None:
    draft = read("--- \ntitle: A Book\n---  \nOne.\n\n---\nTwo.")

    assert draft.facts == {"title": "A Book"}
    assert draft.flow == [Paragraph((Run("One."),)), Break(), Paragraph((Run("Two."),))]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("---\ntitle: A Book\n\nText.", "its front matter has no closing --- line"),
        ("---\ntitle: A Book\nnonsense\n---\nText.", "line 3 of its front matter is not `key: value`"),
    ],
)
def test_broken_front_matter_is_named(source: str, message: str) -> None:
    with pytest.raises(BadBook, match=message):
        read(source)


def test_headings_paragraphs_and_breaks_come_in_order() -> None:
    draft = read("# One *more*\n\nFirst\nparagraph.\n\n***\n\n## Two\n\nSecond.")

    assert draft.flow == [
        Heading(1, "One more"), Paragraph((Run("First paragraph."),)), Break(), Heading(2, "Two"),
        Paragraph((Run("Second."),)),
    ]  # fmt: skip


def test_emphasis_is_kept_over_the_end_of_a_line() -> None:
    draft = read("It *took\na watch* out, **really** *__so__*.")

    assert draft.flow == [
        Paragraph(
            (
                Run("It "),
                Run("took a watch", em=True),
                Run(" out, "),
                Run("really", strong=True),
                Run(" "),
                Run("so", em=True, strong=True),
                Run("."),
            )
        )
    ]


def test_emphasis_within_emphasis_is_emphasis() -> None:
    (paragraph,) = read("*so _very_ odd* and **b __c__ d** e").flow

    assert paragraph.text == (
        Run("so very odd", em=True),
        Run(" and "),
        Run("b c d", strong=True),
        Run(" e"),
    )


def test_a_heading_has_its_level_and_says_its_words_plainly() -> None:
    assert read("### A *third*  level\n\n###### Six").flow == [Heading(3, "A third level"), Heading(6, "Six")]


def test_a_tab_in_verse_is_four_spaces() -> None:
    (poem,) = read("```verse\n\tHow doth\n    Improve\n      And\n```").flow

    assert lines(poem) == [["How doth", "Improve", "  And"]]


def test_an_indented_block_is_verse() -> None:
    (poem,) = read("    How doth\n      Improve").flow

    assert lines(poem) == [["How doth", "  Improve"]]


def test_a_block_fenced_as_verse_keeps_lines_stanzas_and_leading_spaces() -> None:
    (poem,) = read("```verse\nHow doth\n  Improve *his* tail\n\n\n    And pour\n```").flow

    assert lines(poem) == [["How doth", "  Improve his tail"], ["    And pour"]]
    assert poem.stanzas[0][1] == (Run("  Improve "), Run("his", em=True), Run(" tail"))


def test_text_in_a_fence_without_emphasis_is_literal() -> None:
    (poem,) = read("```verse\n# no heading\n- no list\n1 < 2 & 3 * 4\n```").flow

    assert lines(poem) == [["# no heading", "- no list", "1 < 2 & 3 * 4"]]


@pytest.mark.parametrize("source", ["One\\\ntwo", "One  \ntwo", "> One\\\n> two"])
def test_lines_broken_by_hand_are_verse(source: str) -> None:
    (poem,) = read(source).flow

    assert lines(poem) == [["One", "two"]]


def test_quotes_and_lists_are_paragraphs() -> None:
    draft = read("> quoted\n\n- one\n- two\n  still two")

    assert [plain(block.text) for block in draft.flow] == ["quoted", "one", "two still two"]


def test_links_and_pictures_leave_their_words() -> None:
    (paragraph,) = read("A [link](https://example.com) and ![a *cat*](cat.png) and `code`.").flow

    assert plain(paragraph.text) == "A link and a cat and code."


@pytest.mark.parametrize(
    "source", ["<script>alert(1)</script>", "a <b onclick='x'>b</b>", "## <script>x</script>"]
)
def test_html_is_text_like_any_other(source: str) -> None:
    (block,) = read(source).flow

    text = block.title if isinstance(block, Heading) else plain(block.text)
    assert text == source.removeprefix("## ")


def test_an_empty_fence_is_nothing() -> None:
    assert read("```verse\n\n```").flow == []
