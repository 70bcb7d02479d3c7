"""Books for tests."""

import io
import zipfile
from html import escape
from typing import Any

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
    """An EPUB of these XHTML bodies, as EPUB 3.3 wants it, with the NCX of EPUB 2 beside the navigation."""
    names = [f"d{number}" for number, _ in enumerate(documents, 1)]
    metadata = "<dc:identifier>a-book</dc:identifier><dc:language>en</dc:language>"
    metadata += f"<dc:title>{escape(title)}</dc:title>" if title else ""
    metadata += f"<dc:creator>{escape(author)}</dc:creator>" if author else ""
    points = [(f"Part {number}", f"{name}.xhtml") for number, name in enumerate(names, 1)] if toc else []
    members = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": _CONTAINER,
        "EPUB/content.opf": _package(metadata, names),
        "EPUB/toc.ncx": _ncx(points),
        "EPUB/nav.xhtml": _navigation(points),
    } | {
        f"EPUB/{name}.xhtml": f"<html><head><title>not text</title></head><body>{body}</body></html>"
        for name, body in zip(names, documents, strict=True)
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in members.items():
            archive.writestr(path, content)
    return packed.getvalue()


_CONTAINER = (
    '<?xml version="1.0"?><container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
    '<rootfiles><rootfile full-path="EPUB/content.opf" media-type="application/oebps-package+xml"/>'
    "</rootfiles></container>"
)


def _package(metadata: str, names: list[str]) -> str:
    items = "".join(
        f'<item id="{name}" href="{name}.xhtml" media-type="application/xhtml+xml"/>' for name in names
    )
    references = "".join(f'<itemref idref="{name}"/>' for name in names)
    return (
        '<?xml version="1.0"?><package version="3.0" xmlns="http://www.idpf.org/2007/opf">'
        f'<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">{metadata}</metadata><manifest>'
        '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'
        '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
        f'{items}</manifest><spine toc="ncx"><itemref idref="nav"/>{references}</spine></package>'
    )


def _ncx(points: list[tuple[str, str]]) -> str:
    entries = "".join(
        f'<navPoint><navLabel><text>{title}</text></navLabel><content src="{path}"/></navPoint>'
        for title, path in points
    )
    return f'<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>{entries}</navMap></ncx>'


def _navigation(points: list[tuple[str, str]]) -> str:
    entries = "".join(f'<li><a href="{path}">{title}</a></li>' for title, path in points)
    return (
        '<html xmlns:epub="http://www.idpf.org/2007/ops"><body>'
        f'<nav epub:type="toc"><h2>Contents</h2><ol>{entries}</ol></nav></body></html>'
    )
