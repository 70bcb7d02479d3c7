"""`alice sites`: the tracked sites and their settings."""

from collections.abc import Callable
from typing import Any

import click

from alice.accounts import user
from alice.clock import minutes, rfc3339
from alice.tracking import site
from alice.tracking.privacy.salt import Salts
from alice.tracking.site import IDLE_MINUTES, LONGEST_RETENTION, MAX_ORIGINS, SiteRow

from .shared import connected, json_option, load_settings, print_list
from .sinks import name_copies
from .users import find as find_user

HERE = "https://alice.example.org"  # a placeholder for the address in ALICE_PUBLIC_URL


def _checked(check: Callable[[str], str]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Return a callback that returns the normal form of a text, or says what the text must be."""

    def convert(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
        try:
            if isinstance(value, tuple):
                return tuple(map(check, value))
            return None if value is None else check(value)
        except ValueError as error:
            raise click.BadParameter(f"{error}.") from None

    return convert


def _origins(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
    if len(value) > MAX_ORIGINS:
        raise click.BadParameter(f"at most {MAX_ORIGINS}.")
    return _checked(site.normal_origin)(ctx, parameter, value)


def name_option(help: str) -> Callable[[Callable], Callable]:
    return click.option("--name", callback=_checked(site.normal_name), help=help)


origin_option = click.option(
    "--origin",
    "origins",
    multiple=True,
    metavar="URL",
    callback=_origins,
    help="Another origin whose pages may send events; may be repeated.",
)
idle_option = click.option(
    "--idle-minutes",
    type=click.IntRange(*IDLE_MINUTES),
    help="Minutes without an event after which a visit ends.",
)
retention_option = click.option(
    "--retention-days",
    type=click.IntRange(0, LONGEST_RETENTION),
    help="Days for which events are kept; 0: for ever.",
)


@click.group()
def sites() -> None:
    """Add, list, change and remove the sites that are tracked."""


@sites.command()
@click.argument("domain", callback=_checked(site.normal_domain))
@name_option("The name of the site; the domain if not given.")
@click.option(
    "--owner",
    metavar="EMAIL",
    help="The consultant or admin who owns the site; without it, only admins see it.",
)
@origin_option
@idle_option
@retention_option
@connected
def add(
    domain: str,
    name: str | None,
    owner: str | None,
    origins: tuple[str, ...],
    idle_minutes: int | None,
    retention_days: int | None,
) -> None:
    """Add the site DOMAIN. Prints its id and the line of HTML for its pages."""
    name = name or domain[: site.LONGEST_NAME]
    idle_minutes = idle_minutes or IDLE_MINUTES[1]
    added = site.create(domain, name, _owner_id(owner), origins, idle_minutes, retention_days or None)
    click.echo(f"Added {added.domain} ({added.id}).")
    public_url = load_settings().public_url
    click.echo(site.embed_code(added.id, public_url or HERE))
    if not public_url:
        click.echo(
            f"Replace {HERE} in this line by the address at which browsers reach Alice, "
            "or set ALICE_PUBLIC_URL, which prints the right line.",
            err=True,
        )


@sites.command("list")
@json_option
@connected
def list_sites(as_json: bool) -> None:
    """List the sites, the newest first."""
    found = site.everyones()
    emails = {listed.id: listed.email for listed in user.everyone()}
    heads = ["id", "domain", "owner", "idle", "kept", "name"]
    print_list(found, as_json, heads, lambda row: _row(row, emails), lambda row: _record(row, emails))


@sites.command("set")
@click.argument("site_id", metavar="SITE")
@click.option("--domain", callback=_checked(site.normal_domain), help="The new domain.")
@name_option("The new name.")
@origin_option
@click.option("--no-origins", is_flag=True, help="Remove all origins but its own domain.")
@idle_option
@retention_option
@connected
def set_site(
    site_id: str,
    domain: str | None,
    name: str | None,
    origins: tuple[str, ...],
    no_origins: bool,
    idle_minutes: int | None,
    retention_days: int | None,
) -> None:
    """Change settings of SITE (an id). New origins replace the old ones. Takes effect within 2 seconds."""
    given: dict[str, Any] = {"domain": domain, "name": name, "idle_minutes": idle_minutes}
    given = {column: value for column, value in given.items() if value is not None}
    if origins or no_origins:
        given["origins"] = site.origins_json(origins)
    if retention_days is not None:
        given["retention_days"] = retention_days or None
    if not given:
        raise click.UsageError("Nothing to change. `alice sites set --help` shows the options.")
    find(site_id)
    changed = site.change(site_id, **given)
    click.echo(f"Changed {changed.domain} ({changed.id}).")


@sites.command()
@click.argument("site_id", metavar="SITE")
@click.option("--yes", is_flag=True, help="Do not ask.")
@connected
def remove(site_id: str, yes: bool) -> None:
    """Remove SITE (an id) with its keys, visits, events and salts.

    What was not sent to a sink yet is not sent any more. Copies that were sent stay: delete the site's rows
    from the files in ndjson/ in the data folder, from ClickHouse and from Tinybird yourself.
    """
    found = find(site_id)
    if not yes:
        click.confirm(f"Remove {found.domain} ({found.id}) with all its visits and events?", abort=True)
    site.remove(site_id)
    Salts(load_settings().data_dir).destroy_all(found.id)
    click.echo(f"Removed {found.domain} ({found.id}).")
    name_copies()


def find(site_id: str) -> SiteRow:
    """Return the site with this id, or end the command."""
    found = site.find(site_id)
    if found is None:
        raise click.ClickException(f"There is no site {site_id}. `alice sites list` shows them all.")
    return found


def number_of(site_id: str | None) -> int | None:
    """Return the number of the site with this id, None for None, or end the command."""
    return None if site_id is None else find(site_id).number


def _owner_id(email: str | None) -> str | None:
    if email is None:
        return None
    found = find_user(email)
    if found.role not in user.STAFF:
        raise click.ClickException(
            f"{found.email} is a {found.role}; sites belong to consultants and admins. "
            "`alice users set-role` changes that."
        )
    return found.id


def _record(row: SiteRow, emails: dict[str, str]) -> dict[str, Any]:
    return {
        "id": row.id,
        "domain": row.domain,
        "name": row.name,
        "owner_id": row.owner_id,
        "owner_email": emails.get(row.owner_id or ""),
        "origins": sorted(row.origins),
        "idle_minutes": row.idle_ms // minutes(1),
        "retention_days": row.retention_days,
        "created_at": rfc3339(row.created_at),
    }


def _row(row: SiteRow, emails: dict[str, str]) -> list[str]:
    owner = "-" if row.owner_id is None else emails.get(row.owner_id, "(deleted)")
    kept = "for ever" if row.retention_days is None else f"{row.retention_days} d"
    return [row.id, row.domain, owner, f"{row.idle_ms // minutes(1)} min", kept, row.name]
