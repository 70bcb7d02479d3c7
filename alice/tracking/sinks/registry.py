"""Which sinks the settings name, and the threads that serve them."""

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
STOPS_WITHIN = 3.0  # seconds; an attempt that takes longer is repeated after the next start


def configured(settings: Settings) -> list[Sink]:
    """The sinks that are set; opens no connection."""
    sinks: list[Sink] = []
    if settings.clickhouse_url:
        sinks.append(ClickHouse(settings.clickhouse_url))
    if settings.tinybird_token:
        sinks.append(Tinybird(settings.tinybird_url, settings.tinybird_token))
    if settings.ndjson:
        sinks.append(NdjsonFiles(settings.data_dir / "ndjson"))
    return sinks


def pace(settings: Settings) -> Pace:
    return Pace(settings.sink_batch, seconds(settings.sink_seconds))


class Couriers:
    """A thread a sink, apart from the jobs that Alice must do in time: a slow one holds up no other."""

    def __init__(self, settings: Settings) -> None:
        self._stopping = threading.Event()
        self._schedulers = [Scheduler([job], LOOK_EVERY) for job in jobs(settings, self._stopping)]

    def start(self) -> None:
        self._stopping.clear()
        for scheduler in self._schedulers:
            scheduler.start()

    def stop(self) -> None:
        """Wait a moment for the batches that are being sent now; what is left is for the next start."""
        self._stopping.set()
        until = time.monotonic() + STOPS_WITHIN
        ends = [threading.Thread(target=scheduler.stop, daemon=True) for scheduler in self._schedulers]
        for end in ends:
            end.start()
        for end in ends:
            end.join(max(0.0, until - time.monotonic()))


def jobs(settings: Settings, stopping: threading.Event) -> list[Job]:
    """A job a sink, under a lease."""
    return [
        Job(f"sink {sink.name}", EVERY, partial(delivery.run, sink, pace(settings), stopping))
        for sink in configured(settings)
    ]
