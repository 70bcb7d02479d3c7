"""Helpers for the current request: the application's settings, and whether to respond in JSON."""

from typing import Any

from flask import current_app, request

from alice.config import Settings


def alice() -> Any:
    """The application's `alice.app.Alice`. Not typed as such, because web may not import app."""
    return current_app.extensions["alice"]


def settings() -> Settings:
    return alice().settings


def wants_json() -> bool:
    """Whether to respond in JSON, for programs, or in HTML, for people; the path decides."""
    path = request.environ["PATH_INFO"]
    return path.startswith("/api/") or path in ("/api", "/health")
