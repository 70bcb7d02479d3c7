"""Books for tests."""

import io
from typing import Any

from ebooklib import epub

from alice.library import paging
from alice.library.edition import Edition, made_of
from alice.library.manuscript import Block, Chapter, Manuscript, Paragraph
from alice.library.text import Run


def paragraph(text: str, **marks: bool) -> Paragraph:
    return Paragraph((Run(text, **marks),))


def manuscript(*chapters: list[Block], **facts: Any) -> Manuscript:
    numbered = tuple(Chapter(n, f"Chapter {n}", tuple(blocks)) for n, blocks in enumerate(chapters, 1))
    facts = {"id": "a-book", "title": "A Book", "author": "", "description": "", "language": "en"} | facts
    return Manuscript(chapters=numbered, **facts)


def edition(
    *chapters: list[str], words_per_page: int = 8, words_per_section: int = 4, **facts: Any
) -> Edition:
    """An edition of chapters of paragraphs; with paragraphs of four words, a page has two sections."""
    text = manuscript(*([paragraph(text) for text in texts] for texts in chapters), **facts)
    return made_of(text, paging.pages(text, words_per_page, words_per_section))


def packed_epub(
    documents: list[str], title: str | None = "A Book", author: str | None = "An Author", toc: bool = False
) -> bytes:
    """An EPUB of these XHTML bodies."""
    book = epub.EpubBook()
    book.set_identifier("a-book")
    book.set_language("en")
    if title:
        book.set_title(title)
    if author:
        book.add_author(author)
    items = []
    for number, body in enumerate(documents, 1):
        item = epub.EpubHtml(uid=f"d{number}", title=f"Part {number}", file_name=f"d{number}.xhtml")
        item.set_content(f"<html><head><title>not text</title></head><body>{body}</body></html>")
        book.add_item(item)
        items.append(item)
    book.toc = items if toc else []
    book.add_item(epub.EpubNcx())
    book.add_item(epub.EpubNav())
    book.spine = ["nav", *items]
    packed = io.BytesIO()
    epub.write_epub(packed, book, {"raise_exceptions": True})
    return packed.getvalue()
