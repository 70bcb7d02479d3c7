"""The entry point of public ingest: a plain WSGI callable in front of Flask.

A beacon needs no routing, session, form or template. It shares only the pipeline with the Flask application.
"""

import logging
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

import orjson

from alice import engines
from alice.tracking.dialects import littlestats
from alice.tracking.dialects.answer import OPEN, Answer
from alice.tracking.dialects.body import MAX_BATCH
from alice.tracking.dialects.eventtracker import endpoints as eventtracker
from alice.tracking.log.caller import caller
from alice.tracking.pipeline import Tracking

logger = logging.getLogger(__name__)
Application = Callable[[dict[str, Any], Callable], Iterable[bytes]]

_STATUS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_HEADERS = [
    ("Content-Type", "application/json"),
    ("X-Content-Type-Options", "nosniff"),
]


class Ingest:
    """Handles requests to the public dialects and passes all others on to the Flask application."""

    def __init__(self, application: Application, tracking: Tracking) -> None:
        self._application = application
        self._tracking = tracking

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith(littlestats.PREFIX):
            handle = littlestats.handle
        elif path.startswith(eventtracker.PREFIX):
            handle = eventtracker.handle
        else:
            return self._application(environ, start_response)
        status, document, headers = self._answer(handle, environ, path)
        content = b"" if document is None else orjson.dumps(document)
        start_response(_STATUS[status], [*_HEADERS, ("Content-Length", str(len(content))), *headers])
        return (content,)

    def _answer(self, handle: Callable[..., Answer], environ: dict[str, Any], path: str) -> Answer:
        try:
            raw = _read(environ)
        except OSError:
            return _failed(400, "The body did not arrive in one piece.")
        if raw is None:
            return _failed(413, "A request may hold at most 1 MB.")
        tracking = self._tracking
        try:
            who = caller(environ, tracking.trusted_proxies)
            return handle(tracking, environ["REQUEST_METHOD"], path, raw, who)
        except Exception as error:  # any error becomes a response that the page can read
            if engines.is_temporary(error):
                logger.warning("an event could not be kept: %s", error)
                return _failed(503, "Alice is busy. Please try again.", ("Retry-After", "1"))
            logger.error("%s %s failed", environ["REQUEST_METHOD"], path, exc_info=error)
            return _failed(500, "Something went wrong here.")


def _failed(status: int, message: str, *headers: tuple[str, str]) -> Answer:
    """An error response that pages of any origin may read, to know whether to try again."""
    return Answer(status, {"success": False, "error": message}, [OPEN, *headers])


def _read(environ: dict[str, Any]) -> bytes | None:
    """The body; None if it is too large. Raises OSError if the client disconnects before its end."""
    if "HTTP_TRANSFER_ENCODING" in environ:
        raw = environ["wsgi.input"].read(MAX_BATCH + 1)
        return raw if len(raw) <= MAX_BATCH else None
    size = int(environ.get("CONTENT_LENGTH") or 0)
    if size > MAX_BATCH:
        return None
    raw = environ["wsgi.input"].read(size)
    if len(raw) < size:
        raise OSError("the client went away")
    return raw
