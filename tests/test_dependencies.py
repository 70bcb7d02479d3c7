"""What Alice imports is declared, what is declared is imported, and nothing that is installed is copyleft."""

import ast
import re
import sys
import tomllib
from importlib.metadata import distribution, packages_distributions

import pytest

from alice.config import CHECKOUT

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
# Found by other libraries, which import them: the time zones, and the faster half of ua-parser.
NOT_IMPORTED = {"tzdata", "ua-parser-rs"}
# The MPL covers orjson's own files and asks nothing of who uses them. The last version without it,
# 3.11.5, gets no more fixes.
EXCEPTIONS = {"orjson": "MPL-2.0"}
COPYLEFT = re.compile(r"\b(A?GPL|LGPL|MPL|EUPL|EPL|GNU|copyleft|Mozilla Public)", re.IGNORECASE)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[=<>~! ]", name)[0]).lower()


def declared() -> set[str]:
    return {normal(requirement) for requirement in PROJECT["dependencies"]}


def imported() -> set[str]:
    """The distribution of every package that Alice's own files import."""
    distributions = packages_distributions()
    names: set[str] = set()
    for folder in ("alice", "cli"):
        for path in (CHECKOUT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    names |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    names.add(node.module)
    roots = {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - {"alice"}
    return {normal(distributions[root][0]) for root in roots}


def installed() -> list[str]:
    """What `make install` installs, on any Python that Alice runs on, as far as it is here."""
    return re.findall(r"^([a-z0-9_.-]+)==", (CHECKOUT / "requirements.lock").read_text(), re.MULTILINE)


def licence_of(name: str) -> str:
    """What the metadata say; the beginning of the licence itself where they say nothing."""
    metadata = distribution(name).metadata
    classifiers = [line for line in metadata.get_all("Classifier") or [] if line.startswith("License")]
    licence = " ".join([metadata["License-Expression"] or metadata["License"] or "", *classifiers]).strip()
    files = [path for path in distribution(name).files or [] if path.name.startswith("LICENSE")]
    return licence or files[0].read_text()[:500]


def test_what_is_imported_is_declared() -> None:
    assert imported() - declared() == set()


def test_what_is_declared_is_imported() -> None:
    assert declared() - imported() == NOT_IMPORTED


@pytest.mark.parametrize("name", sorted(declared()))
def test_each_dependency_has_a_line_that_says_what_it_is_for(name: str) -> None:
    table = (CHECKOUT / "docs" / "architecture.md").read_text().partition("## Libraries")[2]

    assert re.search(rf"^\| [^|]*\b{name}\b[^|]*\| \S", table, re.MULTILINE)


@pytest.mark.parametrize("name", installed())
def test_what_is_installed_is_not_copyleft(name: str) -> None:
    licence = licence_of(name)

    assert licence
    assert not COPYLEFT.search(licence) or EXCEPTIONS[name] in licence


def test_alice_is_under_the_mit_licence() -> None:
    assert PROJECT["license"] == "MIT"
    assert "Copyright (c) 2026 the authors of Alice" in (CHECKOUT / "LICENSE").read_text()
