"""Error responses: JSON for programs, a page for people."""

import logging
from collections.abc import Mapping

from flask import Flask, Response, current_app, g, render_template, request
from werkzeug.exceptions import HTTPException

from alice import database, engines
from alice.errors import Refusal, ServiceUnavailable, TooLarge, TooMany
from alice.web.context import wants_json
from alice.web.json import respond

logger = logging.getLogger(__name__)

# status -> code, title, message, for errors that Flask or Werkzeug raise
STANDARD = {
    400: ("bad_request", "Not understood", "The request could not be understood."),
    404: ("not_found", "Page not found", "There is nothing here."),
    405: ("method_not_allowed", "Not possible", "This address does not take that method."),
    413: ("too_large", "Too large", TooLarge().message),
    415: ("unsupported_media_type", "Not understood", "This content type is not taken here."),
    500: ("internal", "Something went wrong", "Something went wrong here. It has been noted."),
}
TITLES = {status: title for status, (_, title, _) in STANDARD.items()} | {
    401: "Please sign in",
    403: "Not open to you",
    409: "Already taken",
    422: "Not accepted",
    429: "Too many tries",
    503: "Busy",
}
KEPT_HEADERS = ("Allow", "Retry-After")


def install(app: Flask) -> None:
    app.register_error_handler(Refusal, refused)
    app.register_error_handler(HTTPException, stopped)
    app.register_error_handler(Exception, failed)


def refused(refusal: Refusal) -> Response:
    return _answer(refusal.status, refusal.code, refusal.message, refusal.field, refusal.headers)


def stopped(error: HTTPException) -> Response:
    """Respond to an error of Flask or Werkzeug. Its own text is not sent: it can quote the request."""
    code, _, message = STANDARD.get(error.code, ("refused", "", "The request was refused."))
    kept = {name: value for name, value in error.get_headers() if name in KEPT_HEADERS}
    return _answer(error.code, code, message, None, kept)


def failed(error: Exception) -> Response:
    """Respond to an unexpected exception: log it once and send a 500 without details.

    A busy or full database is a 503.
    """
    # The raw path is percent-encoded, so it cannot break the line; the query string may hold secrets.
    path = request.environ.get("RAW_URI", "").partition("?")[0] or repr(request.path)
    user = getattr(g.get("_login_user"), "id", None) or "-"
    if engines.is_temporary(error):
        logger.error("%s %s could not be served: %s (user %s)", request.method, path, error, user)
        return refused(ServiceUnavailable())
    logger.error("%s %s failed (user %s)", request.method, path, user, exc_info=error)
    code, _, message = STANDARD[500]
    return _answer(500, code, message)


def with_refusal(page: Response, refusal: Refusal) -> Response:
    """A form's page as the response to a refusal: 429 with Retry-After for too many tries, else 422."""
    page.status_code = 429 if isinstance(refusal, TooMany) else 422
    page.headers.update(refusal.headers)
    return page


def _answer(
    status: int, code: str, message: str, field: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    if wants_json():
        error = {"code": code, "message": message} | ({"field": field} if field else {})
        answer = respond({"error": error}, status)
    elif request.endpoint == "static":
        answer = Response(message, status, content_type="text/plain; charset=utf-8")
    else:
        answer = _page(status, code, message)
    answer.headers.update(headers or {})
    return answer


def _page(status: int, code: str, message: str) -> Response:
    # The layout shows the signed-in user. If the database cannot or should not be queried, it shows none.
    if "_login_user" not in g and (status >= 500 or database.alice_db.is_closed()):
        g._login_user = current_app.login_manager.anonymous_user()
    title = TITLES.get(status, "Refused")
    page = render_template("error.html", status=status, code=code, title=title, message=message)
    return Response(page, status)
