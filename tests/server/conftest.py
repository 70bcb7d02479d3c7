"""A real server on a fresh copy of the template database."""

from collections.abc import Iterator

import pytest

from alice.config import Settings
from tests.servers import Server, serving


@pytest.fixture
def server(settings: Settings) -> Iterator[Server]:
    with serving(settings) as server:
        yield server
