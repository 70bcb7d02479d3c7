"""Malformed HTTP, and clients that are silent or slow."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from alice import database, migrations
from alice.config import Settings
from tests.servers import Server, serving

GENEROUS = 30  # seconds; what is held up by others takes longer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all of these: they leave nothing behind."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("wire"))
    database.bind(settings)
    migrations.migrate(settings)
    database.disconnect()
    with serving(settings) as server:
        yield server


def raw(server: Server, text: bytes) -> bytes:
    """Send these bytes; return what the server sends until it closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(text)
        answer = b""
        while piece := client.recv(65536):
            answer += piece
        return answer


def test_a_chunked_body_over_a_megabyte_is_a_413(server: Server) -> None:
    with closing(server.connect()) as connection:
        connection.request(
            "POST",
            "/api/auth/login",
            (b"x" * 65536 for _ in range(30)),
            {"Content-Type": "application/json"},
            encode_chunked=True,
        )

        assert connection.getresponse().status == 413


def test_a_chunked_body_within_bounds_arrives(server: Server) -> None:
    with closing(server.connect()) as connection:
        connection.request(
            "POST",
            "/api/auth/login",
            iter([b'{"email": "x", ', b'"password": "y"}']),
            {"Content-Type": "application/json"},
            encode_chunked=True,
        )

        assert connection.getresponse().status == 401


def test_a_long_body_is_refused_before_it_is_read(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=2) as client:
        client.sendall(b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000000\r\n\r\n")

        assert client.recv(20).startswith(b"HTTP/1.1 413 ")


def test_the_answer_to_a_body_too_large_reaches_the_client(server: Server) -> None:
    assert server.post("/api/auth/login", b"x" * 3_000_000, Content_Type="application/json").status == 413


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost x\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /?token=secret-in-query\x00 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /" + b"x" * 9000 + b"?token=secret-in-query HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431),
        (b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
         b"Content-Type: application/json\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400),
    ],
)  # fmt: skip
def test_what_is_not_http_is_refused_and_quoted_nowhere(server: Server, text: bytes, status: int) -> None:
    answer = raw(server, text)

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"secret" not in answer
    assert "secret" not in server.errors + "".join(server.log)
    assert "127.0.0.1" not in server.errors
    assert "Traceback" not in server.errors
    assert server.get("/health").status == 200


def test_headers_of_a_proxy_that_is_none_change_nothing(server: Server) -> None:
    headers = {"X_Forwarded_Proto": "https", "X_Forwarded_Ssl": "off", "X_Forwarded_For": "6.6.6.6"}

    assert server.get("/health", **headers).status == 200
    assert "Secure" not in server.get("/login", **headers).headers.get("Set-Cookie", "")
    spoofed = raw(
        server, b"GET /x/health HTTP/1.1\r\nHost: x\r\nSCRIPT_NAME: /x\r\nConnection: close\r\n\r\n"
    )
    assert spoofed.startswith(b"HTTP/1.1 404 ")


def test_a_client_that_does_not_close_after_its_answer_holds_up_nobody(server: Server) -> None:
    rude = []
    for _ in range(60):  # 2 s each, if one after the other in each worker's loop
        client = socket.create_connection(("127.0.0.1", server.port))
        client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        client.recv(10)
        rude.append(client)
    began = time.monotonic()

    assert [server.get("/health").status for _ in range(8)] == [200] * 8
    assert time.monotonic() - began < GENEROUS
    for client in rude:
        client.close()


def test_silent_connections_hold_up_nobody(server: Server) -> None:
    silent = [
        socket.create_connection(("127.0.0.1", server.port)) for _ in range(400)
    ]  # 5 s each, if in threads
    began = time.monotonic()

    answers = [server.get("/health").status for _ in range(8)]

    assert answers == [200] * 8
    assert time.monotonic() - began < GENEROUS
    for client in silent:
        client.close()


def test_slow_senders_hold_up_nobody(server: Server) -> None:
    """Neither a thread's worth of them nor more than there are database connections."""
    head = b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    slow = []
    for framing in (b"Content-Length: 50\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n5\r\n{") * 7:
        client = socket.create_connection(("127.0.0.1", server.port))
        client.sendall(head + framing)
        slow.append(client)
    time.sleep(0.3)
    began = time.monotonic()

    assert [server.get(path).status for path in ("/health", "/login") * 6] == [200] * 12
    assert time.monotonic() - began < GENEROUS
    for client in slow:
        client.close()
