"""The edge: what happens to every request before its view and after it, in one place and in this order."""

from io import BytesIO
from typing import Any

from flask import Flask, Request, Response, request
from flask.sessions import NullSession, SessionInterface
from werkzeug.exceptions import ClientDisconnected

from alice import database
from alice.config import Settings
from alice.errors import NotFound, TooLarge
from alice.web import access, answers, assets, csrf, headers, health, templating
from alice.web.context import wants_json
from alice.web.validation import MAX_BODY

# These need neither the session nor a connection made for them.
BARE = frozenset(("static", "health.health", "tracker.tracker_js"))


def install(app: Flask, settings: Settings) -> None:
    """Make the application's edge; its blueprints may be registered before or after."""
    app.request_class = AliceRequest
    app.session_interface = NoSession()
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY, MAX_FORM_MEMORY_SIZE=MAX_BODY, MAX_FORM_PARTS=100)
    app.before_request(admit)
    app.teardown_request(leave)
    app.register_blueprint(health.blueprint)
    answers.install(app)
    assets.install(app)
    templating.install(app)
    headers.install(app, settings)


def admit() -> Response | None:
    """Let the request in, with a connection, if it is one that its sender may make."""
    environ = request.environ
    if "\0" in environ["PATH_INFO"]:
        raise NotFound()  # no name holds one, and PostgreSQL takes none
    if (request.content_length or 0) > MAX_BODY:
        raise TooLarge()
    rule = request.url_rule
    if rule is None:  # unknown path or method: Flask says so next; its page shows who is signed in
        if not wants_json():
            database.ensure_open()
        return None
    if rule.endpoint in BARE:
        return None
    _take_in(environ)
    database.ensure_open()
    answer = access.check(rule.endpoint)
    if answer is None:
        csrf.check()
    return answer


def _take_in(environ: dict[str, Any]) -> None:
    """Have the whole body before a connection is lent: a slow sender waits alone.

    Read at once, not through Werkzeug's stream: that costs as much again, and would cut a body of unknown
    length where it gets too long, and say nothing.
    """
    chunked = "HTTP_TRANSFER_ENCODING" in environ
    size = MAX_BODY + 1 if chunked else request.content_length
    if size is None:
        return
    try:
        raw = environ["wsgi.input"].read(size)
    except OSError:
        raise ClientDisconnected() from None
    if chunked and len(raw) > MAX_BODY:
        raise TooLarge()
    if not chunked and len(raw) < size:
        raise ClientDisconnected()
    request.stream = BytesIO(raw)


def leave(error: BaseException | None = None) -> None:
    database.close()


class AliceRequest(Request):
    def _get_file_stream(self, *args: Any, **kwargs: Any) -> BytesIO:
        """Uploads are small and stay in memory: nothing is written outside the data folder."""
        return BytesIO()


class NoSession(SessionInterface):
    """Flask's own session is not used: a session is a row, and its cookie only the key to it."""

    _none = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return self._none
