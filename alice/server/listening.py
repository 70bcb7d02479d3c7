"""The socket on which Alice listens."""

import errno
import socket

from alice.config import ConfigError

BACKLOG = 1024  # connections that the kernel holds until a worker accepts them


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket. Raises ConfigError with a one-line reason."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError):
        raise ConfigError(f"{host!r} is not an address to listen on. Try --host 127.0.0.1.") from None
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # gunicorn sets it too, but later: clients that connect before would wait 40 ms for each body.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(_why_not(error, host, port)) from None
    return listener


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is in use. Stop what listens there, or choose another with --port."
    if error.errno == errno.EACCES:
        return f"Port {port} needs privileges. Choose one above 1023 with --port."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"This machine has no address {host}. Try --host 127.0.0.1, or 0.0.0.0 for all it has."
    return f"Cannot listen on {host} port {port}: {error.strerror}."
