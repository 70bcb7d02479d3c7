"""`alice sinks`: where events are copied to, and what has not arrived."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from alice import clock, database
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
    """Show and repair the copying of events to ClickHouse, Tinybird or files.

    A SINK is clickhouse, tinybird or ndjson.
    """


@sinks.command()
@json_option
@connected_to_events
def status(configured: list[str], as_json: bool) -> None:
    """Show how far each sink has come, and the batches that were not delivered, with their ids.

    "Behind" counts the rows of the log that are in no batch yet. A batch is waiting (to be sent or sent
    again), dead (the other side refused all of it) or taken (the other side accepted it with an error).
    """
    streams, letters = upkeep.status(), upkeep.undelivered()
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
    for sink in sorted({*configured} - {stream.sink for stream in streams}):
        click.echo(f"{sink} has not been served yet: `alice serve` does that.")
    if streams:
        heads = ["sink", "stream", "state", "behind", "in batches", "failures", "next attempt", "reason"]
        print_table(heads, [_stream_row(stream, configured) for stream in streams])
    if letters:
        click.echo()
        heads = ["batch", "sink", "stream", "state", "rows", "attempts", "next attempt", "since", "reason"]
        print_table(heads, [_letter_row(letter, configured) for letter in letters])


@sinks.command()
@click.argument("sink")
@click.option("--batch", metavar="ID", help="Only this batch, even if the other side accepted it.")
@json_option
@connected_to_events
def retry(configured: list[str], sink: str, batch: str | None, as_json: bool) -> None:
    """Retry now: waiting batches, stopped streams and dead batches."""
    _require(sink, configured)
    if sink not in configured:
        raise click.ClickException(
            f"{sink} is not set, so nothing goes there. `alice config` shows the settings."
        )
    letter = _require_batch(sink, batch)
    count = upkeep.retry(sink, batch)
    if as_json:
        print_json({"sink": sink, "batches": count})
    elif letter is None:
        click.echo(f"{sink} goes on; {_batches(count)} will be tried within seconds.")
    elif count:
        click.echo(f"Batch {letter.id} of {sink} is tried again in its turn.{_held_up(letter)}")
    else:
        click.echo(f"Batch {letter.id} of {sink} is on its way already.")


@sinks.command()
@click.argument("sink")
@click.option("--batch", metavar="ID", help="Only this batch, even if it is waiting.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@connected_to_events
def skip(configured: list[str], sink: str, batch: str | None, yes: bool, as_json: bool) -> None:
    """Delete batches without sending them. Their events stay in the log."""
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


@sinks.command()
@click.argument("sink")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@connected_to_events
def restart(configured: list[str], sink: str, yes: bool, as_json: bool) -> None:
    """Send the whole log again from its first event, for example to a new, empty server.

    ClickHouse and Tinybird replace rows that they have already; in files such rows stand twice.
    """
    _require(sink, configured)
    if not yes:
        what = f"Send the whole log to {sink} again, and delete every batch that waits or is kept?"
        click.confirm(what, abort=True, err=True)
    count = upkeep.restart(sink)
    if as_json:
        print_json({"sink": sink, "batches": count})
    else:
        click.echo(f"{sink} starts over from the first event; {_batches(count)} deleted.")


def _require(sink: str, configured: list[str]) -> None:
    known = sorted({*configured, *(stream.sink for stream in upkeep.status())})
    if sink not in known:
        there = f"There are {', '.join(known)}." if known else "No sink is set."
        raise click.ClickException(f"There is no sink {sink}. {there}")


def _require_batch(sink: str, batch: str | None) -> Letter | None:
    if batch is None:
        return None
    for letter in upkeep.letters(sink, ("waiting", "dead", "taken")):
        if letter.id == batch:
            return letter
    raise click.ClickException(f"{sink} has no batch {batch}. `alice sinks status` lists them.")


def _held_up(letter: Letter) -> str:
    """Why a batch is not sent within seconds, if so."""
    for stream in upkeep.status():
        if (stream.sink, stream.stream) == (letter.sink, letter.stream):
            if stream.state == "stopped":
                return f" Its stream is stopped; `alice sinks retry {letter.sink}` lets it go on."
            if stream.state == "open":
                until = _when(stream.next_attempt_at)
                return f" Its stream waits until {until}; `alice sinks retry {letter.sink}` ends that."
    return ""


def _batches(count: int) -> str:
    return f"{count} batch" if count == 1 else f"{count} batches"


def _stream_record(stream: StreamStatus, configured: list[str]) -> dict[str, Any]:
    return stream._asdict() | {
        "configured": stream.sink in configured,
        "next_attempt_at": _when(stream.next_attempt_at),
    }


def _letter_record(letter: Letter) -> dict[str, Any]:
    return letter._asdict() | {
        "next_attempt_at": _next_attempt(letter),
        "created_at": rfc3339(letter.created_at),
    }


def _stream_row(stream: StreamStatus, configured: list[str]) -> list[str]:
    is_set = stream.sink in configured
    return [
        stream.sink, stream.stream, stream.state if is_set else "not set", str(stream.behind),
        str(stream.held), str(stream.failures), (is_set and _when(stream.next_attempt_at)) or "-",
        stream.reason or "-",
    ]  # fmt: skip


def _letter_row(letter: Letter, configured: list[str]) -> list[str]:
    is_set = letter.sink in configured
    return [
        letter.id, letter.sink, letter.stream, letter.state, str(letter.rows), str(letter.attempts),
        (is_set and _next_attempt(letter)) or "-", rfc3339(letter.created_at), letter.error or "-",
    ]  # fmt: skip


def _next_attempt(letter: Letter) -> str | None:
    """What is due is tried now."""
    return None if letter.next_attempt_at is None else rfc3339(max(letter.next_attempt_at, clock.now()))


def _when(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)
