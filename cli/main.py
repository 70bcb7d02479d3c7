"""The `alice` command. The module of a topic is imported only when it is used."""

from importlib import import_module
from typing import Any

import click

from alice.config import ConfigError
from alice.errors import Refusal

COMMANDS = (
    "activity", "backup", "books", "codes", "config", "db", "events", "keys", "restore", "serve", "sessions",
    "setup", "sinks", "sites", "users",
)  # fmt: skip


class Topics(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this name, from the module of the same name."""
        if cmd_name not in COMMANDS:
            return None
        return getattr(import_module(f"{__package__}.{cmd_name}"), cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. A mistake in a setting, or a refusal, ends it with one line and status 1."""
        try:
            return super().invoke(ctx)
        except (ConfigError, Refusal) as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=Topics, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="alice")
def main() -> None:
    """Run Alice, a reading companion, and manage its users, books and tracking."""


if __name__ == "__main__":
    main()
