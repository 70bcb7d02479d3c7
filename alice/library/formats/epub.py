"""EPUB: the documents of its spine, in order (EPUB 3.3, and 2.0.1 with its NCX).

`META-INF/container.xml` names the package file; that lists all files (manifest) and the order in which they
are read (spine). markup.py reads these, xhtml.py the documents.
"""

import codecs
import io
import lzma
import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

from alice.library.formats import markup, xhtml
from alice.library.formats.markup import Element
from alice.library.manuscript import BadBook, Block, Draft, Heading
from alice.library.text import clean

MOST_UNPACKED = 200 * 1024 * 1024  # bytes
MOST_FILES = 20_000

_CONTAINER = "META-INF/container.xml"
_PACKAGE = "application/oebps-package+xml"
_DOCUMENTS = ("application/xhtml+xml", "text/html")
_NCX = "application/x-dtbncx+xml"
_ENCODINGS = {codecs.lookup(name) for name in ("utf-8", "utf-16", "ascii", "iso-8859-1", "windows-1252")}
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)["']""")

# What zipfile raises for a file that is damaged, encrypted (RuntimeError) or packed in an unknown way.
_BROKEN = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, ValueError, RuntimeError, OSError,
)  # fmt: skip


def read(packed: bytes) -> Draft:
    """The draft of an EPUB. Raises BadBook for one that is broken, protected or too large."""
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            book = _Book(_Files(archive))
            return Draft(book.facts(), list(book.flow()))
    except _BROKEN as fault:
        raise _broken() from fault


class _Files:
    """The files of the archive, as text and within bounds."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._unpacked = 0
        if len(archive.namelist()) > MOST_FILES:
            raise BadBook(f"it holds more files than the {MOST_FILES} allowed")

    def text(self, path: str) -> str | None:
        """The file as text; None if there is no such file."""
        try:
            member = self._archive.getinfo(path)
        except KeyError:
            return None
        # zipfile reads no more than the size a member declares, so their sum is a true bound.
        self._unpacked += member.file_size
        if self._unpacked > MOST_UNPACKED:
            raise BadBook(f"it unpacks to more than {MOST_UNPACKED >> 20} MB")
        content = self._archive.read(member)
        if b"<!ENTITY" in content.replace(b"\0", b""):  # in UTF-16 too
            raise BadBook("it declares XML entities, which are not expanded here")
        return _decoded(content, path)


class _Item(NamedTuple):
    """A file in the manifest."""

    path: str
    media_type: str
    properties: list[str]


class _Book:
    """What the package file says, and the documents it names."""

    def __init__(self, files: _Files) -> None:
        self._files = files
        rootfiles = [*_parsed(files, _CONTAINER).find_all("rootfile")]
        packages = [file for file in rootfiles if file.get("media-type") == _PACKAGE] or rootfiles
        if not packages:
            raise _broken()
        self._package_path = packages[0].get("full-path")
        self._package = _parsed(files, self._package_path)
        self._items = dict(self._manifest())

    def facts(self) -> dict[str, str]:
        """Title, author, language and description, as far as the metadata have them."""
        facts = {name: self._metadata(name)[:1] for name in ("title", "language", "description")}
        facts["author"] = self._metadata("creator")
        return {name: ", ".join(values) for name, values in facts.items() if values}

    def flow(self) -> Iterator[Block | Heading]:
        """The blocks of all documents. One without a heading gets its title from the table of contents."""
        titles = self._titles()
        for path in self._spine():
            document = self._files.text(path)
            if not document:
                raise BadBook(f"it lacks its document {path!r}")
            blocks = xhtml.read(document)
            title = titles.get(path)
            if title and not any(isinstance(block, Heading) for block in blocks):
                yield Heading(2, title)
            yield from blocks

    def _metadata(self, name: str) -> list[str]:
        metadata = self._package.find("metadata")
        found = metadata.find_all(name) if metadata else ()
        return [text for element in found if (text := xhtml.without_tags(clean(element.text)))]

    def _manifest(self) -> Iterator[tuple[str, _Item]]:
        for item in self._package.find_all("item"):
            path = _resolved(self._package_path, item.get("href"))
            yield item.get("id"), _Item(path, item.get("media-type"), item.get("properties").split())

    def _spine(self) -> Iterator[str]:
        """The paths of the documents in order, without the table of contents and non-linear documents."""
        spine = self._package.find("spine")
        if spine is None:
            raise _broken()
        for reference in spine.find_all("itemref"):
            item = self._items.get(reference.get("idref"))
            if item is None or item.media_type not in _DOCUMENTS or "nav" in item.properties:
                continue
            if reference.get("linear") != "no":
                yield item.path

    def _titles(self) -> dict[str, str]:
        """The title by path of each document that the table of contents links to as a whole.

        The table of contents of EPUB 3 (a `nav` of type toc) is preferred to that of EPUB 2 (the NCX).
        """
        found: dict[str, str] = {}
        for item in self._items.values():
            if "nav" in item.properties:
                navigation = _parsed(self._files, item.path).find_all("nav")
                for contents in (nav for nav in navigation if nav.get("epub:type") == "toc"):
                    found = dict(_titles(item.path, contents, "li", "a", "href"))
        if found:
            return found
        for item in self._items.values():
            if item.media_type == _NCX:
                contents = _parsed(self._files, item.path)
                found = dict(_titles(item.path, contents, "navpoint", "content", "src"))
        return found


def _titles(path: str, contents: Element, entry: str, link: str, address: str) -> Iterator[tuple[str, str]]:
    """(document, title) of the entries in a table of contents at `path`."""
    for point in contents.find_all(entry):
        target = point.find(link)
        label = point.find("text") or target
        if target is None or label is None or "#" in target.get(address):
            continue
        if title := clean(label.text):
            yield _resolved(path, target.get(address)), title


def _parsed(files: _Files, path: str) -> Element:
    text = files.text(path)
    if text is None:
        raise _broken()
    return markup.parse(text)


def _resolved(base: str, href: str) -> str:
    """The path in the archive that `href` names in the file `base`."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(base), unquote(href)))


def _broken() -> BadBook:
    return BadBook("it is no readable EPUB: the file is broken")


def _decoded(content: bytes, path: str) -> str:
    try:
        return clean(content.decode(_encoding(content)))
    except (UnicodeDecodeError, LookupError) as fault:
        raise BadBook(f"its document {path!r} is not readable text: is the book copy-protected?") from fault


def _encoding(content: bytes) -> str:
    """The encoding, as XML defines it: from the byte order mark, else the declaration, else UTF-8."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    declared = _DECLARED.match(content)
    if content.startswith(codecs.BOM_UTF8) or not declared:
        return "utf-8-sig"
    encoding = codecs.lookup(declared[1].decode("ascii"))
    if encoding not in _ENCODINGS:
        raise LookupError(encoding.name)
    return encoding.name
