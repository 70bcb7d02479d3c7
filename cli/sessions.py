"""`alice sessions`: who is signed in where."""

import click

from alice.accounts import session
from alice.accounts.session import SessionSummary
from alice.clock import rfc3339

from .shared import connected, counted, json_option, load_settings, print_list, to_record
from .users import find


@click.group()
def sessions() -> None:
    """List and end sign-ins."""


@sessions.command("list")
@click.option("--user", "email", metavar="EMAIL", help="Only sessions of this user.")
@json_option
@connected
def list_sessions(email: str | None, as_json: bool) -> None:
    """List current sessions, the newest first."""
    settings = load_settings()
    found = session.everyones(settings) if email is None else session.of_user(find(email).id, settings)
    heads = ["id", "e-mail", "role", "address", "last seen", "expires", "device"]
    print_list(found, as_json, heads, _row, lambda listed: to_record(listed) | {"device": listed.device})


@sessions.command()
@connected
def cleanup() -> None:
    """Delete expired sessions. The server does this every 5 minutes."""
    click.echo(f"Deleted {counted(session.cleanup(load_settings()), 'session')}.")


@sessions.command()
@click.option("--user", "email", metavar="EMAIL", help="All sessions of this user.")
@click.option("--id", "session_id", metavar="ID", help="This session.")
@click.option("--all", "everybody", is_flag=True, help="All sessions of all users.")
@connected
def revoke(email: str | None, session_id: str | None, everybody: bool) -> None:
    """Sign out a user, a session or everybody. Takes effect at once."""
    if (email is not None) + (session_id is not None) + everybody != 1:
        raise click.ClickException("Say whom to sign out: one of --user EMAIL, --id ID or --all.")
    if session_id is not None:
        if not session.end(session_id):
            raise click.ClickException(
                f"There is no session {session_id}. `alice sessions list` shows them all."
            )
        click.echo("Ended 1 session.")
        return
    ended = session.end_all(find(email).id if email is not None else None)
    click.echo(f"Ended {counted(ended, 'session')}.")


def _row(listed: SessionSummary) -> list[str]:
    seen, expires = rfc3339(listed.last_active_at), rfc3339(listed.expires_at)
    return [listed.id, listed.email, listed.role, listed.ip_address or "", seen, expires, listed.device]
