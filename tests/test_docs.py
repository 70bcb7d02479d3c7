"""The README names every setting, command and make target, and none that does not exist."""

import re
from collections.abc import Iterator
from dataclasses import Field, fields
from pathlib import Path

import click
import pytest

from alice.cli.main import main
from alice.config import Settings, variable

CHECKOUT = Path(__file__).resolve().parent.parent
README = (CHECKOUT / "README.md").read_text()
SETTINGS = [variable(field.name) for field in fields(Settings)]
MAKE = r"^make ([a-z]+)"
FOR_TESTS = {
    "ALICE_TEST_POSTGRESQL_URL",
    "ALICE_TEST_CHROMIUM",
    "ALICE_TEST_MIX_SECONDS",
    "ALICE_TEST_CLICKHOUSE_URL",
}


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command below a group, with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def known_options(line: str) -> set[str]:
    """The options of the command that a line calls."""
    command: click.Command | None = main
    words = line.split()[1:]
    while words and isinstance(command, click.Group):
        context, name = click.Context(command), words.pop(0)
        command = command.get_command(context, name) or command.get_command(context, "make")  # backup DIR
    assert command, f"there is no command {line}"
    return {option for parameter in command.params for option in parameter.opts}


def options(text: str) -> set[str]:
    return set(re.findall(r"--[a-z-]+", text))


def in_code(pattern: str) -> list[str]:
    """What matches in the README's code, inline and in blocks."""
    code = re.findall(r"```\w*\n(.*?)```|`([^`\n]+(?:\n[^`\n]+)?)`", README, re.DOTALL)
    return [match for texts in code for text in texts for match in re.findall(pattern, text, re.MULTILINE)]


def targets() -> set[str]:
    makefile = (CHECKOUT / "Makefile").read_text()
    return set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_in_the_table(name: str) -> None:
    assert re.search(rf"^\| `{name}` \| .+ \| .+ \|$", README, re.MULTILINE)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"ALICE_[A-Z_]+[A-Z]", README))))
def test_every_variable_in_the_readme_is_a_setting(name: str) -> None:
    assert name in {*SETTINGS, *FOR_TESTS}


@pytest.mark.parametrize("field", fields(Settings), ids=lambda field: field.name)
def test_defaults_in_the_table_are_the_defaults(field: Field) -> None:
    row = re.search(rf"^\| `{variable(field.name)}` \| (.+?) \|", README, re.MULTILINE)[1]
    default = int(field.default) if isinstance(field.default, bool) else field.default

    assert default is None or isinstance(default, Path) or row == f"`{default}`"


@pytest.mark.parametrize("path", [path for path, _ in commands(main, "alice")])
def test_every_command_is_in_the_table(path: str) -> None:
    assert re.search(rf"^\| `{path}[ `]", README, re.MULTILINE)


@pytest.mark.parametrize("line", in_code(r"(?:^|bin/)(alice [a-z].*)"))
def test_every_command_line_in_the_readme_exists(line: str) -> None:
    assert options(line) <= known_options(line)


@pytest.mark.parametrize(
    ("line", "meaning"), re.findall(r"^\| `(alice [^`]+)` \| (.+) \|$", README, re.MULTILINE)
)
def test_options_in_the_table_exist(line: str, meaning: str) -> None:
    assert options(meaning) <= known_options(line)


@pytest.mark.parametrize("name", sorted({*in_code(MAKE), *targets()}))
def test_make_targets_in_the_readme_and_the_makefile_are_the_same(name: str) -> None:
    assert name in targets()
    assert name in in_code(MAKE)


@pytest.mark.parametrize("path", re.findall(r"\]\((?!\w+:)([^)#]+)\)", README))
def test_linked_files_exist(path: str) -> None:
    assert (CHECKOUT / path).exists()
