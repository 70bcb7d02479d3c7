"""Identities: the signed-in user of a request. Only this module finds a user by a token.

Flask-Login calls it once per request; its own sessions and remember cookie are not used.
"""

import re
from typing import Any, NamedTuple

from flask import Flask, Request, Response, g, request
from flask_login import LoginManager, current_user

from alice.accounts import session
from alice.accounts.device import Client
from alice.accounts.session import LIVE, Started
from alice.accounts.user import IS_VERIFIED, STAFF
from alice.clock import seconds
from alice.config import Settings
from alice.database import query
from alice.web import address
from alice.web.csrf import SESSION_COOKIE

TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")  # 32 random bytes in base64url; no other text reaches the database


class SignedInUser(NamedTuple):
    """A signed-in user and their session."""

    session_id: str
    id: str
    email: str
    first_name: str
    last_name: str
    role: str
    is_verified: bool

    is_authenticated = True

    @property
    def is_staff(self) -> bool:
        return self.role in STAFF


class Anonymous:
    """The user of a request without a valid token."""

    session_id = id = email = role = None
    first_name = last_name = ""
    is_verified = is_staff = is_authenticated = False


class ByRequest(LoginManager):
    """Flask-Login with only its request loader: no session, no remember cookie and no after_request hook.

    Those take as long as finding the user. Also, a cookie of another application on this host with the name
    of Flask-Login's own would keep Flask-Login from calling the request loader.
    """

    def init_app(self, app: Flask, add_context_processor: bool = True) -> None:
        app.login_manager = self
        if add_context_processor:
            app.context_processor(lambda: {"current_user": current_user._get_current_object()})

    def _load_user(self) -> None:
        g._login_user = self._request_callback(request._get_current_object()) or self.anonymous_user()


def init(app: Flask) -> None:
    """Make `current_user` the user of the request's token. `app.extensions["alice"]` must be set before."""
    settings = app.extensions["alice"].settings
    manager = ByRequest()
    manager.anonymous_user = Anonymous
    manager.init_app(app)

    @manager.request_loader
    def load(request: Request) -> SignedInUser | None:
        token = _token(request)
        return None if token is None else find(token, settings)


_FIND = (
    f"SELECT s.id, u.id, u.email, u.first_name, u.last_name, u.role, {IS_VERIFIED.format(user_id='u.id')} "
    f"FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.token_hash = ? AND {LIVE}"
)


def find(token: str, settings: Settings) -> SignedInUser | None:
    """Return the user of a live session's token, or None. One query; none if the text cannot be a token."""
    if not TOKEN.fullmatch(token):
        return None
    rows = query(_FIND, session.hash_token(token), *session.live_params(settings))
    if not rows:
        return None
    *who, is_verified = rows[0]
    return SignedInUser(*who, bool(is_verified))


def _token(request: Request) -> str | None:
    """The request's token: the Bearer header's, even if it is wrong, else the cookie's."""
    header = request.environ.get("HTTP_AUTHORIZATION", "")
    if header[:7].lower() == "bearer ":
        return header[7:].strip()
    return request.cookies.get(SESSION_COOKIE)


# The client and the cookie, for signing in and out


def client() -> Client:
    return Client(address.client_address() or None, request.environ.get("HTTP_USER_AGENT"))


def give_cookie(answer: Response, started: Started) -> Response:
    """Set the session cookie, which lasts as long as the session can.

    If it replaces the cookie of another session, that session ends, because its token is lost.
    """
    replaced = request.cookies.get(SESSION_COOKIE, "")
    if TOKEN.fullmatch(replaced):
        session.end_by_token(replaced)
    lasts = (started.expires_at - started.created_at) // seconds(1)
    answer.set_cookie(SESSION_COOKIE, started.token, max_age=lasts, **_cookie_attributes())
    return answer


def take_cookie(answer: Response) -> Response:
    answer.delete_cookie(SESSION_COOKIE, **_cookie_attributes())
    return answer


def _cookie_attributes() -> dict[str, Any]:
    return {"path": "/", "httponly": True, "samesite": "Lax", "secure": address.is_secure()}
