"""A section as text and as HTML, with no tags but our own."""

import re

from hypothesis import given
from hypothesis import strategies as st

from alice.library import paging
from alice.library.manuscript import Block, Break, Paragraph, Verse
from alice.library.paging import CutSection
from alice.library.text import Run
from tests.library.making import manuscript, paragraph

OURS = re.compile(r'</?(?:p|em|strong|span|hr)(?: class="(?:verse|continued|verse continued|line)")?>')


def sections(*blocks: Block, words: int = 45) -> list[CutSection]:
    return [part for page in paging.pages(manuscript(list(blocks)), 500, words) for part in page.sections]


def test_a_paragraph_keeps_its_emphasis_in_html_and_loses_it_in_the_content() -> None:
    text = (Run("So "), Run("very", em=True), Run(" "), Run("odd", em=True, strong=True), Run("."))

    (section,) = sections(Paragraph(text))

    assert section.content == "So very odd."
    assert section.html == "<p>So <em>very</em> <strong><em>odd</em></strong>.</p>"


def test_verse_has_a_line_each_with_its_leading_spaces() -> None:
    poem = Verse((((Run("How doth"),), (Run("  Improve"),)), ((Run("And pour"),),)))

    (section,) = sections(poem)

    assert section.content == "How doth\n  Improve\n\nAnd pour"
    assert section.html == (
        '<p class="verse"><span class="line">How doth\n</span><span class="line">  Improve\n</span></p>'
        '<p class="verse"><span class="line">And pour\n</span></p>'
    )


def test_what_began_in_the_section_before_says_so() -> None:
    poem = Verse((((Run("one two three"),), (Run("four five six"),)),))

    parts = sections(paragraph("One two three. Four five six."), poem, words=3)

    assert [part.html[: part.html.index(">") + 1] for part in parts] == [
        "<p>",
        '<p class="continued">',
        '<p class="verse">',
        '<p class="verse continued">',
    ]


def test_a_break_is_a_rule() -> None:
    (section,) = sections(paragraph("Before."), Break(), paragraph("After."))

    assert section.html == "<p>Before.</p><hr><p>After.</p>"
    assert section.content == "Before.\n\nAfter."


@given(st.text(min_size=1), st.booleans())
def test_hostile_text_is_escaped(text: str, em: bool) -> None:
    for section in sections(
        paragraph(f"<script>{text}</script>x", em=em), Verse((((Run(f"<b>{text}&"),),),))
    ):
        assert "<" not in OURS.sub("", section.html)
        assert '"' not in OURS.sub("", section.html)
