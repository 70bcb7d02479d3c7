"""What a Flask request can reach of tracking."""

from typing import Any

from flask import current_app


def tracking() -> Any:
    """What create_app() keeps: the pipeline and all it needs."""
    return current_app.extensions["tracking"]
