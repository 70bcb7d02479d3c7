"""Plain text: empty lines between paragraphs, `CHAPTER I.` starts a chapter, indented lines are verse."""

import re
import textwrap
from collections.abc import Iterator
from itertools import groupby

from alice.library.formats.front_matter import facts_and_body
from alice.library.manuscript import Block, Break, Draft, Heading, Paragraph, verse
from alice.library.text import Run, Text, flowing, indented

VERSE_INDENT = 4
LONGEST_HEADING = 3  # lines

_CHAPTER = re.compile(r"chapter\s+(?:[ivxlcdm]+|\d+|[a-z-]+)\s*(?:[.:—–-].*)?", re.IGNORECASE)
_BREAK = re.compile(r"\s*(?:[*_#~-]\s*){3,}")
_ITALICS = re.compile(r"(?<!\w)_(?=\S)([^_]+)(?<=\S)_(?!\w)")
_EDGES = re.compile(r"^\*\*\* ?(?:START|END) OF (?:THE|THIS) .*$", re.MULTILINE)


def read(source: str) -> Draft:
    """The draft of a plain text; raises BadBook if its front matter is broken."""
    facts, body = facts_and_body(source)
    return Draft(facts, list(_flow(_without_edges(body))))


def _without_edges(body: str) -> str:
    """The text between the START and END lines of a text library; all of it if there are no such lines."""
    parts = _EDGES.split(body)
    return parts[1] if len(parts) == 3 else body


def _flow(body: str) -> Iterator[Block | Heading]:
    for is_verse, group in groupby(_paragraphs(body), key=_is_verse):
        if is_verse:
            lines = "\n\n".join(group)
            poem = verse(_line(line) for line in textwrap.dedent(lines).split("\n"))
            if poem:
                yield poem
        else:
            for paragraph in group:
                yield from _prose(paragraph)


def _paragraphs(body: str) -> list[str]:
    paragraphs = re.split(r"\n[^\S\n]*(?:\n[^\S\n]*)*\n", body.expandtabs(8))
    return [paragraph.strip("\n") for paragraph in paragraphs if paragraph.strip()]


def _is_verse(paragraph: str) -> bool:
    if _BREAK.fullmatch(paragraph):
        return False
    return all(line.startswith(" " * VERSE_INDENT) for line in paragraph.split("\n"))


def _prose(paragraph: str) -> Iterator[Block | Heading]:
    lines = [line.strip() for line in paragraph.split("\n")]
    if _BREAK.fullmatch(paragraph):
        yield Break()
    elif _lists_chapters(lines):
        return
    elif _CHAPTER.fullmatch(lines[0]) and len(lines) <= LONGEST_HEADING:
        yield Heading(2, " ".join(lines))
    elif text := flowing(_runs(paragraph)):
        yield Paragraph(text)


def _lists_chapters(lines: list[str]) -> bool:
    return lines[0].lower() == "contents" or (len(lines) > 1 and all(map(_CHAPTER.match, lines)))


def _line(line: str) -> Text:
    return indented(_runs(line))


def _runs(text: str) -> Iterator[Run]:
    """The runs of a plain text, in which `_so_` means italics."""
    for at, part in enumerate(_ITALICS.split(text)):
        yield Run(part, em=at % 2 == 1)
