"""`alice events`: look at what browsers did, let go of what is old, and show or erase one person."""

from typing import Any

import click

from alice import database
from alice.clock import rfc3339
from alice.tracking import event, person, retention, site
from alice.tracking.event import Listed

from .shared import connected, json_option, print_json, print_table

site_option = click.option("--site", "site_id", metavar="SITE", help="Only this site's.")


@click.group()
def events() -> None:
    """Look at the event log, prune it, and export or erase a person."""


@events.command()
@click.option("--limit", "-n", default=20, show_default=True, type=click.IntRange(1, 500), help="How many.")
@site_option
@json_option
@connected
def tail(limit: int, site_id: str | None, as_json: bool) -> None:
    """Print the newest events, the newest last."""
    number = _number(site_id)
    with database.connected(database.events_db):
        rows = event.newest(limit, number)
    if as_json:
        print_json([_record(row) for row in rows])
        return
    print_table(["at", "site", "kind", "sequence", "name", "path"], [_row(row) for row in rows])


@events.command()
@json_option
@connected
def prune(as_json: bool) -> None:
    """Delete what each site's retention says is old. The server also does it by itself."""
    gone = retention.prune()
    if as_json:
        print_json(gone._asdict())
        return
    click.echo(
        f"Deleted {gone.events} events, {gone.visits} visits, {gone.visitors} visitors "
        f"and {gone.ids} ids that need not be known any more."
    )


@events.command()
@click.argument("user_id", metavar="USER")
@site_option
@connected
def export(user_id: str, site_id: str | None) -> None:
    """Print all that is kept of a user, as JSON: identities, visits, events."""
    print_json(person.export(user_id, _number(site_id)))


@events.command()
@click.argument("user_id", metavar="USER")
@site_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@connected
def erase(user_id: str, site_id: str | None, yes: bool) -> None:
    """Delete all that is kept of a user: identities, visits, events."""
    number = _number(site_id)
    if not yes:
        click.confirm(f"Erase {user_id} from the event log? It cannot be undone.", abort=True)
    click.echo(f"Erased {person.erase(user_id, number)} visits of {user_id}.")


def _number(site_id: str | None) -> int | None:
    if site_id is None:
        return None
    row = site.find(site_id)
    if row is None:
        raise click.ClickException(f"There is no site {site_id}. `alice sites list` shows them all.")
    return row.number


def _record(row: Listed) -> dict[str, Any]:
    return row._asdict() | {"received_at": rfc3339(row.received_at)}


def _row(row: Listed) -> list[str]:
    return [
        rfc3339(row.received_at), row.site_id, row.kind, str(row.sequence), row.name or "", row.path or "",
    ]  # fmt: skip
