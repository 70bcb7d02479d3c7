"""tracker.js in a real browser, on pages of the peer."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests import browsers
from tests.browsers import PATIENCE
from tests.tracking.script.peer import Peer, listening

Visit = Callable[..., Page]
Eventually = Callable[[Callable[[], bool]], None]

# What a rejected promise or an error tells a page reaches its listeners, and so this list.
HEAR = """
window.heard = [];
addEventListener("error", (event) => heard.push(event.message));
addEventListener("unhandledrejection", (event) => heard.push(String(event.reason)));
"""


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with browsers.launched() as browser:
        yield browser


@pytest.fixture
def peer() -> Iterator[Peer]:
    with listening() as peer:
        yield peer


@pytest.fixture
def context(chromium: Browser, peer: Peer) -> Iterator[BrowserContext]:
    """A visitor's browser; its pages are the peer's."""
    context = chromium.new_context(base_url=peer.url, viewport={"width": 800, "height": 600})
    context.set_default_timeout(PATIENCE)
    context.add_init_script(HEAR)
    errors: list[str] = []
    context.on("weberror", lambda error: errors.append(str(error.error)))
    yield context
    context.close()
    assert errors == []


@pytest.fixture
def visit(context: BrowserContext) -> Visit:
    """`visit(path)`: a tab with the page. `clock=True`: its time is the test's to move (page.clock)."""

    def visiting(path: str = "/", clock: bool = False, **more: Any) -> Page:
        page = context.new_page()
        if clock:
            page.clock.install()
        page.goto(path, **more)
        return page

    return visiting


def stop(tab: Page) -> None:
    """The clock of the tab stands still from about a second ahead, and goes on with run_for or resume."""
    tab.clock.pause_at(tab.evaluate("Date.now()") / 1000 + 1)
