"""`alice db`: migrations of the database schema."""

from collections.abc import Iterable
from pathlib import Path

import click

from alice import migrations
from alice.backup import backups
from alice.config import ConfigError
from alice.migrations import Step

from .shared import json_option, load_settings, open_database, print_json


@click.group("db")
def database() -> None:
    """Apply, undo, list and write database migrations."""


@database.command()
def migrate() -> None:
    """Apply every pending migration, after a backup."""
    settings = load_settings()
    open_database(settings, current=False)
    try:
        say_backup(backups.make_before_migrating(settings))
        applied = migrations.migrate(settings)
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    _say("Applied", applied) if applied else click.echo("Nothing to apply.")


@database.command()
@json_option
def status(as_json: bool) -> None:
    """List the migrations of both databases and when each was applied."""
    open_database(load_settings(), current=False)
    try:
        with migrations.connections():
            steps = migrations.status()
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        print_json([vars(step) for step in steps])
        return
    for step in steps:
        state = step.applied or "pending"
        click.echo(
            f"{step.database:7} {step.name:32} {state}{'' if step.known else '  (not in this checkout)'}"
        )


@database.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--events", is_flag=True, help="Undo the newest migration of events.db instead.")
def rollback(yes: bool, events: bool) -> None:
    """Undo the newest migration of alice.db. Tables that it created are deleted with their data."""
    name = "events" if events else "alice"
    settings = load_settings()
    open_database(settings, current=False)
    try:
        if not yes:
            _confirm_rollback(name)
        undone = migrations.rollback(settings, name)
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    _say("Undid", [undone]) if undone else click.echo("Nothing to undo.")


@database.command()
@click.argument("name")
@click.option("--events", is_flag=True, help="Write a migration of events.db.")
def new(name: str, events: bool) -> None:
    """Write an empty migration called NAME and print its path."""
    click.echo(migrations.new(name, for_events=events))


def say_backup(path: Path | None) -> None:
    if path is not None:
        click.echo(f"Wrote {path} first.")


def _confirm_rollback(name: str) -> None:
    with migrations.connections():
        newest = migrations.last_applied(name)
    if newest:
        click.confirm(f"Undo {newest.name}? All data in the tables that it created are deleted.", abort=True)


def _say(done: str, steps: Iterable[Step]) -> None:
    for step in steps:
        click.echo(f"{done} {step.database}/{step.name}.")
