"""The `alice` command."""

import json
from importlib.metadata import version

import click
import pytest
from click.testing import CliRunner

from alice.cli import shared
from alice.cli.main import COMMANDS, main


def test_help_names_every_topic() -> None:
    done = CliRunner().invoke(main, ["--help"])

    assert done.exit_code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in done.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does(name: str) -> None:
    command = main.get_command(click.Context(main), name)

    assert command.name == name
    assert command.help
    for sub in getattr(command, "commands", {}).values():
        assert sub.help


def test_an_unknown_topic_is_refused() -> None:
    done = CliRunner().invoke(main, ["jabberwock"])

    assert done.exit_code == 2
    assert "No such command" in done.output


def test_the_version_is_told() -> None:
    assert version("alice") in CliRunner().invoke(main, ["--version"]).output


HOSTILE = "\x1b]0;OWNED\x07\x1b[2Jname\r\n\x9b31m\u202eforged\x7f"


def test_what_others_typed_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """As a table and as JSON, which stays what it is."""
    shared.print_table(["name", "path"], [[HOSTILE, "/tea"], ["plain é 茶", "/"]])
    shared.print_json({"name": HOSTILE, "plain": "é 茶"})

    printed = capsys.readouterr().out
    assert all(character.isprintable() or character == "\n" for character in printed)
    assert "plain é 茶" in printed and "/tea" in printed
    table, _, document = printed.partition("{")
    assert json.loads("{" + document) == {"name": HOSTILE, "plain": "é 茶"}
    assert len(table.splitlines()) == 3
