"""Visits to Alice's own pages are counted, unless the visitor opts out."""

from playwright.sync_api import Page, expect

from tests.conftest import Eventually
from tests.e2e.conftest import Visit
from tests.e2e.site import Site


def beacons_of(page: Page) -> list[str]:
    """What the page sends to be counted from now on."""
    sent: list[str] = []
    page.on("request", lambda request: "/api/v2/track/" in request.url and sent.append(request.url))
    return sent


def test_a_view_of_alices_own_pages_is_counted(site: Site, visit: Visit, eventually: Eventually) -> None:
    page = visit(None)
    sent = beacons_of(page)
    page.goto("/forgot-password")

    eventually(lambda: bool(page.evaluate("1")) and bool(sent))


def test_a_visitor_says_no_and_yes_again(site: Site, visit: Visit, eventually: Eventually) -> None:
    page = visit(None)
    page.goto("/privacy")
    page.get_by_role("button", name="Do not count this browser").click()
    expect(page.get_by_role("status")).to_have_text("This browser is no longer counted.")

    sent = beacons_of(page)
    page.goto("/forgot-password")
    eventually(lambda: page.evaluate("performance.now() > 2500"))  # longer than events wait for others
    page.goto("/privacy")
    assert sent == []

    page.get_by_role("button", name="Count it again").click()
    eventually(lambda: bool(page.evaluate("1")) and bool(sent))
