"""The sinks that the settings configure, and the threads that send to them."""

import threading
import time
from functools import partial

from alice.clock import seconds
from alice.config import Settings
from alice.jobs import Job, Scheduler
from alice.tracking.sinks import delivery
from alice.tracking.sinks.clickhouse import ClickHouse
from alice.tracking.sinks.delivery import Pace
from alice.tracking.sinks.ndjson import NdjsonFiles
from alice.tracking.sinks.sink import Sink
from alice.tracking.sinks.tinybird import Tinybird

EVERY = seconds(4)
LOOK_EVERY = 1.0  # seconds
STOPS_WITHIN = 3.0  # seconds; an attempt that takes longer is repeated after the next start of Alice


def configured(settings: Settings) -> list[Sink]:
    """Return the configured sinks. Opens no connection."""
    sinks: list[Sink] = []
    if settings.clickhouse_url:
        sinks.append(ClickHouse(settings.clickhouse_url))
    if settings.tinybird_token:
        sinks.append(Tinybird(settings.tinybird_url, settings.tinybird_token))
    if settings.ndjson:
        sinks.append(NdjsonFiles(settings.data_dir / "ndjson"))
    return sinks


class Couriers:
    """One thread per sink, apart from the other jobs: a slow sink delays neither them nor other sinks."""

    def __init__(self, settings: Settings) -> None:
        self._stopping = threading.Event()
        self._schedulers = [Scheduler([job], LOOK_EVERY) for job in jobs(settings, self._stopping)]

    def start(self) -> None:
        self._stopping.clear()
        for scheduler in self._schedulers:
            scheduler.start()

    def stop(self) -> None:
        """Wait up to STOPS_WITHIN for the batches being sent. The rest is sent after the next start."""
        self._stopping.set()
        until = time.monotonic() + STOPS_WITHIN
        ends = [threading.Thread(target=scheduler.stop, daemon=True) for scheduler in self._schedulers]
        for end in ends:
            end.start()
        for end in ends:
            end.join(max(0.0, until - time.monotonic()))


def jobs(settings: Settings, stopping: threading.Event) -> list[Job]:
    """Return one job per sink; its lease makes one process run it each time."""
    pace = Pace(settings.sink_batch, seconds(settings.sink_seconds))
    return [
        Job(f"sink {sink.name}", EVERY, partial(delivery.run, sink, pace, stopping))
        for sink in configured(settings)
    ]
