"""A renewed visit keeps the attribution of the old one."""

from dataclasses import replace

import pytest

from alice import clock
from alice.clock import minutes
from alice.tracking.log.caller import Caller
from alice.tracking.log.hit import VisitDetails, VisitKey
from alice.tracking.pipeline import Tracking
from alice.tracking.site import SiteRow
from tests.conftest import EventRows
from tests.tracking.pipeline.conftest import DEVICE, EVERYTHING, ORIGIN, VARIANT, attributes

pytestmark = pytest.mark.usefixtures("events_connection")


def test_a_renewed_visit_carries_on_where_its_visitor_came_from(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, frozen_clock: int, events_db: EventRows
) -> None:
    details = VisitDetails(path="/landing", referrer="rabbit.example", context={"campaign_id": "c-1"})
    old = tracking.open(site, key, caller, details)
    clock.advance(minutes(31))
    new = tracking.renew(site, key._replace(session_id="session-2"), caller, VisitDetails(), "session-1")

    assert (new.sequence, new.renewed_from) == (0, old.number)
    assert new.context == {"campaign_id": "c-1"}
    columns = "SELECT landing_path, referrer_host, bucket FROM visits WHERE number = ?"
    assert events_db.query(columns, new.number) == events_db.query(columns, old.number)


def test_the_ab_variant_of_a_renewal_replaces_the_old(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, events_db: EventRows
) -> None:
    tracking.open(site, key, caller, VisitDetails(ab_test="t", ab_variant="old"))
    new = tracking.renew(
        site, key._replace(session_id="session-2"), caller, VisitDetails(ab_variant="new"), "session-1"
    )

    sql = "SELECT {} FROM visits WHERE number = ?"
    assert events_db.one(sql.format("ab_test"), new.number) == "t"
    assert events_db.one(sql.format("ab_variant"), new.number) == "new"


def test_a_renewal_closes_the_old_visit_and_copies_attribution_context_and_user(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, frozen_clock: int, events_db: EventRows
) -> None:
    details = replace(EVERYTHING, context={"campaign_id": "c-1", "page_id": "p-1"})
    old = tracking.open(site, key, caller, details)
    requested = VisitDetails(
        path="/other", referrer="hare.example", ab_variant="tall", context={"page_id": "p-2"}
    )
    clock.advance(minutes(29))
    new = tracking.renew(site, key._replace(session_id="new"), caller, requested, "session-1", minutes(5))
    clock.advance(minutes(31))
    newer = tracking.renew(site, key._replace(session_id="newer"), caller, VisitDetails(user_id="eve"), "new")

    assert (new.user_id, newer.user_id) == ("ada", "eve")
    assert (new.renewed_from, newer.renewed_from) == (old.number, new.number)
    assert new.context == newer.context == {"campaign_id": "c-1", "page_id": "p-2"}
    assert (new.idle_ms, newer.idle_ms) == (minutes(5), minutes(30))
    assert attributes(events_db, new.number) == ORIGIN | {
        "ab_test": "hat",
        "ab_variant": "tall",
        "device": "desktop",
        "browser": "Chrome",
        "os": "Windows",
        "language": "en-GB",
    }
    assert events_db.query("SELECT closed_at FROM visits ORDER BY number") == [
        (frozen_clock + minutes(29),),
        (new.due_at,),
        (None,),
    ]


def test_a_renewal_of_a_visit_without_attribution_uses_that_of_the_request(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, events_db: EventRows
) -> None:
    tracking.open(site, key, caller, VisitDetails(ab_test="coat"))
    new = tracking.renew(site, key._replace(session_id="new"), caller, EVERYTHING, "session-1")

    assert attributes(events_db, new.number) == DEVICE | ORIGIN | VARIANT


@pytest.mark.parametrize("old", [None, "nowhere", "session-1"])
def test_renewing_nothing_or_a_visit_of_the_same_name_opens_or_resumes_it(
    tracking: Tracking,
    site: SiteRow,
    other_site: SiteRow,
    key: VisitKey,
    caller: Caller,
    frozen_clock: int,
    old: str | None,
) -> None:
    tracking.open(other_site, key._replace(session_id="nowhere"), caller, EVERYTHING)
    opened = tracking.renew(site, key, caller, VisitDetails(), old, minutes(5))
    clock.advance(minutes(5))
    resumed = tracking.renew(site, key, caller, VisitDetails(), old, minutes(6))

    assert (opened.renewed_from, opened.closed_at, opened.context) == (None, None, {})
    assert resumed == opened._replace(last_at=clock.now(), due_at=clock.now() + minutes(5))
