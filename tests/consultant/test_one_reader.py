"""One reader: what they did, where they are, and whether they are stuck."""

import pytest

from alice import clock
from alice.activity import log
from alice.activity.types import Activity
from alice.clock import hours, minutes, rfc3339
from alice.ids import new_id
from alice.recorder import Recorder
from tests.cast import BOOK, Cast
from tests.conftest import Rows
from tests.consultant.asking import beat, get, view

NOON = 1_750_075_200_000  # 2025-06-16T12:00:00Z


def test_who_stays_very_long_on_a_page_is_stuck_by_the_heartbeats(
    cast: Cast, recorder: Recorder, frozen_clock: int
) -> None:
    view(cast, 3)

    def shown() -> set[tuple[str, str | None]]:
        clock.advance(minutes(1))
        beat(cast.reader, 3)
        recorder.flush()
        lists = [get(cast, path).json["readers"][0] for path in ("active-readers", "online-readers")]
        lists.append(get(cast, "reader/state", user_id=cast.reader.id).json)
        return {(reader["status"], reader["stuck_reason"]) for reader in lists}

    assert [shown() for _ in range(6)][-1] == {("reading", None)}
    assert shown() == {("stuck", "6 minutes on page 3")}


def test_who_always_reads_slowly_is_not_stuck_for_that(
    cast: Cast, recorder: Recorder, frozen_clock: int
) -> None:
    for page, age in ((1, 8), (2, 4), (3, 0)):
        view(cast, page, occurred_at=rfc3339(frozen_clock - minutes(age)))
    for _ in range(7):
        beat(cast.reader, 3)
        recorder.flush()
        clock.advance(minutes(1))

    (reader,) = get(cast, "active-readers").json["readers"]
    assert (reader["status"], reader["stuck_reason"]) == ("reading", None)


def test_a_request_for_help_is_seen_until_it_is_resolved(
    cast: Cast, recorder: Recorder, frozen_clock: int
) -> None:
    def shown() -> list[tuple[str, str | None]]:
        state = get(cast, "reader/state", user_id=cast.reader.id).json
        (listed,) = get(cast, "active-readers").json["readers"]
        return [(told["status"], told["stuck_reason"]) for told in (state, listed)]

    view(cast, 3)
    assert shown() == [("reading", None)] * 2
    view(cast, 3, activity_type="HELP_REQUEST")
    assert shown() == [("stuck", "asked for help")] * 2
    view(cast, 4)
    assert shown() == [("stuck", "asked for help")] * 2

    resolved = Activity(new_id(), "HELP_RESOLVED", clock.now(), clock.now())
    recorder.submit(lambda db: log.append(db, cast.reader.id, None, [resolved]))
    assert shown() == [("reading", None)] * 2


def test_who_was_only_heard_of_by_heartbeats_is_reading(
    cast: Cast, recorder: Recorder, frozen_clock: int
) -> None:
    view(cast, 3)
    clock.advance(minutes(3))
    recorder.flush()
    assert get(cast, "active-readers").json["readers"][0]["status"] == "active"

    beat(cast.reader, 3)
    recorder.flush()
    assert get(cast, "active-readers").json["readers"][0]["status"] == "reading"


def test_who_signed_out_is_idle_at_once(cast: Cast, frozen_clock: int) -> None:
    view(cast, 3)
    assert cast.reader.browser.post("/api/auth/logout").status_code < 300

    (reader,) = get(cast, "active-readers").json["readers"]
    assert (reader["status"], reader["current_page"]) == ("idle", 3)


def test_a_readers_summary_has_the_founding_body(cast: Cast, frozen_clock: int) -> None:
    clock.freeze(NOON)
    for age, kind in (
        (0, "WORD_LOOKUP"),
        (0, "WORD_LOOKUP"),
        (0, "PAGE_VIEW"),
        (0, "PAGE_VIEW"),
        (hours(1), "PAGE_VIEW"),
        (hours(24), "FEEDBACK"),
        (hours(24) + 1, "FEEDBACK"),
        (hours(30), "AI_INTERACTION"),
        (hours(72), "FEEDBACK"),
        (hours(72) + 1, "PAGE_VIEW"),
    ):
        view(cast, activity_type=kind, occurred_at=rfc3339(NOON - age))

    assert get(cast, "reader/activity", user_id=cast.reader.id, hours=72).json == {
        "total_activities": 9,
        "active_days": 3,
        "word_lookups": 2,
        "ai_interactions": 1,
        "page_views": 3,
    }
    assert get(cast, "reader/activity", user_id=cast.reader.id).json["total_activities"] == 6


def test_active_days_are_utc_dates(cast: Cast) -> None:
    midnight = 1_750_032_000_000  # 2025-06-16T00:00:00Z
    clock.freeze(midnight + minutes(1))
    try:
        view(cast, occurred_at=rfc3339(midnight - 1))
        view(cast, occurred_at=rfc3339(midnight))
        assert get(cast, "reader/activity", user_id=cast.reader.id).json["active_days"] == 2
    finally:
        clock.thaw()


def test_a_readers_state_has_the_founding_body(cast: Cast, db: Rows, frozen_clock: int) -> None:
    section = db.one(
        "SELECT id FROM sections WHERE book_id = ? AND page_number = 2 AND section_number = 1", BOOK
    )
    view(cast, 2, activity_type="SECTION_VIEW", section_id=section)

    assert get(cast, "reader/state", user_id=cast.reader.id).json == {
        "user_id": cast.reader.id,
        "book_id": BOOK,
        "current_page": 2,
        "current_section_id": section,
        "last_activity_type": "SECTION_VIEW",
        "last_activity_at": rfc3339(frozen_clock),
        "total_pages_read": 0,
        "total_word_lookups": 0,
        "total_ai_interactions": 0,
        "status": "reading",
        "stuck_reason": None,
        "updated_at": rfc3339(frozen_clock),
    }


def test_a_reader_with_no_activity_gets_zeros(cast: Cast) -> None:
    summary = get(cast, "reader/activity", user_id=cast.newcomer.id)
    state = get(cast, "reader/state", user_id=cast.newcomer.id)

    assert summary.status_code == state.status_code == 200
    assert set(summary.json.values()) == {0}
    assert state.json["status"] == "idle"
    assert '"total_pages_read":0,"total_word_lookups":0,"total_ai_interactions":0,' in state.text
    assert (state.json["total_pages_read"], state.json["current_page"]) == (0, None)


@pytest.mark.parametrize("path", ["reader/activity", "reader/state"])
@pytest.mark.parametrize("who", ["unknown", "malformed", "consultant"])
def test_an_unknown_id_or_a_user_who_is_not_a_reader_is_404(cast: Cast, path: str, who: str) -> None:
    ids = {"unknown": new_id(), "malformed": "';--", "consultant": cast.consultant.id}

    assert get(cast, path, user_id=ids[who]).status_code == 404
