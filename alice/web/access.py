"""Who may call a view. Signing in is required unless the view says otherwise.

    @blueprint.get("/about")
    @public
    def about(): ...

    @blueprint.get("/api/consultant/readers")
    @roles("consultant", "admin")
    def readers(): ...

The decorator goes below the route, next to the function.
"""

from collections.abc import Callable
from typing import TypeVar
from urllib.parse import quote

from flask import Response, current_app, redirect, request
from flask_login import current_user

from alice.errors import Forbidden, Unauthenticated
from alice.web.context import wants_json

View = TypeVar("View", bound=Callable)

PUBLIC: frozenset[str] = frozenset()
MARK = "alice_access"


def public(view: View) -> View:
    """Open to everybody."""
    setattr(view, MARK, PUBLIC)
    return view


def roles(*names: str) -> Callable[[View], View]:
    """Open to signed-in users with one of these roles only."""

    def mark(view: View) -> View:
        setattr(view, MARK, frozenset(names))
        return view

    return mark


def allowed(endpoint: str) -> frozenset[str] | None:
    """The roles an endpoint is open to; PUBLIC for everybody, None for every signed-in user."""
    return getattr(current_app.view_functions[endpoint], MARK, None)


def check(endpoint: str) -> Response | None:
    """Return None if the request may pass, or a redirect to the login page for a person not signed in.

    Raises Unauthenticated for a program that is not signed in, and Forbidden for a wrong role.
    """
    names = allowed(endpoint)
    if names is PUBLIC:
        return None
    user = current_user._get_current_object()
    if not user.is_authenticated:
        if wants_json():
            raise Unauthenticated()
        return _to_login()
    if names is not None and user.role not in names:
        raise Forbidden()
    return None


def _to_login() -> Response:
    """Redirect to the login page; after signing in the user returns to this page, if it was a GET or HEAD."""
    if request.method not in ("GET", "HEAD"):
        return redirect("/login", 303)
    here = request.full_path if request.query_string else request.path
    return redirect(f"/login?next={quote(here, safe='/')}", 303)
