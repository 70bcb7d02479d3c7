"""`alice restore`: put the data of an archive back."""

from pathlib import Path

import click

from alice import database
from alice.backup import archive, backups
from alice.config import prepare_data_dir

from .backup import about, file_argument, one_line
from .shared import counted, load_settings


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
    with one_line():
        prepare_data_dir(settings)
        database.bind(settings)
        manifest = archive.read_manifest(file)
        if not yes:
            click.confirm(f"{about(manifest)} Restore it to {settings.data_dir}?", abort=True, err=True)
        restored = backups.restore(settings, file)
    click.echo(f"Restored {file} to {settings.data_dir}.")
    if restored.replaced:
        click.echo(f"The data that were there are in {restored.replaced} now; delete it when all is well.")
    if restored.migrated:
        click.echo(f"Applied {counted(restored.migrated, 'migration')}.")
    if restored.erased:
        click.echo(f"Erased again, because they had been erased since: {counted(restored.erased, 'person')}.")
