"""`alice sinks`: the status and the repair of copying events to other systems."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from alice import clock, database
from alice.clock import rfc3339
from alice.tracking.sinks import batches, registry
from alice.tracking.sinks import status as sink_status
from alice.tracking.sinks.ndjson import NdjsonFiles
from alice.tracking.sinks.status import BatchStatus, StreamStatus

from .shared import (
    counted,
    json_option,
    load_settings,
    open_database,
    print_json,
    print_table,
    to_record,
    when,
)

STREAM_HEADS = ["sink", "stream", "state", "behind", "in batches", "failures", "next attempt", "reason"]
BATCH_HEADS = ["batch", "sink", "stream", "state", "rows", "attempts", "next attempt", "since", "reason"]


def connected_to_events(command: Callable) -> Callable:
    """Run the command with a connection to events.db; its first argument names the configured sinks."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        settings = load_settings()
        open_database(settings)
        with database.connected(database.events_db):
            return command([sink.name for sink in registry.configured(settings)], *args, **kwargs)

    return run


def batch_option(help: str) -> Callable[[Callable], Callable]:
    return click.option("--batch", "batch_id", metavar="ID", help=help)


@click.group()
def sinks() -> None:
    """Show and repair the copying of events to ClickHouse, Tinybird or files.

    A SINK is clickhouse, tinybird or ndjson.
    """


@sinks.command()
@json_option
@connected_to_events
def status(configured: list[str], as_json: bool) -> None:
    """Show the progress of each sink, and its undelivered batches.

    "Behind" counts the rows of the log that are in no batch yet. A batch is waiting (to be sent or sent
    again), dead (the other side refused its row) or taken (the other side accepted it with an error). A batch
    is a part of the log: if all of its rows have left the log, `alice serve` deletes it within a minute.
    """
    streams, undelivered = sink_status.streams(), sink_status.undelivered()
    if as_json:
        print_json(
            {
                "configured": configured,
                "streams": [to_record(s) | {"configured": s.sink in configured} for s in streams],
                "letters": [to_record(b) | {"next_attempt_at": _next_attempt(b)} for b in undelivered],
            }
        )
        return
    if not configured:
        click.echo("No sink is set. ALICE_CLICKHOUSE_URL, ALICE_TINYBIRD_TOKEN or ALICE_NDJSON sets one.")
    for sink in sorted({*configured} - {stream.sink for stream in streams}):
        click.echo(f"Nothing has been sent to {sink} yet: `alice serve` does that.")
    if streams:
        print_table(STREAM_HEADS, [_stream_row(stream, configured) for stream in streams])
    if undelivered:
        click.echo()
        print_table(BATCH_HEADS, [_batch_row(batch, configured) for batch in undelivered])


@sinks.command()
@click.argument("sink")
@batch_option("Only this batch. A taken batch is sent again only this way.")
@json_option
@connected_to_events
def retry(configured: list[str], sink: str, batch_id: str | None, as_json: bool) -> None:
    """Retry now: waiting and dead batches, and stopped streams.

    Alice reads the rows from the log again. It does not send rows that have been deleted there.
    """
    _require(sink, configured)
    if sink not in configured:
        raise click.ClickException(
            f"{sink} is not set, so nothing goes there. `alice config` shows the settings."
        )
    batch = _require_batch(sink, batch_id)
    count = batches.retry(sink, batch_id)
    if as_json:
        print_json({"sink": sink, "batches": count})
    elif batch is None:
        click.echo(f"Retrying {sink}: {_batches(count)} will be sent within seconds.")
    elif count:
        click.echo(f"Batch {batch.id} of {sink} is tried again in its turn.{_held_up(batch)}")
    else:
        click.echo(f"Batch {batch.id} of {sink} is being sent already.")


