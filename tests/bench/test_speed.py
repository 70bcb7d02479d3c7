"""What a request may cost, in units of a constant Flask view under the same gunicorn."""

from collections.abc import Callable, Iterator
from itertools import count, cycle, islice
from typing import Any

import orjson
import pytest

from alice import clock
from alice.clock import rfc3339
from alice.ids import new_id
from tests.bench.conftest import Report, Row
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
def measure(report: Report, seconds: float) -> Callable[..., None]:
    """Measure a contender against another in turns: it may take at most `bound` times as long."""

    def run(name: str, bound: float, contender: Contender, against: Contender, unit: str = CONSTANT) -> None:
        taken, counted = percentiles([contender, against], seconds)
        report.check(Row(name, taken / counted, bound, unit, f"{taken:.2f} / {counted:.2f} ms"))

    return run


def test_session_lookup(
    measure: Callable[..., None], line: Line, constant: Contender, large_site: Site
) -> None:
    request = message("GET", "/api/auth/me", large_site.active[0].token)

    measure("auth_me", 1.5, asking(line, lambda: request), constant)


def test_reading_page(
    measure: Callable[..., None], line: Line, constant: Contender, large_site: Site
) -> None:
    pages = cycle(large_site.sections)
    token = large_site.active[0].token

    contender = asking(line, lambda: message("GET", f"/read/{BOOK}/{next(pages)}", token))
    measure("reading_page", 3.0, contender, constant)


def test_one_activity(
    measure: Callable[..., None], line: Line, constant: Contender, large_site: Site
) -> None:
    activities = _activities(large_site)
    token = large_site.active[1].token

    contender = asking(line, lambda: _track(token, next(activities)), 201)
    measure("activity_one", 2.3, contender, constant)


def test_hundred_activities(
    measure: Callable[..., None], line: Line, constant: Contender, large_site: Site
) -> None:
    activities = _activities(large_site)
    token = large_site.active[2].token

    contender = asking(line, lambda: _track(token, {"activities": list(islice(activities, 100))}), 201)
    measure("activities_100", 5, contender, constant)


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
    measure: Callable[..., None], active_readers: list[Contender], constant: Contender
) -> None:
    measure("active_readers", 4, active_readers[0], constant)


def test_active_readers_cost_the_same_however_long_the_log(
    measure: Callable[..., None], active_readers: list[Contender]
) -> None:
    measure("active_readers_long_log", 1.2, *active_readers, "times 1,000 rows")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("recent_activities", "recent-activities?limit=100"),
        ("reader_state", "reader/state?user_id={}"),
        ("reader_activity", "reader/activity?user_id={}"),
    ],
)
def test_consultant_lists(
    measure: Callable[..., None], line: Line, constant: Contender, large_site: Site, name: str, path: str
) -> None:
    token = large_site.consultants[0].token
    request = message("GET", f"/api/consultant/{path.format(large_site.active[3].id)}", token)

    measure(name, 4, asking(line, lambda: request), constant)


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
