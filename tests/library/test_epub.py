"""EPUB: whole files, from the archive to the blocks of the book."""

import codecs
import io
import re
import zipfile
from collections.abc import Callable

import pytest

from alice.library.formats import epub, xhtml
from alice.library.manuscript import BadBook, Break, Heading, Paragraph, Verse
from alice.library.text import Run, plain
from tests.library.making import packed_epub


def repacked(packed: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    """The EPUB with each member changed; None leaves it out."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return out.getvalue()


def flow(*documents: str) -> list:
    return epub.read(packed_epub(list(documents))).flow


def test_the_facts_come_from_the_metadata() -> None:
    facts = epub.read(packed_epub(["<p>Text.</p>"], title="A &amp; B <i>c</i>")).facts

    assert facts["title"] == "A & B c"
    assert facts["author"] == "An Author"
    assert facts["language"] == "en"


def test_all_authors_are_named_and_the_first_title() -> None:
    more = b"<dc:creator>Another</dc:creator><dc:title>Second</dc:title></metadata>"
    packed = repacked(
        packed_epub(["<p>Text.</p>"], title="One<br>and<p>the same"),
        lambda name, content: content.replace(b"</metadata>", more),
    )

    assert epub.read(packed).facts == {
        "title": "One and the same",
        "author": "An Author, Another",
        "language": "en",
    }


def test_documents_beside_the_text_are_left_out() -> None:
    """The spine marks d2 as not linear and does not name d3; d4 is a picture."""
    packed = repacked(
        packed_epub([f"<p>{word}.</p>" for word in ("One", "Two", "Three", "Four")]),
        lambda name, content: (
            content.replace(b'<itemref idref="d2"', b'<itemref linear="no" idref="d2"')
            .replace(b'<itemref idref="d3"/>', b'<itemref idref="none"/>')
            .replace(
                b'"d4.xhtml" media-type="application/xhtml+xml"',
                b'"d4.xhtml" media-type="image/svg+xml"',
            )
        ),
    )

    assert epub.read(packed).flow == [Paragraph((Run("One."),))]


def test_documents_come_in_the_order_of_the_spine_with_their_headings() -> None:
    blocks = flow("<h1>CHAPTER I.<br/>Down</h1><p>One\n two.</p>", "<h2><div>Two</div></h2><p>Three.</p>")

    assert blocks == [
        Heading(1, "CHAPTER I. Down"), Paragraph((Run("One two."),)), Heading(2, "Two"),
        Paragraph((Run("Three."),)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "blocks"),
    [
        ("<h3>One</h3><h6>Two</h6>", [Heading(3, "One"), Heading(6, "Two")]),
        ("<h2><div>One</div><div>Two</div></h2><p>x</p>", [Heading(2, "One Two"), "x"]),
        ("<h2>One</h2>then<h2> </h2><p>so</p>", [Heading(2, "One"), "then", "so"]),
        ('<h1><img src="a.png" alt="One"/></h1><h2><img src="a.png"/>Two</h2>',
         [Heading(1, "One"), Heading(2, "Two")]),
        ('<p>a<img src="a.png" alt="cat"/> b</p>', ["a b"]),
        ("<div>One<p>Two</p>Three</div>Four", ["One", "Two", "Three", "Four"]),
        ("<ul><li>One</li><li>Two</li></ul>", ["One", "Two"]),
        ("<p/>One<p>Two", ["One", "Two"]),
        ("<p>One\n\t two <input/> three</p>", ["One two three"]),
    ],
)  # fmt: skip
def test_a_document_is_read_block_by_block(source: str, blocks: list) -> None:
    assert [content(block) for block in flow(source)] == blocks


@pytest.mark.parametrize(
    "left_out",
    [
        "<nav><p>no</p><ol><li>no</li></ol></nav>",
        '<div class="x pagenum"><div>no</div>no<p>no</p></div>',
        "<nav><p>no<ol><li>no</nav>",
        '<hr class="pagenum"/>',
        '<hr class="pagenum">',
        '<span class="pagenum"/>',
        "<svg/>",
        '<img class="pagenum" alt="x">',
        "<style>p { }</style>",
    ],
)
def test_a_skipped_element_hides_nothing_after_it(left_out: str) -> None:
    assert xhtml.read(f"<p>One.</p>{left_out}<p>Two.</p>") == [
        Paragraph((Run("One."),)),
        Paragraph((Run("Two."),)),
    ]


def test_spaces_and_lines_mean_something_only_where_they_are_verbatim() -> None:
    verse, prose, more, end = xhtml.read(
        "</pre><pre>a\n<pre>  b</pre>\nc</pre><p>d\n  e</p><pre>f\ng</pre><p>h\ni</p>"
    )[-4:]

    assert [content(block) for block in (verse, prose, more, end)] == ["c", "d e", [["f", "g"]], "h i"]


@pytest.mark.parametrize(
    ("source", "runs"),
    [
        ("<b>so <i>odd</i></b>", [Run("so ", strong=True), Run("odd", em=True, strong=True)]),
        ("<i>a<b>b</i>c</b>d", [Run("a", em=True), Run("b", em=True, strong=True), Run("cd")]),
        ("<b>a</i>b</b>c", [Run("ab", strong=True), Run("c")]),
        ('<span style="font-style: ITALIC">a</span><span style="x">b</span>', [Run("a", em=True), Run("b")]),
        ('<span class="small">a</span><cite>b</cite>', [Run("a"), Run("b", em=True)]),
        ("<i>a<br/>b</i>", [[Run("a", em=True)], [Run("b", em=True)]]),
    ],
)
def test_marks_are_those_of_all_that_is_open(source: str, runs: list) -> None:
    (block,) = xhtml.read(f"<p>{source}</p>")

    if isinstance(block, Verse):
        assert [list(line) for line in block.stanzas[0]] == runs
    else:
        assert list(block.text) == runs


def content(block: object) -> object:
    """The text of a paragraph or the lines of a poem; else the block itself."""
    if isinstance(block, Verse):
        return [[plain(line) for line in stanza] for stanza in block.stanzas]
    return plain(block.text) if isinstance(block, Paragraph) else block


def test_italics_are_kept() -> None:
    (paragraph,) = flow('<p>So <i>very</i> <span class="italic">odd <b>it</b></span> <em>is</em>.</p>')

    assert paragraph.text == (
        Run("So "),
        Run("very", em=True),
        Run(" "),
        Run("odd ", em=True),
        Run("it", em=True, strong=True),
        Run(" "),
        Run("is", em=True),
        Run("."),
    )


@pytest.mark.parametrize(
    "poem",
    [
        "<p>How doth<br/>\n      &#160;&#160;Improve<br/><br/>And</p>",
        "<pre>How doth\n  Improve\n\nAnd</pre>",
    ],
)
def test_broken_lines_are_verse(poem: str) -> None:
    (verse,) = flow(poem)

    assert isinstance(verse, Verse)
    assert [[plain(line) for line in stanza] for stanza in verse.stanzas] == [
        ["How doth", "  Improve"],
        ["And"],
    ]


def test_a_rule_is_a_break() -> None:
    assert flow("<p>One.</p><hr/><p>Two.</p>")[1] == Break()


def test_elements_without_text_are_skipped() -> None:
    blocks = flow(
        "<style>p {}</style><script>alert(1)</script><svg><text>no</text></svg>"
        '<p>Yes.<span class="pagenum">12</span></p><section class="pg-boilerplate"><p>Licence</p></section>'
    )

    assert blocks == [Paragraph((Run("Yes."),))]


def test_hostile_html_stays_text() -> None:
    (paragraph,) = flow("<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>")

    assert plain(paragraph.text) == "<script>alert(1)</script>"


def without_ncx(name: str, content: bytes) -> bytes | None:
    if name.endswith(".ncx"):
        return None
    return re.sub(b'<item id="ncx"[^>]*>', b"", content)


@pytest.mark.parametrize("change", [lambda name, content: content, without_ncx], ids=["ncx", "navigation"])
def test_documents_without_headings_are_called_as_in_the_table_of_contents(
    change: Callable[[str, bytes], bytes | None],
) -> None:
    packed = packed_epub(["<p>One.</p>", "<h1>Named</h1><p>Two.</p>", "<p>Three.</p>"], toc=True)
    draft = epub.read(repacked(packed, change))

    titles = [block.title for block in draft.flow if isinstance(block, Heading)]
    assert titles == ["Part 1", "Named", "Part 3"]


def package(change: Callable[[bytes], bytes]) -> Callable[[str, bytes], bytes]:
    return lambda name, content: change(content) if name.endswith(".opf") else content


@pytest.mark.parametrize(
    "change",
    [
        lambda opf: opf.replace(b"<package", b"<opf:package").replace(b"</package", b"</opf:package"),
        lambda opf: opf.replace(b'href="d1.xhtml"', b'href="./d%31.xhtml"'),
        lambda opf: opf.replace(b"<dc:title>", b"<dc:title>&nbsp;"),
        lambda opf: opf.replace(b"<item ", b"<!-- a < b & c --><item "),
        lambda opf: opf.replace(b"<spine", b"<itemref idref='d9'/><spine"),
    ],
    ids=["prefix", "encoded address", "HTML's entity", "comment", "strange place"],
)
def test_a_careless_package_file_is_read(change: Callable[[bytes], bytes]) -> None:
    draft = epub.read(repacked(packed_epub(["<p>Text.</p>"]), package(change)))

    assert (draft.facts["title"], draft.flow) == ("A Book", [Paragraph((Run("Text."),))])


def test_of_several_renditions_the_first_that_is_an_epub_is_read() -> None:
    other = b'<rootfile full-path="book.pdf" media-type="application/pdf"/>'

    def add_pdf(name: str, content: bytes) -> bytes:
        return content.replace(b"<rootfiles>", b"<rootfiles>" + other)

    assert epub.read(repacked(packed_epub(["<p>Text.</p>"]), add_pdf)).flow == [Paragraph((Run("Text."),))]


def test_documents_beside_the_reading_order_are_left_out() -> None:
    aside = package(lambda opf: opf.replace(b'<itemref idref="d2"/>', b'<itemref idref="d2" linear="no"/>'))

    assert epub.read(repacked(packed_epub(["<p>One.</p>", "<p>Aside.</p>"]), aside)).flow == [
        Paragraph((Run("One."),))
    ]


def test_a_table_of_contents_names_whole_documents_alone() -> None:
    """Entries within others count, those that point into a document do not; a document's own heading wins."""

    entries = (
        '<li><a href="d1.xhtml">Part 1</a><ol><li><a href="d2.xhtml">Within</a></li></ol></li>'
        '<li><a href="d3.xhtml#there">Into</a></li><li><a href="d4.xhtml">Part 4</a></li>'
    )

    def change(name: str, content: bytes) -> bytes:
        if not name.endswith("nav.xhtml"):
            return content
        before, _, rest = content.partition(b"<ol>")
        return b"<ol>".join([before, entries.encode() + b"</ol>" + rest.rpartition(b"</ol>")[2]])

    bodies = ["<p>One.</p>", "<p>Two.</p>", "<p>Three.</p>", "<h3>Four</h3><p>x</p>"]
    blocks = epub.read(repacked(packed_epub(bodies, toc=True), change)).flow

    assert [block for block in blocks if isinstance(block, Heading)] == [
        Heading(2, "Part 1"), Heading(2, "Within"), Heading(3, "Four"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        '<?xml version="1.0" encoding="iso-8859-1"?><p>Café</p>'.encode("latin-1"),
        "<?xml version='1.0' encoding='windows-1252'?><p>Café</p>".encode("cp1252"),
        '<?xml version="1.0" encoding="UTF-8"?><p>Café</p>'.encode("utf-8-sig"),
        '<?xml version="1.0" encoding="ascii"?><p>Café</p>'.encode("utf-8-sig"),
        "<p>Café</p>".encode("utf-16-be").join([codecs.BOM_UTF16_BE, b""]),
    ],
)
def test_a_document_is_read_in_its_encoding(content: bytes) -> None:
    packed = repacked(packed_epub(["<p>Text.</p>"]), only("d1.xhtml", content))

    assert epub.read(packed).flow == [Paragraph((Run("Café"),))]


def test_a_picture_that_is_missing_does_not_matter() -> None:
    packed = repacked(
        packed_epub(["<p>Text.</p>"]),
        lambda name, content: content.replace(
            b"</manifest>", b'<item id="i" href="no.png" media-type="image/png"/></manifest>'
        ),
    )

    assert epub.read(packed).flow == [Paragraph((Run("Text."),))]


def test_utf_16_is_read() -> None:
    def in_utf_16(name: str, content: bytes) -> bytes:
        return "<p>Café</p>".encode("utf-16") if name.endswith("d1.xhtml") else content

    draft = epub.read(repacked(packed_epub(["<p>Text.</p>"]), in_utf_16))

    assert draft.flow == [Paragraph((Run("Café"),))]


def only(part: str, becomes: bytes | None) -> Callable[[str, bytes], bytes | None]:
    return lambda name, content: becomes if name.endswith(part) else content


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (only("container.xml", None), "broken"),
        (only("container.xml", b"<nonsense"), "broken"),
        (only("content.opf", None), "broken"),
        (only("content.opf", b"<package/>"), "broken"),
        (only("content.opf", BOMB + b"<package>&b;</package>"), "XML entities"),
        (only("content.opf", (BOMB + b"<package/>").decode().encode("utf-16")), "XML entities"),
        (only("d1.xhtml", BOMB + b"<p>&b;</p>"), "XML entities"),
        (only("d1.xhtml", None), "lacks its document 'EPUB/d1.xhtml'"),
        (only("d1.xhtml", b"\xff\x00\xfe encrypted \x80"), "copy-protected"),
        (only("d1.xhtml", b'<?xml version="1.0" encoding="punycode"?><p/>'), "not readable text"),
    ],
)
def test_a_broken_or_hostile_book_is_refused(
    change: Callable[[str, bytes], bytes | None], message: str
) -> None:
    packed = repacked(packed_epub(["<p>Text.</p>"]), change)

    with pytest.raises(BadBook, match=message):
        epub.read(packed)


