"""Marked text: runs of characters with emphasis. The formats make it, the renderer reads it."""

import re
import unicodedata
from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple


class Run(NamedTuple):
    """A stretch of text with the same marks."""

    text: str
    em: bool = False
    strong: bool = False


Text = tuple[Run, ...]


def plain(text: Text) -> str:
    return "".join(run.text for run in text)


def flowing(runs: Iterable[Run]) -> Text:
    """The runs as one line: single spaces, none at the ends, neighbours with the same marks joined."""
    tidied: list[Run] = []
    space_before = True
    for run in runs:
        text = re.sub(r"\s+", " ", run.text)
        if space_before:
            text = text.lstrip(" ")
        if text:
            space_before = text.endswith(" ")
            tidied.append(run._replace(text=text))
    return _joined(_stripped(tidied))


def indented(runs: Iterable[Run]) -> Text:
    """A line of verse: leading spaces kept, single spaces within."""
    runs = list(runs)
    raw = "".join(run.text for run in runs).expandtabs(4)
    margin = len(raw) - len(raw.lstrip())
    line = flowing(runs)
    return _joined([Run(" " * margin), *line]) if line and margin else line


def cut(text: Text, start: int, end: int) -> Text:
    """The characters from `start` to `end`, with their marks."""
    pieces, at = [], 0
    for run in text:
        piece = run.text[max(start - at, 0) : max(end - at, 0)]
        if piece:
            pieces.append(run._replace(text=piece))
        at += len(run.text)
    return tuple(pieces)


def tidy(text: str) -> str:
    """One line with single spaces."""
    return " ".join(text.split())


_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b\ufeff\ufffe\uffff\ud800-\udfff]")


def clean(text: str) -> str:
    """Text in Unicode form NFC, with plain newlines, without control characters and soft hyphens."""
    text = re.sub("\r\n?|\u2028|\u2029", "\n", text)
    return _INVISIBLE.sub("", unicodedata.normalize("NFC", text))


def _stripped(runs: list[Run]) -> list[Run]:
    while runs and not runs[-1].text.strip():
        runs.pop()
    if runs:
        runs[-1] = runs[-1]._replace(text=runs[-1].text.rstrip())
    return runs


def _joined(runs: Iterable[Run]) -> Text:
    same_marks = groupby(runs, key=lambda run: (run.em, run.strong))
    return tuple(Run("".join(run.text for run in group), *marks) for marks, group in same_marks)
