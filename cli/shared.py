"""What the commands share: settings, a connection, and output as JSON or a table.

    @users.command("list")
    @json_option
    @connected
    def list_users(as_json: bool) -> None: ...

A user's mistake ends a command with one line that says what to do, and status 1: a ClickException.
"""

import os
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click
import orjson

from alice import database, listeners, migrations
from alice.clock import rfc3339
from alice.config import Settings, prepare_data_dir

Command = TypeVar("Command", bound=Callable)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def load_settings(**overrides: Any) -> Settings:
    """Return the settings: options override the environment. Raises ConfigError."""
    environ = dict(os.environ)
    environ.update({f"ALICE_{name.upper()}": str(v) for name, v in overrides.items() if v is not None})
    return Settings.from_env(environ)


def open_database(settings: Settings, *, current: bool = True) -> None:
    """Bind the databases and leave no connection open; with `current`, refuse if migrations are pending.

    Raises ConfigError.
    """
    prepare_data_dir(settings)
    database.bind(settings)
    listeners.connect()
    if current:
        migrations.require_current()


def connected(command: Command) -> Command:
    """Run the command with a connection to each database, if every migration is applied."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        open_database(load_settings())
        with database.connected(), database.connected(database.events_db):
            return command(*args, **kwargs)

    return run


def checked(check: Callable[[str], str], text: str, what: str) -> str:
    """Return the normal form of a text, or end the command with what the text must be."""
    try:
        return check(text)
    except ValueError as error:
        raise click.ClickException(f"The {what} {error}.") from None


def print_json(data: Any) -> None:
    text = orjson.dumps(data, option=orjson.OPT_INDENT_2).decode()
    click.echo(_UNSHOWN.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


# What JSON may hold as it is, and a terminal obeys: DEL, C1, and characters that change the order of others.
_UNSHOWN = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def printable(text: str) -> str:
    """The text with every character escaped that a terminal would not show, but obey."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def print_list(
    found: list[Any],
    as_json: bool,
    heads: list[str],
    row: Callable[[Any], list[str]],
    record: Callable[[Any], dict[str, Any]] | None = None,
) -> None:
    """Print named tuples as JSON, or as a table with a row for each."""
    if as_json:
        print_json([*map(record or to_record, found)])
    else:
        print_table(heads, [*map(row, found)])


def to_record(found: Any) -> dict[str, Any]:
    """A named tuple for JSON; its times (ms, named ..._at) as text."""
    return {name: when(value) if name.endswith("_at") else value for name, value in found._asdict().items()}


def when(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)


def counted(count: int, noun: str, plural: str | None = None) -> str:
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def print_table(heads: list[str], rows: list[list[str]]) -> None:
    """Print aligned columns."""
    rows = [[*map(printable, row)] for row in rows]
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads) - 1)]
    for row in [heads, *rows]:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        click.echo("  ".join([*cells, row[-1]]).rstrip())
