"""The pages of accounts, as a browser without JavaScript uses them."""

import re
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from alice.accounts import throttle
from alice.accounts.pages import local_path
from alice.accounts.throttle import REGISTRATIONS_FROM_ADDRESS
from alice.app import create_app
from alice.config import Settings
from tests.accounts.acting import NEW_PASSWORD, SentSignals, fill, login, me, register, went_to
from tests.cast import PASSWORD, Cast
from tests.conftest import Rows

ADA = {"email": "ada@example.com", "password": PASSWORD, "first_name": "Ada", "last_name": "King"}
ATTACKS = [
    "https://evil.example",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "\\\\evil",
    "/\t/evil.example",
    "/\n//evil.example",
    "\t//evil.example",
    " //evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "evil.example",
    "http:evil.example",
    "http:/evil.example",
    "/\r\nSet-Cookie: a=b",
    "",
    "?next=/",
    "./shelf",
    "//[evil",
    "/\x00",
    "/\u2028",
]


def sign_in(client: FlaskClient, person: object, path: str = "/login", **more: str) -> TestResponse:
    return fill(client, path, email=person.email, password=PASSWORD, **more)


# Where to go


@pytest.mark.parametrize("text", [*ATTACKS, None])
def test_what_leads_elsewhere_is_no_local_path(text: str | None) -> None:
    assert local_path(text) is None


@pytest.mark.parametrize(
    "text", ["/", "/shelf", "/read/tea-party/3?from=mail&x=//y", "/read/a#b", "/code?next=http://x"]
)
def test_what_stays_here_is(text: str) -> None:
    assert local_path(text) == text


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "https://evil.example"])
@pytest.mark.parametrize("where", ["form", "query"])
def test_no_redirect_leaves_the_site(browser: FlaskClient, cast: Cast, path: str, where: str) -> None:
    if where == "form":
        answer = sign_in(browser, cast.reader, next=path)
    else:
        browser.get("/login", query_string={"next": path})
        answer = browser.post(
            "/login", query_string={"next": path}, data={"email": cast.reader.email, "password": PASSWORD}
        )

    assert went_to(answer) == "/shelf"


# Signing in


def test_a_page_for_readers_sends_to_the_login_and_back(browser: FlaskClient, cast: Cast) -> None:
    to_login = went_to(browser.get("/account/devices?x=1"))
    page = browser.get(to_login)
    (hidden,) = re.findall(r'name="next" value="([^"]*)"', page.text)

    assert page.status_code == 200
    assert went_to(sign_in(browser, cast.reader, next=hidden)) == "/account/devices?x=1"
    assert browser.get("/account/devices").status_code == 200


@pytest.mark.parametrize(
    ("name", "home"), [("reader", "/shelf"), ("consultant", "/consultant"), ("admin", "/consultant")]
)
def test_everybody_has_a_home(browser: FlaskClient, cast: Cast, name: str, home: str) -> None:
    assert went_to(sign_in(browser, getattr(cast, name))) == home
    assert went_to(browser.get("/")) == home
    for path in ("/login", "/register"):
        assert went_to(browser.get(path)) == home
        assert went_to(browser.get(f"{path}?next=/account")) == "/account"


def test_a_wrong_password_shows_the_form_again(browser: FlaskClient, cast: Cast) -> None:
    answer = fill(browser, "/login", email="Reader@Example.com", password="a wrong one", remember="1")

    assert answer.status_code == 422
    assert "The e-mail or the password is not right." in answer.text
    assert 'value="Reader@Example.com"' in answer.text
    assert "checked" in answer.text
    assert "a wrong one" not in answer.text
    assert browser.get_cookie("alice_session") is None


def test_an_empty_form_is_shown_again(browser: FlaskClient) -> None:
    assert fill(browser, "/login", next="").status_code == 422
    assert fill(browser, "/register", next="").status_code == 422