@pytest.mark.parametrize(
    "packed", [b"no zip at all", b"PK\x03\x04 cut off", packed_epub(["<p>x</p>"])[:-400]]
)
def test_a_file_that_is_not_a_zip_is_refused(packed: bytes) -> None:
    with pytest.raises(BadBook, match="broken"):
        epub.read(packed)


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    assert epub.MOST_UNPACKED == 200 * 1024 * 1024
    bomb = repacked(packed_epub(["<p>Text.</p>"]), only("d1.xhtml", b"a" * (epub.MOST_UNPACKED + 1)))
    assert len(bomb) < 1_000_000

    with pytest.raises(BadBook, match="unpacks to more"):
        epub.read(bomb)


def test_a_book_of_very_many_files_is_refused() -> None:
    packed = io.BytesIO(packed_epub(["<p>Text.</p>"]))
    with zipfile.ZipFile(packed, "a") as book:
        for number in range(epub.MOST_FILES - len(book.namelist()) + 1):
            book.writestr(f"{number}.txt", b"")

    assert epub.MOST_FILES == 20_000
    with pytest.raises(BadBook, match="more files"):
        epub.read(packed.getvalue())


def test_one_file_named_many_times_is_counted_as_often() -> None:
    again = '<itemref idref="d1"/>' * 30

    def change(name: str, content: bytes) -> bytes:
        if name.endswith("d1.xhtml"):
            return b"a" * (epub.MOST_UNPACKED // 20)
        return content.replace(b"</spine>", again.encode() + b"</spine>")

    with pytest.raises(BadBook, match="unpacks to more"):
        epub.read(repacked(packed_epub(["<p>Text.</p>"]), change))
