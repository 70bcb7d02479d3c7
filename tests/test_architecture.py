"""The house keeps its shape: imports point one way."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
DOMAINS = ("accounts", "library", "activity", "reading", "consultant")


def sources(folder: str) -> list[Path]:
    return sorted((CHECKOUT / folder).rglob("*.py"))


def relative(source: Path) -> str:
    return str(source.relative_to(CHECKOUT))


def imports(source: Path) -> Iterator[str]:
    """The dotted names a file imports: `from a import b` counts as a and as a.b."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
            yield from (f"{node.module}.{name.name}" for name in node.names)


def importing(folder: str, *packages: str) -> list[str]:
    """`file: module` for each import of one of the packages in a folder."""
    return [
        f"{relative(source)}: {module}"
        for source in sources(folder)
        for module in imports(source)
        if any(module == package or module.startswith(f"{package}.") for package in packages)
    ]


def has_table(source: Path) -> bool:
    classes = (node for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.ClassDef))
    return any(isinstance(base, ast.Name) and base.id == "Model" for node in classes for base in node.bases)


def test_the_import_contracts_are_kept() -> None:
    # In a process of its own: it configures logging, and would switch off the loggers of all tests after it.
    linter = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    linted = subprocess.run(linter, cwd=CHECKOUT, capture_output=True, text=True)

    assert linted.returncode == 0, linted.stdout


def test_migrations_import_nothing_of_alice() -> None:
    assert sources("migrations")
    assert importing("migrations", "alice", "app", "cli") == []


def test_nothing_below_imports_the_commands_or_the_app() -> None:
    assert importing("alice", "alice.cli", "cli", "app") == []


def test_the_commands_know_no_http() -> None:
    edges = [f"alice.{domain}.{edge}" for domain in DOMAINS for edge in ("api", "pages")]

    assert importing("cli", *edges) == []


def test_a_module_with_a_table_knows_no_http() -> None:
    speaking = {line.split(":")[0] for line in importing("alice", "flask", "werkzeug")}

    assert [source for source in sources("alice") if has_table(source) and relative(source) in speaking] == []
