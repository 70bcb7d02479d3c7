"""A client cannot choose its own address."""

from dataclasses import replace

import pytest
from flask import Flask

from alice.app import create_app
from alice.config import Settings
from alice.web.address import client_behind

pytestmark = pytest.mark.engine("sqlite")

PEER = "192.0.2.1"


@pytest.mark.parametrize(
    ("forwarded_for", "proxies", "expected"),
    [
        ("", 0, PEER),
        ("198.51.100.9", 0, PEER),
        ("198.51.100.9, 198.51.100.8", 0, PEER),
        ("", 1, PEER),
        ("198.51.100.9", 1, "198.51.100.9"),
        ("6.6.6.6, 198.51.100.9", 1, "198.51.100.9"),
        ("6.6.6.6, 198.51.100.9, 10.0.0.1", 2, "198.51.100.9"),
        ("198.51.100.9", 2, PEER),
        ("198.51.100.9:4711", 1, "198.51.100.9"),
        ("[2001:db8::1]:4711", 1, "2001:db8::1"),
        ("2001:DB8::1", 1, "2001:db8::1"),
        ("unknown", 1, PEER),
        ("<script>", 1, PEER),
        (", ", 1, PEER),
        ("198.51.100.9,", 1, PEER),
    ],
)
def test_the_nth_address_from_the_right_counts_behind_n_proxies(
    forwarded_for: str, proxies: int, expected: str
) -> None:
    assert client_behind(PEER, forwarded_for, proxies) == expected


@pytest.mark.parametrize(
    "headers", [{"X-Forwarded-For": "6.6.6.6"}, {"X-Real-IP": "6.6.6.6"}, {"Forwarded": "for=6.6.6.6"}]
)
def test_without_proxies_no_header_is_believed(app: Flask, headers: dict) -> None:
    headers |= {"X-Forwarded-Proto": "https"}

    answer = app.test_client().get("/api/probe/address", headers=headers)

    assert answer.json == {"client": "127.0.0.1", "scheme": "http"}


@pytest.mark.parametrize(
    ("proxies", "public_url", "proto", "scheme"),
    [
        (1, None, "https", "https"),
        (1, None, "http", "http"),
        (1, None, "gopher", "http"),
        (2, None, "https, http", "https"),
        (2, None, "https", "https"),
        (1, None, "https, http", "http"),
        (1, None, "http, https", "https"),
        (2, None, "https, http, http", "http"),
        (1, None, " HTTPS ", "https"),
        (1, None, None, "http"),
        (0, "https://alice.example", "http", "https"),
        (1, "http://alice.example", "https", "http"),
    ],
)
def test_the_scheme_is_what_the_public_url_or_the_proxies_say(
    settings: Settings, proxies: int, public_url: str | None, proto: str | None, scheme: str
) -> None:
    app = create_app(replace(settings, trusted_proxies=proxies, public_url=public_url))

    headers = {"X-Forwarded-Proto": proto} if proto else {}
    cookie = app.test_client().get("/login", headers=headers).headers["Set-Cookie"]

    assert ("Secure" in cookie) == (scheme == "https")
