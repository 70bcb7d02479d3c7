"""`alice users`: manage readers, consultants and admins."""

import sys

import click

from alice.accounts import credential, password, user
from alice.accounts.user import READER, ROLES, User, UserSummary
from alice.library import book_code
from alice.tracking.privacy import person

from .shared import checked, connected, json_option, load_settings, print_list, when

password_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input, one line."
)


@click.group()
def users() -> None:
    """Add, list, change and delete users."""


@users.command()
@click.argument("email")
@click.option("--role", type=click.Choice(ROLES), default=READER, show_default=True, help="What they may do.")
@click.option("--first-name", default="", help="Shown to consultants.")
@click.option("--last-name", default="", help="Shown to consultants.")
@click.option("--verified", is_flag=True, help="Unlock every book that is imported by now, without codes.")
@password_option
@connected
def add(email: str, role: str, first_name: str, last_name: str, verified: bool, password_stdin: bool) -> None:
    """Add a user. Asks for a password; in a script, generates and prints one."""
    names = [checked(user.normal_name, text, "name") for text in (first_name, last_name)]
    normal_email = checked(user.normal_email, email, "e-mail")
    if user.find(normal_email):
        raise click.ClickException(
            f"{normal_email} has an account already. `alice users set-password` gives a new password."
        )
    text, generated = _choose_password(password_stdin)
    password.require_impersonal(text, "password", normal_email, *names)
    added = user.add(normal_email, password.hash_password(text), role, *names)
    if verified and not book_code.grant_all(added.id):
        click.echo("There is no book yet to open: `alice books import FILE` adds one.", err=True)
    click.echo(f"Added {normal_email} ({role}).")
    _say_password(text, generated)


@users.command("list")
@click.option("--role", type=click.Choice(ROLES), help="Only users with this role.")
@json_option
@connected
def list_users(role: str | None, as_json: bool) -> None:
    """List users, sorted by e-mail."""
    print_list(user.everyone(role), as_json, ["e-mail", "role", "verified", "last seen", "name"], _row)


@users.command("set-role")
@click.argument("email")
@click.argument("role", type=click.Choice(ROLES))
@connected
def set_role(email: str, role: str) -> None:
    """Change the role of EMAIL. Takes effect with their next request."""
    found = find(email)
    user.set_role(found.id, role)
    click.echo(f"{found.email} is now {role}.")


@users.command("set-password")
@click.argument("email")
@password_option
@connected
def set_password(email: str, password_stdin: bool) -> None:
    """Set the password of EMAIL and sign them out everywhere."""
    found = find(email)
    text, generated = _choose_password(password_stdin)
    credential.set_password(found.id, text)
    click.echo(f"{found.email} has a new password and is signed out everywhere.")
    _say_password(text, generated)


@users.command()
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask.")
@connected
def delete(email: str, yes: bool) -> None:
    """Delete EMAIL with all their activities. Book codes that they used stay used."""
    found = find(email)
    if not yes:
        click.confirm(f"Delete {found.email} ({found.role}) with all they read and did?", abort=True)
    user.delete(found.id)
    person.erase_deleted_users(load_settings().data_dir)
    click.echo(f"Deleted {found.email}.")


def find(email: str) -> User:
    """Return the user with this e-mail, or end the command."""
    found = user.find(email)
    if found is None:
        raise click.ClickException(f"There is no user {email}. `alice users list` shows them all.")
    return found


def _choose_password(from_stdin: bool) -> tuple[str, bool]:
    """Return the password, and whether it was generated here."""
    if from_stdin:
        return checked(password.acceptable, _read_line(), "password"), False
    if sys.stdin.isatty():
        text = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        return checked(password.acceptable, text, "password"), False
    return password.generate(), True


def _read_line() -> str:
    line = sys.stdin.buffer.readline()
    try:
        return line.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise click.ClickException("The password on standard input must be UTF-8 text.") from None


def _say_password(text: str, generated: bool) -> None:
    if generated:
        click.echo(f"Password: {text}")
        click.echo("It is shown only now.", err=True)


def _row(listed: UserSummary) -> list[str]:
    seen = when(listed.last_active_at) or "never"
    name = f"{listed.first_name} {listed.last_name}".strip()
    return [listed.email, listed.role, "yes" if listed.is_verified else "no", seen, name]
