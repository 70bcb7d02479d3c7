"""Alice's changes to gunicorn's master, workers and connections.

Each override names the behaviour of gunicorn 27.0 that it changes. All of them are needed: gunicorn's thread
pool is small, and browsers open connections in advance that stay idle for a long time.
"""

import errno
import signal
import socket
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn import util
from gunicorn.arbiter import Arbiter
from gunicorn.http import errors as parse_errors
from gunicorn.sock import BaseSocket
from gunicorn.workers.gthread import TConn, ThreadWorker

CLIENT_TIMEOUT = 30  # seconds a client may send nothing within a request, or not read its response
LINGER = 2.0  # seconds for a client to close after its last response
LINGER_BYTES = 4_000_000  # bytes of a body that is too large, read and discarded meanwhile
STOP_SIGNALS = (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT)


class Connection(TConn):
    """A client's connection. gunicorn waits for an idle client without limit; here it times out."""

    def init(self) -> None:
        super().init()
        self.sock.settimeout(CLIENT_TIMEOUT)

    def linger(self) -> None:
        """Read what the client still sends before closing, or it may get a reset instead of its response."""
        util.close_graceful(self.sock, LINGER, LINGER_BYTES)

    def close(self, graceful: bool = False) -> None:
        """Close at once: gunicorn would linger here, in the loop that serves all connections."""
        super().close()


class Master(Arbiter):
    """gunicorn's master, with workers that can be stopped from their first moment.

    Between the fork and the installation of its own signal handlers a gunicorn worker has its master's
    handler, which only notes the signal: the worker would ignore SIGTERM until the master's grace is over. So
    stop signals are blocked from before the fork until the worker has its handlers.
    """

    def spawn_worker(self) -> int:
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            return super().spawn_worker()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


class Worker(ThreadWorker):
    """gunicorn's threaded worker, in which an idle connection takes no thread of the pool."""

    def init_signals(self) -> None:
        """Install the handlers, then unblock the signals that Master.spawn_worker() blocked."""
        super().init_signals()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def accept(self, listener: BaseSocket) -> None:
        """Accept a connection and wait in the poller until it sends something.

        gunicorn hands it to a thread at once, which then waits up to 5 s for the first byte.
        """
        self._accept_one(listener)

    def _accept_one(self, listener: BaseSocket) -> bool:
        """Accept one connection; return whether there may be more in the backlog."""
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
        """Serve a request. gunicorn lingers in the loop that serves all connections; here the pool does."""
        kept = super().handle(conn)
        if not kept:
            conn.linger()
        return kept

    def set_accept_enabled(self, enabled: bool) -> None:
        """When the worker stops, accept the connections in the backlog, which gunicorn would reset."""
        stopping = self._accepting and not enabled and not self.alive
        super().set_accept_enabled(enabled)
        if stopping:
            for listener in self.sockets:
                while self._accept_one(listener):
                    pass
                listener.close()

    def _cap_keepalive(self, deadline: float) -> None:
        """When the worker stops, end idle new connections at the deadline too, not only kept-alive ones."""
        super()._cap_keepalive(deadline)
        for connection in self.pending_conns:
            connection.timeout = min(connection.timeout, deadline)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Respond to a request that cannot be parsed. gunicorn would log the address and the query string."""
        status, reason = next(STATUSES[kind] for kind in STATUSES if isinstance(exc, kind))
        method, path = getattr(req, "method", None) or "-", getattr(req, "path", None) or "-"
        if status == 500:
            self.log.error("%s %s failed outside the application", method, path, exc_info=exc)
        self.log.line(method, path, str(status), 0, 0.0)
        try:
            util.write_error(client, status, reason, "")
        except OSError:
            self.log.debug("The client did not wait for its error.")


# The status for each error of gunicorn's parser; the first that fits.
STATUSES = {
    parse_errors.LimitRequestLine: (414, "URI Too Long"),
    parse_errors.LimitRequestHeaders: (431, "Request Header Fields Too Large"),
    parse_errors.ExpectationFailed: (417, "Expectation Failed"),
    parse_errors.UnsupportedTransferCoding: (501, "Not Implemented"),
    parse_errors.InvalidResponseHeader: (500, "Internal Server Error"),
    parse_errors.InvalidResponseHeaderName: (500, "Internal Server Error"),
    parse_errors.ParseException: (400, "Bad Request"),
    BaseException: (500, "Internal Server Error"),
}
