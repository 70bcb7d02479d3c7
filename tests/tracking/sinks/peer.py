"""An HTTP server in the place of a sink's: it responds by a script and keeps the rows that it accepted."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit


class Request(NamedTuple):
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes  # uncompressed

    @property
    def rows(self) -> list[dict]:
        return [json.loads(line) for line in self.body.splitlines()]


class Reply(NamedTuple):
    """An answer; `takes` says whether the rows were written before it, `cut` how many bytes never come."""

    status: int
    body: Any = None
    headers: dict[str, str] = {}
    takes: bool = False
    cut: int = 0


DROP = Reply(0)  # the connection ends without an answer
DROP_AFTER_TAKING = Reply(0, takes=True)
SILENCE = Reply(-1)  # nothing comes until the client gives up
TRICKLE = Reply(-2)  # a byte of a header now and then, for ever
RAW = -3  # the status of a reply whose body is sent as it is, with nothing before it
Script = Callable[[Request], Reply]


def success(request: Request) -> Reply:
    return Reply(200, {"successful_rows": len(request.rows), "quarantined_rows": 0}, takes=True)


class Peer:
    """Answers by `script`, one reply a request; then with success."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.taken: list[dict] = []  # rows, in the order in which they were written
        self.script: list[Reply | Script] = []
        self.otherwise: Reply | Script = success
        self.ending = threading.Event()
        self.url = ""

    def ids(self, table: str = "events_v1") -> list[int]:
        """The seq of each row that was written into a table."""
        return [row["seq"] for row in self.taken if row["table"] == table]

    def answer(self, request: Request) -> Reply:
        self.requests.append(request)
        reply = self.script.pop(0) if self.script else self.otherwise
        reply = reply if isinstance(reply, Reply) else reply(request)
        if reply.takes:
            self.taken += [row | {"table": request.query["name"]} for row in request.rows]
        return reply


@contextmanager
def listening(port: int = 0, peer: Peer | None = None) -> Iterator[Peer]:
    """A peer that listens until the block ends."""
    peer = peer or Peer()
    peer.ending.clear()
    server = _Server(port, peer)
    peer.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield peer
    finally:
        peer.ending.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, peer: Peer) -> None:
        self.peer = peer
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up is no error here."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.close_connection = True
        self._say(self.server.peer.answer(Request(parts.path, query, dict(self.headers), body)))

    def _say(self, reply: Reply) -> None:
        if reply.status == SILENCE.status:
            self.server.peer.ending.wait(30)
        elif reply.status == TRICKLE.status:
            self._trickle()
        elif reply.status == RAW:
            self.wfile.write(reply.body)
        elif reply.status:
            body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) + reply.cut))
            self.end_headers()
            self.wfile.write(body)

    def _trickle(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not self.server.peer.ending.wait(0.05):
            self.wfile.write(b"x")

    def log_message(self, *_: Any) -> None:
        pass
