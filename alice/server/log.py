"""The server's log lines."""

import os
import sys
from datetime import timedelta
from typing import Any

from gunicorn.glogging import Logger

from alice import clock
from alice.tracking.dialects import littlestats
from alice.tracking.dialects.eventtracker import endpoints as eventtracker

TELEMETRY = (littlestats.PREFIX, eventtracker.PREFIX)  # the paths of tracking requests


class ServerLog(Logger):
    """One line a request on stdout, without client address, query string, referrer or other header."""

    error_fmt = "%(asctime)s [%(process)d] %(levelname)s %(message)s"
    datefmt = "%Y-%m-%dT%H:%M:%S%z"

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        if environ["PATH_INFO"].startswith(TELEMETRY) and resp.status.startswith("2"):
            return  # it is in the event log already, and there are too many to log twice
        path = environ["RAW_URI"].partition("?")[0]
        took = request_time.total_seconds() * 1000
        self.line(environ["REQUEST_METHOD"], path, (resp.status or "500")[:3], resp.sent, took)

    def line(self, method: str, path: str, status: str, size: int, took: float) -> None:
        """Write the line: time, method, path as sent, status, bytes, milliseconds."""
        text = f"{clock.rfc3339(clock.now())} {method} {path[:1000]} {status} {size} {took:.1f}ms\n"
        try:
            # One write a line: lines of several processes do not mix.
            os.write(1, text.encode("ascii", "backslashreplace"))
        except OSError:
            pass  # stdout is closed; the request goes on

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        if isinstance(sys.exc_info()[1], TimeoutError):
            self.debug("A client was silent for too long.")
        else:
            super().exception(msg, *args, **kwargs)
