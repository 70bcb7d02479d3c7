"""A web server whose pages load tracker.js: it keeps what the script sends, and can fail or be slow."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

from alice.tracking.script import served

SITE = "a-site"
ENDPOINT = f"/api/v2/track/{SITE}"
OK, LOST = 200, 0


@dataclass
class Request:
    """A request to the endpoint, whether or not it was answered with success."""

    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def is_beacon(self) -> bool:
        return self.headers.get("Sec-Fetch-Mode") == "no-cors"


@dataclass
class Peer:
    """Any path is a page: of `pages`, else an empty one with the tag. `requests` are to the endpoint."""

    port: int = 0
    status: int = OK  # what the endpoint answers; LOST: it hangs up
    pages: dict[str, str] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    held: Event | None = None  # answers wait for it

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def sent(self) -> list[dict[str, Any]]:
        """Every event that came, with what its batch says of all; as often as it came."""
        return [
            {"type": "pageview"}
            | {name: value for name, value in request.body.items() if name != "events"}
            | event
            for request in self.requests
            for event in request.body["events"]
        ]

    @property
    def events(self) -> list[dict[str, Any]]:
        """What a server that knows ids has counted, in order."""
        return list({event["eventId"]: event for event in reversed(self.sent)}.values())[::-1]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The events of a type, or with a name."""
        return [event for event in self.events if kind in (event["type"], event.get("name"))]

    @property
    def views(self) -> list[str]:
        """The paths of page views, with their parameters."""
        return [path_of(event) for event in self.of("pageview")]


def path_of(event: dict[str, Any]) -> str:
    parts = urlsplit(event["url"])
    assert parts.fragment == ""
    return parts.path + (f"?{parts.query}" if parts.query else "")


def tag(**data: str) -> str:
    """The script element; `clicks=""` is data-clicks."""
    options = "".join(f' data-{name}="{value}"' for name, value in ({"site-id": SITE} | data).items())
    return f'<script src="/tracker.js"{options}></script>'


def page(body: str = "", **data: str) -> str:
    return f"<!doctype html><title>A page</title>{tag(**data)}{body}"


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Browsers hang up when they like; anything else is an error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*_)


@contextmanager
def listening() -> Iterator[Peer]:
    peer = Peer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path == "/tracker.js":
                self.answer(200, "text/javascript", served.script())
            elif path == "/favicon.ico":
                self.answer(404, "text/plain", b"")
            else:
                self.answer(200, "text/html; charset=utf-8", peer.pages.get(path, page()).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == ENDPOINT
            status = peer.status
            peer.requests.append(Request(dict(self.headers), json.loads(body)))
            if peer.held:
                peer.held.wait(30)
            if status == LOST:
                self.close_connection = True
                return
            self.answer(status, "application/json", b'{"success": true, "cache": null}')

        def answer(self, status: int, kind: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = Server(("127.0.0.1", 0), Handler)
    peer.port = server.server_port
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield peer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
