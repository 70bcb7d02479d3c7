"""Tracking in a Flask request."""

from typing import Any

from flask import current_app


def tracking() -> Any:
    """The Tracking (of pipeline.py) that create_app() made."""
    return current_app.extensions["tracking"]
