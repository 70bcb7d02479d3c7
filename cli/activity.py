"""`alice activity`: show the log, and recompute what is derived from it."""

import sys
import time
from collections.abc import Callable

import click
import orjson

from alice.activity import log
from alice.activity import rebuild as rebuilding
from alice.activity.log import ActivityRow
from alice.clock import rfc3339

from .shared import connected, json_option, print_json, to_record

LOOK_EVERY = 0.5  # seconds


@click.group()
def activity() -> None:
    """Show the activity log, and rebuild what is derived from it."""


@activity.command()
@click.option("--limit", "-n", default=20, show_default=True, type=click.IntRange(0, 500), help="How many.")
@click.option("--follow", "-f", is_flag=True, help="Keep printing new activities.")
@json_option
@connected
def tail(limit: int, follow: bool, as_json: bool) -> None:
    """Print the newest activities, the newest at the end."""
    rows = log.newest(None, limit) if limit else []
    rows.reverse()
    if as_json and not follow:
        print_json([to_record(row) for row in rows])
        return
    write = _json_line if as_json else _line
    for row in rows:
        click.echo(write(row))
    if follow:
        _follow(rows[-1].seq if rows else log.newest_seq(), write)


def _follow(seq: int, write: Callable[[ActivityRow], str]) -> None:
    while True:
        time.sleep(LOOK_EVERY)
        for row in log.after(seq):
            click.echo(write(row))
            seq = row.seq


@activity.command()
@json_option
@connected
def rebuild(as_json: bool) -> None:
    """Recompute readers' states and page reads, and repair differences.

    Both are derived from the activity log, so there should be no difference. Readers can go on reading
    meanwhile.
    """
    readers = rebuilding.readers()
    found: list[rebuilding.Difference] = []
    with click.progressbar(readers, label="Rebuilding", file=sys.stderr) as bar:
        for user_id in bar:
            found += rebuilding.rebuild(user_id)
    if as_json:
        print_json({"readers": len(readers), "differences": [difference._asdict() for difference in found]})
        return
    for difference in found:
        click.echo(f"{difference.user_id}  {difference.what}: {difference.kept} -> {difference.rebuilt}")
    result = f"{len(found)} differences, repaired" if found else "no difference"
    click.echo(f"{len(readers)} readers: {result}.")


def _json_line(row: ActivityRow) -> str:
    return orjson.dumps(to_record(row)).decode()


def _line(row: ActivityRow) -> str:
    place = f"{row.book_id} p. {row.page_number}" if row.page_number else row.book_id or ""
    return f"{row.seq:>8}  {rfc3339(row.occurred_at)}  {row.activity_type:<18} {row.email}  {place}".rstrip()
