"""What a request can reach: Alice's settings, and whether it is answered in JSON."""

from typing import Any

from flask import current_app, request

from alice.config import Settings


def alice() -> Any:
    """What create_app() keeps for the running application."""
    return current_app.extensions["alice"]


def settings() -> Settings:
    return alice().settings


def wants_json() -> bool:
    """Programs are answered in JSON, people in HTML; the path tells which of them asks."""
    path = request.environ["PATH_INFO"]
    return path.startswith("/api/") or path in ("/api", "/health")
