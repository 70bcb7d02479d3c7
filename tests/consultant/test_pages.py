"""The consultant's page and the part of it that refreshes itself."""

import re

from alice import clock
from alice.clock import minutes, seconds
from alice.recorder import Recorder
from tests.cast import BOOK, Cast
from tests.conftest import Counted, Rows


def view(cast: Cast, page: int = 3, **more: object) -> None:
    body = {"activity_type": "PAGE_VIEW", "book_id": BOOK, "page_number": page} | more
    assert cast.reader.client.post("/api/activity/track", json=body).status_code == 201


def test_it_shows_online_readers_with_place_and_status(cast: Cast, recorder: Recorder) -> None:
    view(cast)
    recorder.flush()
    page = cast.consultant.browser.get("/consultant").text

    assert "Reader Example" in page
    assert "Page 3" in page
    assert "A Mad Tea-Party" in page
    assert "Newcomer" not in page


def test_who_has_given_no_name_goes_by_the_e_mail_address(cast: Cast, db: Rows, recorder: Recorder) -> None:
    db.execute("UPDATE users SET first_name = '' WHERE id = ?", cast.reader.id)
    db.execute("UPDATE users SET first_name = '', last_name = '' WHERE id = ?", cast.newcomer.id)
    view(cast)
    for person in (cast.newcomer, cast.reader):
        person.client.post("/api/activity/track", json={"activity_type": "FEEDBACK"})
    recorder.flush()
    page = cast.consultant.browser.get("/consultant").text

    assert set(re.findall(r'"reader-name">([^<]*)<', page)) == {"Example", "newcomer@example.com"}
    assert re.findall(r'"reader-email">([^<]*)<', page) == ["reader@example.com"]
    assert re.findall(r"<strong>([^<]*)</strong>", page)[:3] == ["Example", "newcomer@example.com", "Example"]


def test_it_counts_online_reading_and_stuck_readers(
    cast: Cast, recorder: Recorder, frozen_clock: int
) -> None:
    def counts() -> list[str]:
        recorder.flush()
        return re.findall(r"<dd>(\d+)</dd>", cast.consultant.browser.get("/consultant/live").text)

    assert counts() == ["0", "0", "0"]
    cast.newcomer.client.get("/api/auth/me")
    view(cast)
    assert counts() == ["2", "1", "0"]
    view(cast, activity_type="HELP_REQUEST")
    assert counts() == ["2", "0", "1"]


def test_the_newest_thirty_activities_are_told_the_newest_first(cast: Cast) -> None:
    activities = [
        *[{"activity_type": "VOCABULARY_REVIEW"}] * 28,
        {"activity_type": "PAGE_VIEW", "book_id": BOOK, "page_number": 7},
        {"activity_type": "WORD_LOOKUP", "metadata": {"word": ["no", "text"]}},
        {"activity_type": "WORD_LOOKUP", "book_id": BOOK, "page_number": 8, "metadata": {"word": "dormouse"}},
    ]
    cast.reader.client.post("/api/activity/track", json={"activities": activities})
    page = cast.consultant.browser.get("/consultant/live").text
    _, *told = [" ".join(re.sub(r"<[^>]*>", " ", item).split()) for item in page.split("<li data-key=")]

    assert len(told) == 30
    assert "looked up a word on page 8: dormouse 20" in told[0]
    assert "looked up a word 20" in told[1]
    assert "opened page 7 20" in told[2]
    assert "went over their words 20" in told[29]
    assert [item.endswith("· A Mad Tea-Party") for item in told] == [True, False, True] + [False] * 27


def test_it_shows_why_a_reader_is_stuck(cast: Cast, recorder: Recorder) -> None:
    view(cast)
    for _ in range(5):
        view(cast, activity_type="WORD_LOOKUP", metadata={"word": "antipathies"})
    recorder.flush()
    page = cast.consultant.browser.get("/consultant/live").text

    assert "5 lookups and questions on page 3" in page
    assert "antipathies" in page


