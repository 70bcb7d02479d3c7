"""Notes at every authenticated request that the user is active. No request waits until this is written."""

from flask import Flask, g, request

from alice import clock
from alice.activity.presence import write_last_active
from alice.web.context import alice

BACKGROUND = "HTTP_X_ALICE_BACKGROUND"  # sent by pages that refresh themselves: the user may be away


def install(app: Flask) -> None:
    """Call after the edge is installed: its before_request function loads the user."""
    app.before_request(beat)


def beat() -> None:
    user = g.get("_login_user")
    if user is not None and user.is_authenticated and request.environ.get(BACKGROUND) != "1":
        alice().recorder.touch(write_last_active, (user.session_id, user.id), clock.now())
