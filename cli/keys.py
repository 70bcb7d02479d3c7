"""`alice keys`: API keys, with which servers send or read the events of a site."""

import click

from alice.tracking import api_key
from alice.tracking.api_key import SCOPES, KeySummary
from alice.tracking.site import normal_name

from .shared import checked, connected, json_option, print_list, when
from .sites import find, number_of


@click.group()
def keys() -> None:
    """Make, list and revoke the API keys of sites."""


@keys.command()
@click.option("--site", "site_id", required=True, metavar="SITE", help="The id of the key's site.")
@click.option("--scope", required=True, type=click.Choice(SCOPES), help="Send events, or read them.")
@click.option("--name", required=True, help="A name for the list, such as the server that uses the key.")
@connected
def create(site_id: str, scope: str, name: str) -> None:
    """Make a key and print it. It cannot be shown again: only its hash is stored."""
    name = checked(normal_name, name, "name")
    created = api_key.create(find(site_id).number, scope, name)
    click.echo(created.key)
    click.echo(f"It is shown only now. `alice keys revoke {created.id}` revokes it.", err=True)


@keys.command("list")
@click.option("--site", "site_id", metavar="SITE", help="Only keys of this site.")
@json_option
@connected
def list_keys(site_id: str | None, as_json: bool) -> None:
    """List keys, the newest first. The secret part of a key is not stored."""
    heads = ["id", "site", "scope", "last used", "revoked", "name"]
    print_list(api_key.everyones(number_of(site_id)), as_json, heads, _row)


@keys.command()
@click.argument("key_id", metavar="ID")
@connected
def revoke(key_id: str) -> None:
    """Revoke the key with this ID."""
    if not api_key.revoke(key_id):
        raise click.ClickException(f"There is no active key {key_id}. `alice keys list` shows them all.")
    click.echo(f"Revoked {key_id}.")


def _row(listed: KeySummary) -> list[str]:
    used, revoked = when(listed.last_used_at) or "never", when(listed.revoked_at) or "no"
    return [listed.id, listed.site_id, listed.scope, used, revoked, listed.name]
