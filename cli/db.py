"""`alice db`: migrations of the database schema, and its space on the disk."""

from pathlib import Path

import click

from alice import database, migrations
from alice.backup import backups

from .shared import json_option, load_settings, open_database, print_json


@click.group()
def db() -> None:
    """Apply, undo, list and write database migrations; give back the space of deleted rows."""


@db.command()
def migrate() -> None:
    """Apply every pending migration, after a backup."""
    settings = load_settings()
    open_database(settings, current=False)
    say_backup(backups.make_before_migrating(settings))
    applied = migrations.migrate(settings)
    for step in applied:
        click.echo(f"Applied {step.database}/{step.name}.")
    if not applied:
        click.echo("Nothing to apply.")


@db.command()
@json_option
def status(as_json: bool) -> None:
    """List the migrations of both databases and when each was applied."""
    open_database(load_settings(), current=False)
    with migrations.connections():
        steps = migrations.status()
    if as_json:
        print_json([vars(step) for step in steps])
        return
    for step in steps:
        state = step.applied or "pending"
        note = "" if step.known else "  (not in this checkout)"
        click.echo(f"{step.database:7} {step.name:32} {state}{note}")


@db.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--events", is_flag=True, help="Undo the newest migration of events.db instead.")
def rollback(yes: bool, events: bool) -> None:
    """Undo the newest migration of alice.db. Tables that it created are deleted with their data."""
    name = "events" if events else "alice"
    settings = load_settings()
    open_database(settings, current=False)
    if not yes:
        with migrations.connections():
            newest = migrations.last_applied(name)
        if newest:
            what = f"Undo {newest.name}? All data in the tables that it created are deleted."
            click.confirm(what, abort=True)
    undone = migrations.rollback(settings, name)
    click.echo(f"Undid {undone.database}/{undone.name}." if undone else "Nothing to undo.")


@db.command()
@click.argument("name")
@click.option("--events", is_flag=True, help="Write a migration of events.db.")
def new(name: str, events: bool) -> None:
    """Write an empty migration called NAME and print its path."""
    click.echo(migrations.new(name, for_events=events))


@db.command()
def vacuum() -> None:
    """Give the space of deleted rows back to the disk. Nobody can write meanwhile: a second for 100 MB."""
    open_database(load_settings())
    for name, handle in (("alice", database.alice_db), ("events", database.events_db)):
        with database.connected(handle):
            before = _size(handle)
            handle.execute_sql("VACUUM")
            if not database.is_postgresql():
                handle.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            click.echo(f"{name}: {before - _size(handle)} bytes given back.")
        if database.is_postgresql():
            return  # both are one


def _size(handle: database.Handle) -> int:
    if database.is_postgresql():
        return handle.execute_sql("SELECT pg_database_size(current_database())").fetchone()[0]
    return Path(handle.database).stat().st_size


def say_backup(path: Path | None) -> None:
    """Name the archive that was made before migrating, if any."""
    if path is not None:
        click.echo(f"Wrote {path} first.")
