"""Periodic work under a lease, so that of all processes exactly one does it each time."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from peewee import PeeweeException, TextField

from alice import clock, database
from alice.database import Millis, Model, execute, transaction

logger = logging.getLogger(__name__)
LOOK_EVERY = 15.0  # seconds between looks at what is due


class JobLease(Model):
    name = TextField(primary_key=True)
    next_run_at = Millis()

    class Meta:
        table_name = "job_leases"


@dataclass(frozen=True)
class Job:
    """Work to do every so many milliseconds; `run` opens its own transactions."""

    name: str
    every: int
    run: Callable[[], object]


def claim(job: Job) -> bool:
    """Whether the job is due and this process is the one to do it. The next run is due `every` from now."""
    now = clock.now()
    with transaction():
        execute("INSERT INTO job_leases (name, next_run_at) VALUES (?, 0) ON CONFLICT DO NOTHING", job.name)
        # What lies too far ahead was set by a clock that has been put right since.
        return bool(
            execute(
                "UPDATE job_leases SET next_run_at = ? WHERE name = ? AND next_run_at NOT BETWEEN ? AND ?",
                now + job.every, job.name, now + 1, now + 2 * job.every,
            )
        )  # fmt: skip


def run_due(jobs: Sequence[Job]) -> None:
    """Do what is due. A job that fails is logged and tried again when it is next due."""
    with database.connected():
        for job in jobs:
            try:
                if claim(job):
                    job.run()
            except Exception as error:
                # The thread serves all jobs: one that fails must not end the others.
                if database.is_temporary(error):
                    logger.warning("the job %s waits for the database: %s", job.name, error)
                else:
                    logger.exception("the job %s failed", job.name)


class Scheduler:
    """A thread that does what is due, and looks every so many seconds."""

    def __init__(self, jobs: Sequence[Job], look_every: float = LOOK_EVERY) -> None:
        self._jobs = jobs
        self._look_every = look_every
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while not self._stop.wait(self._look_every):
            try:
                run_due(self._jobs)
            except (PeeweeException, database.Unavailable) as error:
                logger.warning("jobs wait for the database: %s", error)
