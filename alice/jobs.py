"""Periodic jobs under a lease, so that only one of all processes runs a job each time it is due.

A job that deletes by age waits when the clock is far ahead of its last look: a clock that jumps, and is set
right soon after, must destroy nothing.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from peewee import PeeweeException

from alice import clock, database, engines
from alice.clock import DAY, hours
from alice.database import execute, query, transaction

logger = logging.getLogger(__name__)
LOOK_EVERY = 15.0  # seconds between checks for due jobs
TOO_LATE = DAY  # a job that deletes and is due for longer takes the clock to be wrong, and
LOOK_AGAIN = hours(1)  # waits for this long


@dataclass(frozen=True)
class Job:
    """A job to run every `every` milliseconds; `run` opens its own transactions.

    `deletes`: it deletes what the clock says is old.
    """

    name: str
    every: int
    run: Callable[[], object]
    deletes: bool = False


def claim(job: Job) -> bool:
    """Take the lease if the job is due, and schedule its next run `every` milliseconds from now.

    Returns whether this process has the lease and must run the job. A job that deletes and is due for more
    than a day is not run, but due again in an hour: either the clock is wrong, or Alice did not run.
    """
    now = clock.now()
    with transaction():
        execute("INSERT INTO job_leases (name, next_run_at) VALUES (?, 0) ON CONFLICT DO NOTHING", job.name)
        ((due_at,),) = query("SELECT next_run_at FROM job_leases WHERE name = ?", job.name)
        # A next_run_at too far ahead was written while the clock was wrong: the job is due.
        if now < due_at <= now + max(2 * job.every, LOOK_AGAIN):
            return False
        waits = job.deletes and due_at > 0 and now > due_at + TOO_LATE
        update = "UPDATE job_leases SET next_run_at = ? WHERE name = ? AND next_run_at = ?"
        claimed = execute(update, now + (LOOK_AGAIN if waits else job.every), job.name, due_at)
    if claimed and waits:
        logger.warning(
            "the job %s waits an hour: the clock is %d days ahead", job.name, (now - due_at) // DAY
        )
    return bool(claimed) and not waits


def run_due(jobs: Sequence[Job]) -> None:
    """Run all due jobs. A failure is logged, and the job runs again when it is next due."""
    with database.connected():
        for job in jobs:
            try:
                if claim(job):
                    job.run()
            except Exception as error:
                # The thread serves all jobs: one that fails must not end the others.
                if engines.is_temporary(error):
                    logger.warning("the job %s waits for the database: %s", job.name, error)
                else:
                    logger.exception("the job %s failed", job.name)


class Scheduler:
    """A thread that runs due jobs; it checks for them every `look_every` seconds."""

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
            except (PeeweeException, engines.Unavailable) as error:
                logger.warning("jobs wait for the database: %s", error)
