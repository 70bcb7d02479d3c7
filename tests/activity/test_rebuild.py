"""Recomputing the derived tables from the log finds no difference."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import IO

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from alice import clock, database
from alice.activity import log, rebuild
from alice.activity.types import Activity, ActivityType
from alice.cli.main import main
from alice.clock import minutes, seconds
from alice.ids import new_id
from tests import bystander
from tests.cast import BOOK, LOCKED_BOOK, PAGES, Cast
from tests.conftest import Rows

# Batches of activities: what, on which page, how much earlier or later than the one before.
batches = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(ActivityType)),
            st.none() | st.integers(1, 4),
            st.integers(-minutes(15), minutes(15)) | st.sampled_from([0, seconds(1)]),
        ),
        min_size=1,
        max_size=6,
    ),
    max_size=8,
)


@pytest.fixture
def write(app: Flask, cast: Cast) -> Callable[[list], None]:
    """Append batches of (type, page, ms after the one before) as the recorder would."""

    def append(batches: list) -> None:
        at = clock.now()
        for batch in batches:
            rows = []
            for kind, page, step in batch:
                at += step
                page = page or (1 if kind in ("PAGE_VIEW", "SECTION_VIEW") else None)
                rows.append(Activity(new_id(), kind, at, clock.now(), page and BOOK, page))
            app.extensions["alice"].recorder.submit(
                lambda db, rows=rows: log.append(db, cast.reader.id, None, rows)
            )

    return append


@given(batches)
@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_rebuild_finds_no_difference_after_any_activity(
    connection: None, cast: Cast, write: Callable[[list], None], batches: list
) -> None:
    write(batches)

    assert rebuild.rebuild(cast.reader.id) == []


def test_rebuild_reports_and_repairs_what_differs(
    cast: Cast, connection: None, db: Rows, write: Callable[[list], None]
) -> None:
    write([[("PAGE_VIEW", 1, 0), ("PAGE_VIEW", 2, seconds(40))]])
    db.execute(
        "UPDATE reader_states SET current_page = 7, total_pages_read = 99 WHERE user_id = ?", cast.reader.id
    )
    db.execute("DELETE FROM page_reads WHERE user_id = ? AND page_number = 1", cast.reader.id)

    differences = rebuild.rebuild(cast.reader.id)

    assert {(d.what, d.kept, d.rebuilt) for d in differences if d.what != "page_reads"} == {
        ("current_page", 7, 2),
        ("total_pages_read", 99, 2),
    }
    assert [d.what for d in differences].count("page_reads") == 1
    assert rebuild.rebuild(cast.reader.id) == []


@pytest.mark.parametrize("known_by", ["activity_logs", "reader_states", "page_reads"])
def test_every_user_in_one_of_the_tables_is_rebuilt(
    cast: Cast, connection: None, db: Rows, write: Callable[[list], None], known_by: str
) -> None:
    write([[("PAGE_VIEW", 1, 0)]])
    for table in {"activity_logs", "reader_states", "page_reads"} - {known_by}:
        db.execute(f"DELETE FROM {table} WHERE user_id = ?", cast.reader.id)
    assert set(rebuild.readers()) == {cast.reader.id, bystander.USER_ID}

    assert rebuild.rebuild(cast.reader.id) != []
    remaining = 1 if known_by == "activity_logs" else 0
    assert db.one("SELECT COUNT(*) FROM reader_states") == remaining
    assert db.query("SELECT book_id, page_number, times FROM page_reads") == [(BOOK, 1, 1)] * remaining


def test_the_rebuilt_state_follows_from_the_log(
    cast: Cast, connection: None, db: Rows, write: Callable[[list], None], frozen_clock: int
) -> None:
    write([
        [("PAGE_VIEW", 1, 0), ("WORD_LOOKUP", 1, seconds(5)), ("PAGE_VIEW", 2, seconds(35))],
        [("HELP_REQUEST", None, seconds(1)), ("PAGE_VIEW", 1, -seconds(50)), ("PAGE_VIEW", 2, seconds(60))],
    ])  # fmt: skip
    kept = everything(db)
    for change in ("recent_dwells = '[]'", "page_lookups = 9", "status = 'idle'", "total_word_lookups = 0"):
        db.execute(f"UPDATE reader_states SET {change} WHERE user_id = ?", cast.reader.id)
    db.execute("UPDATE page_reads SET dwell_ms = 5 WHERE user_id = ? AND page_number = 1", cast.reader.id)

    differences = rebuild.rebuild(cast.reader.id)

    start = frozen_clock
    assert [difference[1:] for difference in differences] == [
        ("total_word_lookups", 0, 1), ("status", "idle", "stuck"), ("page_lookups", 9, 0),
        ("recent_dwells", [], [seconds(40)]),
        ("page_reads", [start - seconds(9), start, 2, 5], [start - seconds(9), start, 2, seconds(40)]),
    ]  # fmt: skip
    assert {difference.user_id for difference in differences} == {cast.reader.id}
    assert everything(db) == kept


def everything(db: Rows) -> list[list[tuple]]:
    return [db.query(f"SELECT * FROM {table} ORDER BY 1, 2, 3") for table in ("reader_states", "page_reads")]


def test_views_of_a_page_are_counted_with_the_first_the_last_and_the_time_on_it(
    db: Rows, write: Callable[[list], None], frozen_clock: int
) -> None:
    def reads() -> list[tuple]:
        return [
            (page, first - frozen_clock, last - frozen_clock, times, dwell)
            for page, first, last, times, dwell in db.query(
                "SELECT page_number, first_read_at, last_read_at, times, dwell_ms FROM page_reads "
                "ORDER BY page_number"
            )
        ]

    write([[("PAGE_VIEW", 1, 100), ("PAGE_VIEW", 1, -50), ("PAGE_VIEW", 1, 150)]])
    assert reads() == [(1, 50, 200, 3, 0)]
    assert db.query("SELECT total_pages_read FROM reader_states") == [(1,)]

    write([[("PAGE_VIEW", 1, 120), ("PAGE_VIEW", 2, 180), ("PAGE_VIEW", 1, 50), ("PAGE_VIEW", 1, 10)]])
    assert reads() == [(1, 50, 360, 6, 200), (2, 300, 300, 1, 50)]
    assert db.query("SELECT total_pages_read FROM reader_states") == [(2,)]

    write([[("PAGE_VIEW", 2, -10_000), ("WORD_LOOKUP", 3, 10_400)]])
    assert reads() == [(1, 50, 360, 6, 200 + 50), (2, -10_000, 300, 2, 50)]
    assert db.query("SELECT total_pages_read FROM reader_states") == [(2,)]


def test_time_is_added_to_the_page_that_was_left_and_to_no_other(
    cast: Cast, db: Rows, write: Callable[[list], None]
) -> None:
    db.execute("INSERT INTO page_reads VALUES (?, ?, 2, 1, 1, 1, 7)", cast.reader.id, LOCKED_BOOK)
    write([[("PAGE_VIEW", 1, 0), ("PAGE_VIEW", 2, 40)], [("LOGOUT", None, 5)]])

    assert db.query("SELECT book_id, page_number, dwell_ms FROM page_reads ORDER BY 1, 2") == [
        (LOCKED_BOOK, 2, 7), (BOOK, 1, 40), (BOOK, 2, 5),
    ]  # fmt: skip


def test_a_state_without_any_log_row_goes(
    cast: Cast, connection: None, db: Rows, write: Callable[[list], None]
) -> None:
    write([[("PAGE_VIEW", 1, 0)]])
    db.execute("DELETE FROM activity_logs WHERE user_id = ?", cast.reader.id)
    rebuild.rebuild(cast.reader.id)

    assert db.query("SELECT 1 FROM reader_states") == []
    assert db.query("SELECT 1 FROM page_reads") == []


def test_dwell_of_a_page_is_the_time_until_the_next_one(db: Rows, write: Callable[[list], None]) -> None:
    write([[("PAGE_VIEW", 1, 0)], [("PAGE_VIEW", 2, seconds(40))], [("LOGOUT", None, seconds(5))]])

    assert db.query("SELECT page_number, dwell_ms FROM page_reads ORDER BY page_number") == [
        (1, seconds(40)),
        (2, seconds(5)),
    ]


def test_going_back_and_forth_is_counted_until_another_page(db: Rows, write: Callable[[list], None]) -> None:
    write([[("PAGE_VIEW", page, seconds(5)) for page in (1, 2, 1, 2, 1)]])
    assert db.query("SELECT page_returns, status FROM reader_states") == [(3, "stuck")]

    write([[("PAGE_VIEW", 3, minutes(3))]])
    assert db.query("SELECT page_returns, status FROM reader_states") == [(0, "reading")]


def test_coming_back_the_next_day_starts_a_new_stay(db: Rows, write: Callable[[list], None]) -> None:
    write([[("PAGE_VIEW", PAGES, 0)], [("PAGE_VIEW", PAGES, minutes(700))]])

    assert db.query("SELECT status, recent_dwells FROM reader_states") == [("reading", "[]")]


def test_only_an_open_log_can_be_appended_to(cast: Cast, connection: None) -> None:
    """A type checker says so; at run time, the way to append is missing from everything else."""
    activity = Activity(new_id(), "PAGE_VIEW", 1, 1, BOOK, 1)
    with database.transaction(), pytest.raises(AttributeError, match="append"):
        log.append(database.Queries(database.alice_db), cast.reader.id, None, [activity])


def environ(app: Flask) -> dict[str, str]:
    settings = app.extensions["alice"].settings
    return {"ALICE_DATA_DIR": str(settings.data_dir), "ALICE_DATABASE_URL": settings.database_url or ""}


def run(app: Flask, *arguments: str) -> Result:
    result = CliRunner(env=environ(app)).invoke(main, ["activity", *arguments])
    assert result.exit_code == 0, result.output
    return result


def test_the_rebuild_command_reports_differences(
    app: Flask, cast: Cast, db: Rows, write: Callable[[list], None]
) -> None:
    write([[("PAGE_VIEW", 1, 0)]])
    assert run(app, "rebuild").stdout.strip().endswith("2 readers: no difference.")

    db.execute("UPDATE reader_states SET current_page = 7 WHERE user_id = ?", cast.reader.id)
    report = json.loads(run(app, "rebuild", "--json").stdout)
    assert report["differences"] == [
        {"user_id": cast.reader.id, "what": "current_page", "kept": 7, "rebuilt": 1}
    ]


def test_the_tail_command_prints_the_newest_last(
    app: Flask, cast: Cast, write: Callable[[list], None]
) -> None:
    write([[("PAGE_VIEW", page, 0) for page in (1, 2, 3)]])

    lines = run(app, "tail", "-n", "2").stdout.splitlines()
    assert [line.split()[-1] for line in lines] == ["2", "3"]
    rows = json.loads(run(app, "tail", "-n", "3", "--json").stdout)
    assert [(row["user_id"], row["page_number"]) for row in rows] == [(cast.reader.id, n) for n in (1, 2, 3)]


def test_what_was_appended_since_comes_the_oldest_first(
    cast: Cast, connection: None, write: Callable[[list], None]
) -> None:
    write([[("PAGE_VIEW", page, 0) for page in (1, 2, 3, 4)]])
    first, *_ = rows = log.after(log.newest_seq() - 4)

    assert [(row.user_id, row.page_number) for row in rows] == [(cast.reader.id, n) for n in (1, 2, 3, 4)]
    assert log.after(first.seq, 2) == rows[1:3]
    assert log.after(rows[-1].seq) == []


@pytest.mark.touches_bystander("activity_logs")
def test_the_newest_of_an_empty_log_is_nought(app: Flask, db: Rows) -> None:
    db.execute("DELETE FROM activity_logs")

    with database.connected():
        assert log.newest_seq() == 0
    assert run(app, "tail").stdout == ""


def test_the_tail_command_goes_on_printing_what_happens(
    app: Flask, cast: Cast, write: Callable[[list], None]
) -> None:
    write([[("PAGE_VIEW", 1, 0), ("PAGE_VIEW", 2, 0)]])
    command = [sys.executable, "-c", "from alice.cli.main import main; main()", "activity", "tail", "-f"]
    with subprocess.Popen(
        [*command, "-n", "1", "--json"], env=os.environ | environ(app), stdout=subprocess.PIPE, text=True
    ) as tail:
        try:
            pages = [page_of(tail.stdout)]
            write([[("PAGE_VIEW", 3, 0), ("PAGE_VIEW", 4, 0)]])
            pages += [page_of(tail.stdout) for _ in range(2)]
            write([[("PAGE_VIEW", 5, 0)]])
            pages.append(page_of(tail.stdout))
        finally:
            tail.kill()

    assert pages == [2, 3, 4, 5]


def page_of(lines: IO[str]) -> int:
    return json.loads(lines.readline())["page_number"]
