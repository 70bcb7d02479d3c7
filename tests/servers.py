"""A real server for tests: `alice serve` in its own processes, on a free port.

with serving(settings) as server:
    assert server.get("/health").status == 200
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alice.config import Settings

CHECKOUT = Path(__file__).resolve().parent.parent
ALICE = (sys.executable, "-m", "alice.cli.main")
STARTS_WITHIN = 30  # seconds; test machines can stall


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """A running `alice serve`. `log` is its stdout, `errors` its stderr."""

    settings: Settings
    port: int
    process: subprocess.Popen
    folder: Path

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def data_dir(self) -> Path:
        return self.settings.data_dir

    @property
    def log(self) -> list[str]:
        return (self.folder / "stdout").read_text().splitlines()

    @property
    def errors(self) -> str:
        return (self.folder / "stderr").read_text()

    @property
    def workers(self) -> list[int]:
        """The process ids of the running workers."""
        return children(self.process.pid)

    def connect(self, timeout: float = 30) -> http.client.HTTPConnection:
        """Return a keep-alive connection."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def request(
        self, method: str, path: str, body: Any = None, token: str | None = None, **headers: str
    ) -> Answer:
        """Send one request on a new connection; `body` is sent as JSON unless it is bytes."""
        connection = self.connect()
        try:
            return ask(connection, method, path, body, token, **headers)
        finally:
            connection.close()

    def get(self, path: str, token: str | None = None, **headers: str) -> Answer:
        return self.request("GET", path, None, token, **headers)

    def post(self, path: str, body: Any = None, token: str | None = None, **headers: str) -> Answer:
        return self.request("POST", path, body, token, **headers)

    def stop(self, how: int = signal.SIGTERM, within: float = 60) -> int:
        """Signal the master and wait up to `within` seconds for its end; return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(within)

    def kill(self) -> None:
        """Send SIGKILL to the master and its workers."""
        for pid in [self.process.pid, *self.workers]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has ended by itself
        self.process.wait(30)


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: Any = None,
    token: str | None = None,
    **headers: str,
) -> Answer:
    """Send a request on a connection and leave it open. Header names are written with underscores."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if token:
        sent["Authorization"] = f"Bearer {token}"
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        sent.setdefault("Content-Type", "application/json")
    connection.request(method, path, body, sent)
    response = connection.getresponse()
    return Answer(response.status, dict(response.getheaders()), response.read())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(settings: Settings, **more: str) -> dict[str, str]:
    """Return the environment with these settings, and without the other ALICE_ variables of the test run."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ALICE_")}
    kept["ALICE_DATA_DIR"] = str(settings.data_dir)
    if settings.database_url:
        kept["ALICE_DATABASE_URL"] = settings.database_url
    return kept | more


def run(settings: Settings, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    """Run an `alice` command and wait for its end."""
    return subprocess.run(
        [*ALICE, *arguments],
        cwd=CHECKOUT,
        env=environment(settings, **variables),
        capture_output=True,
        text=True,
        timeout=120,
    )


@contextmanager
def serving(settings: Settings, *options: str, **variables: str) -> Iterator[Server]:
    """Serve until the block ends. The database must be migrated."""
    port = free_port()
    folder = settings.data_dir.with_name(f"{settings.data_dir.name}-server-{port}")
    folder.mkdir()
    with open(folder / "stdout", "wb") as out, open(folder / "stderr", "wb") as err:
        process = subprocess.Popen(
            [*ALICE, "serve", "--port", str(port), *options],
            cwd=CHECKOUT,
            env=environment(settings, **variables),
            stdout=out,
            stderr=err,
        )
    server = Server(settings, port, process, folder)
    try:
        _await_health(server)
        yield server
    finally:
        try:
            server.stop()
        except subprocess.TimeoutExpired:
            server.kill()
            raise


def children(pid: int) -> list[int]:
    """The child processes of a process."""
    tasks = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in tasks.read_text().split()] if tasks.exists() else []


def _await_health(server: Server) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while server.process.poll() is None and time.monotonic() < deadline:
        try:
            if server.get("/health").status == 200:
                return
        except OSError:
            pass  # it is not listening yet
        time.sleep(0.05)
    server.kill()
    raise AssertionError(f"The server did not start: {server.errors or server.log}")
