"""The messages of `listen` if Alice cannot listen on an address."""

import errno
import os
import socket

import pytest

from alice.config import ConfigError
from alice.server.listening import listen


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "needs privileges. Choose one above 1023"),
        (errno.EADDRINUSE, "is in use"),
        (errno.EADDRNOTAVAIL, "has no address 127.0.0.1"),
        (errno.ENOBUFS, os.strerror(errno.ENOBUFS)),
    ],
)
def test_each_refusal_of_the_system_has_its_line(
    monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def refuse(self: socket.socket, address: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket.socket, "bind", refuse)

    with pytest.raises(ConfigError, match=words) as caught:
        listen("127.0.0.1", 80)
    assert "\n" not in str(caught.value)


def test_what_it_hands_over_takes_connections() -> None:
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()) as client:
        accepted, _ = listener.accept()
        with accepted:
            client.sendall(b"curious")
            assert accepted.recv(7) == b"curious"


def test_the_newer_protocol_will_do() -> None:
    if not socket.has_ipv6:
        return
    with listen("::1", 0) as listener:
        assert listener.family is socket.AF_INET6
