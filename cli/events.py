"""`alice events`: show and prune the event log, and export or erase one person."""

import click

from alice import erased
from alice.clock import rfc3339
from alice.tracking.log import event
from alice.tracking.log.event import EventSummary
from alice.tracking.privacy import person, retention

from .shared import connected, json_option, load_settings, print_json, print_list
from .sinks import name_copies
from .sites import number_of


def _not_blank(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    if not value.strip():
        raise click.BadParameter("must not be empty.")
    return value


site_option = click.option("--site", "site_id", metavar="SITE", help="Only events of this site.")
user_argument = click.argument("user_id", metavar="USER", callback=_not_blank)


@click.group()
def events() -> None:
    """Show and prune the event log, and export or erase one person."""


@events.command()
@click.option("--limit", "-n", default=20, show_default=True, type=click.IntRange(1, 500), help="How many.")
@site_option
@json_option
@connected
def tail(limit: int, site_id: str | None, as_json: bool) -> None:
    """Print the newest events, the newest at the end."""
    rows = event.newest(limit, number_of(site_id))
    print_list(rows, as_json, ["at", "site", "kind", "sequence", "name", "path"], _row)


@events.command()
@json_option
@connected
def prune(as_json: bool) -> None:
    """Delete events that are older than their site's retention. The server does this every hour.

    What was not sent to a sink yet is not sent any more. Copies that were sent are not deleted:
    delete the files in ndjson/ in the data folder yourself, and set in ClickHouse and Tinybird how long they
    keep rows.
    """
    gone = retention.prune()
    name_copies()
    if as_json:
        print_json(gone._asdict())
        return
    click.echo(
        f"Deleted {gone.events} events, {gone.visits} visits, {gone.visitors} visitors "
        f"and {gone.ids} event ids."
    )


@events.command()
@user_argument
@site_option
@connected
def export(user_id: str, site_id: str | None) -> None:
    """Print all data about a user as JSON: identities, visits, events.

    If several people share a browser, only the visits that name this user are printed.
    """
    print_json(person.export(user_id, number_of(site_id)))


@events.command()
@user_argument
@site_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@connected
def erase(user_id: str, site_id: str | None, yes: bool) -> None:
    """Delete a user's data from the event log: identities, visits, events.

    If several people share a browser, its visits that name no user are deleted too, and those that name
    another user stay.

    The texts of page addresses, event names and property names stay. Each is stored once for all visitors
    and is linked to no one afterwards, but an address such as /people/ada still names a person.

    What was not sent to a sink yet is not sent any more. Copies that were sent stay: delete the user's rows
    from the files in ndjson/ in the data folder, from ClickHouse and from Tinybird yourself. To delete what a
    user read in Alice, use `alice users delete`.
    """
    number = number_of(site_id)
    if not yes:
        click.confirm(f"Erase {user_id} from the event log? It cannot be undone.", abort=True)
    erased.note(load_settings().data_dir, user_id, site_id, account=False)
    gone = person.erase(user_id, number)
    if not any(gone):
        raise click.ClickException(f"Nothing was found of {user_id}. Ids are case-sensitive.")
    click.echo(f"Erased {gone.visits} visits of {user_id}.")
    name_copies()


def _row(row: EventSummary) -> list[str]:
    at, sequence = rfc3339(row.received_at), str(row.sequence)
    return [at, row.site_id, row.kind, sequence, row.name or "", row.path or ""]
