"""Every route x everybody: who gets in. A new route needs a line in EXPECTED."""

from typing import Any

import pytest
from flask import Flask
from werkzeug.routing import Rule

from tests.cast import BOOK, Cast

EVERYBODY = frozenset(("nobody", "newcomer", "reader", "consultant", "stranger", "admin"))
SIGNED_IN = EVERYBODY - {"nobody"}
READERS = frozenset(("newcomer", "reader"))
STAFF = frozenset(("consultant", "stranger", "admin"))
ADMIN = frozenset(("admin",))

EXPECTED: dict[str, frozenset[str]] = {
    "GET /": EVERYBODY,
    "GET /health": EVERYBODY,
    "GET /static/<path:filename>": EVERYBODY,
    "GET /tracker.js": EVERYBODY,
    "GET /tracker.<version>.js": EVERYBODY,
    "GET /privacy": EVERYBODY,
    "GET /privacy/<site_id>": EVERYBODY,
    # accounts
    "GET /login": EVERYBODY,
    "POST /login": EVERYBODY,
    "POST /logout": EVERYBODY,
    "GET /register": EVERYBODY,
    "POST /register": EVERYBODY,
    "GET /forgot-password": EVERYBODY,
    "GET /account": SIGNED_IN,
    "POST /account": SIGNED_IN,
    "GET /account/devices": SIGNED_IN,
    "POST /account/devices": SIGNED_IN,
    "POST /api/auth/register": EVERYBODY,
    "POST /api/auth/login": EVERYBODY,
    "POST /api/auth/logout": SIGNED_IN,
    "GET /api/auth/me": SIGNED_IN,
    "PATCH /api/auth/me": SIGNED_IN,
    "POST /api/auth/password": SIGNED_IN,
    "GET /api/sessions": SIGNED_IN,
    "DELETE /api/sessions": SIGNED_IN,
    "DELETE /api/sessions/<session_id>": SIGNED_IN,
    "GET /api/users/<user_id>/sessions": ADMIN,
    "DELETE /api/users/<user_id>/sessions": ADMIN,
    "DELETE /api/users/<user_id>/sessions/<session_id>": ADMIN,
    # library
    "GET /api/books": SIGNED_IN,
    "POST /api/books/verify": READERS,
    "GET /api/books/<book_id>": SIGNED_IN,
    "GET /api/books/<book_id>/pages/<int:page_number>": SIGNED_IN,
    # activity
    "POST /api/activity/track": READERS,
    "POST /api/heartbeat": READERS,
    # reading
    "GET /shelf": SIGNED_IN,
    "GET /code": READERS,
    "POST /code": READERS,
    "GET /read/<book_id>": SIGNED_IN,
    "GET /read/<book_id>/<int:page_number>": SIGNED_IN,
    "POST /read/<book_id>/turn": SIGNED_IN,
    # consultant
    "GET /consultant": STAFF,
    "GET /consultant/live": STAFF,
    "GET /api/consultant/active-readers": STAFF,
    "GET /api/consultant/recent-activities": STAFF,
    "GET /api/consultant/reader/activity": STAFF,
    "GET /api/consultant/reader/state": STAFF,
    "GET /api/consultant/online-readers": STAFF,
    "GET /api/consultant/readers": STAFF,
    # tracking
    "POST /api/track": SIGNED_IN,
    "POST /api/track/session": SIGNED_IN,
    "GET /api/track/session": SIGNED_IN,
    "GET /api/track/analytics": SIGNED_IN,
    "GET /api/v2/sites": STAFF,
    "POST /api/v2/sites": STAFF,
    "DELETE /api/v2/sites/<site_id>": STAFF,
}
VALUES = {"book_id": BOOK, "page_number": "1", "filename": "css/base.css"}
NO_ROW = "00000000-0000-7000-8000-000000000000"
# access.Forbidden, and its words in the dialects; a book without its code is refused in other words
CLOSED = ("not open to you", "Access denied")
# The dialects of tracking tell errors as the programs did that they stand for: a text, and nothing else.
DIALECTS = ("/api/track", "/api/v2/sites")


def routes(app: Flask) -> dict[str, Rule]:
    """The application's own routes as `METHOD /rule`."""
    return {
        f"{method} {rule.rule}": rule
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if "/probe/" not in rule.rule
    }


def path_of(rule: str) -> str:
    """An address that the rule matches: of things that exist where the test knows of any."""
    for step in [step for step in rule.split("/") if step.startswith("<")]:
        name = step.strip("<>").rpartition(":")[2]
        rule = rule.replace(step, VALUES.get(name, NO_ROW))
    return rule


def send(cast: Cast, name: str, method: str, path: str) -> Any:
    kind = {"json": {}} if path.startswith("/api/") else {"data": {}}
    body = {} if method == "GET" else kind
    return getattr(cast, name).browser.open(path, method=method, buffered=True, **body)


def is_refused(answer: Any) -> bool:
    to_login = answer.status_code == 303 and answer.headers["Location"].startswith("/login")
    return (
        answer.status_code == 401
        or to_login
        or (answer.status_code == 403 and any(words in answer.text for words in CLOSED))
    )


def test_every_route_has_an_expectation(app: Flask) -> None:
    assert set(routes(app)) == set(EXPECTED)


@pytest.mark.parametrize("route", EXPECTED)
def test_exactly_those_get_in_who_should(cast: Cast, route: str) -> None:
    method, _, rule = route.partition(" ")
    answers = {name: send(cast, name, method, path_of(rule)) for name in sorted(EVERYBODY)}

    assert [name for name, answer in answers.items() if answer.status_code >= 500] == []
    if EXPECTED[route] is EVERYBODY:
        assert [name for name, answer in answers.items() if answer.status_code in (401, 403)] == []
    else:
        assert {name for name, answer in answers.items() if not is_refused(answer)} == EXPECTED[route]


@pytest.mark.parametrize("route", [route for route in EXPECTED if EXPECTED[route] is not EVERYBODY])
def test_who_is_refused_is_told_in_their_language(cast: Cast, route: str) -> None:
    method, _, rule = route.partition(" ")
    for name in sorted(EVERYBODY - EXPECTED[route]):
        answer = send(cast, name, method, path_of(rule))
        if rule.startswith(DIALECTS):
            assert answer.status_code == (401 if name == "nobody" else 403)
            assert answer.json["error"] == ("Unauthorized" if name == "nobody" else "Access denied")
        elif rule.startswith("/api/"):
            assert answer.status_code == (401 if name == "nobody" else 403)
            assert answer.json["error"]["code"] == ("unauthenticated" if name == "nobody" else "forbidden")
        else:
            assert answer.status_code == (303 if name == "nobody" else 403)
