"""`alice backup` and `alice restore`: one archive with everything that cannot be made again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from alice import database
from alice.backup import archive, backups
from alice.backup.archive import BadArchive, Manifest
from alice.clock import rfc3339
from alice.config import ConfigError, prepare_data_dir

from .shared import counted, json_option, load_settings, open_database, print_json

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
    with _one_line():
        click.echo(backups.make(settings, folder, keep))


@backup.command()
@file_argument
@json_option
def verify(file: Path, as_json: bool) -> None:
    """Read an archive and compare everything in it with what was written."""
    with _one_line():
        manifest = archive.verify(file)
    print_json(vars(manifest)) if as_json else click.echo(f"{file} is complete. {_about(manifest)}")


@click.command()
@file_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
def restore(file: Path, yes: bool) -> None:
    """Put the data of an archive in the place of those in the data folder. Stop Alice first.

    Data that are there already are moved to a folder beside them, and not deleted; on PostgreSQL the tables
    are replaced. An archive of an older Alice is migrated. People who were erased after the archive was made
    are erased again.
    """
    settings = load_settings()
    with _one_line():
        prepare_data_dir(settings)
        database.bind(settings)
        manifest = archive.read_manifest(file)
        if not yes:
            click.confirm(f"{_about(manifest)} Restore it to {settings.data_dir}?", abort=True, err=True)
        restored = backups.restore(settings, file)
    click.echo(f"Restored {file} to {settings.data_dir}.")
    if restored.replaced:
        click.echo(f"The data that were there are in {restored.replaced} now; delete it when all is well.")
    if restored.migrated:
        click.echo(f"Applied {counted(restored.migrated, 'migration')}.")
    if restored.erased:
        click.echo(f"Erased again, because they had been erased since: {counted(restored.erased, 'person')}.")


@contextmanager
def _one_line() -> Iterator[None]:
    """End the command with one line for what an admin can mend."""
    try:
        yield
    except (BadArchive, ConfigError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or 'A file'}: {error.strerror}.") from None


def _about(manifest: Manifest) -> str:
    rows = sum(manifest.rows.get("alice.db", {}).values()) + sum(manifest.rows.get("events.db", {}).values())
    return f"It was made at {rfc3339(manifest.made_at)} by Alice {manifest.version}" + (
        f" and holds {rows} rows." if rows else "."
    )
