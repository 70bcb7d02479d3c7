"""Paging: no text is lost, no sentence or line is cut, and sizes are near the wanted ones."""

from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alice.library import paging
from alice.library.manuscript import Block, Break, Manuscript, Paragraph, Verse, words
from alice.library.paging import CutPage, CutSection
from alice.library.text import Run, plain
from tests.library.making import manuscript, paragraph

# Books are drawn as numbers, which is quick, and written out in numbered words, so that order shows.
SENTENCES = st.lists(st.integers(1, 40), min_size=1, max_size=8)
STANZA = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 9)), min_size=1, max_size=9)
POEM = st.lists(STANZA, min_size=1, max_size=4)
BREAK = st.none()
CHAPTER = st.tuples(SENTENCES, st.lists(st.one_of(SENTENCES, POEM, BREAK), max_size=10))


@st.composite
def books(draw: st.DrawFn) -> Manuscript:
    number = count(1)

    def word(length: int) -> str:
        return " ".join(f"W{next(number)}" for _ in range(length))

    def block(shape: Any) -> Block:
        if shape is None:
            return Break()
        if isinstance(shape[0], int):
            return paragraph(" ".join(f"{word(length)}." for length in shape))
        return Verse(tuple(tuple((Run(" " * indent + word(n)),) for indent, n in stanza) for stanza in shape))

    chapters = draw(st.lists(CHAPTER, min_size=1, max_size=3))
    return manuscript(*([block(first), *map(block, rest)] for first, rest in chapters))


BOOK = books()


def sections(pages: Sequence[CutPage]) -> list[CutSection]:
    return [section for page in pages for section in page.sections]


def prose(*sentence_lengths: int) -> Paragraph:
    """A paragraph of sentences with so many words each."""
    return paragraph(" ".join("A" + " a" * (length - 1) + "." for length in sentence_lengths))


def sizes(pages: Sequence[CutPage]) -> list[int]:
    return [page.words for page in pages]


@given(BOOK, st.integers(20, 200), st.integers(5, 60))
def test_the_sections_hold_every_word_of_the_book_in_order(book: Manuscript, page: int, section: int) -> None:
    pages = paging.pages(book, page, section)

    written = [word for chapter in book.chapters for word in words(chapter.blocks)]
    assert [word for part in sections(pages) for word in part.content.split()] == written
    assert all(part.words == len(part.content.split()) > 0 for part in sections(pages))


@given(BOOK, st.integers(20, 200), st.integers(5, 60))
def test_lines_of_verse_are_never_cut_and_keep_their_spaces(
    book: Manuscript, page: int, section: int
) -> None:
    pages = paging.pages(book, page, section)

    poems = [block for chapter in book.chapters for block in chapter.blocks if isinstance(block, Verse)]
    written = [plain(line) for poem in poems for stanza in poem.stanzas for line in stanza]
    cut = [line for part in sections(pages) for line in part.content.split("\n") if line]
    lines = iter(cut)
    assert all(line in lines for line in written)


@given(BOOK)
@settings(max_examples=30)
def test_a_page_belongs_to_one_chapter(book: Manuscript) -> None:
    pages = paging.pages(book)

    for chapter in book.chapters:
        mine = [page for page in pages if page.chapter == chapter.number]
        assert sum(sizes(mine)) == len(list(words(chapter.blocks)))
    assert [page.chapter for page in pages] == sorted(page.chapter for page in pages)


@given(st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=6), min_size=1, max_size=60))
def test_pages_and_sections_of_ordinary_prose_are_of_about_the_wanted_size(lengths: list[list[int]]) -> None:
    pages = paging.pages(manuscript([prose(*sentences) for sentences in lengths]))

    assert all(size <= 2 * paging.WORDS_PER_PAGE for size in sizes(pages))
    assert all(size >= paging.WORDS_PER_PAGE / 2 for size in sizes(pages)) or len(pages) <= 2
    assert all(part.words <= 2 * paging.WORDS_PER_SECTION for part in sections(pages))


@given(BOOK)
@settings(max_examples=30)
def test_the_same_book_is_always_cut_alike(book: Manuscript) -> None:
    assert paging.pages(book) == paging.pages(book)


def test_a_page_ends_with_a_paragraph_when_one_ends_nearby() -> None:
    pages = paging.pages(
        manuscript([prose(20, 20, 20, 20, 20), prose(10, 10, 40, 20, 20), prose(50, 50)]), 100
    )

    assert sizes(pages) == [100, 100, 100]


def song(*lines: int) -> Verse:
    """Verse of stanzas with so many lines of ten words each."""
    line = (Run(" ".join(["la"] * 10)),)
    return Verse(tuple((line,) * length for length in lines))


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        # 10 % off are worth a paragraph, 15 % are not quite; 40 % are worth a stanza, 50 % are not quite.
        ([prose(*[5] * 22), prose(*[5] * 18)], [110, 90]),
        ([prose(*[5] * 23), prose(*[5] * 17)], [100, 100]),
        ([song(14, 8)], [140, 80]),
        ([song(15, 7)], [110, 110]),
        ([prose(90), Paragraph(prose(10).text, keep_with_next=True), prose(100)], [90, 110]),
    ],
)
def test_a_page_may_be_longer_or_shorter_to_end_well(blocks: list[Block], expected: list[int]) -> None:
    assert sizes(paging.pages(manuscript(blocks), 100)) == expected


def test_a_few_words_at_the_end_of_a_chapter_get_no_page_of_their_own() -> None:
    pages = paging.pages(manuscript([prose(*[10] * 19), prose(3)]))

    assert sizes(pages) == [193]


def test_two_pages_share_what_is_too_much_for_one() -> None:
    pages = paging.pages(manuscript([prose(*[10] * 29)]))

    assert sorted(sizes(pages)) == [140, 150]


def test_a_sentence_longer_than_a_page_stays_whole() -> None:
    pages = paging.pages(manuscript([prose(10, 700, 10)]))

    assert 700 in [part.words for part in sections(pages)]


def test_a_poem_is_cut_between_stanzas_when_one_ends_nearby() -> None:
    line = (Run("the lines of a song have six words"),)
    poem = Verse(tuple((line,) * 4 for _ in range(4)))

    pages = paging.pages(manuscript([poem]), words_per_page=60, words_per_section=30)

    assert all(part.content.count("\n") == 3 for part in sections(pages))


def test_a_heading_within_a_chapter_stays_with_its_text() -> None:
    heading = Paragraph((Run("A Heading", strong=True),), keep_with_next=True)

    pages = paging.pages(manuscript([prose(*[10] * 19), heading, prose(*[10] * 18)]))

    assert [part for part in sections(pages) if part.content.endswith("A Heading")] == []


@pytest.mark.parametrize("where", [0, 1, 2])
def test_a_break_stays_next_to_its_text(where: int) -> None:
    blocks: list[Block] = [prose(10), prose(10)]
    blocks.insert(where, Break())

    (page,) = paging.pages(manuscript(blocks))

    assert [part.html.count("<hr>") for part in page.sections] == [1]
    assert "<hr>" not in page.sections[0].content


def test_each_chapter_is_told_as_it_is_done() -> None:
    calls: list[int] = []

    paging.pages(manuscript([prose(5)], [prose(5)]), on_chapter=lambda: calls.append(1))

    assert len(calls) == 2
