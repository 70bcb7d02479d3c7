"""`alice events`: look at what browsers did, let go of what is old, and show or erase one person."""

from typing import Any

import click

from alice import database
from alice.clock import rfc3339
from alice.tracking import event, person, retention, site
from alice.tracking.event import Listed

from .copies import name_copies
from .shared import connected, json_option, print_json, print_table


def _somebody(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    if not value.strip():
        raise click.BadParameter("must not be empty.")
    return value


site_option = click.option("--site", "site_id", metavar="SITE", help="Only this site's.")
user_argument = click.argument("user_id", metavar="USER", callback=_somebody)


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
    """Delete what each site's retention says is old. The server also does it by itself.

    Rows that wait for a sink, or were refused by one, go as well. Other copies stay: the files in ndjson/ in
    the data folder are yours to delete, and what has gone to ClickHouse or Tinybird has a retention there.
    """
    gone = retention.prune()
    name_copies()
    if as_json:
        print_json(gone._asdict())
        return
    click.echo(
        f"Deleted {gone.events} events, {gone.visits} visits, {gone.visitors} visitors "
        f"and {gone.ids} ids that need not be known any more."
    )


@events.command()
@user_argument
@site_option
@connected
def export(user_id: str, site_id: str | None) -> None:
    """Print all that is kept of a user, as JSON: identities, visits, events.

    Of a browser that several people share, only the visits that name this one: the others may be another's.
    """
    print_json(person.export(user_id, _number(site_id)))


@events.command()
@user_argument
@site_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@connected
def erase(user_id: str, site_id: str | None, yes: bool) -> None:
    """Delete all that the event log keeps of a user: identities, visits, events, rows that wait for a sink.

    Of a browser that several people share, visits that name nobody go, and those that name another stay.

    Texts stay, each kept once for all who sent it and then tied to nobody: addresses of pages, names of
    events and of their properties, campaigns and the like. One that names somebody goes on doing so.

    Other copies stay: the files in ndjson/ in the data folder, and what has gone to ClickHouse or Tinybird,
    are yours to erase. What a user reads in Alice goes with `alice users delete`.
    """
    number = _number(site_id)
    if not yes:
        click.confirm(f"Erase {user_id} from the event log? It cannot be undone.", abort=True)
    erased = person.erase(user_id, number)
    if not any(erased):
        raise click.ClickException(f"Nothing was found of {user_id}. Ids are told apart letter by letter.")
    copies = f", and {erased.copies} rows kept for sinks" if erased.copies else ""
    click.echo(f"Erased {erased.visits} visits of {user_id}{copies}.")
    name_copies()


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
