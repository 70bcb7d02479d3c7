"""Which page views tracker.js counts: each view of a visitor once."""

import pytest
from playwright.sync_api import Page

from tests.tracking.script.conftest import Eventually, Visit, stop
from tests.tracking.script.peer import SITE, Peer, page

ROUTER = """
<a href="#part">To a part</a>
<script>
    const go = (method, url) => history[method]({}, "", url);
</script>
"""


@pytest.fixture
def router(peer: Peer, visit: Visit) -> Page:
    """A page that goes on without loading."""
    peer.pages["/"] = page(ROUTER)
    return visit("/", clock=True)


def test_a_page_is_counted_when_it_is_opened(visit: Visit, peer: Peer, eventually: Eventually) -> None:
    visit(
        "/tea?utm_source=post&cup=3&utm_medium=card&ref=hatter#late", referer="http://elsewhere.example/x?y=z"
    )

    eventually(lambda: peer.views == ["/tea?utm_source=post&utm_medium=card&ref=hatter"])
    (view,) = peer.of("pageview")
    assert view["referrer"] == "http://elsewhere.example/x?"
    assert view["screen"] == "800x600"
    assert view["timezone"]
    assert "consent" not in view and "visitorId" not in view
    assert "Cookie" not in peer.requests[0].headers
    assert peer.requests[0].headers["Content-Type"] == "text/plain;charset=UTF-8"


