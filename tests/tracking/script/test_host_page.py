"""tracker.js never breaks the page that loads it, and leaves nothing behind after destroy()."""

import pytest
from playwright.sync_api import Page

from tests.tracking.script.conftest import Eventually, Visit
from tests.tracking.script.peer import Peer, page, tag

# Notes each listener that the script adds and takes away again, and each timer.
WATCH = """<script>
const listeners = new Map();
const name = (type, capture) => type + (capture === true || capture?.capture ? " capture" : "");
for (const target of [window, document]) {
    const { addEventListener, removeEventListener } = target;
    target.addEventListener = function (type, listener, options) {
        listeners.set(listener, name(type, options));
        addEventListener.call(this, type, listener, options);
    };
    target.removeEventListener = function (type, listener, options) {
        if (listeners.get(listener) === name(type, options)) listeners.delete(listener);
        removeEventListener.call(this, type, listener, options);
    };
}
const globals = new Set(Object.getOwnPropertyNames(window));
const { pushState, replaceState } = history;
</script>"""
ALL = {"clicks": "", "scroll": "", "forms": ""}


@pytest.fixture
def watched(visit: Visit, peer: Peer) -> Page:
    """A page with all add-ons that notes what the script does to it."""
    peer.pages["/"] = f"<!doctype html>{WATCH}{tag(**ALL)}<a href='#a'>A</a>"
    return visit("/", clock=True)


def test_destroy_undoes_everything(watched: Page, peer: Peer, eventually: Eventually) -> None:
    assert watched.evaluate("listeners.size") > 5
    assert watched.evaluate("history.pushState != pushState && history.replaceState != replaceState")
    watched.evaluate("window.kept = [track, identify, littlestats]; littlestats.destroy()")

    assert watched.evaluate("listeners.size") == 0
    assert watched.evaluate("history.pushState == pushState && history.replaceState == replaceState")
    assert watched.evaluate("Object.getOwnPropertyNames(history)") == []
    added = "Object.getOwnPropertyNames(window).filter((name) => !globals.has(name) && name != 'kept')"
    assert watched.evaluate(added) == []

    eventually(lambda: peer.views == ["/"])  # what was under way is not lost
    peer.requests.clear()
    watched.evaluate("history.pushState({}, '', '/next'); kept[0]('late'); kept[2].trackPageView('/late')")
    watched.click("a")
    watched.clock.run_for(600_000)
    watched.goto("/last")
    watched.clock.run_for(5_000)
    eventually(lambda: "/last" in peer.views)
    assert peer.views == ["/last"]
    assert peer.of("event") == []


def test_after_destroy_it_can_start_again(watched: Page, peer: Peer, eventually: Eventually) -> None:
    watched.evaluate("littlestats.destroy()")
    watched.evaluate(
        "tag => new Promise((loaded) => {"
        " const script = document.createElement('script');"
        " script.src = '/tracker.js'; script.dataset.siteId = tag; script.onload = loaded;"
        " document.head.append(script); })",
        "a-site",
    )
    watched.evaluate("track('again')")
    watched.clock.run_for(5_000)

    eventually(lambda: peer.of("again") != [])
    assert peer.views == ["/", "/"]


def test_who_wrapped_the_history_after_it_keeps_their_own(watched: Page) -> None:
    watched.evaluate(
        "const inner = history.pushState;"
        " history.pushState = window.theirs ="
        "   function (...all) { window.called = true; inner.apply(this, all); };"
        " littlestats.destroy();"
        " history.pushState({}, '', '/next');"
    )

    assert watched.evaluate("history.pushState == theirs && called")
    assert watched.url.endswith("/next")
    assert watched.evaluate("heard") == []


def test_a_page_keeps_its_own_functions(visit: Visit, peer: Peer, eventually: Eventually) -> None:
    own = "<script>function track() { return 'the page'; }</script>"
    peer.pages["/"] = f"<!doctype html>{own}{page()}"
    tab = visit("/")
    assert tab.evaluate("track()") == "the page"
    tab.evaluate("littlestats.track('an event'); littlestats.destroy()")

    eventually(lambda: peer.of("an event") != [])
    assert tab.evaluate("track()") == "the page"


def test_a_page_keeps_what_it_calls_the_same(visit: Visit, peer: Peer, eventually: Eventually) -> None:
    peer.pages["/"] = f"<!doctype html><script>window.track = {{ own: true }}</script>{page()}"
    tab = visit("/")

    eventually(lambda: peer.views == ["/"])
    assert tab.evaluate("track") == {"own": True}


def test_the_history_works_as_before(visit: Visit) -> None:
    tab = visit("/")
    tab.evaluate("history.pushState({ cups: 2 }, '', '/garden')")

    assert tab.evaluate("history.state") == {"cups": 2}
    assert tab.url.endswith("/garden")
    refused = "try { history.pushState({}, '', 'http://elsewhere.example/'); } catch (error) { error.name; }"
    assert tab.evaluate(refused) == "SecurityError"


@pytest.mark.parametrize(
    "broken",
    [
        "crypto.getRandomValues = () => { throw new Error('broken'); }",
        "window.fetch = () => { throw new Error('broken'); }",
        "window.fetch = () => Promise.reject(new Error('broken'))",
        "navigator.sendBeacon = () => { throw new Error('broken'); }",
        "window.AbortController = window.Intl = window.URL = undefined",
        "JSON.stringify = () => { throw new Error('broken'); }",
        "Object.defineProperty(document, 'currentScript', { value: null })",
    ],
)
def test_whatever_breaks_the_page_never_hears_of_it(broken: str, visit: Visit, peer: Peer) -> None:
    peer.pages["/"] = f"<!doctype html><script>{broken}</script>{page('<a href=#a>A</a>', **ALL)}"
    tab = visit("/", clock=True)
    tab.evaluate("history.pushState({}, '', '/next')")
    tab.evaluate("window.track?.(Symbol('odd'), 1n); window.identify?.(Symbol('odd'))")
    tab.click("a")
    tab.clock.run_for(10_000)
    tab.evaluate("dispatchEvent(new Event('pagehide'))")
    tab.evaluate("window.littlestats?.destroy()")

    assert tab.evaluate("heard") == []
