"""Malformed and hostile input at random: a real server answers without a 500 and shows nothing internal."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlencode

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cast import BOOK, Cast
from tests.faults.conftest import Start
from tests.servers import Answer, Server, ask

many = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

UUID = "01900000-0000-7000-8000-000000000000"
# A body that each endpoint takes, to be spoilt. None of them ends the session or costs a password's hash.
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/api/activity/track"): {
        "id": UUID, "activity_type": "PAGE_VIEW", "book_id": BOOK, "page_number": 1, "section_id": UUID,
        "metadata": {"word": "tea"}, "occurred_at": "2025-01-20T10:30:00Z", "event_type": "PAGE_SYNC",
        "activities": [{"activity_type": "PAGE_VIEW", "book_id": BOOK, "page_number": 1}],
    },
    ("POST", "/api/heartbeat"): {"book_id": BOOK, "page_number": 1},
    ("POST", "/api/books/verify"): {"code": "2222-3333-4444"},
    ("PATCH", "/api/auth/me"): {"first_name": "Alice", "last_name": "Liddell"},
    ("POST", "/api/auth/register"): {"email": "no mail", "password": "short", "first_name": "A"},
    ("POST", "/api/auth/login"): {"email": 1, "password": None, "remember": False},
    ("POST", "/api/auth/password"): {"current_password": 1, "new_password": "x"},
}  # fmt: skip
QUERIES = {
    "/api/consultant/active-readers": ["minutes", "limit", "before"],
    "/api/consultant/online-readers": ["limit", "before"],
    "/api/consultant/readers": ["limit", "before"],
    "/api/consultant/recent-activities": ["limit", "before"],
    "/api/consultant/reader/activity": ["user_id", "hours"],
    "/api/consultant/reader/state": ["user_id"],
    "/api/sessions": ["before", "limit"],
}
PATHS = ["/api/books/{}", "/api/books/{}/pages/{}", "/read/{}", "/read/{}/{}", "/api/{}", "/static/{}", "/{}"]

AWKWARD = [
    "",
    " ",
    "\0",
    "\ud800",
    "é",
    "e\u0301",
    "\u202e",
    "'",
    '"; DROP TABLE users; --',
    "%",
    "%s",
    "%(x)s",
    "?",
    "../..",
    "-0",
    "1e400",
    "NaN",
    str(2**31),
    str(2**63),
    str(-(2**63) - 1),
    "9" * 400,
    "x" * 5000,
    "2025-13-45T99:99:99Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    UUID,
    BOOK,
]
NUMBERS = st.one_of(
    st.integers(), st.sampled_from([0, -1, 2**31, 2**63 - 1, 2**63, 2**64, 10**400]), st.floats()
)
TEXTS = st.one_of(st.text(max_size=40), st.sampled_from(AWKWARD))
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4)
)
DEEP = st.integers(100, 50_000).map(lambda depth: b"[" * depth + b"]" * depth)


def spoilt(body: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """The body with some fields left out, some of any value, some unknown; or anything at all."""
    fields = {name: st.one_of(st.just(value), JSON) for name, value in body.items()}
    changed = st.fixed_dictionaries({}, optional=fields | {"unknown": JSON})
    return st.one_of(changed.map(to_json), JSON.map(to_json), st.binary(max_size=200), DEEP)


def to_json(value: Any) -> bytes:
    """As lax as clients are: NaN, lone surrogates and numbers of any size go out."""
    return json.dumps(value).encode()


def assert_sound(answer: Answer, path: str) -> None:
    assert answer.status < 500, (answer.status, answer.body)
    if answer.status >= 400 and path.startswith("/api"):
        error = orjson.loads(answer.body)["error"]
        assert set(error) <= {"code", "message", "field"}
        assert error["message"].isprintable()
        assert not re.search(r"(?i)pydantic|sqlite|psycopg|traceback|peewee", error["message"])


@pytest.fixture
def wire(start: Start) -> Iterator[tuple[Server, HTTPConnection]]:
    """A server and a kept connection to it; in the end no request must have left a traceback."""
    server = start("--workers", "1")
    with closing(server.connect()) as connection:
        yield server, connection
    assert "Traceback" not in server.errors
    assert server.get("/health").status == 200


@many
@given(data=st.data())
def test_no_json_body_makes_an_endpoint_fail(
    wire: tuple[Server, HTTPConnection], cast: Cast, data: Any
) -> None:
    _, connection = wire
    for (method, path), body in BODIES.items():
        raw = data.draw(spoilt(body), label=f"{method} {path}")
        token = None if path in ("/api/auth/login", "/api/auth/register") else cast.reader.token
        headers = {"Content_Type": "application/json"}
        assert_sound(ask(connection, method, path, raw, token, **headers), path)


@many
@given(data=st.data())
def test_no_query_string_makes_an_endpoint_fail(
    wire: tuple[Server, HTTPConnection], cast: Cast, data: Any
) -> None:
    _, connection = wire
    for path, names in QUERIES.items():
        pairs = st.tuples(st.sampled_from([*names, "unknown"]), TEXTS | NUMBERS.map(str))
        given = data.draw(st.lists(pairs, max_size=3), label=path)
        query = urlencode([(name, value.encode(errors="surrogatepass")) for name, value in given])
        assert_sound(ask(connection, "GET", f"{path}?{query}"[:4000], None, cast.admin.token), path)


@many
@given(first=TEXTS, second=TEXTS | NUMBERS.map(str))
def test_no_path_makes_an_endpoint_fail(
    wire: tuple[Server, HTTPConnection], cast: Cast, first: str, second: str
) -> None:
    _, connection = wire
    parts = [quote(text.encode(errors="surrogatepass")[:1000], safe="") for text in (first, second)]
    for path in PATHS:
        filled = path.format(*parts)
        assert_sound(ask(connection, "GET", filled, None, cast.reader.token), filled)


FORMS = ["/login", "/register", "/code", "/account", "/account/devices", f"/read/{BOOK}/turn"]
FIELDS = ["email", "password", "first_name", "code", "section", "session_id", "scope", "page_number", "next"]


@many
@given(data=st.data())
def test_no_form_makes_a_page_fail(wire: tuple[Server, HTTPConnection], cast: Cast, data: Any) -> None:
    server, connection = wire
    headers = {
        "Content_Type": "application/x-www-form-urlencoded",
        "Origin": server.base_url,
        "Cookie": f"alice_session={cast.reader.token}",
    }
    for path in FORMS:
        fields = data.draw(st.dictionaries(st.sampled_from(FIELDS), TEXTS, max_size=4), label=path)
        raw = urlencode({name: value.encode(errors="surrogatepass") for name, value in fields.items()})
        assert_sound(ask(connection, "POST", path, raw.encode(), None, **headers), path)


# Spoilt HTTP


PIECES = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\r\n\r\n",
    b": ",
    b"\xff\xfe",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: -1\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Host: a\r\nHost: b\r\n",
    b"Expect: 100-continue\r\n",
    b"Upgrade: h2c\r\n",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


@many
@given(data=st.data())
def test_no_bytes_make_the_server_fail(wire: tuple[Server, HTTPConnection], cast: Cast, data: Any) -> None:
    server, _ = wire
    body = b'{"book_id": "tea-party", "page_number": 1}'
    request = (
        b"POST /api/heartbeat?x=1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
        % (cast.reader.token.encode(), len(body), body)
    )
    start = data.draw(st.integers(0, len(request)))
    end = data.draw(st.integers(start, min(len(request), start + 30)))
    piece = data.draw(st.one_of(st.binary(max_size=20), st.sampled_from(PIECES)))
    with socket.create_connection(("127.0.0.1", server.port), 30) as client:
        client.sendall(request[:start] + piece + request[end:])
        client.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while more := client.recv(65536):
                answer += more
        except ConnectionResetError:
            pass  # it had heard enough
    for status in re.findall(rb"^HTTP/1\.\d (\d\d\d)", answer):
        assert int(status) < 500 or status == b"501", answer
