"""What a request may cost, in units of a constant Flask view under the same gunicorn."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any

import orjson
import pytest

from alice import clock, database
from alice.clock import rfc3339
from alice.ids import new_id
from tests.bench.conftest import Report
from tests.bench.measuring import Contender, Line, asking, message, percentiles
from tests.bench.seeding import BOOK, WORDS, Site
from tests.servers import Server

CONSTANT = "constant views"


@pytest.fixture
def line(large: Server) -> Iterator[Line]:
    """The one connection to Alice."""
    line = Line(large.port)
    yield line
    line.close()


@pytest.fixture
def constant(ceiling: int, large_site: Site) -> Iterator[Contender]:
    """The unit: it gets the same headers, a cookie included."""
    line = Line(ceiling)
    request = message("GET", "/", large_site.active[0].token)
    yield asking(line, lambda: request)
    line.close()


@pytest.fixture
def measure(report: Report, seconds: float) -> Callable[..., bool]:
    """Measure a contender against another in turns: whether it takes at most `limit` times as long."""

    def run(name: str, limit: float, contender: Contender, against: Contender, unit: str = CONSTANT) -> bool:
        taken, counted = percentiles([contender, against], seconds)
        return report.check(name, taken / counted, limit, unit, f"{taken:.2f} / {counted:.2f} ms")

    return run


def test_session_lookup(
    measure: Callable[..., bool], line: Line, constant: Contender, large_site: Site
) -> None:
    request = message("GET", "/api/auth/me", large_site.active[0].token)

    assert measure("/api/auth/me", 1.7, asking(line, lambda: request), constant)


def test_reading_page(
    measure: Callable[..., bool], line: Line, constant: Contender, large_site: Site
) -> None:
    pages = cycle(large_site.sections)
    token = large_site.active[0].token

    contender = asking(line, lambda: message("GET", f"/read/{BOOK}/{next(pages)}", token))
    assert measure("reading page, heartbeat included", 3.0, contender, constant)


def test_one_activity(
    measure: Callable[..., bool], line: Line, constant: Contender, large_site: Site
) -> None:
    activities = _activities(large_site)
    token = large_site.active[1].token

    contender = asking(line, lambda: _track(token, next(activities)), 201)
    assert measure("one activity, committed", 2.5, contender, constant)


@pytest.fixture
def hundred(line: Line, large_site: Site) -> Contender:
    """A hundred activities in one request."""
    token = large_site.active[2].token
    activities = _activities(large_site)
    return asking(line, lambda: _track(token, {"activities": list(islice(activities, 100))}), 201)


def test_hundred_activities(measure: Callable[..., bool], hundred: Contender, constant: Contender) -> None:
    assert measure("100 activities in one request", 6, hundred, constant)


def test_hundred_activities_and_bare_inserts(
    measure: Callable[..., bool], hundred: Contender, large_site: Site, tmp_path: Path
) -> None:
    reader = large_site.active[2]
    activities = _activities(large_site)
    with _bare_copy(large_site, tmp_path) as bare:
        inserting = Contender(
            lambda: _rows(reader.id, reader.session_id, islice(activities, 100)),
            lambda rows: _insert(bare, rows),
        )
        assert measure("100 activities in one request", 3, hundred, inserting, "bare sqlite3 inserts")


@pytest.fixture
def active_readers(
    large: Server, small: Server, large_site: Site, small_site: Site
) -> Iterator[list[Contender]]:
    """The list on the large site, and on the small one; the same people are on both."""
    contenders, lines = [], []
    for server, site in ((large, large_site), (small, small_site)):
        site.wake()
        lines.append(Line(server.port))
        request = message("GET", "/api/consultant/active-readers", site.consultants[0].token)
        assert orjson.loads(lines[-1].ask(request).body)["count"] == len(site.active)
        contenders.append(asking(lines[-1], lambda request=request: request))
    yield contenders
    for line in lines:
        line.close()


def test_active_readers(
    measure: Callable[..., bool], active_readers: list[Contender], constant: Contender
) -> None:
    assert measure("active-readers", 4, active_readers[0], constant)


def test_active_readers_cost_the_same_however_long_the_log(
    measure: Callable[..., bool], active_readers: list[Contender]
) -> None:
    assert measure("active-readers, 1,000,000 rows", 1.2, *active_readers, "times 1,000 rows")


@pytest.mark.parametrize(
    "path", ["recent-activities?limit=100", "reader/state?user_id={}", "reader/activity?user_id={}"]
)
def test_consultant_lists(
    measure: Callable[..., bool], line: Line, constant: Contender, large_site: Site, path: str
) -> None:
    token = large_site.consultants[0].token
    request = message("GET", f"/api/consultant/{path.format(large_site.active[3].id)}", token)

    assert measure(path.partition("?user_id")[0], 4, asking(line, lambda: request), constant)


# What readers send


def _activities(site: Site) -> Iterator[dict[str, Any]]:
    """A reader who turns pages, looks a word up now and then, and points at a section."""
    for turn in count():
        page = turn // 4 % len(site.sections) + 1
        activity = {"id": new_id(), "book_id": BOOK, "page_number": page, "occurred_at": rfc3339(clock.now())}
        if turn % 4 == 2:
            activity |= {"activity_type": "WORD_LOOKUP", "metadata": {"word": WORDS[turn % len(WORDS)]}}
        elif turn % 4 == 3:
            activity |= {"activity_type": "SECTION_VIEW", "section_id": site.sections[page][0]}
        else:
            activity |= {"activity_type": "PAGE_VIEW"}
        yield activity


def _track(token: str, report: dict[str, Any]) -> bytes:
    return message("POST", "/api/activity/track", token, orjson.dumps(report))


# The same rows, without Alice


@contextmanager
def _bare_copy(site: Site, folder: Path) -> Iterator[sqlite3.Connection]:
    """The same tables and indexes with the same PRAGMAs, in a file of their own."""
    bare = sqlite3.connect(folder / "bare.db", isolation_level=None)
    with closing(sqlite3.connect(database.sqlite_path(site.settings))) as origin:
        origin.backup(bare)
    for name, value in database.PRAGMAS:
        bare.execute(f"PRAGMA {name} = {value}")
    yield bare
    bare.close()


def _rows(user_id: str, session_id: str, activities: Iterable[dict[str, Any]]) -> list[tuple]:
    now = clock.now()
    return [
        (
            activity["id"], user_id, session_id, activity["activity_type"], activity["book_id"],
            activity["page_number"], activity.get("section_id"),
            orjson.dumps(activity["metadata"]).decode() if "metadata" in activity else None, now, now,
        )
        for activity in activities
    ]  # fmt: skip


def _insert(bare: sqlite3.Connection, rows: list[tuple]) -> None:
    bare.execute("BEGIN IMMEDIATE")
    bare.executemany(
        "INSERT INTO activity_logs (id, user_id, session_id, activity_type, book_id, page_number, "
        "section_id, metadata, occurred_at, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    bare.execute("COMMIT")