def test_too_many_tries_show_the_form_again_and_say_when(browser: FlaskClient, cast: Cast) -> None:
    for _ in range(10):
        fill(browser, "/login", email=cast.reader.email, password="guess")

    answer = sign_in(browser, cast.reader)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) <= 15 * 60
    assert "Too many tries" in answer.text


def test_staying_signed_in_is_a_box_to_tick(app: Flask, cast: Cast) -> None:
    ages = []
    for box in ({}, {"remember": "1"}):
        client = app.test_client()
        client.environ_base["HTTP_ORIGIN"] = "http://localhost"
        sign_in(client, cast.reader, **box)
        ages.append(client.get_cookie("alice_session").max_age)

    assert ages == [24 * 3600, 30 * 24 * 3600]


@pytest.mark.parametrize("how", ["login", "another", "register"])
def test_signing_in_again_ends_the_session_whose_cookie_is_replaced(
    browser: FlaskClient, cast: Cast, program: FlaskClient, heard: SentSignals, how: str
) -> None:
    sign_in(browser, cast.reader)
    token = browser.get_cookie("alice_session").value

    if how == "register":
        fill(browser, "/register", **ADA)
    else:
        sign_in(browser, cast.reader if how == "login" else cast.newcomer)
    assert me(program, token).status_code == 401
    assert me(program, browser.get_cookie("alice_session").value).status_code == 200
    assert cast.reader.client.get("/api/auth/me").status_code == 200  # on another device
    assert heard.names == ["signed_in", "signed_in"]


def test_a_failed_login_leaves_the_session_alone(browser: FlaskClient, cast: Cast) -> None:
    sign_in(browser, cast.reader)
    fill(browser, "/login", email=cast.reader.email, password="a wrong one")
    fill(browser, "/register", **ADA | {"email": cast.reader.email})

    assert browser.get("/api/auth/me").status_code == 200


def test_signing_out_goes_to_the_front_page(browser: FlaskClient, cast: Cast) -> None:
    sign_in(browser, cast.reader)
    token = browser.get_cookie("alice_session").value

    assert went_to(browser.post("/logout")) == "/"
    assert browser.get_cookie("alice_session") is None
    assert me(browser, token).status_code == 401
    assert went_to(browser.post("/logout")) == "/"  # and again does no harm


def test_a_link_does_not_sign_out(cast: Cast) -> None:
    assert cast.reader.browser.get("/logout").status_code == 405
    assert cast.reader.browser.get("/account").status_code == 200


def test_another_site_cannot_sign_a_user_in_or_out(cast: Cast, client: FlaskClient) -> None:
    evil = {"Origin": "https://evil.example"}
    given = {"email": cast.reader.email, "password": PASSWORD}

    assert client.post("/login", data=given, headers=evil).status_code == 403
    assert cast.reader.browser.post("/logout", headers=evil).status_code == 403
    assert cast.reader.browser.get("/account").status_code == 200


def test_the_form_carries_a_token_for_browsers_that_send_no_origin(client: FlaskClient, cast: Cast) -> None:
    page = client.get("/login")
    (token,) = re.findall(r'name="csrf_token" value="([^"]+)"', page.text)

    assert went_to(sign_in(client, cast.reader, csrf_token=token)) == "/shelf"


# Registering


def test_registering_signs_in_and_goes_on_to_the_code(browser: FlaskClient) -> None:
    assert browser.get("/register").status_code == 200
    assert went_to(fill(browser, "/register", **ADA)) == "/code"
    assert browser.get("/api/auth/me").json["first_name"] == "Ada"
    assert browser.get_cookie("alice_session").max_age == 24 * 3600


def test_or_to_where_one_wanted_to_go(browser: FlaskClient) -> None:
    assert went_to(fill(browser, "/register", **ADA, next="/read/tea-party")) == "/read/tea-party"


