"""Manuscripts: books as chapters of paragraphs, verse and breaks, independent of the file format.

The formats turn a file into a `Draft`; `compose` finds its chapters and makes it a `Manuscript`.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from alice.library.text import Run, Text, flowing, indented, plain, tidy

LONGEST_ID = 64
LONGEST_TITLE = 300


class BadBook(Exception):
    """The file cannot be imported as a book. The message is one line for the person who imports it."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: Text
    keep_with_next: bool = False


@dataclass(frozen=True, slots=True)
class Verse:
    """Stanzas of lines, which are never cut; a line keeps its leading spaces."""

    stanzas: tuple[tuple[Text, ...], ...]


@dataclass(frozen=True, slots=True)
class Break:
    """A thematic break, such as a row of asterisks."""


Block = Paragraph | Verse | Break


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    title: str


@dataclass(frozen=True, slots=True)
class Chapter:
    """Numbered from 1 in order; 0 is the text before the first chapter."""

    number: int
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Manuscript:
    id: str
    title: str
    author: str
    description: str
    language: str
    chapters: tuple[Chapter, ...]


@dataclass(slots=True)
class Draft:
    """What a format found in a file: facts such as `title` and `author`, and the text in order."""

    facts: dict[str, str] = field(default_factory=dict)
    flow: list[Block | Heading] = field(default_factory=list)


def compose(draft: Draft, **given: str | None) -> Manuscript:
    """The draft as a manuscript. The `given` facts (id, title, author) override those in the file.

    Raises BadBook if there is no text, no title, or a title or id that cannot be used.
    """
    if not any(words(block for block in draft.flow if not isinstance(block, Heading))):
        raise BadBook("there is no text in it")
    facts = draft.facts | {name: value for name, value in given.items() if value is not None}
    title = tidy(facts.get("title", ""))
    heading, flow = _title_apart(draft.flow, title)
    title = title or heading
    if not title:
        raise BadBook("the book has no title: give one with --title")
    if len(title) > LONGEST_TITLE:
        raise BadBook(f"the title is longer than {LONGEST_TITLE} characters: give another with --title")
    chapters = tuple(_chapters(flow, title))
    if not chapters:
        raise BadBook("there is no text in it, only a table of contents")
    return Manuscript(
        id=_book_id(facts.get("id", ""), title),
        title=title,
        author=tidy(facts.get("author", "")),
        description=tidy(facts.get("description", "")),
        language=tidy(facts.get("language", "")) or "en",
        chapters=chapters,
    )


def words(blocks: Iterable[Block]) -> Iterator[str]:
    """Every word of the blocks in order; words are separated by white space."""
    for block in blocks:
        match block:
            case Paragraph(text):
                yield from plain(text).split()
            case Verse(stanzas):
                for stanza in stanzas:
                    for line in stanza:
                        yield from plain(line).split()


def slugify(title: str) -> str:
    """An id from the title: a-z, 0-9 and single dashes. Empty if the title has no Latin letter or digit."""
    letters = unicodedata.normalize("NFKD", title.lower()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", letters.replace("'", ""))[:LONGEST_ID].strip("-")


_NUMBERED = re.compile(r"chapter\s+(?:[ivxlcdm]+|\d+|[a-z-]+(?=\s*[.:—–]))(?!\w)[\s.:—–-]*", re.IGNORECASE)


def chapter_title(heading: str) -> str:
    """The heading without its number, such as `Chapter I: ` before a title; a bare `Chapter I` stays."""
    heading = tidy(heading)
    number = _NUMBERED.match(heading)
    return heading[number.end() :] or heading.rstrip(" .:—–-") if number else heading


class TextBuilder:
    """Collects marked text line by line while a format reads a file."""

    def __init__(self) -> None:
        self._lines: list[list[Run]] = [[]]

    def add(self, text: str, em: bool = False, strong: bool = False) -> None:
        self._lines[-1].append(Run(text, em, strong))

    def newline(self) -> None:
        self._lines.append([])

    def text(self) -> Text:
        """All lines as one."""
        return flowing(run for line in self._lines for run in (*line, Run(" ")))

    def block(self) -> Paragraph | Verse | None:
        """Verse if more than one line has text, else a paragraph; None if no line has text."""
        lines = [indented(line) for line in self._lines]
        if sum(map(bool, lines)) > 1:
            return verse(lines)
        text = self.text()
        return Paragraph(text) if text else None


def verse(lines: Iterable[Text]) -> Verse | None:
    """Lines as verse; empty lines separate stanzas. None if all lines are empty."""
    stanzas = tuple(tuple(group) for full, group in groupby(lines, key=bool) if full)
    return Verse(stanzas) if stanzas else None


def _title_apart(flow: list[Block | Heading], title: str) -> tuple[str, list[Block | Heading]]:
    """Remove the heading that is the book's title; return it ("" if there is none) and the other blocks.

    It is the first of at least two headings of levels 1 and 2, and either the only one of level 1 or equal to
    `title`, ignoring case.
    """
    headings = [block for block in flow if isinstance(block, Heading) and block.level <= 2]
    if len(headings) < 2:
        return "", flow
    first, *others = headings
    is_alone = first.level == 1 and all(heading.level == 2 for heading in others)
    if is_alone or tidy(first.title).casefold() == title.casefold():
        return tidy(first.title), [block for block in flow if block is not first]
    return "", flow


def _chapters(flow: list[Block | Heading], book_title: str) -> Iterator[Chapter]:
    number = 0
    for heading, blocks in _split(flow):
        if _lists_contents(heading) or not any(words(blocks)):
            continue
        if heading or not any(isinstance(block, Heading) for block in flow):
            number += 1
        title = chapter_title(heading.title) or f"Chapter {number}" if heading else book_title
        yield Chapter(number, title, tuple(blocks))


def _split(flow: list[Block | Heading]) -> Iterator[tuple[Heading | None, list[Block]]]:
    """The heading and the blocks of each chapter; the blocks before the first chapter have no heading.

    Headings of levels 1 and 2 start chapters; if there are none, those of the highest level that occurs.
    """
    lowest = max(2, min((block.level for block in flow if isinstance(block, Heading)), default=2))
    chapter, blocks = None, list[Block]()
    for block in flow:
        if not isinstance(block, Heading):
            blocks.append(block)
        elif block.level <= lowest and len(block.title) <= LONGEST_TITLE:
            yield chapter, blocks
            chapter, blocks = block, []
        elif title := tidy(block.title):
            blocks.append(Paragraph((Run(title, strong=True),), keep_with_next=True))
    yield chapter, blocks


def _lists_contents(heading: Heading | None) -> bool:
    title = tidy(heading.title).lower() if heading else ""
    return title.rstrip(".:") in ("contents", "table of contents")


def _book_id(wanted: str, title: str) -> str:
    wanted = wanted.strip()
    if wanted and (len(wanted) > LONGEST_ID or not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", wanted)):
        raise BadBook(f"the id {wanted!r} does not fit: use a-z, 0-9 and single dashes, at most {LONGEST_ID}")
    book_id = wanted or slugify(title)
    if not book_id:
        raise BadBook("the title has no letters to make an id of: give one with --id")
    return book_id
