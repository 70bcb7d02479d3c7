"""What tests of tracking share: sites, and a browser that sends to them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alice import database
from alice.tracking.log.caller import Caller
from alice.tracking.pipeline import Tracking
from alice.tracking.site import SiteRow
from tests.tracking.calling import site as sites

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/141.0.0.0 Safari/537.36"
)
Post = Callable[..., Any]


@pytest.fixture
def tracking(app: Flask) -> Tracking:
    return app.extensions["tracking"]


@pytest.fixture
def site(visited_by_bystander: Callable[[int], None]) -> SiteRow:
    """The site wonderland.example, without an owner. The bystander visited it an hour ago."""
    with database.connected(database.events_db):
        made = sites.create("wonderland.example", "Wonderland", owner_id=None)
    visited_by_bystander(made.number)
    return made


@pytest.fixture
def doomed(app: Flask) -> SiteRow:
    """Another site of the same pages, to be removed: the bystander has never been there."""
    with database.connected(database.events_db):
        return sites.create("wonderland.example", "Doomed", owner_id=None)


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    """A visitor with Chrome, somewhere on 192.0.2.1."""
    client = app.test_client(use_cookies=False)
    client.environ_base.update(
        HTTP_USER_AGENT=CHROME, REMOTE_ADDR="192.0.2.1", HTTP_ORIGIN="https://wonderland.example"
    )
    return client


@pytest.fixture
def post(browser: FlaskClient, site: SiteRow) -> Post:
    """Send a payload of the LittleStats dialect; answer the JSON of a 200."""

    def send(_site: str | None = None, **payload: Any) -> Any:
        answer = browser.post(f"/api/v2/track/{_site or site.id}", json=payload)
        assert answer.status_code == 200, answer.json
        return answer.json

    return send


@pytest.fixture
def caller() -> Caller:
    """The same browser, for tests that go past HTTP."""
    return Caller("192.0.2.1", CHROME, {"HTTP_ACCEPT_LANGUAGE": "en-GB"}, False)


@pytest.fixture
def events_connection(app: Flask) -> Iterator[None]:
    """A connection to events.db for tests that call the domain."""
    with database.connected(database.events_db):
        yield


@pytest.fixture
def other_site(app: Flask) -> SiteRow:
    """Another site: looking-glass.example."""
    with database.connected(database.events_db):
        return sites.create("looking-glass.example", "Looking-Glass", owner_id=None)
