"""Front matter: facts about a book at the head of a text, `key: value` lines between two lines of `---`."""

from alice.library.manuscript import BadBook

_FENCE = "---"


def facts_and_body(source: str) -> tuple[dict[str, str], str]:
    """The facts by lower-case name, and the text after them."""
    lines = source.split("\n")
    if lines[0].rstrip() != _FENCE:
        return {}, source
    fences = [at for at, line in enumerate(lines) if line.rstrip() == _FENCE]
    if len(fences) < 2:
        raise BadBook("its front matter has no closing --- line")
    return dict(_facts(lines[1 : fences[1]])), "\n".join(lines[fences[1] + 1 :])


def _facts(lines: list[str]) -> list[tuple[str, str]]:
    facts = []
    for number, line in enumerate(lines, start=2):
        key, colon, value = line.partition(":")
        if colon:
            facts.append((key.strip().lower(), _unquoted(value.strip())))
        elif line.strip():
            raise BadBook(f"line {number} of its front matter is not `key: value`")
    return facts


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value
