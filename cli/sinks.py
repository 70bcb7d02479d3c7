"""`alice sinks`: where events are copied to, and what has not arrived."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from alice import database
from alice.clock import rfc3339
from alice.tracking.sinks import registry, upkeep
from alice.tracking.sinks.upkeep import Letter, StreamStatus

from .shared import json_option, load_settings, open_database, print_json, print_table


def connected_to_events(command: Callable) -> Callable:
    """Run the command with a connection to events.db, and the names of the sinks that are set."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        settings = load_settings()
        open_database(settings)
        with database.connected(database.events_db):
            return command([sink.name for sink in registry.configured(settings)], *args, **kwargs)

    return run


@click.group()
def sinks() -> None:
    """See to the copies of events that go to ClickHouse, Tinybird or files."""


@sinks.command()
@json_option
@connected_to_events
def status(configured: list[str], as_json: bool) -> None:
    """Show how far each sink has come, and the batches that did not simply arrive."""
    streams, letters = upkeep.status(), upkeep.letters()
    if as_json:
        print_json(
            {
                "configured": configured,
                "streams": [_stream_record(stream, configured) for stream in streams],
                "letters": [_letter_record(letter) for letter in letters],
            }
        )
        return
    if not configured:
        click.echo("No sink is set. ALICE_CLICKHOUSE_URL, ALICE_TINYBIRD_TOKEN or ALICE_NDJSON sets one.")
    if streams:
        heads = ["sink", "stream", "state", "behind", "failures", "next attempt", "reason"]
        print_table(heads, [_stream_row(stream, configured) for stream in streams])
    if letters:
        click.echo()
        heads = ["batch", "sink", "stream", "state", "rows", "bytes", "kept since", "reason"]
        print_table(heads, [_letter_row(letter) for letter in letters])


@sinks.command()
@click.argument("sink")
@click.option("--batch", metavar="ID", help="Only this batch, even if the other side has taken it.")
@json_option
@connected_to_events
def retry(configured: list[str], sink: str, batch: str | None, as_json: bool) -> None:
    """Try again at once: what waits, what had stopped, and dead letters."""
    _require(sink, configured)
    _require_batch(sink, batch)
    count = upkeep.retry(sink, batch)
    if as_json:
        print_json({"sink": sink, "batches": count})
    else:
        click.echo(f"{sink} goes on; {_batches(count)} will be tried within seconds.")


@sinks.command()
@click.argument("sink")
@click.option("--batch", metavar="ID", help="Only this batch, even if it still waits to be sent.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@connected_to_events
def skip(configured: list[str], sink: str, batch: str | None, yes: bool, as_json: bool) -> None:
    """Give up on batches that are kept, and delete them. Their events stay in the log."""
    _require(sink, configured)
    _require_batch(sink, batch)
    if not yes:
        what = f"batch {batch}" if batch else "every batch that is kept"
        click.confirm(f"Delete {what} of {sink}? Its rows will not be sent any more.", abort=True, err=True)
    count = upkeep.skip(sink, batch)
    if as_json:
        print_json({"sink": sink, "batches": count})
    else:
        click.echo(f"{_batches(count)} of {sink} deleted.")


def _require(sink: str, configured: list[str]) -> None:
    known = sorted({*configured, *(stream.sink for stream in upkeep.status())})
    if sink not in known:
        there = f"There are {', '.join(known)}." if known else "No sink is set."
        raise click.ClickException(f"There is no sink {sink}. {there}")


def _require_batch(sink: str, batch: str | None) -> None:
    kept = upkeep.letters(sink, ("waiting", "dead", "taken"))
    if batch is not None and batch not in {letter.id for letter in kept}:
        raise click.ClickException(f"{sink} has no batch {batch}. `alice sinks status` lists them.")


def _batches(count: int) -> str:
    return f"{count} batch" if count == 1 else f"{count} batches"


def _stream_record(stream: StreamStatus, configured: list[str]) -> dict[str, Any]:
    return stream._asdict() | {
        "configured": stream.sink in configured,
        "next_attempt_at": _when(stream.next_attempt_at),
    }


def _letter_record(letter: Letter) -> dict[str, Any]:
    return letter._asdict() | {"created_at": rfc3339(letter.created_at)}


def _stream_row(stream: StreamStatus, configured: list[str]) -> list[str]:
    state = stream.state if stream.sink in configured else "not set"
    return [
        stream.sink, stream.stream, state, str(stream.behind), str(stream.failures),
        _when(stream.next_attempt_at) or "-", stream.reason or "-",
    ]  # fmt: skip


def _letter_row(letter: Letter) -> list[str]:
    return [
        letter.id, letter.sink, letter.stream, letter.state, str(letter.rows), str(letter.bytes),
        rfc3339(letter.created_at), letter.error or "-",
    ]  # fmt: skip


def _when(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)
