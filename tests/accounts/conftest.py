"""Fixtures for the tests of accounts."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alice.app import create_app
from alice.config import Settings
from tests.accounts.acting import SentSignals


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    """A browser without a session: it keeps cookies and sends an Origin."""
    client = app.test_client()
    client.environ_base["HTTP_ORIGIN"] = "http://localhost"
    return client


@pytest.fixture
def heard() -> Iterator[SentSignals]:
    """The signals of accounts that are sent during the test."""
    signal = SentSignals()
    yield signal
    signal.disconnect()


@pytest.fixture
def closed(settings: Settings) -> Flask:
    """An Alice with closed registration."""
    return create_app(replace(settings, registration="closed"))
