"""Every error has the same JSON shape, and shows nothing internal."""

import logging

import pytest
from flask.testing import FlaskClient

from tests.cast import Cast
from tests.conftest import Counted

pytestmark = pytest.mark.engine("sqlite")

MEGABYTE = 1_000_000


@pytest.mark.parametrize(
    "path", ["/api/nothing", "/api", "/api/", "/api/nothing/%F0%9F", "/api/%00", "/api/%ff"]
)
def test_an_unknown_path_under_api_is_a_json_404(client: FlaskClient, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 404
    assert answer.content_type == "application/json"
    assert answer.json["error"]["code"] == "not_found"


@pytest.mark.parametrize("path", ["/nothing", "/nothing/%00", "/apiary", "/%ff%fe", "/read/%00/1"])
def test_an_unknown_path_elsewhere_is_a_page(client: FlaskClient, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 404
    assert answer.mimetype == "text/html"
    assert "Page not found" in answer.text


def test_the_page_for_an_unknown_path_knows_who_is_signed_in(cast: Cast) -> None:
    for_nobody, for_reader = cast.nobody.client.get("/nothing").text, cast.reader.client.get("/nothing").text

    assert 'action="/logout"' in for_reader
    assert 'action="/logout"' not in for_nobody


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST"])
def test_a_wrong_method_is_a_405_that_names_the_right_ones(client: FlaskClient, method: str) -> None:
    answer = client.open("/health", method=method)

    assert answer.status_code == 405
    assert answer.json["error"]["code"] == "method_not_allowed"
    assert "GET" in answer.headers["Allow"]


def test_a_method_nobody_knows_is_a_405(client: FlaskClient) -> None:
    assert client.open("/health", method="BREW").status_code == 405


@pytest.mark.parametrize("path", ["/api/probe/batch", "/api/auth/login", "/login"])
def test_a_body_over_a_megabyte_is_a_413(client: FlaskClient, path: str) -> None:
    answer = client.post(path, data=b"x" * (MEGABYTE + 1), content_type="application/json")

    assert answer.status_code == 413


def test_a_refusal_names_its_field(client: FlaskClient) -> None:
    answer = client.get("/api/probe/fails/conflict")

    assert (answer.status_code, answer.json) == (
        409,
        {"error": {"code": "taken", "message": "This is taken.", "field": "name"}},
    )


def test_a_refusal_on_a_page_shows_its_message(client: FlaskClient) -> None:
    answer = client.get("/probe/fails/conflict")

    assert answer.status_code == 409
    assert "This is taken." in answer.text


@pytest.mark.parametrize("prefix", ["/api", ""])
def test_too_many_tries_say_when_to_come_back(client: FlaskClient, prefix: str) -> None:
    answer = client.get(f"{prefix}/probe/fails/throttle")

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "17")
    assert client.get(f"{prefix}/probe/fails/at once").headers["Retry-After"] == "1"


@pytest.mark.parametrize("fault", ["lock", "busy"])
@pytest.mark.parametrize("prefix", ["/api", ""])
def test_a_busy_database_is_a_503_that_says_when_to_come_back(
    client: FlaskClient, prefix: str, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.get(f"{prefix}/probe/fails/{fault}")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "locked" not in answer.text
    assert ("could not be served: database is locked" in caplog.text) == (fault == "lock")


@pytest.mark.parametrize("fault", ["bug", "sql"])
@pytest.mark.parametrize("prefix", ["/api", ""])
def test_a_fault_of_ours_shows_nothing_internal(client: FlaskClient, prefix: str, fault: str) -> None:
    answer = client.get(f"{prefix}/probe/fails/{fault}")

    assert answer.status_code == 500
    for word in ("swordfish", "secret", "Traceback", "RuntimeError", "peewee"):
        assert word not in answer.text


def test_a_fault_of_ours_is_logged_once_with_what_helps(cast: Cast, caplog: pytest.LogCaptureFixture) -> None:
    cast.reader.client.get("/api/probe/mine")
    with caplog.at_level(logging.WARNING):
        cast.reader.client.get("/api/probe/fails/bug?token=abc123")

    (record,) = caplog.records
    assert record.getMessage() == "GET /api/probe/fails/bug failed (user -)"
    assert record.exc_info
    assert "abc123" not in caplog.text


def test_a_fault_in_somebodys_page_still_knows_them(cast: Cast, caplog: pytest.LogCaptureFixture) -> None:
    cast.reader.client.get("/probe/mine/fails")

    (record,) = caplog.records
    assert record.getMessage() == f"GET /probe/mine/fails failed (user {cast.reader.id})"


def test_after_a_fault_the_database_is_not_asked_who_is_there(cast: Cast, counted: Counted) -> None:
    with counted() as statements:
        assert cast.reader.client.get("/probe/fails/bug").status_code == 500

    assert statements == []


@pytest.mark.parametrize("raw", [{}, {"RAW_URI": ""}])  # not every server says it
def test_a_path_cannot_break_a_log_line(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, raw: dict[str, str]
) -> None:
    for path in ("/api/probe/fails/bug%0AERROR%20forged", "/probe/fails/bug%0Aforged"):
        client.get(path, environ_overrides=raw)

    lines = [record.getMessage() for record in caplog.records]
    assert [line for line in lines if "\n" in line or "/probe/fails/bug" not in line] == []
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("status", "code", "title"),
    [
        (400, "bad_request", "Not understood"),
        (401, "refused", "Please sign in"),
        (403, "refused", "Not open to you"),
        (404, "not_found", "Page not found"),
        (405, "method_not_allowed", "Not possible"),
        (409, "refused", "Already taken"),
        (410, "refused", "Refused"),
        (413, "too_large", "Too large"),
        (415, "unsupported_media_type", "Not understood"),
        (418, "refused", "Refused"),
        (422, "refused", "Not accepted"),
        (429, "refused", "Too many tries"),
        (500, "internal", "Something went wrong"),
        (503, "refused", "Busy"),
    ],
)
def test_what_flask_refuses_is_said_in_our_words(
    client: FlaskClient, status: int, code: str, title: str
) -> None:
    page, answer = client.get(f"/probe/abort/{status}"), client.get(f"/api/probe/abort/{status}")

    assert (page.status_code, page.mimetype) == (status, "text/html")
    assert f"<h1>{title}</h1>" in page.text
    assert "werkzeug" not in page.text.lower()
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)


def test_a_page_refused_before_the_database_is_asked_is_still_a_page(cast: Cast) -> None:
    answer = cast.reader.client.get("/read/%00/1")

    assert (answer.status_code, answer.mimetype) == (404, "text/html")
