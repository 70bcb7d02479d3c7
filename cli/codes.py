"""`alice codes`: the codes that open books."""

import click

from alice.errors import NotFound
from alice.library import book_code
from alice.library.book_code import CodeSummary

from .shared import connected, json_option, print_list, when

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
    print_list(book_code.everyones(book_id, unused), as_json, ["code", "book", "used", "by"], _row)


def _row(listed: CodeSummary) -> list[str]:
    deleted = "(deleted)" if listed.used_at is not None else ""
    return [listed.code, listed.book_id, when(listed.used_at) or "no", listed.used_by_email or deleted]
