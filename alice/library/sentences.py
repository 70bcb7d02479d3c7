"""Where sentences end, in the typography of books."""

import re
from collections.abc import Iterator

# A mark that may end a sentence, the quotes and brackets that close after it, and what follows the space.
_END = re.compile(r"([.!?…]+[’”\"'»)\]]*)\s+(?=[‘“\"'«(\[]*(\w?))")
_ABBREVIATION = re.compile(
    r"m(rs?|s|essrs|me|lle)|dr|prof|rev|hon|st|esq|jr|sr|vs|viz|etc|cf|e\.g|i\.e|[ap]\.m|"
    r"capt|col|gen|lt|lieut|sgt|gov",
    re.IGNORECASE,
)
_INITIALS = re.compile(r"(?:[A-Z]\.)*[A-HJ-Z]")


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each sentence, without the space between them.

    In doubt there is no cut: `‘Oh!’ said Alice` and `Mr. Smith` stay whole.
    """
    start = 0
    for mark in _END.finditer(text):
        if _ends(text, mark):
            yield start, mark.end(1)
            start = mark.end()
    if start < len(text):
        yield start, len(text)


def _ends(text: str, mark: re.Match[str]) -> bool:
    following = mark[2]
    if not following or following.islower():
        return False
    if not mark[1].startswith(".") or mark[1].startswith(".."):
        return True
    before = text[text.rfind(" ", 0, mark.start()) + 1 : mark.start()]
    word = re.split(r"[^\w.]", before)[-1]
    return not (_ABBREVIATION.fullmatch(word) or _INITIALS.fullmatch(word))
