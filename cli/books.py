"""`alice books`: import and list books."""

import sys
from collections.abc import Callable
from pathlib import Path

import click

from alice import database
from alice.library import edition, importer, paging
from alice.library.manuscript import BadBook
from alice.library.paging import WORDS_PER_PAGE, WORDS_PER_SECTION

from .shared import connected, counted, json_option, print_json, print_table

SHOWN = ("id", "title", "author", "language", "chapters", "total_pages", "total_words")


def words_option(of: str, default: int, low: int, high: int) -> Callable[[Callable], Callable]:
    words, text = click.IntRange(low, high), f"Words per {of}, about."
    return click.option(f"--words-per-{of}", default=default, show_default=True, type=words, help=text)


@click.group()
def books() -> None:
    """Import books and list them."""


@books.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--id", "book_id", help="The permanent id of the book; by default from the file or the title.")
@click.option("--title", help="The title, instead of the one in the file.")
@click.option("--author", help="The author, instead of the one in the file.")
@words_option("page", WORDS_PER_PAGE, 20, 5000)
@words_option("section", WORDS_PER_SECTION, 5, 999)
@connected
def import_book(
    file: Path,
    book_id: str | None,
    title: str | None,
    author: str | None,
    words_per_page: int,
    words_per_section: int,
) -> None:
    """Import a book from FILE: Markdown (.md), plain text (.txt) or EPUB (.epub).

    Importing a book again updates it. Where its text is unchanged, readers keep their places.
    """
    try:
        manuscript = importer.read(file, id=book_id, title=title, author=author)
    except BadBook as fault:
        raise click.ClickException(f"Cannot import {file}: {fault}.") from None
    steps = len(manuscript.chapters) + 1
    with click.progressbar(length=steps, label="Importing", file=sys.stderr) as bar:
        cut = paging.pages(manuscript, words_per_page, words_per_section, lambda: bar.update(1))
        new = edition.made_of(manuscript, cut)
        outcome = importer.publish(manuscript.id, new)
        bar.update(1)
    click.echo(
        f"{outcome.capitalize()}: {manuscript.title} ({manuscript.id}), "
        f"{counted(len(new.chapters), 'chapter')}, {counted(len(new.pages), 'page')}, "
        f"{counted(len(new.sections), 'section')}."
    )


@books.command("list")
@json_option
@connected
def list_books(as_json: bool) -> None:
    """List the books."""
    rows = database.query(
        "SELECT id, title, author, language, (SELECT COUNT(*) FROM chapters c WHERE c.book_id = b.id), "
        "total_pages, total_words FROM books b ORDER BY title, id"
    )
    if as_json:
        print_json([dict(zip(SHOWN, row, strict=True)) for row in rows])
    else:
        print_table(["id", "pages", "title"], [[row[0], str(row[5]), row[1]] for row in rows])
