"""`alice setup`: whatever must be there before Alice can serve. Quick when it all is."""

import sys

import click

from alice import database, migrations
from alice.accounts import demo
from alice.accounts.demo import FirstAccounts
from alice.config import CHECKOUT, ConfigError
from alice.library import edition, importer, paging
from alice.library.book import Book

from .shared import load_settings, open_database

SHIPPED = CHECKOUT / "data" / "alice-in-wonderland.md"


@click.command()
def setup() -> None:
    """Migrate, load the shipped book, and make the first accounts (unless ALICE_DEMO=0)."""
    settings = load_settings()
    open_database(settings, current=False)
    try:
        migrations.migrate(settings)
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    with database.connected():
        if not Book.get_or_none(Book.id == SHIPPED.stem):
            _load_book()
        made = demo.create_first_accounts(SHIPPED.stem) if settings.demo else None
    if made:
        _show(made)


def _load_book() -> None:
    manuscript = importer.read(SHIPPED)
    with click.progressbar(
        length=len(manuscript.chapters) + 1, label="Loading the book", file=sys.stderr
    ) as bar:
        cut = paging.pages(manuscript, on_chapter=lambda: bar.update(1))
        importer.publish(manuscript.id, edition.made_of(manuscript, cut))
        bar.update(1)
    click.echo(f"Loaded {manuscript.title}.")


def _show(made: FirstAccounts) -> None:
    click.echo("\nThe first accounts. Their passwords are shown only now:\n")
    for account in made.accounts:
        click.echo(f"    {account.email:<24} {account.password}")
    click.echo(f"\nA code for the book, unused:  {made.code}\n")
