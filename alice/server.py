"""What `alice serve` adds to gunicorn: its settings, its log lines, and an orderly beginning and end.

The recorder and the jobs start in each worker after the fork; they drain before it exits. On SIGTERM every
connection that reached us is served, then the worker goes.
"""

import ctypes
import errno
import gc
import logging
import os
import signal
import socket
import struct
import sys
from datetime import timedelta
from functools import partial
from selectors import EVENT_READ
from typing import Any

from flask import Flask, Response
from gunicorn import util
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.http import errors as parse_errors
from gunicorn.sock import BaseSocket
from gunicorn.workers.gthread import TConn, ThreadWorker

from alice import clock, create_app, database
from alice.config import ConfigError, Settings
from alice.tracking import eventtracker, littlestats
from alice.web import answers
from alice.web.errors import Malformed

logger = logging.getLogger(__name__)

KEEP_ALIVE = 75  # seconds; longer than a heartbeat of the reading page and than most proxies keep theirs
CLIENT_TIMEOUT = 30  # seconds a client may stay silent in the middle of a request, or not read its answer
LINGER = 2.0  # seconds for a client to close after its last answer
LINGER_BYTES = 4_000_000  # of a body too large, read and dropped meanwhile
WORKER_GRACE = 20  # seconds for requests in flight when a worker is told to stop
MASTER_GRACE = 45  # seconds until workers are killed: their grace, and time for the recorder to drain
WORKER_STALLED = 120  # seconds without a sign of life after which a worker is replaced
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # malloc.h of glibc
COLLECT_AFTER = 10_000  # objects made and not yet gone
STOP_SIGNALS = (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT)
TELEMETRY = (littlestats.PREFIX, eventtracker.PREFIX)  # what is sent by every page of every site
BACKLOG = 1024  # connections the kernel may hold for us


def run(settings: Settings) -> None:
    """Serve until told to stop; does not return. Raises ConfigError when it cannot listen."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=Log.error_fmt, datefmt=Log.datefmt)
    listener = listen(settings.host, settings.port)
    return_memory()
    database.disconnect()  # no two processes may share a connection
    Server(settings, listener).run()


def return_memory() -> None:
    """Have glibc give large blocks back: a password takes 19 MB to hash, kept for each thread otherwise."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none and need none
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1 << 20)
        mallopt(M_ARENA_MAX, 2)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ConfigError with one clear line."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError):
        raise ConfigError(f"{host!r} is not an address to listen on. Try --host 127.0.0.1.") from None
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # gunicorn sets it too, but later: whoever connects before would wait 40 ms for each answer's body.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(_why_not(error, host, port)) from None
    return listener


def shut(listener: socket.socket) -> None:
    """Let nobody in any more, though the socket stays open and gives out those who are.

    Whoever the kernel accepts between a worker's last look and its closing the socket would be cut off. No
    process can do both at once, so connections are refused before they begin (Linux).
    """
    if sys.platform != "linux":
        return
    program = ctypes.create_string_buffer(b"".join(_INSTRUCTION.pack(*step) for step in _DROP_SYN))
    address = _PROGRAM.pack(len(_DROP_SYN), ctypes.addressof(program))
    try:
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, address)
    except OSError as error:  # a container may forbid it; stopping must go on
        logger.warning("connections may be cut off while Alice stops: %s", error)


SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_INSTRUCTION, _PROGRAM = struct.Struct("HBBI"), struct.Struct("HP")  # linux/filter.h: sock_filter, sock_fprog
_DROP_SYN = (  # classic BPF on the TCP header: operation, jump if so, jump if not, value
    (0x30, 0, 0, 13),  # load the byte of the flags
    (0x45, 0, 1, 0x02),  # is SYN among them?
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # keep
)


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is in use. Stop what listens there, or choose another with --port."
    if error.errno == errno.EACCES:
        return f"Port {port} needs privileges. Choose one above 1023 with --port."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"This machine has no address {host}. Try --host 127.0.0.1, or 0.0.0.0 for all it has."
    return f"Cannot listen on {host} port {port}: {error.strerror}."


