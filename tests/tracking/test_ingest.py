"""The entry point of public ingest: reading bodies, and errors that a page can read."""

import logging
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import Client, TestResponse

from alice import database
from alice.recorder import Recorder
from alice.tracking.ingest import Ingest
from alice.tracking.pipeline import Tracking
from alice.tracking.site import SiteRow
from tests.conftest import EventRows

VIEW = b'{"url": "/"}'


def sent_to(tracking: Any, app: Flask, site: SiteRow) -> TestResponse:
    return Client(Ingest(app, tracking)).post(f"/api/v2/track/{site.id}", data=VIEW)


@pytest.mark.parametrize(("size", "status"), [(len(VIEW), 200), (1_000_000, 200), (1_000_001, 413)])
@pytest.mark.parametrize("framing", [{"Transfer-Encoding": "chunked"}, {}], ids=["chunked", "by its length"])
def test_a_body_may_hold_1_mb_however_it_comes(
    browser: FlaskClient, site: SiteRow, framing: dict[str, str], size: int, status: int
) -> None:
    answer = browser.post(f"/api/v2/track/{site.id}", input_stream=BytesIO(VIEW.ljust(size)), headers=framing)

    assert answer.status_code == status
    assert answer.json["success"] is (status == 200)


def test_a_body_that_breaks_off_is_a_400_and_leaves_nothing(
    browser: FlaskClient, site: SiteRow, events_db: EventRows
) -> None:
    announced = {"CONTENT_LENGTH": str(len(VIEW) + 1)}
    answer = browser.post(f"/api/v2/track/{site.id}", data=VIEW, environ_overrides=announced)

    assert answer.status_code == 400
    assert answer.json == {"success": False, "error": "The body did not arrive in one piece."}
    assert events_db.one("SELECT COUNT(*) FROM visits") == 0


def test_a_request_without_a_body_is_answered(browser: FlaskClient, site: SiteRow) -> None:
    answer = browser.post(f"/api/v2/track/{site.id}")

    assert (answer.status_code, answer.json) == (400, {"error": "The body is not JSON."})


def test_a_full_queue_is_a_503_with_the_time_to_wait(
    app: Flask, tracking: Tracking, site: SiteRow, caplog: pytest.LogCaptureFixture
) -> None:
    busy = Recorder(database.events_db, database.EVENT_LOG, queue_size=0)
    busy.start()
    try:
        with busy._writing, caplog.at_level(logging.WARNING):
            answer = sent_to(replace(tracking, recorder=busy), app, site)
    finally:
        busy.stop()

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json == {"success": False, "error": "Alice is busy. Please try again."}
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_500_is_short_and_the_log_has_the_traceback(
    app: Flask, site: SiteRow, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        answer = sent_to(None, app, site)

    assert answer.status_code == 500
    assert answer.json == {"success": False, "error": "Something went wrong here."}
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    (record,) = caplog.records
    assert (record.levelname, bool(record.exc_info)) == ("ERROR", True)


def test_other_paths_go_to_the_flask_application(browser: FlaskClient, cast: Any) -> None:
    assert browser.get("/api/v2/tracks").status_code == 404
    assert browser.get("/login").mimetype == "text/html"
