"""Properties of events keep their types."""

import pytest

from alice.clock import minutes
from alice.tracking.log.caller import Caller
from alice.tracking.log.event import Kind
from alice.tracking.log.event_property import properties
from alice.tracking.log.hit import Hit, VisitDetails, VisitKey
from alice.tracking.pipeline import Tracking
from alice.tracking.site import SiteRow
from tests.conftest import EventRows
from tests.tracking.pipeline.conftest import VIEW

pytestmark = pytest.mark.usefixtures("events_connection")


def test_properties_keep_their_types(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, events_db: EventRows
) -> None:
    said = {
        "text": "caucus-race",
        "whole": 42,
        "part": 9.99,
        "exact": 2**53,
        "big": 2**53 + 1,
        "yes": True,
        "no": False,
        "day": "2025-01-20",
        "moment": "2025-01-20T10:30:00Z",
        "no day": "2025-13-20",
        "short": "2025-01",
        "long": "some-thing-else",
        "year": "2025 was a good year",
        "nothing": None,
        "week": "2025-W03",
        "bare": "20250120T1030",
        "nested": {"x": [1, 2.5, "three"]},
        "list": [],
        "huge": -1e300,
    }
    tracking.record(site, key, caller, VisitDetails, [Hit(Kind.CUSTOM, "all", properties=said)])
    seq = events_db.one("SELECT seq FROM events")

    assert properties([seq]) == {seq: said}
    assert {name: type(value) for name, value in properties([seq])[seq].items()} == {
        name: type(value) for name, value in said.items()
    }
    rows = events_db.query(
        "SELECT s.text, p.type, p.text, p.number FROM event_properties p JOIN strings s ON s.number = p.key"
    )
    kept = {name: tuple(rest) for name, *rest in rows}
    day = 1_737_331_200_000  # 2025-01-20 in ms
    assert kept == {
        "text": (1, "caucus-race", None), "no day": (1, "2025-13-20", None), "short": (1, "2025-01", None),
        "long": (1, "some-thing-else", None), "year": (1, "2025 was a good year", None),
        "whole": (2, None, 42), "part": (2, None, 9.99), "exact": (2, None, 2**53), "huge": (2, None, -1e300),
        "yes": (3, None, 1), "no": (3, None, 0), "day": (4, "2025-01-20", day),
        "moment": (4, "2025-01-20T10:30:00Z", day + minutes(630)), "big": (5, "9007199254740993", None),
        "nothing": (5, "null", None), "week": (1, "2025-W03", None), "bare": (1, "20250120T1030", None),
        "nested": (5, '{"x":[1,2.5,"three"]}', None), "list": (5, "[]", None),
    }  # fmt: skip


def test_properties_of_many_events_are_not_mixed_up(
    tracking: Tracking, site: SiteRow, key: VisitKey, caller: Caller, events_db: EventRows
) -> None:
    """More than one statement can have parameters for."""
    hits = [
        Hit(Kind.CUSTOM, "tea", properties={"cups": number, "of": f"guest {number}"}) for number in range(501)
    ]
    tracking.record(site, key, caller, VisitDetails, [VIEW, *hits])
    view, *seqs = [seq for (seq,) in events_db.query("SELECT seq FROM events ORDER BY sequence")]

    assert properties([view, *seqs]) == {
        view: {},
        **{seq: {"cups": number, "of": f"guest {number}"} for number, seq in enumerate(seqs)},
    }
