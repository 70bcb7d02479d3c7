"""The edge: the steps before and after the view of every request, in their order."""

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

# Endpoints that need neither the session nor a database connection opened for them.
BARE = frozenset(("static", "health.health", "tracker.tracker_js"))


def install(app: Flask, settings: Settings) -> None:
    """Install the hooks, error handlers and middleware; blueprints may be registered before or after."""
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
    """Check path, size, access and CSRF of the request, and open its database connection.

    Returns None to go on to the view, or a redirect to the login page. Raises a Refusal.
    """
    current = request._get_current_object()  # the proxy would look the request up at each access
    if "\0" in current.environ["PATH_INFO"]:
        raise NotFound()  # no name contains a NUL, and PostgreSQL refuses it
    if (current.content_length or 0) > MAX_BODY:
        raise TooLarge()
    rule = current.url_rule
    if rule is None:  # Flask raises 404 or 405 next; the error page shows the signed-in user
        if not wants_json():
            database.ensure_open()
        return None
    if rule.endpoint in BARE:
        return None
    _read_body(current)
    database.ensure_open()
    answer = access.check(rule.endpoint)
    if answer is None:
        csrf.check(current)
    return answer


def _read_body(request: Request) -> None:
    """Read the whole body before a database connection is opened, so that a slow client does not hold one.

    Not through Werkzeug's stream, which would double the cost and silently truncate a chunked body that is
    too long. Raises TooLarge, and ClientDisconnected if the body is incomplete.
    """
    chunked = "HTTP_TRANSFER_ENCODING" in request.environ
    size = MAX_BODY + 1 if chunked else request.content_length
    if size is None:
        return
    try:
        raw = request.environ["wsgi.input"].read(size)
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
        """Keep uploads in memory: they are small, and nothing is written outside the data folder."""
        return BytesIO()


class NoSession(SessionInterface):
    """Disable Flask's own session: a session of Alice is a row, and the cookie holds only its token."""

    _none = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return self._none
