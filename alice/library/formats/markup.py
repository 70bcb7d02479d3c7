"""A tolerant reader for the XML files of an EPUB: container, package, table of contents.

Real books have undeclared entities, missing end tags and wrong prefixes. None of these is an error. Only the
entities of HTML are expanded.
"""

from collections.abc import Iterator
from html.parser import HTMLParser

from alice.library.text import tidy


class Element:
    """An element: its name without prefix in lower case, its attributes and its content."""

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.content: list[Element | str] = []

    def get(self, attribute: str) -> str:
        """The attribute's value; empty if there is none."""
        return self.attributes.get(attribute, "")

    def find_all(self, name: str) -> "Iterator[Element]":
        """Every element of this name below this one, in the order of the document."""
        for part in self.content:
            if isinstance(part, Element):
                if part.name == name:
                    yield part
                yield from part.find_all(name)

    def find(self, name: str) -> "Element | None":
        """The first element of this name below this one; None if there is none."""
        return next(self.find_all(name), None)

    @property
    def text(self) -> str:
        """All text in the element, as one line."""
        return tidy("".join(self._texts()))

    def _texts(self) -> Iterator[str]:
        for part in self.content:
            if isinstance(part, str):
                yield part
            else:
                yield from part._texts()


def parse(document: str) -> Element:
    """The document as an element without a name that contains all of it. Raises nothing."""
    parser = _Tree()
    parser.feed(document)
    parser.close()
    return parser.root


class _Tree(HTMLParser):
    DEEPEST = 100  # levels; deeper elements are added to the last level

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = self._add(tag, attrs)
        if len(self._open) < self.DEEPEST:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._add(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        name = _local(tag)
        if any(element.name == name for element in self._open[1:]):
            while self._open.pop().name != name:
                pass

    def handle_data(self, data: str) -> None:
        self._open[-1].content.append(data)

    def unknown_decl(self, data: str) -> None:
        if data.startswith("CDATA["):
            self.handle_data(data.removeprefix("CDATA["))

    def _add(self, tag: str, attrs: list[tuple[str, str | None]]) -> Element:
        element = Element(_local(tag), {name: value or "" for name, value in attrs})
        self._open[-1].content.append(element)
        return element


def _local(tag: str) -> str:
    return tag.rpartition(":")[2]