def test_what_a_visitor_typed_into_the_address_stays_there(
    visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    visit("/search?q=my+illness&source=nav&token=1234#secret", referer="http://127.0.0.1/reset?token=5678")

    eventually(lambda: peer.views == ["/search?source=nav"])
    assert not any(secret in str(peer.sent) for secret in ("illness", "1234", "5678", "secret"))


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("/?ref=hatter", "/?ref=hatter"),
        ("/?order-ref=secret", "/"),
        ("/?next=/a?ref=secret", "/"),
        ("/?cup=3#/u?source=secret&ref=secret", "/"),
        ("/#?ref=secret", "/"),
        ("/cup&ref=of-a-path?a=b&utm_source=post#x", "/cup&ref=of-a-path?utm_source=post"),
    ],
)
def test_what_only_looks_like_a_parameter_stays_there(
    address: str, kept: str, visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    visit(address)

    eventually(lambda: peer.views == [kept])
    assert "secret" not in str(peer.sent)


@pytest.mark.parametrize("method", ["pushState", "replaceState"])
def test_a_router_changes_the_page(method: str, router: Page, peer: Peer, eventually: Eventually) -> None:
    router.evaluate("method => go(method, '/garden')", method)
    router.clock.run_for(3_000)

    eventually(lambda: peer.views == ["/", "/garden"])


def test_going_back_and_following_a_fragment_are_views(
    router: Page, peer: Peer, eventually: Eventually
) -> None:
    router.evaluate("go('pushState', '/garden')")
    router.clock.run_for(3_000)
    router.go_back()
    router.clock.run_for(3_000)
    router.click("a")
    router.clock.run_for(3_000)
    router.evaluate("location.hash = '#other'")
    router.clock.run_for(3_000)

    eventually(lambda: peer.views == ["/", "/garden", "/", "/", "/"])


def test_only_the_first_view_says_where_the_visitor_came_from(
    visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    tab = visit("/", referer="http://elsewhere.example/")
    tab.evaluate("history.pushState({}, '', '/garden')")

    eventually(lambda: len(peer.views) == 2)
    assert [view["referrer"] for view in peer.of("pageview")] == ["http://elsewhere.example/?", ""]


def test_what_a_router_notes_in_the_address_is_no_view(
    router: Page, peer: Peer, eventually: Eventually
) -> None:
    for url in ("/", "/?sort=name", "/#section-2"):
        router.clock.run_for(3_000)
        router.evaluate("url => go('replaceState', url)", url)
    router.evaluate("track('last')")
    router.clock.run_for(3_000)

    eventually(lambda: peer.of("last") != [])
    assert peer.views == ["/"]


def test_the_same_address_within_two_seconds_is_one_view(
    router: Page, peer: Peer, eventually: Eventually
) -> None:
    stop(router)
    for pause in (1_900, 100, 1_900, 0):
        router.evaluate("go('pushState', '/garden'); littlestats.trackPageView()")
        router.clock.run_for(pause)
    router.evaluate("track('last')")
    router.clock.resume()

    eventually(lambda: peer.of("last") != [])
    assert peer.views == ["/", "/garden", "/garden"]


def test_a_page_can_name_a_view_itself(router: Page, peer: Peer, eventually: Eventually) -> None:
    router.evaluate(
        "littlestats.trackPageView('/checkout/2?card=1'); littlestats.trackPageView(Symbol('odd'))"
    )
    router.evaluate("go('pushState', '/next')")
    router.clock.run_for(3_000)

    eventually(lambda: peer.views == ["/", "/checkout/2", "/next"])
    assert router.evaluate("heard") == []


def test_a_page_that_comes_back_from_the_cache_is_viewed_again(
    visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    peer.pages["/other"] = "<!doctype html><p>Elsewhere"
    tab = visit("/")
    tab.evaluate("window.still_here = true")
    tab.goto("/other")
    tab.go_back(wait_until="commit")

    assert tab.evaluate("window.still_here") is True
    eventually(lambda: peer.views == ["/", "/"])


def test_a_tag_that_stands_twice_counts_once(visit: Visit, peer: Peer, eventually: Eventually) -> None:
    peer.pages["/"] = page(page())
    visit("/").evaluate("track('last')")

    eventually(lambda: peer.of("last") != [])
    assert peer.views == ["/"]
    assert len(peer.of("last")) == 1


def test_a_frame_counts_for_itself_alone(visit: Visit, peer: Peer, eventually: Eventually) -> None:
    peer.pages["/"] = page('<iframe src="/inside"></iframe>')
    tab = visit("/")
    tab.frames[1].evaluate("history.pushState({}, '', '/inside/2')")
    tab.evaluate("track('outside')")

    eventually(lambda: sorted(peer.views) == ["/", "/inside", "/inside/2"] and len(peer.of("outside")) == 1)


# A browser that is driven by a test does not render in advance; the page is told that it does.
RENDER_AHEAD = """
window.ahead = true;
for (const name of ["prerendering", "hidden"]) Object.defineProperty(document, name, { get: () => ahead });
"""


def test_a_page_that_is_rendered_in_advance_counts_when_it_is_shown(
    visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    peer.pages["/"] = f"<!doctype html><script>{RENDER_AHEAD}</script>{page()}"
    tab = visit("/", clock=True)
    tab.evaluate("track('too early'); history.replaceState({}, '', '/ready')")
    tab.clock.run_for(60_000)
    tab.evaluate("ahead = false; document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))")
    tab.clock.run_for(3_000)

    eventually(lambda: peer.views == ["/ready"])
    assert [event["type"] for event in peer.events] == ["pageview"]
    assert tab.evaluate("heard") == []


def test_the_tracker_may_come_from_another_host(visit: Visit, peer: Peer, eventually: Eventually) -> None:
    elsewhere = peer.url.replace("127.0.0.1", "localhost")
    peer.pages["/"] = f'<!doctype html><script src="{elsewhere}/tracker.js" data-site-id="{SITE}"></script>'
    peer.pages["/2"] = page(host=elsewhere)
    tab = visit("/")
    eventually(lambda: peer.views == ["/"])
    tab.goto("/2")

    eventually(lambda: peer.views == ["/", "/2"])
    assert {request.headers["Host"] for request in peer.requests} == {elsewhere.removeprefix("http://")}
    assert {request.headers["Origin"] for request in peer.requests} == {peer.url}
