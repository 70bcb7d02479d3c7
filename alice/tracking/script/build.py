"""Makes the tracker.js that is served from the sources beside this file: smaller, and otherwise the same.

Comments and white space go, constants are put where they are used, and names that the sources declare become
short ones. This is no parser: it reads tokens, and relies on the rules that stand at the top of core.js. What
it cannot be sure of, it refuses.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain, pairwise, product
from pathlib import Path

SOURCES = Path(__file__).parent
CORE = ("core.js",)
ADDONS = ("addons/shared.js", "addons/clicks.js", "addons/scroll.js", "addons/forms.js")

Tokens = list[str]

TOKEN = re.compile(
    r"""
    (?P<nothing> \s+ | //[^\n]* | /\*.*?\*/ )
  | (?P<string>  "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' )
  | (?P<number>  \d[\w.]* )
  | (?P<name>    [A-Za-z_$][\w$]* )
  | (?P<sign>    \.\.\. | => | \?\. | \?\? | [=!]==? | [<>+\-*/%]= | && | \|\| | \+\+ | -- | [^\w\s"'`/] )
  | (?P<slash>   / )
    """,
    re.VERBOSE | re.DOTALL,
)
REGEX = re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*")
LITERAL = re.compile(r"[\d\"']")
WORDS = frozenset(
    [
        "async",
        "await",
        "break",
        "case",
        "catch",
        "class",
        "const",
        "continue",
        "delete",
        "do",
        "else",
        "false",
        "finally",
        "for",
        "function",
        "if",
        "in",
        "instanceof",
        "let",
        "new",
        "null",
        "of",
        "return",
        "switch",
        "this",
        "throw",
        "true",
        "try",
        "typeof",
        "undefined",
        "void",
        "while",
        "yield",
    ]
)
SHORTER = {"const": "let", "true": "!0", "false": "!1", "undefined": "void 0"}
# Short names in the order in which core.js compresses best, found by trial; any other works as well.
LETTERS = "rtnfieNbPwsaoEMGhJmyOcTYdHRpuLglSICvDFzVAkUKxjBXQqWZ"


class NotUnderstood(ValueError):
    """A source breaks the rules that stand at the top of core.js."""


@cache
def script() -> bytes:
    """All of tracker.js: the core and the add-ons, each of which does nothing unless the page asks for it."""
    return _built(*CORE, *ADDONS)


@cache
def core() -> bytes:
    """tracker.js without the add-ons, to measure it."""
    return _built(*CORE)


def _built(*names: str) -> bytes:
    source = "\n".join((SOURCES / name).read_text(encoding="utf-8") for name in names)
    return ("(()=>{try{" + minified(source) + "}catch{}})()").encode()


def minified(source: str) -> str:
    """The same program, shorter. Raises NotUnderstood."""
    statements = _statements(_without_constants(list(_tokens(source))))
    _refuse_shorthand(statements)
    return "".join(_joined(_merged(_renamed(statements))))


# Reading


def _tokens(source: str) -> Iterator[str]:
    at, before = 0, ";"
    while at < len(source):
        found = TOKEN.match(source, at)
        if found and found.lastgroup == "slash" and not re.match(r"[\w$\"')\]]", before):
            found = REGEX.match(source, at)
        if not found:
            raise NotUnderstood(f"near {source[at : at + 40]!r}")
        at = found.end()
        if found.lastgroup != "nothing":
            before = found.group()
            yield before


def _statements(tokens: Tokens) -> list[Tokens]:
    """The program cut after each semicolon, and each block of a loop or an if, outside of all brackets."""
    statements: list[Tokens] = [[]]
    depth = 0
    for token, after in pairwise([*tokens, ";"]):
        statements[-1].append(token)
        depth += (token in "([{") - (token in ")]}")
        block = token == "}" and statements[-1][0] in ("for", "if") and after != "else"
        if depth == 0 and (token == ";" or block):
            statements.append([])
    return [statement for statement in statements if statement]


def _is_name(token: str) -> bool:
    return bool(re.match(r"[A-Za-z_$]", token)) and token not in WORDS


def _variables(tokens: Tokens) -> Iterator[tuple[int, str]]:
    """Names that stand for a variable, and not for a property or a key, and where they stand."""
    for index, (before, token, after) in enumerate(
        zip([";", *tokens], tokens, [*tokens[1:], ";"], strict=False)
    ):
        is_key = before in ("{", ",") and after == ":"
        if _is_name(token) and before not in (".", "?.") and not is_key:
            yield index, token


def _refuse_shorthand(statements: Iterable[Tokens]) -> None:
    for tokens in statements:
        for before, token, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
            if _is_name(token) and ((before == "{" and after in ",}") or (before == "," and after == "}")):
                raise NotUnderstood(f"write the property {token} in full")


# Constants


def _without_constants(tokens: Tokens) -> Tokens:
    """`const NAME = literal;` goes, and the literal stands wherever NAME stood."""
    values: dict[str, str] = {}
    rest: Tokens = []
    index = 0
    while index < len(tokens):
        match tokens[index : index + 5]:
            case ["const", name, "=", value, ";"] if name.isupper() and LITERAL.match(value):
                values[name] = value
                index += 5
            case [token, *_]:
                rest.append(token)
                index += 1
    return [values.get(token, token) for token in rest]


# Names


def _renamed(statements: list[Tokens]) -> Iterator[Tokens]:
    """Names declared outside of all brackets are the whole file's; others are their statement's, and short
    names serve again in the next."""
    shared = {
        after for tokens in statements for token, after in pairwise(tokens[:2]) if token in ("const", "let")
    }
    used = {name for tokens in statements for _, name in _variables(tokens)}
    own = [
        list(dict.fromkeys(name for name in _declared(tokens) if name not in shared)) for tokens in statements
    ]
    short = _short_names(used - shared - {name for names in own for name in names})
    most = max(map(len, own))
    uses = Counter(name for tokens in statements for _, name in _variables(tokens) if name in shared)
    everywhere = dict(zip((name for name, _ in uses.most_common()), short[most:], strict=False))
    for tokens, names in zip(statements, own, strict=True):
        new = everywhere | dict(zip(names, short, strict=False))
        places = {index: new[name] for index, name in _variables(tokens) if name in new}
        yield [places.get(index, token) for index, token in enumerate(tokens)]


def _short_names(free: set[str]) -> list[str]:
    """Names to give, except what the sources use without declaring it."""
    names = [*LETTERS, *map("".join, product(LETTERS, repeat=2))]
    return [name for name in names if name not in free | WORDS]


def _declared(tokens: Tokens) -> Iterator[str]:
    """Names after const, let and function, and parameters, in order."""
    for index, (token, after) in enumerate(pairwise(tokens)):
        if token in ("const", "let", "function") and _is_name(after):
            yield after
        elif token == ")" and after == "=>":
            yield from _parameters(tokens, _opening(tokens, index), index)
        elif token == "function" and after == "(":
            yield from _parameters(tokens, index + 1, tokens.index(")", index))


def _opening(tokens: Tokens, closing: int) -> int:
    depth = 0
    for index in range(closing, -1, -1):
        depth += {")": 1, "(": -1}.get(tokens[index], 0)
        if depth == 0:
            return index
    raise NotUnderstood("a parenthesis that nothing opens")


def _parameters(tokens: Tokens, opening: int, closing: int) -> Iterator[str]:
    for before, token in pairwise(tokens[opening:closing]):
        if before in ("(", ",", "...") and _is_name(token):
            yield token


# Writing


def _merged(statements: Iterable[Tokens]) -> Tokens:
    """All tokens again; declarations that follow each other become one."""
    merged: Tokens = []
    declares = [False]  # the statement at hand, in each of the brackets around it
    for before, token in pairwise([";", *chain.from_iterable(statements)]):
        if before in (";", "{", "}") and token in ("const", "let"):
            if before == ";" and declares[-1]:
                merged[-1] = ","
                continue
            declares[-1] = True
        elif before in (";", "{") or (before == "}" and re.match(r"[\w$]", token)):
            declares[-1] = False
        if token in ("(", "[", "{"):
            declares.append(False)
        elif token in (")", "]", "}"):
            declares.pop()
        merged.append(token)
    return merged


def _joined(tokens: Tokens) -> Iterator[str]:
    tokens = list(_shortened(tokens))
    for token, after in pairwise([*tokens, "}"]):
        if (token in (",", ";") and after == "}") or (token == "," and after in (")", "]")):
            continue
        yield token
        if (re.search(r"[\w$]$", token) and re.match(r"[\w$]", after)) or (
            token in "+-/" and after.startswith(token)
        ):
            yield " "


def _shortened(tokens: Tokens) -> Iterator[str]:
    index = 0
    while index < len(tokens):
        match tokens[index : index + 4]:
            case ["(", name, ")", "=>"] if _is_name(name):
                yield name
                index += 3
            case [".", name, *_]:
                yield from (".", name)
                index += 2
            case [token, *_]:
                yield SHORTER.get(token, token)
                index += 1
