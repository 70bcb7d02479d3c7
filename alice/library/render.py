"""A section as plain text and as HTML. All text is escaped; the only tags are p, span, em, strong and hr.

The style sheet shows `.line` as a block with its spaces kept. `.continued` marks a paragraph or stanza that
began in the section before.
"""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise

from alice.library.pieces import Piece
from alice.library.text import Run, Text, plain


def content(pieces: Sequence[Piece]) -> str:
    """Paragraphs and stanzas with an empty line between them; verse line by line with its leading spaces."""
    return "\n\n".join(map(_plain_block, _blocks(pieces)))


def html(pieces: Sequence[Piece]) -> str:
    """Like `content`, with emphasis and thematic breaks."""
    return "".join(map(_block, _blocks(pieces)))


def _blocks(pieces: Sequence[Piece]) -> Iterator[Sequence[Piece]]:
    starts = [at for at, piece in enumerate(pieces) if at == 0 or piece.starts]
    for start, end in pairwise([*starts, len(pieces)]):
        yield pieces[start:end]


def _plain_block(block: Sequence[Piece]) -> str:
    return ("\n" if block[0].is_verse else " ").join(plain(piece.text) for piece in block)


def _block(block: Sequence[Piece]) -> str:
    first, last = block[0], block[-1]
    names = ["verse"] * first.is_verse + ["continued"] * (not first.starts)
    opening = f'<p class="{" ".join(names)}">' if names else "<p>"
    inner = "".join(map(_line, block)) if first.is_verse else " ".join(_marked(piece.text) for piece in block)
    return f"{'<hr>' * first.break_before}{opening}{inner}</p>{'<hr>' * last.break_after}"


def _line(piece: Piece) -> str:
    # The newline separates the lines where there is no CSS; at the end of a block it is not shown.
    return f'<span class="line">{_marked(piece.text)}\n</span>'


def _marked(text: Text) -> str:
    return "".join(map(_run, text))


def _run(run: Run) -> str:
    marked = escape(run.text)
    if run.em:
        marked = f"<em>{marked}</em>"
    return f"<strong>{marked}</strong>" if run.strong else marked
