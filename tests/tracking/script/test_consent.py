"""What tracker.js stores and sends of a visitor: little without consent, nothing after an opt-out."""

from threading import Event

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.tracking.script.conftest import Eventually, Visit
from tests.tracking.script.peer import SITE, Peer, page, tag

EVERYTHING = """
track("an event", { cups: 2 });
identify("alice", { plan: "tea" });
history.pushState({}, "", "/elsewhere");
littlestats.consent();
littlestats.trackPageView("/again");
dispatchEvent(new Event("pagehide"));
"""
GPC = "Object.defineProperty(navigator, 'globalPrivacyControl', { get: () => true });"
DNT = "Object.defineProperty(navigator, 'doNotTrack', { get: () => '1' });"
# As Chromium does when a visitor forbids a site to keep anything.
BLOCKED = """
Object.defineProperty(window, "localStorage", {
    get() { throw new DOMException("Access is denied for this document.", "SecurityError"); },
});
"""
FULL = """
for (let size = 1 << 22, number = 0; size > 0; number += 1) {
    try { localStorage["filler " + number] = "x".repeat(size); } catch { size >>= 1; }
}
"""


def stored(tab: Page) -> int:
    """How many things the page has left in the browser."""
    return tab.evaluate("localStorage.length + sessionStorage.length + document.cookie.length")


