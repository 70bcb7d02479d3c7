"""The `alice` command. The module of a topic is imported only when it is used."""

from importlib import import_module

import click

COMMANDS = {
    "activity": "activity:activity",
    "backup": "backup:backup",
    "books": "books:books",
    "codes": "codes:codes",
    "config": "config:config",
    "db": "database:database",
    "events": "events:events",
    "keys": "keys:keys",
    "restore": "backup:restore",
    "serve": "serve:serve",
    "sessions": "sessions:sessions",
    "setup": "setup:setup",
    "sinks": "sinks:sinks",
    "sites": "sites:sites",
    "users": "users:users",
}


class Topics(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        return getattr(import_module(f"{__package__}.{module}"), name)


@click.group(cls=Topics, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run Alice, a reading companion, and manage its users, books and tracking."""


if __name__ == "__main__":
    main()
