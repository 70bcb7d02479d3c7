"""`alice setup`: prepare everything that `alice serve` needs. Quick if it is done already."""

import sys

import click

from alice import database, migrations
from alice.backup import backups
from alice.config import CHECKOUT, Settings
from alice.library import book, demo, edition, importer, paging
from alice.library.demo import FirstAccounts
from alice.library.importer import Outcome
from alice.tracking import site

from .db import say_backup
from .shared import load_settings, open_database

SHIPPED = CHECKOUT / "data" / "alice-in-wonderland.md"


@click.command()
def setup() -> None:
    """Prepare the first start: migrate, add Alice's own site, load the shipped book, make accounts.

    The accounts are made only together with the book: if the book is there already, or with ALICE_DEMO=0,
    none is made. Harmless to repeat.
    """
    settings = load_settings()
    open_database(settings, current=False)
    say_backup(backups.make_before_migrating(settings))
    migrations.migrate(settings)
    with database.connected(), database.connected(database.events_db):
        site.own(settings.public_url)
        if SHIPPED.stem not in book.titles():
            _start_first(settings)


def _start_first(settings: Settings) -> None:
    """Load the book and create the accounts in one transaction.

    The passwords are shown before the commit: if setup is stopped earlier, nothing is kept and it can be run
    again.
    """
    manuscript = importer.read(SHIPPED)
    accounts = demo.make_up() if settings.demo else []
    with click.progressbar(length=len(manuscript.chapters), label="Loading the book", file=sys.stderr) as bar:
        cut = paging.pages(manuscript, on_chapter=lambda: bar.update(1))
    with database.transaction():
        if importer.publish(manuscript.id, edition.made_of(manuscript, cut)) is not Outcome.IMPORTED:
            return  # another setup has loaded it meanwhile
        click.echo(f"Loaded {manuscript.title}.")
        first = demo.create_first_accounts(accounts, manuscript.id) if settings.demo else None
        if first:
            _show(first)


def _show(first: FirstAccounts) -> None:
    click.echo("\nThe first accounts. Their passwords are shown only now:\n")
    for account in first.accounts:
        click.echo(f"    {account.email:<24} {account.password}")
    click.echo(f"\nA code for the book, unused:  {first.code}\n")
