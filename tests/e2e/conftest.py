"""A real browser and a real server. No page may log an error or break the Content-Security-Policy."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests import browsers
from tests.browsers import PATIENCE
from tests.e2e.site import Person, Site, opened

# Violations reach the console too, but not all of them in every version.
REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation",
    (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`));
"""

Visit = Callable[..., Page]
Eventually = Callable[[Callable[[], bool]], None]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with browsers.launched() as chromium:
        yield chromium


@pytest.fixture(scope="package")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with opened(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def visit(browser: Browser, site: Site) -> Iterator[Visit]:
    """`visit(person, **options of the browser context)`: a page in a browser of its own, signed in as them.

    `tolerating` names what its console may say.
    """
    contexts: list[BrowserContext] = []
    troubles: list[str] = []

    def visiting(person: Person | None = None, tolerating: str | None = None, **options: Any) -> Page:
        context = browser.new_context(base_url=site.server.base_url, **options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        if options.get("java_script_enabled", True):
            context.add_init_script(REPORT_VIOLATIONS)
        context.on("page", lambda page: listen(page, troubles, tolerating))
        if person:
            cookie = {"name": "alice_session", "value": person.token, "url": site.server.base_url}
            context.add_cookies([cookie | {"httpOnly": True, "sameSite": "Lax"}])
        return context.new_page()

    yield visiting
    for context in contexts:
        context.close()
    assert troubles == []


def listen(page: Page, troubles: list[str], tolerating: str | None) -> None:
    """Note what goes wrong on a page."""

    def note(text: str) -> None:
        if tolerating is None or tolerating not in text:
            troubles.append(f"{page.url}: {text}")

    page.on("console", lambda message: message.type in ("error", "warning") and note(message.text))
    page.on("pageerror", lambda error: note(str(error)))
    page.on("crash", lambda: note("the page crashed"))
