"""Markdown: `##` starts a chapter, a block fenced as `verse` keeps its lines, `***` is a break."""

import textwrap
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from alice.library.formats.front_matter import facts_and_body
from alice.library.manuscript import Block, Break, Draft, Heading, TextBuilder, Verse, verse
from alice.library.text import Run, Text, indented, plain

# With HTML off, a tag is ordinary text and is escaped.
_PARSER = MarkdownIt("commonmark", {"html": False})


def read(source: str) -> Draft:
    """The draft of a Markdown text; raises BadBook if its front matter is broken."""
    facts, body = facts_and_body(source)
    return Draft(facts, list(_flow(_PARSER.parse(body))))


def _flow(tokens: Sequence[Token]) -> Iterator[Block | Heading]:
    heading: Token | None = None
    for token in tokens:
        if token.type == "heading_open":
            heading = token
        elif token.type == "heading_close":
            heading = None
        elif token.type == "hr":
            yield Break()
        elif token.type in ("fence", "code_block"):
            if poem := _fenced(token.content):
                yield poem
        elif token.type == "inline":
            text = _inline(token.children or [])
            if heading:
                yield Heading(int(heading.tag[1:]), plain(text.text()))
            elif block := text.block():
                yield block


def _inline(tokens: Sequence[Token]) -> TextBuilder:
    text = TextBuilder()
    depth = {"em": 0, "strong": 0}
    for token in tokens:
        if token.tag in depth:
            depth[token.tag] += token.nesting
        elif token.type == "hardbreak":
            text.newline()
        elif token.type == "image":
            text.add(plain(_inline(token.children or []).text()))
        elif token.type == "softbreak":
            text.add(" ", depth["em"] > 0, depth["strong"] > 0)
        else:
            text.add(token.content, depth["em"] > 0, depth["strong"] > 0)
    return text


def _fenced(content: str) -> Verse | None:
    return verse(_line(line) for line in textwrap.dedent(content.expandtabs(4)).split("\n"))


def _line(source: str) -> Text:
    """A line of a fenced block: leading spaces are kept, emphasis is read as Markdown."""
    words = source.lstrip()
    inline = _PARSER.parseInline(words)[0].children or []
    return indented([Run(" " * (len(source) - len(words))), *_inline(inline).text()])
