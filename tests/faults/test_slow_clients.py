"""Clients that are slow or silent do not delay others."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from tests.cast import Cast
from tests.faults.conftest import Eventually
from tests.faults.load import TRACK, Load
from tests.servers import Server

HALF_A_HEAD = b"GET /api/auth/me HTTP/1.1\r\nHost: x\r\nX-Slow: "
HALF_A_BODY = (
    b"POST /api/activity/track HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b'Content-Length: 500\r\n\r\n{"activity_type": '
)
SLOW = 12  # connections; fewer than one worker has threads


@pytest.fixture(params=[HALF_A_HEAD, HALF_A_BODY], ids=["head", "body"])
def slow(request: pytest.FixtureRequest, server: Server) -> Iterator[list[socket.socket]]:
    """Connections that have sent half of a request."""
    with ExitStack() as stack:
        connections = []
        for _ in range(SLOW):
            connection = socket.create_connection(("127.0.0.1", server.port), 30)
            connections.append(stack.enter_context(closing(connection)))
            connection.sendall(request.param)
        yield connections


@pytest.mark.engine("sqlite")
def test_slow_clients_hold_up_nobody(
    server: Server, cast: Cast, slow: list[socket.socket], eventually: Eventually
) -> None:
    with Load(server, cast.reader.token, 200).running() as load:
        while len(load.statuses) < len(load.ids):
            for connection in slow:
                connection.sendall(b"x")  # a little more, so that it is not given up

    assert set(load.statuses.values()) == {201}


@pytest.mark.engine("sqlite")
def test_a_client_that_leaves_in_the_middle_is_no_error(
    server: Server, slow: list[socket.socket], eventually: Eventually
) -> None:
    for connection in slow:
        connection.close()

    assert server.get("/health").status == 200
    assert server.stop() == 0
    assert "Traceback" not in server.errors
    assert "ERROR" not in server.errors


@pytest.mark.engine("sqlite")
def test_a_client_that_leaves_before_its_answer_is_no_error(server: Server, cast: Cast) -> None:
    body = b'{"activity_type": "PAGE_VIEW", "book_id": "tea-party", "page_number": 1}'
    head = f"POST {TRACK} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    head += f"Authorization: Bearer {cast.reader.token}\r\nContent-Length: {len(body)}\r\n\r\n"
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port), 30) as connection:
            connection.sendall(head.encode() + body)
            linger_not = b"\x01\x00\x00\x00\x00\x00\x00\x00"
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_not)  # reset, not closed

    assert server.get("/health").status == 200
    assert server.stop() == 0
    assert "Traceback" not in server.errors
