"""Hits, details and attributes that tests of the pipeline share."""

import pytest

from alice.tracking.log import visit
from alice.tracking.log.campaign import Campaign
from alice.tracking.log.event import Kind
from alice.tracking.log.hit import Hit, VisitDetails, VisitKey
from alice.tracking.log.visit import Dialect
from alice.tracking.pipeline import Tracking
from alice.tracking.site import SiteRow
from tests.conftest import EventRows

VIEW = Hit(Kind.PAGE_VIEW, path="/")

IDENTIFY = [Hit(Kind.IDENTIFY)]

ADA = VisitDetails(
    path="/tea", referrer="rabbit.example", language="fr", user_id="ada", identity={"plan": "free"}
)

EVERYTHING = VisitDetails(
    path="/tea",
    referrer="rabbit.example",
    campaign=Campaign("hatter", "mail", "spring", "tea", "cup"),
    language="fr",
    timezone="Europe/London",
    screen="1280x800",
    ab_test="hat",
    ab_variant="10/6",
    user_id="ada",
    context={"campaign_id": "c-1"},
)

ELSEWHERE = VisitDetails(
    path="/other",
    referrer="hare.example",
    campaign=Campaign("hare", "web", "autumn", "milk", "jug"),
    ab_test="coat",
    ab_variant="long",
)

DEVICE = {
    "device": "desktop",
    "browser": "Chrome",
    "os": "Windows",
    "language": "fr",
    "screen": "1280x800",
    "timezone": "Europe/London",
    "country": "GB",
    "country_source": "timezone",
}

ORIGIN = {
    "landing_path": "/tea",
    "referrer_host": "rabbit.example",
    "utm_source": "hatter",
    "utm_medium": "mail",
    "utm_campaign": "spring",
    "utm_term": "tea",
    "utm_content": "cup",
    "bucket": "hatter|mail|spring",
}

VARIANT = {"ab_test": "hat", "ab_variant": "10/6"}


@pytest.fixture
def key(tracking: Tracking, site: SiteRow) -> VisitKey:
    return VisitKey(Dialect.EVENT_TRACKER, tracking.visitors.known(site, "user:alice"), "session-1")


def attributes(events_db: EventRows, number: int) -> dict[str, str]:
    """The attributes that a visit has."""
    return {
        column: word
        for column in visit.ATTRIBUTES
        for (word,) in events_db.query(f"SELECT {column} FROM visits WHERE number = ?", number)
        if word is not None
    }
