"""Malformed and hostile input on every endpoint: refused, never a 500, and nothing internal is shown."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import Cast
from tests.web.test_access_matrix import EXPECTED, path_of

STRANGE_TEXTS = [
    "%00",
    "%ff%fe",
    "%F0%9F%90%87",
    "..",
    ".",
    "%2e%2e%2f",
    "'%20OR%201=1--",
    "x" * 2000,
    "-1",
    "%0d%0aX:1",
    "{{7*7}}",
]
STRANGE_NUMBERS = ["0", "-1", "9" * 30, "1e3", "0x10", "1.0", "%00", "+1", "%D9%A1"]
STRANGE_QUERIES = [
    "limit=0",
    "limit=9999999999999999999999",
    "limit=x&limit=y",
    "before=%00",
    "before=-1",
    "before=%ff",
    "user_id=%00",
    "user_id=",
    "user_id=" + "x" * 3000,
    "hours=NaN",
    "hours=99999",
    "minutes=-5",
    "%00=%00",
    "=",
    "&&&",
    "a[]=1",
    "next=//evil.example",
    "next=%0d%0aSet-Cookie:x",
    "scope=%00",
    "page=" + "9" * 400,
]
STRANGE_JSON: list[bytes] = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"0",
    b'"x"',
    b"{}",
    b'{"": 0}',
    b"[" * 50_000,
    b"\xff\x00",
    b'{"email": {}}',
    b'{"activities": {}}',
    b'{"activities": [null]}',
    b'{"activities": [[]]}',
    b'{"id": "\\u0000"}',
    b'{"code": "\\u0000"}',
    b'{"code": "' + b"x" * 500_000 + b'"}',
    b'{"book_id": "\\ud800"}',
    b'{"email": "a@b.c\\u0000", "password": "xxxxxxxx\\u0000"}',
    b'{"email": 1, "password": []}',
    b'{"email": "' + b"x" * 100_000 + b'@example.com", "password": "' + b"y" * 100_000 + b'"}',
    b'{"page_number": 1e999}',
    b'{"page_number": ' + b"9" * 4000 + b"}",
    b'{"page_number": NaN}',
    b'{"activity_type": "PAGE_VIEW", "book_id": "tea-party", "page_number": 1, "metadata": {"a": '
    + b"9" * 40
    + b"}}",
    b'{"activity_type": "PAGE_VIEW", "book_id": "tea-party", "page_number": 1, "metadata": {"a": '
    + b'{"a":' * 150
    + b"1"
    + b"}" * 150
    + b"}}",
    b'{"activity_type": "PAGE_VIEW", "book_id": "tea-party", "page_number": 1, '
    b'"occurred_at": "0001-01-01T00:00:00+14:00"}',
    b'{"activity_type": "PAGE_VIEW", "book_id": "tea-party", "page_number": 1, '
    b'"occurred_at": "9999-12-31T23:59:59-14:00"}',
    b'{"activity_type": "PAGE_VIEW", "book_id": "tea-party", "page_number": 1, "occurred_at": 1e300}',
    b'{"activity_type": "LOGIN"}',
    b'{"event_type": "\\u202e"}',
    b"{" + b",".join(b'"k%d":1' % i for i in range(20_000)) + b"}",
]
STRANGE_FORMS: list[bytes] = [
    b"",
    b"=",
    b"&&&",
    b"%00=%00",
    b"email=%00&password=%00",
    b"email=%ff&password=%ff",
    b"page_number=%00",
    b"page_number=" + b"9" * 5000,
    b"page_number=-1",
    b"page_number=1e3",
    b"code=%00",
    b"next=//evil.example",
    b"email=x%0d%0a@example.com&password=xxxxxxxx&first_name=%00&last_name=%0d%0a",
    b"session_id=%00",
    b"scope=%00",
    b"section=%00",
    b"section=password&current_password=%00&new_password=%00",
    b"&".join(b"k%d=1" % i for i in range(5000)),
    b"email=" + b"x" * 400_000,
]
STRANGE_TYPES = [
    "text/plain",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "application/xml",
    "x",
    "\xff",
]
STRANGE_HEADERS: list[dict[str, str]] = [
    {"Cookie": "alice_session=\x80; ;;=;alice_session=" + "x" * 4000},
    {"Cookie": 'alice_session="\\000"; alice_csrf="\\377"'},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer \x00"},
    {"Authorization": "Basic !!!"},
    {"Authorization": 'Digest username="\\"'},
    {"Host": "x" * 3000},
    {"Host": "evil.example/<script>"},
    {"Host": ""},
    {"If-None-Match": 'W/"x", *, "'},
    {"Range": "bytes=-5--1"},
    {"User-Agent": "\xff" * 3000},
    {"X-Forwarded-For": "," * 3000},
    {"Origin": "\xff"},
    {"Accept-Language": "*;q=x"},
    {"Content-Length": "-1"},
    {"Content-Length": "x"},
    {"If-Modified-Since": "Thu, 99 Xxx 9999"},
]
GETS = [route.split()[1] for route in EXPECTED if route.startswith("GET ")]
UNSAFE = [route for route in EXPECTED if not route.startswith("GET ")]


@pytest.fixture
def people(app: Flask, cast: Cast) -> list[FlaskClient]:
    """Those who reach most: a reader and an admin, as programs, and nobody."""
    return [cast.reader.client, cast.admin.client, cast.nobody.client]


Answers = list[tuple[str, Any]]


def faults(answers: Answers) -> list[str]:
    return [sent[:80] for sent, answer in answers if answer.status_code >= 500 or "Traceback" in answer.text]


def test_strange_paths(people: list[FlaskClient]) -> None:
    paths = []
    for rule in (rule for rule in GETS if "<" in rule):
        head, _, tail = rule.rpartition("<")
        strange = STRANGE_NUMBERS if "<int" in rule else STRANGE_TEXTS
        paths += [path_of(f"{head}{value}{tail.partition('>')[2]}") for value in strange]

    assert faults([(path, who.get(path, buffered=True)) for path in paths for who in people]) == []


def test_strange_queries(people: list[FlaskClient]) -> None:
    paths = [f"{path_of(rule)}?{text}" for rule in GETS for text in STRANGE_QUERIES]

    assert faults([(path, who.get(path, buffered=True)) for path in paths for who in people]) == []


@pytest.mark.parametrize("route", [route for route in UNSAFE if " /api/" in route])
def test_strange_bodies(people: list[FlaskClient], route: str) -> None:
    answers = [
        (repr(raw), send(who, route, raw, "application/json")) for raw in STRANGE_JSON for who in people
    ]

    assert faults(answers + of_strange_types(people, route)) == []


@pytest.mark.parametrize("route", [route for route in UNSAFE if " /api/" not in route])
def test_strange_forms(cast: Cast, people: list[FlaskClient], route: str) -> None:
    form = "application/x-www-form-urlencoded"
    browsers = [who.browser for who in (cast.reader, cast.admin, cast.nobody)]
    answers = [(repr(raw), send(who, route, raw, form)) for raw in STRANGE_FORMS for who in browsers]

    assert faults(answers + of_strange_types(people, route)) == []


def of_strange_types(people: list[FlaskClient], route: str) -> Answers:
    raw = b"--x\r\n\r\n--x--"
    return [(kind, send(who, route, raw, kind)) for kind in STRANGE_TYPES for who in people]


def send(who: FlaskClient, route: str, raw: bytes, content_type: str) -> Any:
    method, _, rule = route.partition(" ")
    return who.open(path_of(rule), method=method, data=raw, content_type=content_type)


def test_strange_headers(app: Flask) -> None:
    client = app.test_client(use_cookies=False)
    paths = ["/", "/login", "/shelf", "/api/auth/me", "/health", "/static/css/base.css"]
    posts = ["/login", "/api/auth/login"]
    answers = []
    for headers in STRANGE_HEADERS:
        sent = repr(headers)
        answers += [(f"{path} {sent}", client.get(path, headers=headers, buffered=True)) for path in paths]
        answers += [(f"{path} {sent}", client.post(path, headers=headers, data=b"{}")) for path in posts]

    assert faults(answers) == []
