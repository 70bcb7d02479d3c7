"""Tracking in a Flask request."""

from typing import Any

from flask import Blueprint, current_app

from alice import database
from alice.database import events_db


def tracking() -> Any:
    """The Tracking (of pipeline.py) that create_app() made."""
    return current_app.extensions["tracking"]


def connect(blueprint: Blueprint) -> None:
    """Open a connection to events.db for each request to the blueprint's views."""
    blueprint.before_request(lambda: database.ensure_open(events_db))
    blueprint.teardown_request(lambda error: database.close(events_db))
