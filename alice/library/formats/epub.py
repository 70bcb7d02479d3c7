"""EPUB: the documents of its spine in order. ebooklib finds them, xhtml.py reads them."""

import codecs
import io
import lzma
import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from ebooklib.epub import EpubBook, EpubCoverHtml, EpubException, EpubNav, EpubReader
from lxml import etree

from alice.library.formats import xhtml
from alice.library.manuscript import BadBook, Block, Draft, Heading
from alice.library.text import clean

MOST_UNPACKED = 200 * 1024 * 1024
MOST_FILES = 20_000

_DOCUMENTS = ("application/xhtml+xml", "text/html")
_MEDIA = re.compile(
    r"\.(jpe?g|png|gif|svg|webp|avif|css|js|[ot]tf|woff2?|mp[34]|m4[av]|ogg|smil)$", re.IGNORECASE
)
_ENCODINGS = {codecs.lookup(name) for name in ("utf-8", "utf-16", "ascii", "iso-8859-1", "windows-1252")}
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)["']""")

# ebooklib trusts what it opens, so a broken file surfaces as whatever it stumbles over.
_BROKEN = (
    EpubException, etree.LxmlError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError,
    AssertionError, AttributeError, LookupError, TypeError, ValueError, RuntimeError, OSError,
)  # fmt: skip


def read(packed: bytes) -> Draft:
    """The draft of an EPUB; raises BadBook for one that is broken, protected or a trap."""
    try:
        book = _Reader(io.BytesIO(packed)).load()
        return Draft(_facts(book), list(_flow(book)))
    except _BROKEN as fault:
        raise BadBook("it is no readable EPUB: the file is broken") from fault


class _Reader(EpubReader):
    """Reads within bounds, only what is text, and nothing that declares XML entities."""

    _unpacked = 0

    def read_file(self, name: str) -> bytes:
        try:
            member = self.zf.getinfo(posixpath.normpath(name))
        except KeyError:
            return b""  # a picture that is missing is no reason to refuse the text
        if _MEDIA.search(member.filename):
            return b""
        # zipfile reads no more than the size a member declares, so their sum is a true bound.
        self._unpacked += member.file_size
        if self._unpacked > MOST_UNPACKED or len(self.zf.namelist()) > MOST_FILES:
            raise BadBook("it unpacks to more than a book can be")
        content = self.zf.read(member)
        if b"<!ENTITY" in content.replace(b"\0", b""):  # in UTF-16 too
            raise BadBook("it declares XML entities, which are not expanded here")
        return content


def _facts(book: EpubBook) -> dict[str, str]:
    facts = {name: _metadata(book, name)[:1] for name in ("title", "language", "description")}
    facts["author"] = _metadata(book, "creator")
    return {name: ", ".join(values) for name, values in facts.items() if values}


def _metadata(book: EpubBook, name: str) -> list[str]:
    values = (value for value, _ in book.get_metadata("DC", name))
    return [text for value in values if (text := xhtml.without_tags(clean(value or "")))]


def _flow(book: EpubBook) -> Iterator[Block | Heading]:
    titles = dict(_titles(book.toc))
    for document in _documents(book):
        blocks = xhtml.read(_decoded(document.content, document.file_name))
        title = titles.get(document.file_name)
        if title and not any(isinstance(block, Heading) for block in blocks):
            yield Heading(2, title)
        yield from blocks


def _documents(book: EpubBook) -> Iterator[Any]:
    items = {item.id: item for item in book.get_items()}
    for name, linear in book.spine:
        item = items.get(name)
        if linear == "no" or isinstance(item, EpubNav | EpubCoverHtml):
            continue
        if item is not None and item.media_type in _DOCUMENTS:
            yield item


def _titles(toc: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """(file name, title) of the entries in a table of contents that point at whole documents."""
    for entry in toc:
        entry, children = entry if isinstance(entry, tuple) else (entry, ())
        if entry.href and "#" not in entry.href and entry.title:
            yield entry.href, clean(entry.title)
        yield from _titles(children)


def _decoded(content: bytes, name: str) -> str:
    if not content:
        raise BadBook(f"it lacks its document {name!r}")
    try:
        return clean(content.decode(_encoding(content)))
    except (UnicodeDecodeError, LookupError) as fault:
        raise BadBook(f"its document {name!r} is not readable text: is the book copy-protected?") from fault


def _encoding(content: bytes) -> str:
    """As XML says: a byte order mark, else the declaration, else UTF-8."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    declared = _DECLARED.match(content)
    if content.startswith(codecs.BOM_UTF8) or not declared:
        return "utf-8-sig"
    encoding = codecs.lookup(declared[1].decode("ascii"))
    if encoding not in _ENCODINGS:
        raise LookupError(encoding.name)
    return encoding.name
