"""An unsafe request that a cookie authorises must come from our own pages."""

from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alice.app import create_app
from alice.config import Settings
from tests.cast import Cast

pytestmark = pytest.mark.engine("sqlite")

OWN = {"Origin": "http://localhost"}
FOREIGN = {"Origin": "http://evil.example"}


def refused(answer: object) -> bool:
    return answer.status_code == 403 and (not answer.is_json or answer.json["error"]["code"] == "csrf")


@pytest.fixture
def browser(cast: Cast) -> FlaskClient:
    """A signed-in reader's browser, which tells nothing about where a request comes from."""
    browser = cast.reader.browser
    del browser.environ_base["HTTP_ORIGIN"]
    return browser


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        FOREIGN,
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://localhost:8000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        FOREIGN | {"Sec-Fetch-Site": "same-origin"},
        FOREIGN | {"Referer": "http://localhost/"},
        {"Authorization": "Basic eDp5"},
    ],
)
def test_what_may_come_from_another_site_is_refused(browser: FlaskClient, method: str, headers: dict) -> None:
    assert refused(browser.open("/api/probe/mine", method=method, headers=headers))


@pytest.mark.parametrize("headers", [OWN, {"Sec-Fetch-Site": "same-origin"}, {"Origin": "https://localhost"}])
def test_our_own_pages_may(browser: FlaskClient, headers: dict) -> None:
    assert browser.post("/api/probe/mine", headers=headers).status_code == 200


def test_a_safe_method_needs_nothing(browser: FlaskClient) -> None:
    assert browser.get("/api/probe/mine", headers=FOREIGN).status_code == 200


def test_a_bearer_token_needs_nothing(cast: Cast) -> None:
    assert cast.reader.client.post("/api/probe/mine").status_code == 200
    assert cast.reader.client.post("/api/probe/mine", headers=FOREIGN).status_code == 200


def test_a_bearer_token_that_is_none_does_not_let_the_cookie_through(browser: FlaskClient) -> None:
    answer = browser.post("/api/probe/mine", headers={"Authorization": "Bearer x"})

    assert answer.status_code == 401


def test_a_form_token_of_the_session_will_do(browser: FlaskClient) -> None:
    token = browser.get("/probe/token").text

    assert browser.post("/probe/mine", data={"csrf_token": token}).status_code == 200
    assert (
        browser.post("/probe/mine", data={"csrf_token": token}, headers={"Origin": "null"}).status_code == 200
    )


def test_a_token_in_a_body_of_another_type_will_not_do(browser: FlaskClient) -> None:
    token = browser.get("/probe/token").text

    answer = browser.post("/probe/mine", data={"csrf_token": token}, content_type="multipart/form-data")
    assert refused(answer)


@pytest.mark.parametrize("token", ["", "x", "ü", "\0", None])
def test_a_wrong_form_token_will_not_do(browser: FlaskClient, token: str | None) -> None:
    assert refused(browser.post("/probe/mine", data={} if token is None else {"csrf_token": token}))


def test_the_token_of_another_session_will_not_do(browser: FlaskClient, cast: Cast) -> None:
    token = cast.newcomer.browser.get("/probe/token").text

    assert refused(browser.post("/probe/mine", data={"csrf_token": token}))


def test_before_signing_in_the_token_is_bound_to_a_cookie(app: Flask) -> None:
    visitor = app.test_client()
    form = visitor.get("/probe/token")
    stranger = app.test_client()
    stranger.get("/probe/token")

    assert "alice_csrf=" in form.headers["Set-Cookie"]
    assert "HttpOnly" in form.headers["Set-Cookie"]
    assert "SameSite=Lax" in form.headers["Set-Cookie"]
    assert len(visitor.get_cookie("alice_csrf").value) == 24  # of 64 letters: 144 bits
    data = {"first_name": "a", "csrf_token": form.text}
    assert visitor.post("/probe/guest", data=data).status_code == 200
    assert refused(stranger.post("/probe/guest", data=data))
    assert refused(app.test_client().post("/probe/guest", data=data))


def test_the_cookie_is_made_once(app: Flask) -> None:
    visitor = app.test_client()

    first, second = visitor.get("/probe/token"), visitor.get("/probe/token")

    assert first.text == second.text
    assert "Set-Cookie" not in second.headers


def test_a_token_cannot_be_made_from_a_chosen_cookie(app: Flask) -> None:
    victim = app.test_client()
    victim.set_cookie("alice_csrf", "chosen")

    assert refused(victim.post("/probe/guest", data={"first_name": "a", "csrf_token": "chosen"}))


@pytest.mark.parametrize("path", ["/login", "/register"])
def test_signing_in_and_registering_from_another_site_is_refused(app: Flask, path: str) -> None:
    visitor = app.test_client()

    assert refused(visitor.post(path, data={"email": "x@example.com", "password": "x" * 10}, headers=FOREIGN))
    assert refused(visitor.post(path, data={"email": "x@example.com", "password": "x" * 10}))


def test_signing_in_with_json_from_another_site_is_refused(app: Flask) -> None:
    answer = app.test_client().post(
        "/api/auth/login", json={"email": "x@example.com", "password": "x" * 10}, headers=FOREIGN
    )

    assert refused(answer)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_a_browser_that_says_where_it_comes_from_is_no_program(app: Flask, site: str) -> None:
    answer = app.test_client().post(
        "/api/auth/login",
        json={"email": "x@example.com", "password": "x" * 10},
        headers={"Sec-Fetch-Site": site},
    )

    assert refused(answer)


def test_a_program_without_cookies_may_sign_in_with_json(app: Flask) -> None:
    answer = app.test_client().post("/api/auth/login", json={"email": "x@example.com", "password": "x" * 10})

    assert answer.status_code == 401
    assert answer.json["error"]["code"] != "csrf"


@pytest.mark.parametrize(
    ("public_url", "origin", "own"),
    [
        ("https://alice.example", "https://alice.example", True),
        ("https://alice.example", "http://alice.example", False),
        ("https://alice.example", "http://localhost", False),
        ("https://alice.example:8443", "https://alice.example:8443", True),
        ("https://alice.example:8443", "https://alice.example", False),
    ],
)
def test_the_public_url_decides_what_is_our_own(
    settings: Settings, cast: Cast, public_url: str, origin: str, own: bool
) -> None:
    app = create_app(replace(settings, public_url=public_url))
    browser = app.test_client()
    browser.set_cookie("alice_session", cast.reader.token)

    answer = browser.post("/api/heartbeat", json={}, headers={"Origin": origin})

    assert answer.status_code == (422 if own else 403)


@pytest.mark.parametrize(
    ("proto", "origin", "own"),
    [
        ("https", "https://localhost", True),
        ("https", "HTTPS://LOCALHOST", True),
        ("https", "http://localhost", False),
        ("http", "http://localhost", True),
        ("http", "https://localhost", False),
        ("https", "https://evil.example", False),
    ],
)
def test_behind_proxies_they_say_which_scheme_is_our_own(
    settings: Settings, cast: Cast, proto: str, origin: str, own: bool
) -> None:
    browser = create_app(replace(settings, trusted_proxies=1)).test_client()
    browser.set_cookie("alice_session", cast.reader.token)

    answer = browser.post("/api/heartbeat", json={}, headers={"Origin": origin, "X-Forwarded-Proto": proto})

    assert answer.status_code == (422 if own else 403)


@pytest.mark.parametrize("origin", ["http://", "https://"])
def test_without_a_host_nothing_is_our_own(browser: FlaskClient, origin: str) -> None:
    assert refused(browser.post("/api/probe/mine", headers={"Origin": origin, "Host": ""}))
