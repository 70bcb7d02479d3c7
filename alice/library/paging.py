"""Cutting a manuscript into pages and pages into sections: at sentence ends, never inside a line of verse."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from alice.library import render
from alice.library.manuscript import Manuscript
from alice.library.pieces import End, Piece, pieces

WORDS_PER_PAGE = 190
WORDS_PER_SECTION = 45

# The cost of a cut by what it follows, as the square of an equally bad deviation from the wanted size: a page
# that ends within a paragraph is as bad as one that is 20 % too long or short (0.2² = 0.04), and one that
# ends within a stanza as bad as 45 %.
_COST = {End.PARAGRAPH: 0.0, End.SENTENCE: 0.04, End.LINE: 0.2, End.HEADING: 0.4}
# A page longer than this many times the wanted size is never better than two pages.
_LONGEST = 2


@dataclass(frozen=True, slots=True)
class CutSection:
    content: str
    html: str
    words: int


@dataclass(frozen=True, slots=True)
class CutPage:
    chapter: int
    sections: tuple[CutSection, ...]

    @property
    def words(self) -> int:
        return sum(section.words for section in self.sections)


def pages(
    manuscript: Manuscript,
    words_per_page: int = WORDS_PER_PAGE,
    words_per_section: int = WORDS_PER_SECTION,
    on_chapter: Callable[[], None] = lambda: None,
) -> list[CutPage]:
    """The pages of all chapters in order. The same manuscript always gives the same pages."""
    cut_pages = []
    for chapter in manuscript.chapters:
        for page in _parted(pieces(chapter.blocks), words_per_page):
            sections = map(_section, _parted(page, words_per_section))
            cut_pages.append(CutPage(chapter.number, tuple(sections)))
        on_chapter()
    return cut_pages


def _parted(pieces: Sequence[Piece], wanted: int) -> list[Sequence[Piece]]:
    """Split the pieces into parts of about `wanted` words, with the lowest total cost (dynamic programming).

    Minimising the total, instead of filling one part after the other, leaves no last part of a few words.
    """
    cheapest = [0.0]
    starts = [0]
    for end in range(1, len(pieces) + 1):
        cost, start = min(
            (cheapest[start] + ((words - wanted) / wanted) ** 2, start)
            for start, words in _parts_ending(pieces, end, wanted)
        )
        cheapest.append(cost + _COST[pieces[end - 1].end])
        starts.append(start)
    cuts = [len(pieces)]
    while cuts[-1]:
        cuts.append(starts[cuts[-1]])
    cuts.reverse()
    return [pieces[start:end] for start, end in pairwise(cuts)]


def _parts_ending(pieces: Sequence[Piece], end: int, wanted: int) -> Iterator[tuple[int, int]]:
    """(start, words) of the possible parts that end at `end`; at least the one of the last piece alone."""
    words = longest = 0
    for start in range(end - 1, -1, -1):
        words += pieces[start].words
        longest = max(longest, pieces[start].words)
        # The longest piece does not count: if it is too long itself, short neighbours may still join it.
        if start < end - 1 and words - longest > _LONGEST * wanted:
            return
        yield start, words


def _section(part: Sequence[Piece]) -> CutSection:
    return CutSection(render.content(part), render.html(part), sum(piece.words for piece in part))
