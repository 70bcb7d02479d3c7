"""Which sinks the settings name, and the thread that serves them."""

import threading
from functools import partial

from alice import database
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
    """The thread that serves the sinks, apart from the jobs that Alice must do in time."""

    def __init__(self, settings: Settings) -> None:
        self._stopping = threading.Event()
        self._jobs = jobs(settings, self._stopping)
        self._scheduler = Scheduler(self._jobs, LOOK_EVERY)

    def start(self) -> None:
        if self._jobs:
            self._stopping.clear()
            self._scheduler.start()

    def stop(self) -> None:
        """Wait for the batch that is being sent now; what is left is for the next start."""
        self._stopping.set()
        self._scheduler.stop()


def jobs(settings: Settings, stopping: threading.Event) -> list[Job]:
    """A job a sink, under a lease."""
    served = partial(_serve, pace(settings), stopping)
    return [Job(f"sink {sink.name}", EVERY, partial(served, sink)) for sink in configured(settings)]


def _serve(pace: Pace, stopping: threading.Event, sink: Sink) -> None:
    database.release()  # nothing here needs alice.db, and sending may take long
    try:
        delivery.run(sink, pace, stopping)
    finally:
        database.ensure_open()
