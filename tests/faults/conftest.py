"""Real servers on a fresh copy of the template database."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from alice.config import Settings
from tests.servers import Server, serving

Start = Callable[..., Server]
Eventually = Callable[[Callable[[], bool]], None]


@pytest.fixture
def start(settings: Settings, eventually: Eventually) -> Iterator[Start]:
    """`start(*options)`: a server on the test's database, complete; called again, another one beside it."""
    with ExitStack() as servers:

        def starting(*options: str) -> Server:
            server = servers.enter_context(serving(settings, *options))
            eventually(lambda: f"(workers: {len(server.workers)}," in server.log[0])
            return server

        yield starting


@pytest.fixture
def server(start: Start) -> Server:
    return start()