def test_or_to_the_shelf_where_no_code_is_needed(settings: Settings) -> None:
    browser = create_app(replace(settings, require_book_code=False)).test_client()
    browser.environ_base["HTTP_ORIGIN"] = "http://localhost"

    assert went_to(fill(browser, "/register", **ADA)) == "/shelf"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("email", "ada", "This must be an e-mail address."),
        ("email", "reader@example.com", "There is an account with this e-mail address."),
        ("password", "short", "This must have at least 8 characters."),
        ("password", "Password123", "everybody tries first"),
        ("first_name", "x" * 101, "This must have at most 100 characters."),
    ],
)
def test_an_error_is_shown_beside_its_field(
    browser: FlaskClient, cast: Cast, field: str, value: str, message: str
) -> None:
    answer = fill(browser, "/register", **ADA | {field: value})

    assert answer.status_code == 422
    assert message in answer.text
    assert f'id="error-{field}"' in answer.text
    assert 'value="King"' in answer.text
    assert PASSWORD not in answer.text
    assert browser.get_cookie("alice_session") is None


def test_too_many_registrations_show_the_form_again_and_say_when(
    browser: FlaskClient, connection: None, db: Rows
) -> None:
    for _ in range(60):
        throttle.take(REGISTRATIONS_FROM_ADDRESS, "127.0.0.1")

    answer = fill(browser, "/register", **ADA)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 60 * 60
    assert "Too many tries" in answer.text
    assert 'value="King"' in answer.text
    assert db.query("SELECT 1 FROM users WHERE email = 'ada@example.com'") == []


def test_closed_is_closed(closed: Flask, db: Rows) -> None:
    browser = closed.test_client()
    browser.environ_base["HTTP_ORIGIN"] = "http://localhost"

    assert "/register" not in browser.get("/login").text
    assert browser.get("/register").status_code == 403
    assert fill(browser, "/register", **ADA).status_code == 403
    assert db.query("SELECT 1 FROM users WHERE email = 'ada@example.com'") == []


def test_who_forgot_is_told_whom_to_ask(settings: Settings) -> None:
    client = create_app(replace(settings, help_contact="Dinah <dinah@example.com>")).test_client()

    page = client.get("/forgot-password")
    assert page.status_code == 200
    assert "Dinah &lt;dinah@example.com&gt;" in page.text


# The account


def test_a_name_is_changed(cast: Cast) -> None:
    browser = cast.reader.browser

    saved = went_to(fill(browser, "/account", section="name", first_name="Ada", last_name="King"))
    page = browser.get(saved)
    assert "Your name is saved." in page.text
    assert 'value="Ada"' in page.text


def test_a_name_that_cannot_be_is_shown_again(cast: Cast) -> None:
    answer = fill(cast.reader.browser, "/account", section="name", first_name="x" * 101, last_name="King")

    assert answer.status_code == 422
    assert 'id="error-first_name"' in answer.text
    assert 'value="King"' in answer.text
    assert cast.reader.client.get("/api/auth/me").json["last_name"] == "Example"


def test_a_password_is_changed_and_other_devices_end(cast: Cast, program: FlaskClient) -> None:
    elsewhere = login(program, cast.reader.email).json["access_token"]

    saved = fill(
        cast.reader.browser,
        "/account",
        section="password",
        current_password=PASSWORD,
        new_password=NEW_PASSWORD,
    )
    assert "Your password is changed." in cast.reader.browser.get(went_to(saved)).text
    assert me(program, elsewhere).status_code == 401
    assert login(program, cast.reader.email, NEW_PASSWORD).status_code == 200


@pytest.mark.parametrize(
    ("current", "new", "field"),
    [
        ("wrong", NEW_PASSWORD, "current_password"),
        (PASSWORD, "short", "new_password"),
        ("", "", "new_password"),
    ],
)
def test_a_password_that_cannot_be_is_said_beside_the_field(
    cast: Cast, program: FlaskClient, current: str, new: str, field: str
) -> None:
    answer = fill(
        cast.reader.browser, "/account", section="password", current_password=current, new_password=new
    )

    assert answer.status_code == 422
    assert f'id="error-{field}"' in answer.text
    assert 'value="Reader"' in answer.text
    assert login(program, cast.reader.email, PASSWORD).status_code == 200


