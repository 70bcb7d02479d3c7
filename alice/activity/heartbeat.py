"""Heartbeat middleware: every authenticated request is a sign of life, and none waits for it."""

from flask import Flask, g, request

from alice import clock
from alice.activity.presence import write_last_active
from alice.web.context import alice

BACKGROUND = "HTTP_X_ALICE_BACKGROUND"  # a page that refreshes itself: nobody need be there


def install(app: Flask) -> None:
    """Register behind the edge, which finds out who asks."""
    app.before_request(beat)


def beat() -> None:
    user = g.get("_login_user")
    if user is not None and user.is_authenticated and request.environ.get(BACKGROUND) != "1":
        alice().recorder.touch(write_last_active, (user.session_id, user.id), clock.now())