class Server(BaseApplication):
    """gunicorn, configured by Alice's settings and nothing else: no file, no variable of its own."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        self._settings = settings
        # gunicorn takes the descriptor over and closes it; it must not be closed twice.
        self._descriptor = listener.detach()
        super().__init__()

    def run(self) -> None:
        Master(self).run()

    def load_config(self) -> None:
        for name, value in self._options().items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        app = create_app(self._settings)
        app.register_error_handler(parse_errors.ParseException, refuse_broken_body)
        return app

    def _options(self) -> dict[str, Any]:
        settings = self._settings
        return {
            "bind": f"fd://{self._descriptor}",
            "workers": settings.workers,
            "worker_class": Worker,
            "threads": settings.threads,
            "timeout": WORKER_STALLED,
            "graceful_timeout": MASTER_GRACE,
            "keepalive": KEEP_ALIVE,
            "loglevel": "warning",
            "logger_class": Log,
            # Proxies are believed in alice.web.address, by number and not by address.
            "forwarded_allow_ips": "",
            "forwarder_headers": "",
            "secure_scheme_headers": {},
            # Nothing is written outside the data folder.
            "control_socket_disable": True,
            "worker_tmp_dir": str(settings.data_dir),
            "when_ready": partial(say_ready, settings),
            "post_fork": shorten_grace,
            "post_worker_init": start_worker,
            "worker_exit": stop_worker,
        }


def refuse_broken_body(error: Exception) -> Response:
    """A body whose framing turns out to be broken while a view reads it."""
    return answers.refused(Malformed("The body did not arrive in one piece.", "bad_request"))


# What happens in a server's life


def say_ready(settings: Settings, arbiter: Arbiter) -> None:
    address = ", ".join(str(listener) for listener in arbiter.LISTENERS)
    print(
        f"Alice is at {settings.public_url or address} (workers: {settings.workers}, "
        f"threads in each: {settings.threads}). Ctrl-C stops her.",
        flush=True,
    )


def shorten_grace(arbiter: Arbiter, worker: "Worker") -> None:
    """A worker gives up on requests well before the master gives up on the worker."""
    worker.cfg.set("graceful_timeout", WORKER_GRACE)


def start_worker(worker: "Worker") -> None:
    collect_less()
    worker.wsgi.extensions["alice"].start()


def collect_less() -> None:
    """Let the garbage collector skip what is loaded, which stays, and not run several times in one list."""
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def stop_worker(arbiter: Arbiter, worker: "Worker") -> None:
    # gunicorn also calls this in the master, for a worker that is gone.
    if worker.pid == os.getpid() and hasattr(worker, "wsgi"):
        worker.wsgi.extensions["alice"].stop()
        database.disconnect()


class Connection(TConn):
    """A client that falls silent does not hold its thread for ever."""

    def init(self) -> None:
        super().init()
        self.sock.settimeout(CLIENT_TIMEOUT)

    def linger(self) -> None:
        """Say goodbye: take in what the client still sends, so that it gets to read its answer."""
        util.close_graceful(self.sock, LINGER, LINGER_BYTES)

    def close(self, graceful: bool = False) -> None:
        super().close()


class Master(Arbiter):
    """gunicorn's master; it shuts the door before it sends the workers home, and a worker it has just made
    can be told to stop.

    Until a worker listens to signals it would take one for its master's and forget it, and stopping would
    last until the master's patience ends. So the signal waits.
    """

    def stop(self, graceful: bool = True) -> None:
        if self.reexec_pid == self.master_pid == 0:  # else another master goes on with the same sockets
            for listener in self.LISTENERS:
                shut(listener.sock)
        super().stop(graceful)

    def spawn_worker(self) -> int:
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            return super().spawn_worker()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


class Worker(ThreadWorker):
    """gunicorn's threaded worker, kinder to clients.

    A new connection gets a thread when it has something to say, not before (browsers open some in advance),
    and connections the kernel has accepted for us are served even when we are stopping.
    """

    def init_signals(self) -> None:
        super().init_signals()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def accept(self, listener: BaseSocket) -> None:
        self._accept_one(listener)

    def _accept_one(self, listener: BaseSocket) -> bool:
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED):
                raise
            return error.errno == errno.ECONNABORTED
        self.nr_conns += 1
        connection = Connection(self.cfg, client, address, listener.getsockname())
        connection.set_timeout()
        self.pending_conns.append(connection)
        self.poller.register(client, EVENT_READ, partial(self.on_pending_socket_readable, connection))
        return True

    def handle(self, conn: Connection) -> bool:
        kept = super().handle(conn)
        if not kept:
            conn.linger()  # here, in the pool: gunicorn does it in the loop that serves everybody
        return kept

    def set_accept_enabled(self, enabled: bool) -> None:
        stopping = self._accepting and not enabled and not self.alive
        super().set_accept_enabled(enabled)
        if stopping:
            for listener in self.sockets:
                while self._accept_one(listener):
                    pass
                listener.close()

    def _cap_keepalive(self, deadline: float) -> None:
        super()._cap_keepalive(deadline)
        for connection in self.pending_conns:
            connection.timeout = min(connection.timeout, deadline)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answer what could not be parsed. gunicorn's own lines quote addresses and query strings."""
        status, reason = _status_of(exc)
        method, path = getattr(req, "method", None) or "-", getattr(req, "path", None) or "-"
        if status == 500:
            self.log.error("%s %s failed outside the application", method, path, exc_info=exc)
        self.log.line(method, path, str(status), 0, 0.0)
        try:
            util.write_error(client, status, reason, "")
        except OSError:
            self.log.debug("The client did not wait for its error.")


