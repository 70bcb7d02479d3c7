"""Imports point one way. A planted violation of each rule shows that it is noticed."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alice.config import CHECKOUT

HTTP = ("flask", "werkzeug")
EDGES = ("api", "pages")
HTTP_TOO = (  # files of domains that import it, besides api and pages
    "alice/accounts/identity.py",
    "alice/activity/heartbeat.py",
    "alice/tracking/context.py",
    "alice/tracking/dialects/errors.py",
    "alice/tracking/script/served.py",
)

# The tables of each domain in alice.db, in the order of the domains: SQL may name those of domains below.
DOMAINS = {
    "accounts": "users|sessions|throttles|erasures",
    "library": "books|chapters|pages|sections|book_access|verification_codes",
    "activity": "activity_logs|reader_states|reading_presence|page_reads|reading_progress",
}
# Who is verified is asked in the same query as who is signed in.
NAMED_BELOW = [("alice/accounts/user.py", "book_access")]


# The rules: each returns what in a checkout breaks it.


def breaks_contracts(checkout: Path) -> list[str]:
    """The contracts of pyproject.toml: the order of the domains and rooms."""
    # In a process of its own: it configures logging, and would switch off the loggers of all tests after it.
    linter = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    linted = subprocess.run(linter, cwd=checkout, capture_output=True, text=True)
    return [linted.stdout] if linted.returncode else []


def migrations_importing_alice(checkout: Path) -> list[str]:
    return importing(checkout, "migrations", "alice", "app", "cli")


def parts_importing_the_commands_or_the_app(checkout: Path) -> list[str]:
    return importing(checkout, "alice", "alice.cli", "cli", "app")


def commands_importing_pages_or_api(checkout: Path) -> list[str]:
    edges = [
        ".".join(path.relative_to(checkout).with_suffix("").parts)
        for path in sources(checkout, "alice")
        if path.stem.split("_")[-1] in EDGES
    ]
    return importing(checkout, "cli", *edges)


def nouns_importing_http(checkout: Path) -> list[str]:
    found = []
    for domain in (*DOMAINS, "reading", "consultant", "tracking"):
        for line in importing(checkout, f"alice/{domain}", *HTTP):
            file = line.partition(":")[0]
            if file not in HTTP_TOO and Path(file).stem.split("_")[-1] not in EDGES:
                found.append(line)
    return found


def sql_naming_tables_of_domains_above(checkout: Path) -> list[str]:
    found = []
    for rank, domain in enumerate(DOMAINS):
        above = "|".join([*DOMAINS.values()][rank + 1 :]) or "$."
        sql = re.compile(rf"(?:FROM|JOIN|INTO|UPDATE|REFERENCES) (?:{above})\b")
        for source in sources(checkout, f"alice/{domain}"):
            file = str(source.relative_to(checkout))
            tables = [match.split()[1] for match in sql.findall(source.read_text())]
            found += [f"{file}: {table}" for table in tables if (file, table) not in NAMED_BELOW]
    return found


RULES = {
    breaks_contracts: ("alice/accounts/session.py", "from alice.library import book"),
    migrations_importing_alice: ("migrations/0001_backbone.py", "from alice import clock"),
    parts_importing_the_commands_or_the_app: ("alice/tracking/site.py", "from alice.cli import shared"),
    commands_importing_pages_or_api: ("cli/sinks.py", "from alice.tracking.dialects.usertracker import api"),
    nouns_importing_http: ("alice/tracking/log/visit.py", "import flask"),
    sql_naming_tables_of_domains_above: ("alice/accounts/session.py", 'SQL = "SELECT id FROM books"'),
}
# Further violations.
MORE = [
    (nouns_importing_http, "alice/library/book.py", "from flask import request"),
    (sql_naming_tables_of_domains_above, "alice/library/book.py", 'SQL = "DELETE FROM reading_progress"'),
]
CONTRACTS = [
    ("alice/tracking/log/visit.py", "from alice.activity import log"),
    ("alice/accounts/user.py", "from alice.tracking import site"),
    ("alice/web/edge.py", "from alice.accounts import user"),
    ("alice/clock.py", "from alice import database"),
    ("alice/consultant/queries.py", "from alice.reading import pages"),
    ("alice/tracking/dialects/littlestats.py", "from alice.tracking.dialects.usertracker import api"),
    ("alice/tracking/sites_api.py", "from alice.tracking.dialects.usertracker import api"),
    ("alice/tracking/log/visit.py", "from alice.tracking.privacy import salt"),
    ("alice/tracking/privacy/salt.py", "from alice.tracking import pipeline"),
    ("alice/tracking/pipeline.py", "from alice.tracking.dialects import body"),
    ("alice/tracking/log/event.py", "from alice.tracking.sinks import sink"),
    ("alice/app.py", "from alice.server import worker"),
]


@pytest.mark.parametrize("rule", RULES)
def test_the_rule_is_kept(rule: Callable[[Path], list[str]]) -> None:
    assert rule(CHECKOUT) == []


@pytest.mark.parametrize(
    ("rule", "file", "line"),
    [(rule, *planted) for rule, planted in RULES.items()]
    + MORE
    + [(breaks_contracts, *planted) for planted in CONTRACTS],
)
def test_a_planted_violation_is_noticed(
    tmp_path: Path, rule: Callable[[Path], list[str]], file: str, line: str
) -> None:
    for name in ("alice", "cli", "migrations", "pyproject.toml"):
        copy = shutil.copytree if (CHECKOUT / name).is_dir() else shutil.copy
        copy(CHECKOUT / name, tmp_path / name)
    planted = tmp_path / file
    planted.write_text(f"{planted.read_text()}\n\n{line}\n")

    assert rule(tmp_path)


def sources(checkout: Path, folder: str) -> list[Path]:
    return sorted((checkout / folder).rglob("*.py"))


def imports(source: Path) -> Iterator[str]:
    """The dotted names a file imports: `from a import b` counts as a and as a.b."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
            yield from (f"{node.module}.{name.name}" for name in node.names)


def importing(checkout: Path, folder: str, *packages: str) -> list[str]:
    """`file: module` for each import of one of the packages in a folder."""
    return [
        f"{source.relative_to(checkout)}: {module}"
        for source in sources(checkout, folder)
        for module in imports(source)
        if any(module == package or module.startswith(f"{package}.") for package in packages)
    ]
