"""`alice sessions`: who is signed in where."""

from typing import Any

import click

from alice.accounts import session
from alice.accounts.session import SessionSummary
from alice.clock import rfc3339

from .shared import connected, json_option, load_settings, print_json, print_table
from .users import find

TIMES = ("created_at", "last_active_at", "expires_at")


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
    if as_json:
        print_json([_record(listed) for listed in found])
        return
    heads = ["id", "e-mail", "role", "address", "last seen", "expires", "device"]
    print_table(heads, [_row(listed) for listed in found])


@sessions.command()
@connected
def cleanup() -> None:
    """Delete expired sessions. The server does this every 5 minutes."""
    click.echo(f"Deleted {_counted(session.cleanup(load_settings()))}.")


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
        click.echo(f"Ended {_counted(1)}.")
        return
    click.echo(f"Ended {_counted(session.end_all(find(email).id if email is not None else None))}.")


def _counted(count: int) -> str:
    return "1 session" if count == 1 else f"{count} sessions"


def _record(listed: SessionSummary) -> dict[str, Any]:
    record = listed._asdict() | {name: rfc3339(getattr(listed, name)) for name in TIMES}
    return record | {"device": listed.device}


def _row(listed: SessionSummary) -> list[str]:
    seen, expires = rfc3339(listed.last_active_at), rfc3339(listed.expires_at)
    return [listed.id, listed.email, listed.role, listed.ip_address or "", seen, expires, listed.device]
