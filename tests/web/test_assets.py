"""Static files are cached for a year; their URLs change with their content."""

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alice import database
from alice.web.assets import fingerprint

pytestmark = pytest.mark.engine("sqlite")


@pytest.fixture
def address(app: Flask) -> str:
    with app.test_request_context():
        return app.jinja_env.globals["asset"]("css/base.css")


def test_a_hashed_file_is_kept_for_a_year(client: FlaskClient, address: str) -> None:
    answer = client.get(address, buffered=True)

    assert answer.status_code == 200
    assert answer.mimetype == "text/css"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_who_works_on_alice_sees_each_change(app: Flask, address: str) -> None:
    app.debug = True

    answer = app.test_client().get(address, buffered=True)
    assert answer.headers["Cache-Control"] == "public, no-cache"


@pytest.mark.parametrize("path", ["/static/css/base.css", "/static/v-000000000000/css/base.css"])
def test_without_the_present_hash_a_browser_asks_again(client: FlaskClient, path: str) -> None:
    answer = client.get(path, buffered=True)

    assert answer.headers["Cache-Control"] == "public, no-cache"
    again = client.get(path, headers={"If-None-Match": answer.headers["ETag"]}, buffered=True)
    assert again.status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/static/css",
        "/static/css/",
        "/static/none.css",
        "/static/../config.py",
        "/static/%2e%2e/config.py",
        "/static/..%2fconfig.py",
        "/static//etc/passwd",
        "/static/%00",
        "/static/css/base.css%00",
        "/static/css%5c..%5c..%5cconfig.py",
        "/static/" + "x" * 3000,
    ],
)
def test_there_is_no_listing_and_no_way_out(client: FlaskClient, path: str) -> None:
    answer = client.get(path, buffered=True)

    assert answer.status_code in (308, 404)
    assert "CHECKOUT" not in answer.text


def test_static_files_open_no_connection_and_ask_for_no_session(
    client: FlaskClient, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []
    monkeypatch.setattr(database.alice_db.obj, "_connect", lambda: opened.append(1))

    answer = client.get(address, headers={"Authorization": "Bearer x"}, buffered=True)

    assert (answer.status_code, opened) == (200, [])


@pytest.mark.parametrize(
    ("path", "kind"), [("/static/css/none.css", "text/plain"), ("/api/nothing", "application/json")]
)
def test_what_is_not_there_opens_no_connection(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, path: str, kind: str
) -> None:
    opened: list[int] = []
    monkeypatch.setattr(database.alice_db.obj, "_connect", lambda: opened.append(1))

    answer = client.get(path)
    assert (answer.status_code, answer.mimetype, opened) == (404, kind, [])


def test_the_hash_changes_when_any_file_does(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("1")
    hashes = [fingerprint(tmp_path)]
    (tmp_path / "a.js").write_text("2")
    hashes.append(fingerprint(tmp_path))
    (tmp_path / "b.js").write_text("2")
    hashes.append(fingerprint(tmp_path))
    (tmp_path / "a.js").rename(tmp_path / "c.js")
    hashes.append(fingerprint(tmp_path))

    assert len(set(hashes)) == 4
