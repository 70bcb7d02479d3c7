"""Signs of life: every authenticated request and the reading page's heartbeats. No request waits for them."""

import pytest

from alice import clock
from alice.clock import minutes, seconds
from alice.recorder import Recorder
from tests.activity.making import grant
from tests.cast import BOOK, LOCKED_BOOK, PAGES, Cast
from tests.conftest import Counted, Rows

URL = "/api/heartbeat"


def beat(page: int = 1, book: str = BOOK) -> dict:
    return {"book_id": book, "page_number": page}


def test_a_request_touches_session_and_user(
    cast: Cast, db: Rows, recorder: Recorder, frozen_clock: int
) -> None:
    clock.advance(minutes(7))
    cast.reader.client.get("/api/auth/me")
    recorder.flush()

    now = frozen_clock + minutes(7)
    assert db.one("SELECT last_active_at FROM sessions WHERE id = ?", cast.reader.session_id) == now
    assert db.one("SELECT last_active_at FROM users WHERE id = ?", cast.reader.id) == now
    assert db.one("SELECT last_active_at FROM users WHERE id = ?", cast.newcomer.id) is None


def test_a_request_writes_nothing_by_itself(cast: Cast, counted: Counted) -> None:
    with counted() as statements:
        cast.reader.client.get("/api/auth/me")

    assert [sql for sql in statements if not sql.lstrip().startswith("SELECT")] == []
    assert len(statements) == 1


def test_background_requests_are_no_sign_of_life(
    cast: Cast, db: Rows, recorder: Recorder, frozen_clock: int
) -> None:
    before = db.one("SELECT last_active_at FROM sessions WHERE id = ?", cast.consultant.session_id)
    clock.advance(minutes(7))
    cast.consultant.client.get("/consultant/live", headers={"X-Alice-Background": "1"})
    recorder.flush()

    assert db.one("SELECT last_active_at FROM sessions WHERE id = ?", cast.consultant.session_id) == before


def test_refused_requests_are_no_sign_of_life(cast: Cast, db: Rows, recorder: Recorder) -> None:
    cast.nobody.client.get("/api/auth/me")
    recorder.flush()

    assert db.one("SELECT COUNT(*) FROM users WHERE last_active_at IS NOT NULL") == 0


def test_a_heartbeat_tells_the_page_in_view(
    cast: Cast, db: Rows, recorder: Recorder, frozen_clock: int
) -> None:
    assert cast.reader.client.post(URL, json=beat(4)).status_code == 204
    recorder.flush()

    assert db.query("SELECT user_id, book_id, page_number, seen_at, dwell_ms FROM reading_presence") == [
        (cast.reader.id, BOOK, 4, frozen_clock, 0)
    ]
    assert db.one("SELECT COUNT(*) FROM reader_states") == 0


@pytest.mark.parametrize(
    ("gap", "page", "book", "dwell"),
    [
        (0, 4, BOOK, seconds(30)),
        (seconds(60), 4, BOOK, seconds(30 + 60)),
        (seconds(90), 4, BOOK, seconds(30 + 90)),
        (seconds(90) + 1, 4, BOOK, seconds(30 + 90)),
        (minutes(10), 4, BOOK, seconds(30 + 90)),
        (minutes(10) + 1, 4, BOOK, 0),
        (seconds(60), 5, BOOK, 0),
        (seconds(60), 4, LOCKED_BOOK, 0),
    ],
)
def test_heartbeats_add_up_to_the_dwell_on_a_page(
    cast: Cast, db: Rows, recorder: Recorder, frozen_clock: int, gap: int, page: int, book: str, dwell: int
) -> None:
    grant(db, cast.reader, LOCKED_BOOK)
    for pause, body in ((0, beat(4)), (seconds(30), beat(4)), (gap, beat(page, book))):
        clock.advance(pause)
        assert cast.reader.client.post(URL, json=body).status_code == 204
        recorder.flush()

    assert db.query("SELECT user_id, book_id, page_number, seen_at, dwell_ms FROM reading_presence") == [
        (cast.reader.id, book, page, frozen_clock + seconds(30) + gap, dwell)
    ]


def test_an_older_sign_of_life_does_not_overwrite_a_newer_one(
    cast: Cast, db: Rows, recorder: Recorder, frozen_clock: int
) -> None:
    """Another process may write its touched values seconds later."""
    for pause, page in ((0, 4), (seconds(20), 5), (-seconds(10), 4)):
        clock.advance(pause)
        cast.reader.client.post(URL, json=beat(page))
        recorder.flush()

    newest = frozen_clock + seconds(20)
    assert db.query("SELECT page_number, seen_at, dwell_ms FROM reading_presence") == [(5, newest, 0)]
    assert db.one("SELECT last_active_at FROM sessions WHERE user_id = ?", cast.reader.id) == newest
    assert db.one("SELECT last_active_at FROM users WHERE id = ?", cast.reader.id) == newest


def test_a_heartbeat_that_outlives_its_reader_writes_nothing(
    cast: Cast, db: Rows, recorder: Recorder
) -> None:
    cast.reader.client.post(URL, json=beat())
    db.execute("DELETE FROM users WHERE id = ?", cast.reader.id)
    recorder.flush()

    assert db.one("SELECT COUNT(*) FROM reading_presence") == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (beat(0), 422),
        (beat(PAGES + 1), 422),
        ({"book_id": BOOK}, 422),
        (beat() | {"mood": "curious"}, 422),
        (beat(book="x" * 200), 404),
        (beat(book="x" * 201), 422),
        (beat(book=LOCKED_BOOK), 403),
    ],
)
def test_a_wrong_heartbeat_is_refused(cast: Cast, body: dict, status: int) -> None:
    assert cast.reader.client.post(URL, json=body).status_code == status


def test_staff_send_no_heartbeats(cast: Cast) -> None:
    assert cast.consultant.client.post(URL, json=beat()).status_code == 403