def test_stuck_readers_are_listed_first(cast: Cast, recorder: Recorder) -> None:
    for _ in range(5):
        view(cast, activity_type="WORD_LOOKUP")
    cast.newcomer.client.get("/api/auth/me")
    recorder.flush()
    page = cast.consultant.browser.get("/consultant/live").text

    assert page.index("reader@example.com") < page.index("newcomer@example.com")


def test_of_very_many_readers_the_stuck_ones_are_shown(cast: Cast, db: Rows, recorder: Recorder) -> None:
    """999 other readers were active after the stuck one, and some before; a thousand are counted."""
    for _ in range(5):
        view(cast, activity_type="WORD_LOOKUP")
    recorder.flush()
    many = "WITH RECURSIVE many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < 1010)"
    db.execute(
        "INSERT INTO users (id, email, password_hash, role, last_active_at, created_at, updated_at) "
        f"{many} SELECT 'many-' || n, 'many-' || n, '', 'reader', CASE WHEN n < 1000 THEN ? ELSE ? END, 0, 0 "
        "FROM many",
        clock.now() + seconds(1),
        clock.now() - minutes(4),
    )
    db.execute(
        "INSERT INTO sessions "
        "(id, user_id, token_hash, created_at, last_active_at, expires_at, remember) "
        f"{many} SELECT 'many-' || n, 'many-' || n, 'many-' || n, 0, 0, expires_at, remember FROM many "
        "JOIN sessions ON sessions.id = ?",
        cast.reader.session_id,
    )
    page = cast.consultant.browser.get("/consultant/live").text

    names = re.findall(r'"reader-name">([^<]*)<', page)
    assert (len(names), names[0]) == (200, "Reader Example")
    assert "And 800 more" in page
    assert re.findall(r"<dd>(\d+)</dd>", page) == ["1000", "0", "1"]


def test_it_is_304_until_something_happens(cast: Cast, frozen_clock: int) -> None:
    browser = cast.consultant.browser
    first = browser.get("/consultant/live")
    again = browser.get("/consultant/live", headers={"If-None-Match": first.headers["ETag"]})
    view(cast)
    after = browser.get("/consultant/live", headers={"If-None-Match": first.headers["ETag"]})

    assert (first.status_code, again.status_code, after.status_code) == (200, 304, 200)
    assert again.data == b""


def test_statuses_age_without_any_activity(cast: Cast, recorder: Recorder, frozen_clock: int) -> None:
    browser = cast.consultant.browser
    tag = browser.get("/consultant/live").headers["ETag"]
    clock.advance(seconds(5))

    assert browser.get("/consultant/live", headers={"If-None-Match": tag}).status_code == 200


def test_hostile_names_and_words_stay_text(cast: Cast, db: Rows, recorder: Recorder) -> None:
    hostile = "<script>alert(1)</script>\"'"
    db.execute(
        "UPDATE users SET first_name = ?, last_name = ? WHERE id = ?", hostile, hostile, cast.reader.id
    )
    view(cast, activity_type="WORD_LOOKUP", metadata={"word": hostile})
    recorder.flush()
    page = cast.consultant.browser.get("/consultant").text

    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 3


def test_readers_are_refused_and_visitors_are_sent_to_the_login(cast: Cast) -> None:
    assert cast.reader.browser.get("/consultant").status_code == 403
    assert cast.nobody.browser.get("/consultant").headers["Location"] == "/login?next=/consultant"


def test_the_live_part_costs_a_fixed_number_of_queries(
    cast: Cast, recorder: Recorder, counted: Counted
) -> None:
    view(cast)
    recorder.flush()
    browser = cast.consultant.browser
    with counted() as statements:
        browser.get("/consultant/live")

    # session, newest seq, titles, readers, activities
    assert len(statements) == 5
