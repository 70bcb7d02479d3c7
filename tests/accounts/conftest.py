"""What the tests of accounts share."""

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alice.app import create_app
from alice.config import Settings
from tests.accounts.acting import Signal


@pytest.fixture
def program(app: Flask) -> FlaskClient:
    """Nobody's client without a cookie jar: it can sign in many times."""
    return app.test_client(use_cookies=False)


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    """Nobody's browser: it keeps cookies and says where it is."""
    client = app.test_client()
    client.environ_base["HTTP_ORIGIN"] = "http://localhost"
    return client


@pytest.fixture
def heard() -> Iterator[Signal]:
    """The signals of accounts that are sent during the test."""
    signal = Signal()
    yield signal
    signal.disconnect()


@pytest.fixture
def closed(settings: Settings) -> Flask:
    """An Alice that takes no registrations."""
    return create_app(replace(settings, registration="closed"))


@pytest.fixture
def environ(settings: Settings) -> dict[str, str]:
    """What another process needs to work on the test's database."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("ALICE_")}
    database = {"ALICE_DATABASE_URL": settings.database_url} if settings.database_url else {}
    return bare | {"ALICE_DATA_DIR": str(settings.data_dir)} | database
