"""The cleanup deletes ended sessions and expired throttles."""

import pytest
from flask.testing import FlaskClient

from alice import clock, database
from alice.accounts import session, throttle
from alice.clock import days, hours, minutes
from alice.config import Settings
from alice.library.book_code import TRIES as BOOK_CODES
from tests import bystander
from tests.accounts.acting import login
from tests.cast import Cast
from tests.conftest import Rows


@pytest.fixture(autouse=True)
def _only_what_the_test_starts(db: Rows, frozen_clock: int) -> None:
    db.execute("DELETE FROM sessions WHERE user_id <> ?", bystander.USER_ID)


def clean(settings: Settings) -> int:
    with database.connected():
        return session.cleanup(settings)


def left(db: Rows) -> int:
    return db.one("SELECT COUNT(*) FROM sessions")


def test_the_live_stay(program: FlaskClient, cast: Cast, settings: Settings, db: Rows) -> None:
    for person in (cast.reader, cast.consultant, cast.admin):
        login(program, person.email)
    clock.advance(minutes(60) - 1)

    assert (clean(settings), left(db)) == (0, 3)


def test_idle_staff_goes_and_idle_readers_stay(
    program: FlaskClient, cast: Cast, settings: Settings, db: Rows
) -> None:
    for person in (cast.reader, cast.consultant, cast.admin):
        login(program, person.email)
    clock.advance(minutes(60))

    assert (clean(settings), left(db)) == (2, 1)


@pytest.mark.touches_bystander("throttles")  # a day old by then
@pytest.mark.parametrize(("remember", "lasts"), [(False, hours(24)), (True, days(30))])
def test_readers_go_when_their_time_is_up(
    program: FlaskClient, cast: Cast, settings: Settings, remember: bool, lasts: int
) -> None:
    login(program, cast.reader.email, remember=remember)

    clock.advance(lasts - 1)
    too_early = clean(settings)
    clock.advance(1)
    assert (too_early, clean(settings)) == (0, 1)


@pytest.mark.touches_bystander("throttles")  # a day old by then
def test_the_long_session_of_a_reader_goes_when_they_are_staff(
    program: FlaskClient, cast: Cast, settings: Settings, db: Rows
) -> None:
    for person in (cast.reader, cast.newcomer):
        login(program, person.email, remember=True)
    db.execute("UPDATE users SET role = 'admin' WHERE id = ?", cast.reader.id)
    clock.advance(hours(24))
    db.execute("UPDATE sessions SET last_active_at = ? WHERE user_id = ?", clock.now(), cast.reader.id)

    assert clean(settings) == 1
    assert db.query("SELECT user_id FROM sessions") == [(cast.newcomer.id,)]


@pytest.mark.touches_bystander("throttles")
def test_old_throttles_go_and_those_that_count_stay(settings: Settings, db: Rows) -> None:
    with database.connected():
        for subject, then in (("long ago", 1), ("a day ago", days(1)), ("now", 0)):
            throttle.take(BOOK_CODES, subject)
            clock.advance(then)

    clean(settings)

    assert db.query("SELECT window_started_at FROM throttles ORDER BY 1") == [
        (clock.now() - days(1),),
        (clock.now(),),
    ]
