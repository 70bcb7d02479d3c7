"""These commands leave the schema alone, so the ordinary database does, and its bystander is watched."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alice import database
from alice.config import Settings
from tests.conftest import Template, Watched


@pytest.fixture
def settings(template: Template, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Settings]:
    settings = template.lend(tmp_path)
    watched = Watched(settings, request.node)
    yield settings
    database.disconnect()
    assert watched.changes() == []


@pytest.fixture
def program(app: Flask) -> FlaskClient:
    """Nobody's client without a cookie jar."""
    return app.test_client(use_cookies=False)
