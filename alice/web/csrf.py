"""Protection against cross-site request forgery: requests that another site makes a user's browser send.

An unsafe request must come from Alice's own origin or carry a form token. Requests with a Bearer token need
neither (no other site can add that header), nor do programs, which send no cookie and no Origin.
"""

import hmac
import secrets

from flask import Request, Response, after_this_request, current_app, g, request
from flask_login import current_user

from alice.errors import Refusal
from alice.web import address
from alice.web.context import wants_json
from alice.web.validation import FORM_TYPE

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
FIELD = "csrf_token"
COOKIE = "alice_csrf"  # the form token is bound to it while nobody is signed in
SESSION_COOKIE = "alice_session"


def check(request: Request) -> None:
    """Raise 403 `csrf` for an unsafe request that may be forged."""
    if request.method in SAFE_METHODS or _has_bearer(request) or _from_here(request):
        return
    if _is_program(request) or _has_token(request):
        return
    raise Refusal(
        403, "csrf", "This request did not come from Alice's own pages. Please reload the page and try again."
    )


def csrf_token() -> str:
    """The token for a form on this page, bound to the session (or to a cookie, before signing in)."""
    if "csrf_token" not in g:  # computed once for all forms of a page
        g.csrf_token = _sign(_subject() or _new_subject())
    return g.csrf_token


def _has_bearer(request: Request) -> bool:
    return request.environ.get("HTTP_AUTHORIZATION", "")[:7].lower() == "bearer "


def _from_here(request: Request) -> bool:
    origin = request.environ.get("HTTP_ORIGIN")
    if origin is not None:
        return address.is_own_origin(origin)
    return request.environ.get("HTTP_SEC_FETCH_SITE") == "same-origin"


def _is_program(request: Request) -> bool:
    """Whether this calls the JSON API without any header or cookie that a browser adds by itself."""
    environ = request.environ
    return (
        wants_json()
        and "HTTP_ORIGIN" not in environ
        and "HTTP_SEC_FETCH_SITE" not in environ
        and SESSION_COOKIE not in request.cookies
    )


def _has_token(request: Request) -> bool:
    if request.mimetype != FORM_TYPE:
        return False
    subject = _subject()
    token = request.form.get(FIELD, "")
    return subject is not None and hmac.compare_digest(token.encode(), _sign(subject).encode())


def _subject() -> str | None:
    """What the form token is bound to: the session's id, else the cookie's value."""
    return current_user.session_id if current_user.is_authenticated else request.cookies.get(COOKIE)


def _new_subject() -> str:
    subject = secrets.token_urlsafe(18)

    @after_this_request
    def remember(response: Response) -> Response:
        response.set_cookie(
            COOKIE, subject, httponly=True, samesite="Lax", secure=address.is_secure(), path="/"
        )
        return response

    return subject


def _sign(subject: str) -> str:
    return hmac.digest(f"csrf:{current_app.secret_key}".encode(), subject.encode(), "sha256").hex()
