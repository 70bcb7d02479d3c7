"""Each event id counts once, however often it is sent."""

from hashlib import blake2b
from uuid import uuid4

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alice import database
from alice.engines import Unavailable
from alice.tracking.log import event, visit
from alice.tracking.log.caller import Caller
from alice.tracking.log.event import Kind
from alice.tracking.log.hit import Hit, VisitDetails, VisitKey
from alice.tracking.log.visit import Dialect
from alice.tracking.pipeline import Tracking
from alice.tracking.site import SiteRow
from tests.conftest import EventRows
from tests.tracking.pipeline.conftest import VIEW

pytestmark = pytest.mark.usefixtures("events_connection")


def test_a_duplicate_gets_the_first_result_and_changes_nothing(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, events_db: EventRows
) -> None:
    hit = Hit(Kind.PAGE_VIEW, id=str(uuid4()))
    first = tracking.record(site, key, caller, VisitDetails, [VIEW, hit])
    tracking.record(site, key._replace(session_id="session-2"), caller, VisitDetails, [VIEW])
    before = events_db.query("SELECT * FROM visits ORDER BY number")
    again = tracking.record(site, key, caller, VisitDetails, [hit])

    assert (first.sequences, first.created) == ([1, 2], [True, True])
    assert (again.sequences, again.created, again.visit) == ([2], [False], first.visit)
    assert events_db.query("SELECT * FROM visits ORDER BY number") == before


def test_a_retry_adds_only_the_hits_that_are_new(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller
) -> None:
    old, new = Hit(Kind.CUSTOM, "a", id=str(uuid4())), Hit(Kind.CUSTOM, "b", id=str(uuid4()))
    tracking.record(site, key, caller, VisitDetails, [old])
    again = tracking.record(site, key, caller, VisitDetails, [VIEW, old, new, VIEW, new, VIEW])

    assert again.sequences == [2, 1, 3, 4, 3, 5]
    assert again.created == [True, False, True, True, False, True]
    assert (again.visit.sequence, again.visit.page_views) == (5, 3)
    anew = tracking.record(site, key, caller, VisitDetails, [new, old])
    assert (anew.sequences, anew.created, anew.visit) == ([3, 1], [False, False], again.visit)


def test_an_id_is_known_on_its_own_site_only(
    tracking: Tracking, site: SiteRow, other_site: SiteRow, key: VisitKey, caller: Caller
) -> None:
    hit = Hit(Kind.PAGE_VIEW, id=str(uuid4()))
    tracking.record(site, key, caller, VisitDetails, [hit])

    assert tracking.record(other_site, key, caller, VisitDetails, [hit]).created == [True]
    assert tracking.record(site, key, caller, VisitDetails, [hit]).created == [False]
    assert tracking.record(other_site, key, caller, VisitDetails, [hit]).created == [False]


def test_a_duplicate_of_an_event_that_is_erased_meanwhile_is_a_503(app: Flask) -> None:
    with pytest.raises(Unavailable):
        visit.counted(database.events, 1)


@pytest.mark.engine("sqlite")
@pytest.mark.parametrize(
    ("id", "at", "kept"),
    [
        ("01890000-0000-7000-8000-0000000000AB", 1000, "018900000000700080000000000000ab"),
        ("tea-1", None, blake2b(b"tea-1", digest_size=16).hexdigest()),
        ("tea-1", 0x0189_0000_0001, "018900000001" + blake2b(b"tea-1", digest_size=10).hexdigest()),
        ("tea-1", -1, "ffffffffffff" + blake2b(b"tea-1", digest_size=10).hexdigest()),
    ],
)
def test_a_clients_id_is_stored_as_the_same_16_bytes_for_ever(id: str, at: int | None, kept: str) -> None:
    assert event.id_bytes(id, at).hex() == kept
    assert len(kept) == 32


IDS = [str(uuid4()) for _ in range(6)]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(st.sampled_from(IDS), min_size=1, max_size=5), min_size=1, max_size=6))
def test_each_id_counts_once_in_any_order_and_grouping(
    tracking: Tracking,
    site: SiteRow,
    caller: Caller,
    events_db: EventRows,
    batches: list[list[str]],
) -> None:
    session = str(uuid4())
    key = VisitKey(Dialect.EVENT_TRACKER, tracking.visitors.known(site, session), session)
    expected: dict[str, int] = {}
    for batch in batches:
        hits = [Hit(Kind.CUSTOM, "x", id=f"{session}{id}") for id in batch]
        recorded = tracking.record(site, key, caller, VisitDetails, hits)
        for id, sequence, created in zip(batch, recorded.sequences, recorded.created, strict=True):
            assert created == (id not in expected)
            assert expected.setdefault(id, len(expected) + 1) == sequence

    number = events_db.one("SELECT MAX(number) FROM visits")
    rows = events_db.query("SELECT sequence FROM events WHERE visit_number = ? ORDER BY seq", number)
    assert [sequence for (sequence,) in rows] == [*range(1, len(expected) + 1)]
