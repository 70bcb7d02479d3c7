"""The `alice` command."""

import click
import pytest
from click.testing import CliRunner

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