@sinks.command()
@click.argument("sink")
@batch_option("Only this batch, even if it is waiting.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@connected_to_events
def skip(configured: list[str], sink: str, batch_id: str | None, yes: bool, as_json: bool) -> None:
    """Delete batches without sending them. Their events stay in the log.

    Deletes the dead and taken batches of SINK, or the one that --batch names.
    """
    _require(sink, configured)
    _require_batch(sink, batch_id)
    if not yes:
        what = f"batch {batch_id}" if batch_id else "every dead or taken batch"
        click.confirm(f"Delete {what} of {sink}? Its rows will not be sent any more.", abort=True, err=True)
    count = batches.skip(sink, batch_id)
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
    """Send the whole log again, from its first event.

    For example to a new, empty server. ClickHouse and Tinybird replace rows that they have already; files get
    them a second time. The batches of SINK are deleted.
    """
    _require(sink, configured)
    if not yes:
        what = f"Send the whole log to {sink} again, and delete all of its batches?"
        click.confirm(what, abort=True, err=True)
    count = batches.restart(sink)
    if as_json:
        print_json({"sink": sink, "batches": count})
    else:
        click.echo(f"{sink} starts over from the first event; {_batches(count)} deleted.")


def name_copies() -> None:
    """Print on stderr which copies of events were not deleted, if there may be any."""
    settings = load_settings()
    folder = settings.data_dir / "ndjson"
    left = [f"the files in {folder}"] if any(folder.glob("*.ndjson")) else []
    others = [sink.name for sink in registry.configured(settings) if sink.name != NdjsonFiles.name]
    if others:
        left.append(f"the rows sent to {' and '.join(others)}")
    if left:
        click.echo(f"Copies were not deleted: {', and '.join(left)}.", err=True)


def _require(sink: str, configured: list[str]) -> None:
    known = sorted({*configured, *(stream.sink for stream in sink_status.streams())})
    if sink not in known:
        hint = f"The sinks are: {', '.join(known)}." if known else "No sink is set."
        raise click.ClickException(f"There is no sink {sink}. {hint}")


def _require_batch(sink: str, batch_id: str | None) -> BatchStatus | None:
    if batch_id is None:
        return None
    for batch in sink_status.unconfirmed(sink):
        if batch.id == batch_id:
            return batch
    raise click.ClickException(f"{sink} has no batch {batch_id}. `alice sinks status` lists them.")


def _held_up(batch: BatchStatus) -> str:
    """Return what keeps a batch from being sent within seconds; empty if nothing does."""
    for stream in sink_status.streams():
        if (stream.sink, stream.stream) == (batch.sink, batch.stream):
            if stream.state == "stopped":
                return f" Its stream is stopped; `alice sinks retry {batch.sink}` starts it again."
            if stream.state == "open":
                until = when(stream.next_attempt_at)
                return f" Its stream waits until {until}; `alice sinks retry {batch.sink}` ends the wait."
    return ""


def _batches(count: int) -> str:
    return counted(count, "batch", "batches")


def _stream_row(stream: StreamStatus, configured: list[str]) -> list[str]:
    is_set = stream.sink in configured
    state = stream.state if is_set else "not set"
    attempt = (is_set and when(stream.next_attempt_at)) or "-"
    behind, held, failures = str(stream.behind), str(stream.held), str(stream.failures)
    return [stream.sink, stream.stream, state, behind, held, failures, attempt, stream.reason or "-"]


def _batch_row(batch: BatchStatus, configured: list[str]) -> list[str]:
    attempt = (batch.sink in configured and _next_attempt(batch)) or "-"
    rows, attempts, since = str(batch.rows), str(batch.attempts), rfc3339(batch.created_at)
    first = [batch.id, batch.sink, batch.stream, batch.state]
    return [*first, rows, attempts, attempt, since, batch.error or "-"]


def _next_attempt(batch: BatchStatus) -> str | None:
    """Return when a batch is sent next; now if its time has passed."""
    return None if batch.next_attempt_at is None else rfc3339(max(batch.next_attempt_at, clock.now()))
