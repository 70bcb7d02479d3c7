"""The machine's clock is set back or forward while people read: nothing fails and the log keeps its order."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alice import clock, database
from alice.activity import rebuild
from alice.clock import days, hours, minutes
from alice.config import Settings
from alice.ids import new_id
from alice.jobs import Job, claim, run_due
from tests import bystander
from tests.cast import BOOK, Cast
from tests.conftest import EventRows, Rows
from tests.tracking.calling import site as sites

# Requests of an ordinary day, and the statuses that they may get.
REQUESTS = [
    ("reader", "GET", "/api/auth/me"),
    ("reader", "GET", f"/read/{BOOK}"),
    ("reader", "GET", "/shelf"),
    ("reader", "GET", "/account/devices"),
    ("consultant", "GET", "/consultant"),
    ("consultant", "GET", "/consultant/live"),
    ("consultant", "GET", "/api/consultant/active-readers"),
    ("consultant", "GET", "/api/consultant/online-readers"),
    ("consultant", "GET", "/api/consultant/recent-activities"),
]


def view(client: FlaskClient, page_number: int) -> int:
    activity = {"activity_type": "PAGE_VIEW", "book_id": BOOK, "page_number": page_number}
    return client.post("/api/activity/track", json=activity).status_code


@pytest.mark.parametrize("jump", [-minutes(1), -hours(2), -days(45), hours(2)])
def test_alice_works_on_when_the_clock_jumps(
    app: Flask, cast: Cast, db: Rows, frozen_clock: int, jump: int
) -> None:
    reader = cast.reader.client
    assert [view(reader, page) for page in (1, 2)] == [201, 201]

    clock.advance(jump)

    assert [view(reader, page) for page in (3, 4)] == [201, 201]
    beat = {"book_id": BOOK, "page_number": 4}
    assert reader.post("/api/heartbeat", json=beat).status_code == 204
    app.extensions["alice"].recorder.flush()
    credentials = {"email": cast.newcomer.email, "password": cast.newcomer.password}
    signed_in = cast.nobody.client.post("/api/auth/login", json=credentials)
    assert signed_in.status_code == 200
    assert signed_in.json["expires_in"] == 24 * 60 * 60
    staff_is_idle = jump > minutes(60)
    for who, method, path in REQUESTS:
        status = getattr(cast, who).client.open(path, method=method).status_code
        assert status < 400 or (staff_is_idle and who == "consultant"), (path, status)
    pages = db.query("SELECT page_number FROM activity_logs WHERE page_number IS NOT NULL ORDER BY seq")
    assert pages == [(1,), (2,), (3,), (4,)]
    with database.connected():
        assert {reader: rebuild.rebuild(reader) for reader in rebuild.readers()} == {
            person: [] for person in (cast.reader.id, cast.newcomer.id, bystander.USER_ID)
        }


def test_a_clock_set_back_moves_no_reader_back(app: Flask, cast: Cast, db: Rows, frozen_clock: int) -> None:
    """What is older than the newest counts, but changes no place."""
    assert view(cast.reader.client, 7) == 201
    clock.advance(-hours(1))
    assert view(cast.reader.client, 2) == 201

    assert db.query("SELECT current_page, total_pages_read FROM reader_states") == [(7, 2)]

    clock.advance(hours(2))
    assert view(cast.reader.client, 3) == 201
    assert db.query("SELECT current_page, total_pages_read FROM reader_states") == [(3, 3)]


def test_codes_and_logins_are_throttled_for_no_longer_when_the_clock_is_set_back(
    app: Flask, cast: Cast, frozen_clock: int
) -> None:
    def guess() -> int:
        return cast.reader.client.post("/api/books/verify", json={"code": "0000-0000-0000"}).status_code

    assert [guess() for _ in range(11)] == [404] * 10 + [429]

    clock.advance(-days(1))

    assert guess() == 404


def test_a_job_waits_for_no_time_that_a_wrong_clock_has_set(
    app: Flask, connection: None, frozen_clock: int
) -> None:
    job = Job("tidy up", minutes(5), lambda: None)
    clock.advance(days(365))
    assert claim(job)

    clock.advance(-days(365))

    assert claim(job)
    assert not claim(job)
    clock.advance(minutes(5))
    assert claim(job)


def test_ids_made_after_a_jump_are_still_ids(frozen_clock: int) -> None:
    clock.freeze(0)
    assert len({new_id() for _ in range(100)}) == 100


@pytest.mark.touches_bystander()
def test_a_clock_that_is_a_month_ahead_for_a_moment_destroys_nothing(
    app: Flask, settings: Settings, cast: Cast, db: Rows, events_db: EventRows, frozen_clock: int
) -> None:
    """Sessions, events with a retention of 30 days, and the salt of the day before stay."""
    running = app.extensions["alice"].scheduler._jobs
    site = sites.create("wonderland.example", "Wonderland", None, retention_days=30)
    app.test_client(use_cookies=False).post(f"/api/v2/track/{site.id}", json={"url": "/"})
    run_due(running)

    def left() -> tuple[int, int, list[str]]:
        salts = sorted(path.name for path in (settings.data_dir / "salts").glob("*/*"))
        sessions = db.one("SELECT COUNT(*) FROM sessions")
        return sessions, events_db.one("SELECT COUNT(*) FROM events"), salts

    before = left()
    assert before[1] == 1 and before[2] != []
    clock.advance(days(31))
    run_due(running)
    clock.advance(-days(31))
    run_due(running)

    assert left() == before
    assert cast.reader.client.get("/api/auth/me").status_code == 200
