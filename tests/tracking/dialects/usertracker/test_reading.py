"""Reading movements and sessions: only those of one site, or of one of its users."""

from collections.abc import Callable
from typing import Any

import pytest

from alice import clock
from alice.clock import minutes
from alice.tracking.dialects.usertracker import reading, writing
from alice.tracking.dialects.usertracker.reading import Filters, Range
from alice.tracking.dialects.usertracker.writing import Movement
from alice.tracking.log.caller import Caller
from alice.tracking.log.event import Kind
from alice.tracking.log.hit import Hit, VisitDetails, VisitKey
from alice.tracking.log.visit import Dialect
from alice.tracking.pipeline import Tracking
from alice.tracking.site import SiteRow

Move = Callable[..., None]

pytestmark = pytest.mark.usefixtures("events_connection")


@pytest.fixture
def move(tracking: Tracking, caller: Caller) -> Move:
    """A movement of a user, in a session called "tab" unless another is named."""

    def moving(site: SiteRow, user_id: str, event: str, session: str = "tab", **more: Any) -> None:
        sent = Movement(userId=user_id, sessionId=session, event=event, **more)
        writing.record(tracking, site, [sent], caller)

    return moving


@pytest.fixture
def all_sorts(
    frozen_clock: int, tracking: Tracking, site: SiteRow, other_site: SiteRow, move: Move, caller: Caller
) -> None:
    """What ada and bob do, on both sites and in several sessions; and what is no movement at all."""
    move(site, "ada", "first")
    move(other_site, "ada", "elsewhere", "other tab")
    move(site, "bob", "bob's")
    move(site, "ada", "second", "other tab")
    move(other_site, "ada", "elsewhere too")
    key = VisitKey(Dialect.EVENT_TRACKER, tracking.visitors.known(site, "user:ada"), "tab")
    details = VisitDetails(user_id="ada")
    tracking.record(site, key, caller, lambda: details, [Hit(Kind.CUSTOM, "no movement")])
    move(site, "ada", "third")


def events(of: Range, only: Filters = reading.NO_FILTERS, **more: Any) -> list[str]:
    return [one["event"] for one in reading.page(of, 10, only=only, **more)[0]]


def names(of: Range) -> list[tuple[str, str]]:
    return [(one["userId"], one["sessionId"]) for one in reading.sessions(of, 10)]


@pytest.mark.usefixtures("all_sorts")
def test_movements_are_those_of_the_site_the_user_and_the_session(site: SiteRow) -> None:
    expected = {
        (None, None): ["third", "second", "bob's", "first"],
        (None, "tab"): ["third", "bob's", "first"],
        ("ada", None): ["third", "second", "first"],
        ("ada", "tab"): ["third", "first"],
        ("ada", "other tab"): ["second"],
        ("bob", None): ["bob's"],
        ("bob", "other tab"): [],
        ("eve", None): [],
    }

    assert {
        (user_id, session): events(Range(site, user_id), Filters(session=session))
        for user_id, session in expected
    } == expected


@pytest.mark.usefixtures("all_sorts")
def test_sessions_are_those_of_the_site_and_the_user(site: SiteRow, other_site: SiteRow) -> None:
    of_site = [("ada", "other tab"), ("bob", "tab"), ("ada", "tab")]
    assert names(Range(site, None)) == of_site
    assert names(Range(site, "ada")) == [("ada", "other tab"), ("ada", "tab")]
    assert names(Range(site, "bob")) == [("bob", "tab")]
    assert names(Range(site, "eve")) == []
    counts = {user: reading.count_sessions(Range(site, user)) for user in (None, "ada", "bob", "eve")}
    assert counts == {None: 3, "ada": 2, "bob": 1, "eve": 0}
    assert reading.count_sessions(Range(other_site, None)) == 2
    assert len(reading.sessions(Range(site, None), 2)) == 2


def test_a_range_holds_what_happened_since_then_and_no_sooner(
    site: SiteRow, move: Move, frozen_clock: int
) -> None:
    move(site, "ada", "happened before", timestamp=frozen_clock - 1)
    move(site, "bob", "happened then", timestamp=frozen_clock)
    clock.advance(1)
    move(site, "bob", "happened since", "other tab")

    for user_id, since, movements, sessions in (
        (None, frozen_clock, ["happened since", "happened then"], [("bob", "other tab"), ("bob", "tab")]),
        ("bob", frozen_clock, ["happened since", "happened then"], [("bob", "other tab"), ("bob", "tab")]),
        ("bob", frozen_clock + 1, ["happened since"], [("bob", "other tab")]),
        (None, frozen_clock + 1, ["happened since"], [("bob", "other tab")]),
        ("ada", frozen_clock, [], []),
        ("ada", frozen_clock - 1, ["happened before"], [("ada", "tab")]),
    ):
        of = Range(site, user_id, since)
        assert events(of) == movements
        assert names(of) == sessions
        assert reading.count_sessions(of) == len(sessions)


def test_a_session_has_the_times_of_its_newest_visit(site: SiteRow, move: Move, frozen_clock: int) -> None:
    move(site, "ada", "page_view")
    clock.advance(minutes(31))
    move(site, "ada", "click")
    move(site, "bob", "click")

    for of in (Range(site, "ada"), Range(site, None)):
        *_, oldest = reading.sessions(of, 10)
        assert oldest == {
            "userId": "ada",
            "sessionId": "tab",
            "startTime": clock.now(),
            "lastActivity": clock.now(),
            "deviceInfo": {},
        }
    assert events(Range(site, "ada")) == ["click", "page_view"]


def test_a_page_ends_where_the_next_one_begins(site: SiteRow, move: Move, frozen_clock: int) -> None:
    for event in ("first", "second", "third"):
        move(site, "ada", event)
    newest, before = reading.page(Range(site, "ada"), 2)
    rest, last = reading.page(Range(site, "ada"), 2, before)
    all_of_them, only = reading.page(Range(site, "ada"), 3)

    assert [one["event"] for one in newest] == ["third", "second"]
    assert ([one["event"] for one in rest], last) == (["first"], None)
    assert (len(all_of_them), only) == (3, None)


def test_filters_by_event_and_path(site: SiteRow, move: Move) -> None:
    move(site, "ada", "tea", data={"path": "/a"})
    move(site, "ada", "page_view", data={"path": "/a"})
    move(site, "ada", "click", data={"path": "/b"})
    move(site, "ada", "cake")

    def only(**filters: str) -> list[str]:
        return events(Range(site, "ada"), Filters(**filters))

    assert (only(event="tea"), only(event="click"), only(event="milk")) == (["tea"], ["click"], [])
    assert (only(path="/a"), only(path="/a?x=1"), only(path="/c")) == (
        ["page_view", "tea"], ["page_view", "tea"], [],
    )  # fmt: skip
    assert only(path="/a", event="tea") == ["tea"]
