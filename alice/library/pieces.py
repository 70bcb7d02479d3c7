"""Pieces: the units that are never cut, which are sentences of prose and lines of verse."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from alice.library.manuscript import Block, Break, Paragraph, Verse
from alice.library.sentences import sentences
from alice.library.text import Text, cut, plain


class End(IntEnum):
    """What a piece ends with, from the best to the worst place to end a page."""

    PARAGRAPH = 0  # or a stanza
    SENTENCE = 1
    LINE = 2
    HEADING = 3


@dataclass(slots=True)
class Piece:
    text: Text
    words: int
    is_verse: bool
    starts: bool  # whether it is the first of a paragraph or a stanza
    end: End
    break_before: bool = False
    break_after: bool = False


def pieces(blocks: Sequence[Block]) -> list[Piece]:
    found: list[Piece] = []
    break_before = False
    for block in blocks:
        match block:
            case Break() if found:
                found[-1].break_after = True
            case Break():
                break_before = True
            case Paragraph():
                found += _sentences(block)
            case Verse():
                found += _lines(block)
    if found:
        found[0].break_before = break_before
    return found


def _sentences(paragraph: Paragraph) -> Iterator[Piece]:
    letters = plain(paragraph.text)
    for start, end in sentences(letters):
        is_last = end == len(letters)
        ending = (End.HEADING if paragraph.keep_with_next else End.PARAGRAPH) if is_last else End.SENTENCE
        words = len(letters[start:end].split())
        yield Piece(cut(paragraph.text, start, end), words, is_verse=False, starts=start == 0, end=ending)


def _lines(verse: Verse) -> Iterator[Piece]:
    for stanza in verse.stanzas:
        for at, line in enumerate(stanza):
            ending = End.PARAGRAPH if at == len(stanza) - 1 else End.LINE
            yield Piece(line, len(plain(line).split()), is_verse=True, starts=at == 0, end=ending)
