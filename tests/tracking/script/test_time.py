"""What tracker.js reports of the time for which a page was in view, and of the scroll depth."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.tracking.script.conftest import Eventually, Visit, stop
from tests.tracking.script.peer import Peer, page, path_of

LONG = '<p style="height: 2400px; margin: 0">Long</p><style>body { margin: 0 }</style>'  # four screens
# Whether a page is in view and has the focus is the browser's to say; a test cannot cover its windows.
SAY = """
window.shown = window.focused = true;
Object.defineProperty(document, "hidden", { get: () => !shown });
document.hasFocus = () => focused;
"""
HIDE = "shown = false; document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))"
SHOW = "shown = true; document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))"


@pytest.fixture
def tab(peer: Peer, visit: Visit) -> Iterator[Page]:
    """A long page whose clock stands still, a second or so after it was opened."""
    peer.pages["/"] = f"<!doctype html><script>{SAY}</script>{page(LONG)}"
    tab = visit("/", clock=True)
    stop(tab)
    tab.evaluate("littlestats.trackPageView('/begin')")  # whatever has passed so far is of the page before
    peer.requests.clear()
    return tab


def exits(peer: Peer) -> list[tuple[str, float, int]]:
    return [(path_of(event), event["engaged"], event["scroll"]) for event in peer.of("page_exit")]


def begun(peer: Peer) -> list[tuple[str, float, int]]:
    return [exit for exit in exits(peer) if exit[0] == "/begin"]


def test_only_seconds_in_view_and_in_focus_count(tab: Page, peer: Peer, eventually: Eventually) -> None:
    tab.clock.run_for(5_000)
    tab.evaluate("focused = false")
    tab.clock.run_for(60_000)
    tab.evaluate("focused = true")
    tab.clock.run_for(4_000)
    tab.evaluate(HIDE)
    tab.clock.run_for(60_000)
    tab.evaluate(SHOW)
    tab.clock.run_for(6_000)
    tab.evaluate(HIDE)
    tab.close()

    eventually(lambda: sum(engaged for _, engaged, _ in begun(peer)) == 15)


def test_a_computer_that_slept_was_not_looked_at(tab: Page, peer: Peer, eventually: Eventually) -> None:
    tab.clock.run_for(5_000)
    tab.clock.fast_forward("08:00:00")
    tab.evaluate(HIDE)

    eventually(lambda: begun(peer) != [])
    assert 5 <= begun(peer)[0][1] <= 6


def test_less_than_three_seconds_are_no_engagement(tab: Page, peer: Peer, eventually: Eventually) -> None:
    tab.clock.run_for(2_000)
    tab.evaluate(HIDE)
    eventually(lambda: begun(peer) == [("/begin", 0, 25)])
    tab.evaluate(SHOW)
    tab.clock.run_for(1_000)
    tab.evaluate(HIDE)

    eventually(lambda: begun(peer) == [("/begin", 0, 25), ("/begin", 3, 25)])


def test_a_router_ends_the_time_of_a_page(tab: Page, peer: Peer, eventually: Eventually) -> None:
    tab.clock.run_for(7_000)
    tab.evaluate("history.pushState({}, '', '/next')")
    tab.clock.run_for(4_000)
    tab.evaluate(HIDE)

    eventually(lambda: exits(peer)[-2:] == [("/begin", 7, 25), ("/next", 4, 25)])


@pytest.mark.parametrize("elsewhere", [False, True], ids=["this tab", "another tab"])
def test_time_spent_opted_out_is_nobodys_business(
    elsewhere: bool, tab: Page, visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    other = visit("/other") if elsewhere else tab
    tab.clock.run_for(2_000)
    other.evaluate("littlestats.optOut()")
    eventually(lambda: tab.evaluate("localStorage.length") == 1)
    tab.clock.run_for(60_000)
    other.evaluate("littlestats.optIn()")
    eventually(lambda: tab.evaluate("localStorage.length") == 0)
    tab.clock.run_for(4_000)
    tab.evaluate(HIDE)

    # Opting in begins a view, and of the one before less than three seconds do not count.
    seconds = [6] if elsewhere else [4]
    eventually(lambda: [exit[1] for exit in exits(peer) if exit[0] != "/other" and exit[1]] == seconds)


def test_the_deepest_place_counts(tab: Page, peer: Peer, eventually: Eventually) -> None:
    for place in (600, 1200, 0):
        with tab.expect_event("console", lambda message: message.text == "scrolled"):
            tab.evaluate(
                "place => { addEventListener('scroll', () => console.log('scrolled'), { once: true });"
                " scrollTo(0, place); }",
                place,
            )
    tab.evaluate(HIDE)

    eventually(lambda: begun(peer) == [("/begin", 0, 75)])


def test_who_reads_for_long_gives_signs_of_life(tab: Page, peer: Peer, eventually: Eventually) -> None:
    tab.clock.run_for(600_000)
    tab.evaluate(HIDE)

    eventually(lambda: begun(peer) != [])
    assert [beat["engaged"] for beat in peer.of("heartbeat")] == [240, 240]
    assert begun(peer)[0][1] == 120


def test_leaving_says_it_once_by_beacon(tab: Page, peer: Peer, eventually: Eventually) -> None:
    tab.clock.run_for(5_000)
    peer.requests.clear()
    tab.close(run_before_unload=True)

    eventually(lambda: begun(peer) == [("/begin", 5, 25)])
    beacons = [request for request in peer.requests if request.is_beacon]
    assert len(beacons) == 1
    assert beacons[0].headers["Content-Type"] == "text/plain;charset=UTF-8"
