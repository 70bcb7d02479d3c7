"""The documents of an EPUB: headings, paragraphs, and verse where lines are broken by hand."""

import re
from html.parser import HTMLParser
from typing import NamedTuple

from alice.library.manuscript import Block, Break, Heading, TextBuilder
from alice.library.text import plain, tidy

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
BLOCKS = {
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "div", "dl", "dt",
    "figcaption", "figure", "footer", "header", "hr", "li", "main", "ol", "p", "pre", "section", "table",
    "tbody", "td", "tfoot", "th", "thead", "tr", "ul", *HEADINGS,
}  # fmt: skip
EMPHASIS = {"em", "i", "cite", "dfn"}
STRONG = {"strong", "b"}
NOT_TEXT = {"head", "script", "style", "nav", "svg", "math", "template", "audio", "video", "object", "iframe"}
NOT_THE_BOOK = {"pg-boilerplate", "pagenum"}  # classes of what text libraries add

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}

_Attributes = list[tuple[str, str | None]]


class _Inline(NamedTuple):
    """An open inline element, and the marks of text inside it."""

    tag: str
    em: bool
    strong: bool


def read(document: str) -> list[Block | Heading]:
    parser = _Document()
    parser.feed(document)
    parser.close()
    parser.flush()
    return parser.blocks


def without_tags(text: str) -> str:
    """Text that may hold HTML, as one plain line."""
    parser = _Letters()
    parser.feed(text)
    parser.close()
    return tidy("".join(parser.letters))


class _Letters(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.letters: list[str] = []

    def handle_data(self, data: str) -> None:
        self.letters.append(data)

    def handle_starttag(self, tag: str, attrs: _Attributes) -> None:
        if tag in BLOCKS or tag == "br":
            self.letters.append(" ")


class _Document(HTMLParser):
    """As tolerant as a browser: nothing is an error, and only the entities of HTML are expanded."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block | Heading] = []
        self._text = TextBuilder()
        self._line_is_empty = True
        self._heading = 0
        self._verbatim = 0
        self._inline = [_Inline("", em=False, strong=False)]
        self._skipped: list[str] = []

    def handle_starttag(self, tag: str, attrs: _Attributes) -> None:
        if self._is_skipped(tag, attrs):
            if tag not in VOID:
                self._skipped.append(tag)
        elif not self._skipped:
            self._open(tag, dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        if not self._skipped:
            self._close(tag)
        elif tag == self._skipped[-1]:
            self._skipped.pop()

    def handle_startendtag(self, tag: str, attrs: _Attributes) -> None:
        if not self._skipped and not self._is_skipped(tag, attrs):
            self._open(tag, dict(attrs))
            self._close(tag)

    def handle_data(self, data: str) -> None:
        if self._skipped:
            return
        if self._verbatim:
            first, *others = data.split("\n")
            self._add(first)
            for line in others:
                self._newline()
                self._add(line)
        else:
            # Only no-break spaces indent: other white space is one space, as in HTML.
            data = re.sub(r"[ \t\n]+", " ", data)
            self._add(data.lstrip(" ") if self._line_is_empty else data)

    def flush(self) -> None:
        """End the block that is open."""
        text, self._text, self._line_is_empty = self._text, TextBuilder(), True
        if self._heading:
            title = plain(text.text())
            if title:
                self.blocks.append(Heading(self._heading, title))
        elif block := text.block():
            self.blocks.append(block)

    def _open(self, tag: str, attrs: dict[str, str | None]) -> None:
        if tag == "br" or (tag in BLOCKS and self._heading):
            self._newline()
        elif tag in BLOCKS:
            self.flush()
            self._heading = HEADINGS.index(tag) + 1 if tag in HEADINGS else 0
            self._verbatim += tag == "pre"
            if tag == "hr":
                self.blocks.append(Break())
        elif tag == "img" and self._heading:
            self._add(attrs.get("alt") or "")
        elif tag not in VOID:
            within = self._inline[-1]
            em = within.em or tag in EMPHASIS or _is_slanted(attrs)
            self._inline.append(_Inline(tag, em, strong=within.strong or tag in STRONG))

    def _close(self, tag: str) -> None:
        if tag in BLOCKS:
            if not self._heading or tag in HEADINGS:
                self.flush()
                self._heading = 0
            self._verbatim = max(0, self._verbatim - (tag == "pre"))
        elif any(tag == inline.tag for inline in self._inline):
            while self._inline.pop().tag != tag:
                pass

    def _add(self, text: str) -> None:
        if text:
            self._text.add(text, self._inline[-1].em, self._inline[-1].strong)
            self._line_is_empty = False

    def _newline(self) -> None:
        self._text.newline()
        self._line_is_empty = True

    def _is_skipped(self, tag: str, attrs: _Attributes) -> bool:
        if self._skipped:
            return tag == self._skipped[-1]
        classes = (dict(attrs).get("class") or "").split()
        return tag in NOT_TEXT or not NOT_THE_BOOK.isdisjoint(classes)


def _is_slanted(attrs: dict[str, str | None]) -> bool:
    return "italic" in f"{attrs.get('style')} {attrs.get('class')}".lower()
