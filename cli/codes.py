"""`alice codes`: the codes that open books."""

from typing import Any

import click

from alice.clock import rfc3339
from alice.errors import NotFound
from alice.library import book_code
from alice.library.book_code import CodeSummary

from .shared import connected, json_option, print_json, print_table

MOST = 10_000  # codes at once


@click.group()
def codes() -> None:
    """Make and list the codes that open books."""


@codes.command()
@click.option("--book", "book_id", required=True, metavar="SLUG", help="The id of the book to open.")
@click.option("--count", type=click.IntRange(1, MOST), default=1, show_default=True, help="How many codes.")
@connected
def create(book_id: str, count: int) -> None:
    """Make new codes and print them, one per line. Each opens the book for one reader."""
    try:
        created = book_code.create(book_id, count)
    except NotFound:
        raise click.ClickException(
            f"There is no book {book_id}. `alice books list` shows them all."
        ) from None
    for code in created:
        click.echo(code)


@codes.command("list")
@click.option("--book", "book_id", metavar="SLUG", help="Only codes of this book.")
@click.option("--unused", is_flag=True, help="Only unused codes.")
@json_option
@connected
def list_codes(book_id: str | None, unused: bool, as_json: bool) -> None:
    """List codes, the oldest first, and who used them."""
    found = book_code.everyones(book_id, unused)
    if as_json:
        print_json([_record(listed) for listed in found])
        return
    print_table(["code", "book", "used", "by"], [_row(listed) for listed in found])


def _record(listed: CodeSummary) -> dict[str, Any]:
    return listed._asdict() | {
        "created_at": rfc3339(listed.created_at),
        "used_at": rfc3339(listed.used_at) if listed.used_at is not None else None,
    }


def _row(listed: CodeSummary) -> list[str]:
    used = rfc3339(listed.used_at) if listed.used_at is not None else "no"
    deleted = "(deleted)" if listed.used_at is not None else ""
    return [listed.code, listed.book_id, used, listed.used_by_email or deleted]