@pytest.mark.parametrize("section", ["", "role", "email"])
def test_nothing_else_is_changed_there(cast: Cast, section: str) -> None:
    before = cast.reader.client.get("/api/auth/me").json

    answer = fill(cast.reader.browser, "/account", section=section, role="admin", email="a@example.com")

    assert answer.status_code == 422
    assert cast.reader.client.get("/api/auth/me").json == before


# Devices


@pytest.fixture
def elsewhere(program: FlaskClient, cast: Cast) -> str:
    return login(program, cast.reader.email).json["access_token"]


def test_devices_are_listed(cast: Cast, elsewhere: str) -> None:
    page = cast.reader.browser.get("/account/devices").text

    assert page.count('name="session_id"') == 2
    assert page.count("This device") == 1
    assert cast.newcomer.browser.get("/account/devices").text.count("This device") == 1


def test_another_device_is_signed_out(cast: Cast, elsewhere: str, program: FlaskClient, db: Rows) -> None:
    other = db.one(
        "SELECT id FROM sessions WHERE user_id = ? AND id <> ?", cast.reader.id, cast.reader.session_id
    )

    answer = fill(cast.reader.browser, "/account/devices", session_id=other)
    assert went_to(answer) == "/account/devices"
    assert me(program, elsewhere).status_code == 401
    assert fill(cast.reader.browser, "/account/devices", session_id=other).status_code == 404


@pytest.mark.parametrize(
    ("fields", "to", "still_here", "still_there"),
    [
        ({"scope": "others"}, "/account/devices", 200, 401),
        ({"scope": "all"}, "/login", 401, 401),
        ({"session_id": "own"}, "/login", 401, 200),
    ],
)
def test_many_are_signed_out_at_once(
    cast: Cast, elsewhere: str, program: FlaskClient, fields: dict, to: str, still_here: int, still_there: int
) -> None:
    fields = {key: cast.reader.session_id if value == "own" else value for key, value in fields.items()}

    assert went_to(fill(cast.reader.browser, "/account/devices", **fields)) == to
    assert cast.reader.client.get("/api/auth/me").status_code == still_here
    assert me(program, elsewhere).status_code == still_there


def test_a_device_of_another_user_cannot_be_signed_out(cast: Cast) -> None:
    answer = fill(cast.reader.browser, "/account/devices", session_id=cast.admin.session_id)

    assert answer.status_code == 404
    assert cast.admin.client.get("/api/auth/me").status_code == 200
    assert fill(cast.reader.browser, "/account/devices", scope="everybody").status_code == 422


# What every page keeps


@pytest.mark.parametrize("path", ["/account", "/account/devices", "/code"])
def test_personal_pages_need_a_session_and_are_not_cached(cast: Cast, path: str) -> None:
    assert went_to(cast.nobody.browser.get(path)).startswith("/login?next=")
    assert cast.reader.browser.get(path).headers["Cache-Control"] == "no-store"


HOSTILE = '"><script>alert(1)</script>'


def test_a_hostile_name_stays_text(browser: FlaskClient, program: FlaskClient) -> None:
    fill(browser, "/register", **ADA | {"first_name": HOSTILE, "last_name": HOSTILE})

    for path in ("/account", "/account/devices", "/shelf", "/code"):
        assert "<script>alert" not in browser.get(path).text
    failed = fill(browser, "/register", **ADA | {"first_name": HOSTILE, "email": HOSTILE})
    assert failed.status_code == 422
    assert "<script>alert" not in failed.text


def test_a_hostile_name_stays_text_for_consultants(cast: Cast, program: FlaskClient) -> None:
    register(program, first_name=HOSTILE, last_name=HOSTILE)
    login(program, "ada@example.com")

    page = cast.consultant.browser.get("/consultant").text
    assert "ada@example.com" in page
    assert "<script>alert" not in page
