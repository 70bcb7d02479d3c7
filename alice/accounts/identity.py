"""Identities: who sends a request. The one place where a token becomes a person.

Flask-Login asks here once a request; its own sessions and remember cookie are not used.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from flask import Flask, Request, Response, g, request
from flask_login import LoginManager, current_user

from alice.accounts import session
from alice.accounts.device import Device
from alice.accounts.session import LIVE, Started
from alice.accounts.user import STAFF
from alice.clock import seconds
from alice.config import Settings
from alice.database import query
from alice.web import address
from alice.web.csrf import SESSION_COOKIE

TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")  # what 32 random bytes look like; nothing else reaches the database


class Identity(NamedTuple):
    """Somebody signed in, and by which session."""

    session_id: str
    id: str
    email: str
    first_name: str
    last_name: str
    role: str
    is_verified: bool  # has the code of any book

    is_authenticated = True

    @property
    def is_staff(self) -> bool:
        return self.role in STAFF


class Anonymous:
    """Nobody in particular."""

    session_id = id = email = role = None
    first_name = last_name = ""
    is_verified = is_staff = is_authenticated = False


class ByRequest(LoginManager):
    """Flask-Login with the request loader alone: no session of its own, no remember cookie, no hook behind
    every answer for one. Those took as long as finding out who asks; and with them a cookie of another
    application on this host, named as Flask-Login's own, would keep it from asking."""

    def init_app(self, app: Flask, add_context_processor: bool = True) -> None:
        app.login_manager = self
        if add_context_processor:
            app.context_processor(lambda: {"current_user": current_user._get_current_object()})

    def _load_user(self) -> None:
        g._login_user = self._request_callback(request) or self.anonymous_user()


def init(app: Flask) -> None:
    """Make `current_user` of each request whom its token names. The settings must be in place."""
    manager = ByRequest()
    manager.anonymous_user = Anonymous
    manager.request_loader(_loader(app.extensions["alice"].settings))
    manager.init_app(app)


_FIND = (
    "SELECT s.id, u.id, u.email, u.first_name, u.last_name, u.role, "
    "EXISTS (SELECT 1 FROM book_access a WHERE a.user_id = u.id) "
    f"FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.token_hash = ? AND {LIVE}"
)


def find(token: str, settings: Settings) -> Identity | None:
    """Whom the token of a live session names. One query, or none for what is no token."""
    if not TOKEN.fullmatch(token):
        return None
    rows = query(_FIND, session.hash_token(token), *session.live_params(settings))
    if not rows:
        return None
    *who, is_verified = rows[0]
    return Identity(*who, bool(is_verified))


def _loader(settings: Settings) -> Callable[[Request], Identity | None]:
    def load(request: Request) -> Identity | None:
        token = _token(request)
        return None if token is None else find(token, settings)

    return load


def _token(request: Request) -> str | None:
    """The request's token. A Bearer header wins, and a wrong one is not made good by the cookie."""
    header = request.environ.get("HTTP_AUTHORIZATION", "")
    if header[:7].lower() == "bearer ":
        return header[7:].strip()
    return request.cookies.get(SESSION_COOKIE)


# What signing in and out needs of a request and its answer


def device() -> Device:
    return Device(address.client_address() or None, request.environ.get("HTTP_USER_AGENT"))


def give_cookie(answer: Response, started: Started) -> Response:
    """Let the browser keep the token for as long as the session may last.

    The session of the cookie that this one replaces ends: nobody has its token any more.
    """
    replaced = request.cookies.get(SESSION_COOKIE, "")
    if TOKEN.fullmatch(replaced):
        session.end_by_token(replaced)
    lasts = (started.expires_at - started.created_at) // seconds(1)
    answer.set_cookie(
        SESSION_COOKIE, started.token, max_age=lasts, path="/", httponly=True, samesite="Lax",
        secure=address.is_secure(),
    )  # fmt: skip
    return answer


def take_cookie(answer: Response) -> Response:
    answer.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="Lax", secure=address.is_secure())
    return answer
