"""Every response has the security headers, and a header for caches."""

from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alice.app import create_app
from alice.config import Settings
from tests.cast import Cast

pytestmark = pytest.mark.engine("sqlite")

PATHS = ["/", "/login", "/nothing", "/health", "/api/nothing", "/api/probe/fails/bug", "/probe/fails/bug"]


@pytest.mark.parametrize("path", [*PATHS, "/static/css/base.css"])
def test_every_answer_is_hardened(client: FlaskClient, path: str) -> None:
    headers = client.get(path, buffered=True).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert len(headers.getlist("Content-Security-Policy")) == 1


@pytest.mark.parametrize("path", ["/", "/login", "/nothing"])
def test_pages_run_nothing_but_our_own_files(client: FlaskClient, path: str) -> None:
    policy = client.get(path).headers["Content-Security-Policy"]

    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    for directive in ("base-uri 'none'", "object-src 'none'", "form-action 'self'"):
        assert directive in policy


@pytest.mark.parametrize("path", ["/api/auth/me", "/api/nothing"])
def test_answers_to_programs_load_nothing_at_all(client: FlaskClient, path: str) -> None:
    policy = client.get(path).headers["Content-Security-Policy"]

    assert policy == "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize("path", ["/", "/login", "/shelf", "/api/auth/me", "/read/tea-party/1", "/nothing"])
def test_what_is_personal_is_kept_by_nobody(cast: Cast, path: str) -> None:
    assert cast.reader.client.get(path).headers["Cache-Control"] == "no-store"


def test_a_view_may_say_otherwise(client: FlaskClient) -> None:
    assert client.get("/api/probe/cached").headers.getlist("Cache-Control") == ["public, max-age=60"]


def test_only_tls_is_told_to_stay_tls(app: Flask, settings: Settings) -> None:
    secure = create_app(replace(settings, public_url="https://alice.example"))

    assert "max-age=" in secure.test_client().get("/health").headers["Strict-Transport-Security"]
    assert "Strict-Transport-Security" not in app.test_client().get("/health").headers


def test_cookies_are_secure_behind_tls(settings: Settings) -> None:
    secure = create_app(replace(settings, public_url="https://alice.example"))

    cookie = secure.test_client().get("/login").headers["Set-Cookie"]

    assert "Secure" in cookie
