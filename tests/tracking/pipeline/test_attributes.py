"""The attributes of a visit: from which request each comes, and when it is fixed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from alice import clock, database
from alice.clock import minutes
from alice.tracking.log import visit
from alice.tracking.log.caller import Caller
from alice.tracking.log.campaign import NO_CAMPAIGN, Campaign
from alice.tracking.log.event import Kind
from alice.tracking.log.hit import Hit, VisitDetails, VisitKey
from alice.tracking.log.visit import Dialect
from alice.tracking.log.visitor import VisitorKey
from alice.tracking.pipeline import Tracking
from alice.tracking.site import SiteRow
from tests.conftest import EventRows
from tests.tracking.pipeline.conftest import (
    DEVICE,
    ELSEWHERE,
    EVERYTHING,
    IDENTIFY,
    ORIGIN,
    VARIANT,
    attributes,
)

pytestmark = pytest.mark.usefixtures("events_connection")


def test_a_visit_stores_the_attributes_with_which_it_is_opened(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, frozen_clock: int, events_db: EventRows
) -> None:
    opened = tracking.open(site, key, caller, EVERYTHING)

    assert attributes(events_db, opened.number) == DEVICE | ORIGIN | VARIANT
    assert (opened.session_id, opened.user_id, opened.context) == ("session-1", "ada", {"campaign_id": "c-1"})
    assert (opened.started_at, opened.last_at, opened.due_at) == (
        frozen_clock,
        frozen_clock,
        frozen_clock + minutes(30),
    )
    assert (opened.site_number, opened.dialect, opened.is_bot) == (site.number, Dialect.EVENT_TRACKER, 0)
    assert (opened.sequence, opened.page_views, opened.interactions, opened.engaged_ms) == (0, 0, 0, 0)
    assert (opened.closed_at, opened.renewed_from, opened.idle_ms) == (None, None, minutes(30))
    assert visit.find(database.events, visit.numbered(opened.number)) == opened


def test_a_bot_is_marked_and_without_a_user_agent_there_is_no_device(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, events_db: EventRows
) -> None:
    bot = tracking.open(site, key, caller._replace(user_agent="curl/8.0"), VisitDetails())
    unknown = key._replace(session_id="session-2")
    unsaid = tracking.open(site, unknown, caller._replace(user_agent=None, environ={}), VisitDetails())

    assert (bot.is_bot, unsaid.is_bot) == (1, 0)
    assert attributes(events_db, bot.number)["language"] == "en-GB"
    assert attributes(events_db, unsaid.number) == {}


def test_attribution_is_filled_in_until_the_first_page_and_the_device_later_too(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, events_db: EventRows
) -> None:
    number = tracking.open(site, key, caller, VisitDetails()).number
    known = {"device": "desktop", "browser": "Chrome", "os": "Windows", "language": "en-GB"}
    assert attributes(events_db, number) == known
    came = {name: word for name, word in ORIGIN.items() if name != "landing_path"}
    untested = replace(EVERYTHING, ab_test=None, ab_variant=None)
    tracking.append(number, [Hit(Kind.PAGE_VIEW, path="/first")], untested)
    known |= came | {"landing_path": "/first", "exit_path": "/first"}
    assert attributes(events_db, number) == known

    tracking.append(number, [Hit(Kind.PAGE_VIEW, path="/second")], ELSEWHERE)
    known |= {"exit_path": "/second", "ab_test": "coat", "ab_variant": "long"}
    assert attributes(events_db, number) == known
    tracking.append(number, [Hit(Kind.CUSTOM, "tea", path="/third")], EVERYTHING)
    assert attributes(events_db, number) == known
    tracking.open(site, key, caller, EVERYTHING)
    assert attributes(events_db, number) == known | {
        name: DEVICE[name] for name in ("screen", "timezone", "country", "country_source")
    }


def test_details_are_made_when_a_visit_opens_and_at_its_first_page_view(
    tracking: Tracking, site: SiteRow, caller: Caller, events_db: EventRows
) -> None:
    """Events before the first page view may be left over from an earlier visit."""
    key = VisitKey(Dialect.LITTLESTATS, tracking.visitors.known(site, "anna"))
    used: list[VisitDetails] = []

    def arrive(details: VisitDetails) -> Callable[[], VisitDetails]:
        return lambda: used.append(details) or details

    tracking.record(site, key, caller, arrive(VisitDetails()), [Hit(Kind.HEARTBEAT)])
    tracking.record(site, key, caller, arrive(EVERYTHING), [Hit(Kind.HEARTBEAT)])
    tracking.record(site, key, caller, arrive(EVERYTHING), [Hit(Kind.PAGE_VIEW, path="/tea")])
    tracking.record(site, key, caller, arrive(ELSEWHERE), [Hit(Kind.PAGE_VIEW, path="/other")])
    last = tracking.record(site, key, caller, arrive(ELSEWHERE), [Hit(Kind.HEARTBEAT)])

    assert used == [VisitDetails(), EVERYTHING]
    assert last.sequences == [5]
    assert attributes(events_db, last.visit.number)["referrer_host"] == "rabbit.example"


def test_a_visit_has_a_bucket_once_it_has_a_page_referrer_or_campaign(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, events_db: EventRows
) -> None:
    def bucket(**said: Any) -> str | None:
        opened = tracking.open(site, key._replace(session_id=str(said)), caller, VisitDetails(**said))
        return attributes(events_db, opened.number).get("bucket")

    assert (bucket(), bucket(campaign=NO_CAMPAIGN)) == (None, None)
    assert bucket(path="/") == "Direct"
    assert bucket(referrer="rabbit.example") == "rabbit.example"
    assert bucket(campaign=Campaign("hatter")) == "hatter|unknown|unknown"


def test_identities_are_stored_of_visitors_with_consent_only(
    tracking: Tracking,
    site: SiteRow,
    other_site: SiteRow,
    caller: Caller,
    frozen_clock: int,
    events_db: EventRows,
) -> None:
    def said(who: VisitorKey, user_id: str | None, identity: dict | None, where: SiteRow = site) -> None:
        details = VisitDetails(user_id=user_id, identity=identity)
        tracking.record(where, VisitKey(Dialect.LITTLESTATS, who), caller, lambda: details, IDENTIFY)

    anna, bob = (tracking.visitors.known(site, name) for name in ("anna", "bob"))
    said(tracking.visitors.anonymous(site, caller), "ada", {"plan": "free"})
    said(anna, None, {"plan": "free"})
    said(anna, "ada", None)
    assert events_db.query("SELECT * FROM identities") == []

    said(anna, "ada", {"plan": "free"})
    said(bob, "ada", {"plan": "gold"})
    said(anna, "eve", {})
    said(anna, "ada", {}, other_site)
    clock.advance(1)
    said(anna, "ada", {"plan": "none"})
    assert events_db.query(
        "SELECT site_number, user_id, data, seen_at FROM identities ORDER BY site_number, user_id, data"
    ) == [
        (site.number, "ada", '{"plan":"gold"}', frozen_clock),
        (site.number, "ada", '{"plan":"none"}', frozen_clock + 1),
        (site.number, "eve", "{}", frozen_clock),
        (other_site.number, "ada", "{}", frozen_clock),
    ]
