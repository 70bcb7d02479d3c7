"""One HTTP request of a sink: a whole response in time, or an error; and how long a response asks to wait."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from alice.clock import seconds
from alice.tracking.sinks import transport
from alice.tracking.sinks.sink import Later, Stopped
from alice.tracking.sinks.transport import Server, retry_after
from tests.tracking.sinks.peer import DROP, Peer, Reply, Request


@pytest.mark.parametrize("status", [200, 404, 500])
@pytest.mark.parametrize("came", [b"", b'{"successful_rows": 1'])
def test_an_answer_that_is_cut_off_is_none(peer: Peer, status: int, came: bytes) -> None:
    peer.script = [Reply(status, came, cut=120)]

    with pytest.raises(Later, match="no answer: IncompleteRead"):
        Server(peer.url).request("POST", "/", {}, b"rows")


def test_a_connection_that_ends_without_an_answer_is_told_as_such(peer: Peer) -> None:
    peer.script = [DROP]

    with pytest.raises(Later, match="no answer: RemoteDisconnected"):
        Server(peer.url).request("POST", "/", {}, b"rows")


def test_an_address_with_https_is_never_spoken_to_in_the_clear(peer: Peer) -> None:
    with pytest.raises(Later, match="no answer: SSL"):
        Server(peer.url.replace("http:", "https:")).request("POST", "/", {}, b"rows")

    assert peer.requests == []


def test_an_answer_may_take_longer_than_a_connection(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    def think(request: Request) -> Reply:
        peer.ending.wait(0.6)
        return Reply(200, b"yes")

    monkeypatch.setattr(transport, "CONNECT_TIMEOUT", 0.3)
    peer.script = [think]

    assert Server(peer.url).request("GET", "/", {}).summary == "200 yes"


def test_a_path_of_the_address_stays(peer: Peer) -> None:
    peer.script = [Reply(200, b"yes")]
    server = Server(f"{peer.url}/a%20b/")
    server.request("GET", f"{server.path}/c d", {"q": "1 2"})

    assert (peer.requests[0].path, peer.requests[0].query) == ("/a%20b/c%20d", {"q": "1 2"})


def test_of_a_long_answer_the_beginning_will_do(peer: Peer) -> None:
    peer.script = [Reply(500, b"x" * 1_000_000)]

    assert Server(peer.url).request("GET", "/", {}).text == "x" * 65_536


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("", {"Authorization": "Bearer p.hush\r"}),
        ("", {"Authorization": "Bearer p.hush\u20ac"}),
        ("http://hush..example", {}),
        (f"http://{'hush' * 20}.example", {}),
    ],
)
def test_what_makes_no_request_stops_the_sink_and_is_not_repeated(
    peer: Peer, url: str, headers: dict[str, str]
) -> None:
    with pytest.raises(Stopped) as refusal:
        Server(url or peer.url).request("POST", "/", {}, b"rows", headers)

    assert "make no request" in str(refusal.value)
    assert "hush" not in str(refusal.value)
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


def test_what_a_peer_says_can_be_stored_and_shown(peer: Peer) -> None:
    assert str(Later("500 \x00a\x1b[2Jb\u200b\n\tc")) == "500 a [2Jb c"


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "7"}, seconds(7)),
        ({"retry-after": "0.5"}, 500),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon", "x-ratelimit-reset": "4"}, seconds(4)),
        ({"x-ratelimit-reset": "9"}, seconds(9)),
        ({}, None),
    ],
)
def test_it_is_in_seconds(headers: dict[str, str], wait: int | None) -> None:
    assert retry_after(headers) == wait


def test_it_may_be_a_date(frozen_clock: int) -> None:
    later, past = (datetime.fromtimestamp(frozen_clock // 1000 + n, UTC) for n in (90, -90))

    wait = retry_after({"retry-after": format_datetime(later, usegmt=True)})
    assert wait == seconds(90) - frozen_clock % 1000
    assert retry_after({"retry-after": format_datetime(past, usegmt=True)}) == 0
