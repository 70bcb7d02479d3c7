"""The copies of events that commands which delete events do not reach."""

import click

from alice.tracking.sinks import registry
from alice.tracking.sinks.ndjson import NdjsonFiles

from .shared import load_settings


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
