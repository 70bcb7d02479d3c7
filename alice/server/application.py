"""gunicorn with Alice's settings: its configuration, its start and the hooks of its workers.

The writers, jobs and sinks start in each worker after the fork and stop before it exits.
"""

import logging
import os
import socket
import sys
from functools import partial
from typing import Any

from flask import Flask, Response
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.http import errors as parse_errors

from alice import database
from alice.app import create_app
from alice.config import Settings
from alice.errors import Malformed
from alice.server import memory
from alice.server.listening import listen
from alice.server.log import ServerLog
from alice.server.worker import Master, Worker
from alice.web import answers

KEEP_ALIVE = 75  # seconds; longer than the reading page's heartbeat interval and most proxies' idle timeout
WORKER_GRACE = 20  # seconds for requests in flight when a worker stops
MASTER_GRACE = 45  # seconds until workers are killed: WORKER_GRACE, and time for the recorder to drain
WORKER_STALLED = 120  # seconds without a heartbeat after which a worker is replaced


def run(settings: Settings) -> None:
    """Serve until a signal to stop; does not return. Raises ConfigError if it cannot listen."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format=ServerLog.error_fmt, datefmt=ServerLog.datefmt
    )
    listener = listen(settings.host, settings.port)
    memory.return_large_blocks()
    database.disconnect()  # no two processes may share a connection
    Application(settings, listener).run()


class Application(BaseApplication):
    """gunicorn, configured only by Alice's settings: no file and no environment variable of its own."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        self._settings = settings
        # gunicorn takes the descriptor over and closes it; it must not be closed twice.
        self._descriptor = listener.detach()
        super().__init__()

    def run(self) -> None:
        Master(self).run()

    def load_config(self) -> None:
        for name, value in self._options().items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        app = create_app(self._settings)
        app.register_error_handler(parse_errors.ParseException, refuse_broken_body)
        return app

    def _options(self) -> dict[str, Any]:
        settings = self._settings
        return {
            "bind": f"fd://{self._descriptor}",
            "workers": settings.workers,
            "worker_class": Worker,
            "threads": settings.threads,
            "timeout": WORKER_STALLED,
            "graceful_timeout": MASTER_GRACE,
            "keepalive": KEEP_ALIVE,
            "loglevel": "warning",
            "logger_class": ServerLog,
            # alice.web.address reads the proxies' headers; it trusts a number of proxies, not addresses.
            "forwarded_allow_ips": "",
            "forwarder_headers": "",
            "secure_scheme_headers": {},
            # Nothing is written outside the data folder.
            "control_socket_disable": True,
            "worker_tmp_dir": str(settings.data_dir),
            "when_ready": partial(say_ready, settings),
            "post_fork": shorten_grace,
            "post_worker_init": start_worker,
            "worker_exit": stop_worker,
        }


def refuse_broken_body(error: Exception) -> Response:
    """Respond 400 to a body whose framing is broken, which shows only while it is read."""
    return answers.refused(Malformed("The body did not arrive in one piece.", "bad_request"))


def say_ready(settings: Settings, arbiter: Arbiter) -> None:
    address = ", ".join(str(listener) for listener in arbiter.LISTENERS)
    print(
        f"Alice is at {settings.public_url or address} (workers: {settings.workers}, "
        f"threads in each: {settings.threads}). Press Ctrl-C to stop.",
        flush=True,
    )


def shorten_grace(arbiter: Arbiter, worker: "Worker") -> None:
    """Have the worker stop waiting for its requests well before the master kills it."""
    worker.cfg.set("graceful_timeout", WORKER_GRACE)


def start_worker(worker: "Worker") -> None:
    memory.collect_less()
    worker.wsgi.extensions["alice"].start()


def stop_worker(arbiter: Arbiter, worker: "Worker") -> None:
    # gunicorn also calls this in the master, for a worker that is gone.
    if worker.pid == os.getpid() and hasattr(worker, "wsgi"):
        worker.wsgi.extensions["alice"].stop()
        database.disconnect()
