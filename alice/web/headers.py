"""Security headers of every response, and its default for caching."""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask

from alice.config import Settings

COMMON = [
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
]
FOR_PAGES = [
    (
        "Content-Security-Policy",
        "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
]
FOR_PROGRAMS = [("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")]
FOR_TLS = [("Strict-Transport-Security", "max-age=31536000")]
PRIVATE = ("Cache-Control", "no-store")


def install(app: Flask, settings: Settings) -> None:
    app.wsgi_app = Headers(app.wsgi_app, secure=settings.secure)


class Headers:
    """WSGI middleware: appending fixed lists of headers costs far less than an after_request hook.

    A response without Cache-Control gets `no-store`, because nearly all responses are personal.
    """

    def __init__(self, application: Callable, secure: bool) -> None:
        self._application = application
        always = COMMON + (FOR_TLS if secure else [])
        self._pages = always + FOR_PAGES
        self._programs = always + FOR_PROGRAMS

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        fixed = self._programs if environ["PATH_INFO"].startswith("/api/") else self._pages

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable:
            if not any(name == "Cache-Control" for name, _ in headers):
                headers.append(PRIVATE)
            headers += fixed
            return start_response(status, headers, exc_info)

        return self._application(environ, start)
