"""Measuring: contenders take turns, in slices, and what is compared are their 10th percentiles.

The machines this runs on stall for up to a second, so that totals and means say nothing.
"""

import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

SLICE = 8  # requests
LONGEST_ANSWER = 1 << 20  # bytes


class Reply(NamedTuple):
    """An answer; its body is good until the next one comes."""

    status: int
    body: memoryview


class Line:
    """One keep-alive HTTP/1.1 connection on a bare socket: what a client itself costs counts for both sides,
    and would hide what the servers cost."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(LONGEST_ANSWER)
        self._view = memoryview(self._buffer)

    def ask(self, request: bytes) -> Reply:
        """Send a request and read its answer, which must tell its length (as all but 204 do)."""
        self._socket.sendall(request)
        received = self._receive(0)
        while (end := self._buffer.find(b"\r\n\r\n", 0, received)) < 0:
            received += self._receive(received)
        head, start = self._buffer[:end], end + 4
        status = int(head[9:12])
        length = 0 if status == 204 else int(head.lower().partition(b"content-length:")[2].split(None, 1)[0])
        while received < start + length:
            received += self._receive(received)
        return Reply(status, self._view[start : start + length])

    def close(self) -> None:
        self._socket.close()

    def _receive(self, at: int) -> int:
        received = self._socket.recv_into(self._view[at:])
        if not received:
            raise ConnectionResetError("the server closed the connection")
        return received


def message(method: str, path: str, token: str, body: bytes | None = None) -> bytes:
    """A request as a signed-in browser sends it, in bytes."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Accept: */*",
        "Origin: http://127.0.0.1",
        f"Cookie: alice_session={token}",
    ]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


@dataclass
class Contender:
    """Something to measure: `call` is timed, `prepare` makes its argument and is not."""

    prepare: Callable[[], Any]
    call: Callable[[Any], Any]


def asking(line: Line, prepare: Callable[[], bytes], status: int = 200) -> Contender:
    """A contender that sends requests; each must be answered with this status."""

    def call(request: bytes) -> None:
        reply = line.ask(request)
        assert reply.status == status, reply

    return Contender(prepare, call)


def percentiles(contenders: Sequence[Contender], seconds: float) -> list[float]:
    """Let the contenders take turns for so long; the 10th percentile of each, in milliseconds."""
    for contender in contenders:
        _run_slice(contender)  # the first ones fill caches
    times: list[list[float]] = [[] for _ in contenders]
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        for contender, taken in zip(contenders, times, strict=True):
            taken += _run_slice(contender)
    return [sorted(taken)[len(taken) // 10] for taken in times]


def _run_slice(contender: Contender) -> list[float]:
    prepared = [contender.prepare() for _ in range(SLICE)]
    taken = []
    for argument in prepared:
        start = time.perf_counter()
        contender.call(argument)
        taken.append((time.perf_counter() - start) * 1000)
    return taken
