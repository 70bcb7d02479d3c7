"""The HTTP requests of sinks: each has its own connection and deadline.

Redirects are not followed: only the server that the setting names gets the data.
"""

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import quote, unquote, urlencode, urlsplit

from alice import clock
from alice.tracking.sinks.sink import Later, Stopped

TIMEOUT = 15.0  # seconds for a whole request, after connecting
CONNECT_TIMEOUT = 5.0  # seconds
READ = 64 * 1024  # bytes of a response that are read


class SinkResponse(NamedTuple):
    status: int
    headers: Mapping[str, str]  # names in lower case
    text: str

    @property
    def summary(self) -> str:
        """The status and the beginning of the text, for messages."""
        return f"{self.status} {' '.join(self.text.split())[:300]}"


class Server:
    """An HTTP server as a setting names it: scheme, host, perhaps port, user, password and path."""

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        parts = urlsplit(url)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host, self._port = parts.hostname or "", parts.port
        self._timeout = timeout
        self.path = parts.path.rstrip("/")
        self.user = unquote(parts.username or "")
        self.password = unquote(parts.password or "")

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> SinkResponse:
        """Raises Later without a complete response in time, Stopped if the settings make no valid request."""
        connection = self._connection()
        try:
            connection.connect()
            with _deadline(connection, self._timeout):
                target = f"{quote(path, safe='/%')}?{urlencode(query)}"
                connection.request(method, target, body, dict(headers or {}))
                with connection.getresponse() as response:
                    return _answer(response)
        except (OSError, http.client.HTTPException) as error:
            raise Later(f"no answer: {type(error).__name__} {error}") from error
        except ValueError as error:
            # Its text may hold a header's value, which is a secret.
            reason = f"the address, user or token of the settings make no request ({type(error).__name__})"
            raise Stopped(reason) from None
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        timeout = min(CONNECT_TIMEOUT, self._timeout)
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        return http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=self._tls)


def _answer(response: http.client.HTTPResponse) -> SinkResponse:
    data = response.read(READ)
    if response.length and len(data) < READ:  # read(n) does not raise for a body that ends early
        raise http.client.IncompleteRead(data, response.length)
    headers = {name.lower(): value for name, value in response.getheaders()}
    return SinkResponse(response.status, headers, data.decode("utf-8", "replace"))


@contextmanager
def _deadline(connection: http.client.HTTPConnection, seconds: float) -> Iterator[None]:
    """Shut the connection down after `seconds`, even if bytes still trickle in, and raise TimeoutError."""
    sock = connection.sock
    sock.settimeout(seconds)
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is closed already

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        if expired.is_set():
            raise TimeoutError(f"after {seconds:g} s") from error
        raise
    finally:
        timer.cancel()
    if expired.is_set():
        raise TimeoutError(f"after {seconds:g} s")


def retry_after(headers: Mapping[str, str]) -> int | None:
    """Return the wait (ms) that a response asks for: Retry-After (s or a date), else X-RateLimit-Reset."""
    for text in (headers.get("retry-after"), headers.get("x-ratelimit-reset")):
        if text is None:
            continue
        try:
            return max(0, int(float(text) * 1000))
        except (ValueError, OverflowError):
            pass  # it may be a date
        try:
            return max(0, int(parsedate_to_datetime(text).timestamp() * 1000) - clock.now())
        except ValueError:
            pass  # neither: ignore the header
    return None