@pytest.mark.parametrize("data", [{}, {"consent": "required"}])
def test_without_consent_it_counts_and_keeps_nothing(
    data: dict[str, str], visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    peer.pages["/"] = page(**data)
    tab = visit("/")
    tab.evaluate("track('an event'); identify('alice', { plan: 'tea' })")
    eventually(lambda: peer.of("an event") != [])

    assert stored(tab) == 0
    assert not any("visitorId" in event or "consent" in event for event in peer.sent)
    assert "alice" not in str(peer.sent)


def test_with_consent_a_visitor_is_known_again(visit: Visit, peer: Peer, eventually: Eventually) -> None:
    visit("/").evaluate("littlestats.consent()")
    eventually(lambda: peer.views == ["/"])
    visit("/next")
    eventually(lambda: peer.views == ["/", "/next"])

    first, second = peer.of("pageview")
    assert first["consent"] == second["consent"] == "granted"
    assert len(first["visitorId"]) > 20
    assert first["visitorId"] == second["visitorId"]


def test_a_page_can_say_that_its_visitor_has_agreed(visit: Visit, peer: Peer, eventually: Eventually) -> None:
    peer.pages["/"] = page(consent="granted")
    visit("/").evaluate("identify(42, { plan: 'tea' })")

    eventually(lambda: peer.of("identify") != [])
    (event,) = peer.of("identify")
    assert (event["id"], event["data"], event["consent"]) == ("42", {"plan": "tea"}, "granted")


def test_who_somebody_is_waits_for_their_consent(visit: Visit, peer: Peer, eventually: Eventually) -> None:
    tab = visit("/")
    tab.evaluate("identify('alice', { plan: 'tea' })")
    eventually(lambda: peer.views == ["/"])
    tab.evaluate("littlestats.consent()")

    eventually(lambda: [event["id"] for event in peer.of("identify")] == ["alice"])


def test_consent_can_be_taken_back(visit: Visit, peer: Peer, eventually: Eventually) -> None:
    tab = visit("/")
    tab.evaluate("littlestats.consent()")
    assert stored(tab) == 1
    tab.evaluate("littlestats.consent(false); track('later')")
    assert stored(tab) == 0

    eventually(lambda: peer.of("later") != [])
    assert "visitorId" not in peer.of("later")[0]


def test_consent_taken_back_in_one_tab_is_so_in_all(visit: Visit, peer: Peer, eventually: Eventually) -> None:
    tab, other = visit("/"), visit("/other")
    tab.evaluate("littlestats.consent()")
    other.evaluate("track('agreed')")
    tab.evaluate("littlestats.consent(false)")
    eventually(lambda: stored(other) == 0)  # tabs of two processes see it one after the other
    other.evaluate("track('later')")

    eventually(lambda: peer.of("later") != [])
    assert "visitorId" not in peer.of("later")[0]
    assert stored(other) == 0


@pytest.mark.parametrize("elsewhere", [False, True], ids=["this tab", "another tab"])
def test_consent_taken_back_leaves_in_the_browser_who_somebody_is(
    elsewhere: bool, context: BrowserContext, visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    tab = visit("/")
    other = visit("/other") if elsewhere else tab
    tab.evaluate("littlestats.consent()")
    eventually(lambda: stored(other) == 1 and "/" in peer.views)
    context.set_offline(True)
    tab.evaluate("identify('alice', { plan: 'tea' }); track('queued')")
    other.evaluate("littlestats.consent(false)")
    eventually(lambda: stored(tab) == 0)
    context.set_offline(False)
    tab.evaluate("track('later')")

    eventually(lambda: {"queued", "later"} <= {event.get("name") for event in peer.events})
    assert "alice" not in str(peer.requests)


@pytest.mark.parametrize("objection", [GPC, DNT], ids=["gpc", "dnt"])
def test_an_objection_of_the_browser_silences_it(
    objection: str, context: BrowserContext, visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    quiet = visit("/quiet")  # it has agreed before, and something of it still waits
    eventually(lambda: peer.views == ["/quiet"])
    context.set_offline(True)
    quiet.evaluate("littlestats.consent(); track('waiting')")
    quiet.close()
    context.set_offline(False)
    peer.requests.clear()

    tab = context.new_page()
    tab.add_init_script(objection)
    peer.pages["/"] = page('<a href="#a">A</a>', clicks="", scroll="", forms="", consent="granted")
    tab.clock.install()
    tab.goto("/")
    tab.evaluate(EVERYTHING)
    tab.click("a")
    tab.clock.run_for(600_000)
    tab.goto("about:blank")
    tab.clock.resume()
    loud = context.new_page()  # another visitor, whose request ends the wait
    loud.goto("/loud")

    eventually(lambda: "/loud" in peer.views)
    assert set(peer.views) == {"/loud"}
    assert {event.get("name") for event in peer.of("event")} <= {"waiting"}


def test_who_opts_out_is_left_alone_until_they_opt_in(
    visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    tab = visit("/")
    tab.evaluate("littlestats.consent()")
    eventually(lambda: peer.views == ["/"])
    peer.requests.clear()
    tab.evaluate("littlestats.optOut()")
    tab.evaluate(EVERYTHING)
    assert tab.evaluate("Object.values(localStorage)") == ['{"events":[],"out":1,"id":0}']
    tab = visit("/next")
    tab.evaluate(EVERYTHING)
    tab.evaluate("littlestats.optIn(); track('back')")

    eventually(lambda: peer.of("back") != [])
    assert peer.views == ["/elsewhere"]
    assert [event["name"] for event in peer.of("event")] == ["back"]
    assert stored(tab) == 0
    assert "visitorId" not in str(peer.sent)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["this tab", "another tab"])
def test_an_answer_that_is_under_way_does_not_undo_an_opt_out(
    elsewhere: bool, visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    peer.held = Event()
    tab = visit("/")
    eventually(lambda: peer.views == ["/"])
    (visit("/other") if elsewhere else tab).evaluate("littlestats.optOut()")
    eventually(lambda: stored(tab) == 1)
    with tab.expect_event("requestfinished"):
        peer.held.set()
    tab.evaluate("new Promise((done) => setTimeout(done, 200))")  # the script hears of it a little later

    assert [kept["out"] for kept in tab.evaluate("Object.values(localStorage).map(JSON.parse)")] == [1]
    tab.evaluate("track('not this'); littlestats.optIn(); track('this')")
    eventually(lambda: peer.of("this") != [])
    assert peer.of("not this") == []


def test_what_waits_when_somebody_opts_out_in_another_tab_does_not_leave_with_the_page(
    visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    tab = visit("/")
    eventually(lambda: peer.views == ["/"])
    tab.evaluate(
        """key => {
            track('not this');
            localStorage[key] = JSON.stringify({ events: [], out: 1 }); // as the other tab does
            dispatchEvent(new Event('pagehide'));
        }""",
        f"{peer.url}/api/v2/track/{SITE}",
    )
    visit("/after")  # whatever left before has arrived when this page has

    assert peer.of("not this") == []


@pytest.mark.parametrize("trouble", [BLOCKED, FULL], ids=["blocked", "full"])
def test_it_works_where_nothing_can_be_kept(
    trouble: str, context: BrowserContext, visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    context.add_init_script(trouble)
    tab = visit("/")
    tab.evaluate("identify('alice'); littlestats.consent(); track('an event')")
    eventually(lambda: peer.of("an event") != [])
    assert peer.views == ["/"]
    assert not any(secret in str(peer.sent) for secret in ("visitorId", "alice"))

    tab.evaluate("littlestats.optOut(); track('not this'); littlestats.optIn(); track('this')")
    eventually(lambda: peer.of("this") != [])
    assert peer.of("not this") == []
    assert tab.evaluate("heard") == []


def test_it_works_in_a_frame_that_may_keep_nothing(visit: Visit, peer: Peer, eventually: Eventually) -> None:
    peer.pages["/"] = '<!doctype html><iframe sandbox="allow-scripts" src="/inside"></iframe>'
    peer.pages["/inside"] = page(host=peer.url)
    tab = visit("/")
    tab.frames[1].evaluate("littlestats.consent(); track('an event')")

    eventually(lambda: peer.views == ["/inside"] and len(peer.of("an event")) == 1)
    assert tab.frames[1].evaluate("heard") == []


def test_two_sites_of_one_origin_keep_apart(visit: Visit, peer: Peer, eventually: Eventually) -> None:
    visit("/").evaluate("littlestats.consent()")
    peer.pages["/other"] = f"<!doctype html>{tag().replace(SITE, 'b-site')}"
    tab = visit("/other")

    assert tab.evaluate("Object.keys(localStorage)") == [f"{peer.url}/api/v2/track/{SITE}"]
