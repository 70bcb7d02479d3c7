"""`alice backup`: write and check archives of everything that cannot be made again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from alice.backup import archive, backups
from alice.backup.archive import BadArchive, Manifest
from alice.clock import rfc3339

from .shared import json_option, load_settings, open_database, print_json

file_argument = click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))


class MakeByDefault(click.Group):
    """`alice backup DIR` is `alice backup make DIR`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, *ctx.help_option_names):
            args = ["make", *args]
        return super().parse_args(ctx, args)


@click.group(cls=MakeByDefault)
def backup() -> None:
    """Write an archive of all data into a folder: `alice backup DIR`. Alice may go on running.

    An archive holds both databases, each as of one moment, the key that signs forms, and the lasting salts.
    It does not hold the files of sinks (ndjson/) and the salts of single days, which must be gone for good
    when Alice destroys them. Only its owner can read it: it holds e-mail addresses and password hashes.
    """


@backup.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--keep", type=click.IntRange(1), help="Delete the oldest archives in DIR beyond this number.")
def make(folder: Path, keep: int | None) -> None:
    """Write an archive into DIR and print its path."""
    settings = load_settings()
    open_database(settings)
    with one_line():
        click.echo(backups.make(settings, folder, keep))


@backup.command()
@file_argument
@json_option
def verify(file: Path, as_json: bool) -> None:
    """Read an archive and compare everything in it with what was written."""
    with one_line():
        manifest = archive.verify(file)
    print_json(vars(manifest)) if as_json else click.echo(f"{file} is complete. {about(manifest)}")


@contextmanager
def one_line() -> Iterator[None]:
    """End the command with one line for what an admin can mend."""
    try:
        yield
    except BadArchive as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or 'A file'}: {error.strerror}.") from None


def about(manifest: Manifest) -> str:
    rows = sum(manifest.rows.get("alice.db", {}).values()) + sum(manifest.rows.get("events.db", {}).values())
    return f"It was made at {rfc3339(manifest.made_at)} by Alice {manifest.version}" + (
        f" and holds {rows} rows." if rows else "."
    )