def _status_of(error: Exception) -> tuple[int, str]:
    match error:
        case parse_errors.LimitRequestLine():
            return 414, "URI Too Long"
        case parse_errors.LimitRequestHeaders():
            return 431, "Request Header Fields Too Large"
        case parse_errors.ExpectationFailed():
            return 417, "Expectation Failed"
        case parse_errors.UnsupportedTransferCoding():
            return 501, "Not Implemented"
        case parse_errors.InvalidResponseHeader() | parse_errors.InvalidResponseHeaderName():
            return 500, "Internal Server Error"
        case parse_errors.ParseException():
            return 400, "Bad Request"
        case _:
            return 500, "Internal Server Error"


class Log(Logger):
    """One line a request on stdout, without address, query string, referrer or anything from a header."""

    error_fmt = "%(asctime)s [%(process)d] %(levelname)s %(message)s"
    datefmt = "%Y-%m-%dT%H:%M:%S%z"

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        if environ["PATH_INFO"].startswith(TELEMETRY) and resp.status.startswith("2"):
            return  # it left a row; its lines would bury all others
        path = environ["RAW_URI"].partition("?")[0]
        took = request_time.total_seconds() * 1000
        self.line(environ["REQUEST_METHOD"], path, (resp.status or "500")[:3], resp.sent, took)

    def line(self, method: str, path: str, status: str, size: int, took: float) -> None:
        """Write the line: time, method, path as sent, status, bytes, milliseconds."""
        text = f"{clock.rfc3339(clock.now())} {method} {path[:1000]} {status} {size} {took:.1f}ms\n"
        try:
            # One write a line: lines of several processes do not mix.
            os.write(1, text.encode("ascii", "backslashreplace"))
        except OSError:
            pass  # whoever read the log is gone; the request is none the worse for it

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        if isinstance(sys.exc_info()[1], TimeoutError):
            self.debug("A client was silent for %d s.", CLIENT_TIMEOUT)
        else:
            super().exception(msg, *args, **kwargs)
