"""What tracker.js sends arrives: in batches, after an outage, after a kill, and is counted once."""

from threading import Event

import pytest
from playwright.sync_api import BrowserContext, Error, Page

from alice.tracking.dialects.body import MAX_BATCH
from tests.tracking.script.conftest import Eventually, Visit
from tests.tracking.script.peer import LOST, OK, Peer, page

HOURS = 3_600_000


def names(peer: Peer) -> list[str]:
    return [event["name"] for event in peer.of("event")]


def kill(tab: Page) -> None:
    """End the process of a tab."""
    with pytest.raises(Error, match="crash"):
        tab.goto("chrome://crash")


def test_events_of_two_seconds_go_together(visit: Visit, peer: Peer, eventually: Eventually) -> None:
    visit("/").evaluate("track('one', { cups: 2, sweet: true }); track('two')")

    eventually(lambda: peer.requests != [])
    assert [event.get("name") for event in peer.requests[0].body["events"]] == [None, "one", "two"]
    assert peer.of("one")[0]["data"] == {"cups": 2, "sweet": True}
    assert len({event["eventId"] for event in peer.sent}) == 3


def test_ten_events_do_not_wait(
    context: BrowserContext, visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    context.add_init_script("window.setTimeout = () => {};")  # time never comes
    visit("/").evaluate("for (let number = 1; number < 10; number++) track('n' + number)")

    eventually(lambda: len(peer.events) == 10)


@pytest.mark.parametrize("trouble", [LOST, 500, 503, 429])
def test_what_fails_is_sent_again(trouble: int, visit: Visit, peer: Peer, eventually: Eventually) -> None:
    peer.status = trouble
    tab = visit("/")
    tab.evaluate("track('kept')")
    eventually(lambda: len(peer.requests) >= 2)
    peer.status = OK

    eventually(lambda: peer.requests[-1].body["events"][-1]["name"] == "kept")
    assert peer.views == ["/"]
    assert names(peer) == ["kept"]
    assert tab.evaluate("heard") == []


def test_what_can_never_succeed_is_given_up(visit: Visit, peer: Peer, eventually: Eventually) -> None:
    peer.status = 400
    tab = visit("/")
    eventually(lambda: peer.requests != [])
    peer.status = OK
    tab.evaluate("track('next')")

    eventually(lambda: names(peer) == ["next"])
    assert len(peer.requests[-1].body["events"]) == 1


def test_a_network_that_comes_back_brings_what_waited(
    context: BrowserContext, visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    tab = visit("/")
    eventually(lambda: peer.views == ["/"])
    context.set_offline(True)
    tab.evaluate("track('under ground'); history.pushState({}, '', '/tunnel')")
    tab.evaluate("dispatchEvent(new Event('pagehide'))")  # its beacon is lost
    context.set_offline(False)

    eventually(lambda: names(peer) == ["under ground"] and peer.views == ["/", "/tunnel"])
    assert tab.evaluate("heard") == []


def test_the_return_of_the_network_does_not_wait_for_its_turn(
    context: BrowserContext, visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    context.add_init_script("window.setTimeout = () => {};")  # time never comes
    tab = visit("/")
    context.set_offline(True)
    tab.evaluate("track('under ground')")
    context.set_offline(False)

    eventually(lambda: names(peer) == ["under ground"])


def test_of_a_long_outage_the_newest_are_kept(
    context: BrowserContext, visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    tab = visit("/")
    eventually(lambda: peer.views == ["/"])
    context.set_offline(True)
    tab.evaluate("for (let number = 0; number < 500; number++) track('n' + number)")
    context.set_offline(False)

    eventually(lambda: "n499" in names(peer))
    assert names(peer) == [f"n{number}" for number in range(401, 500)]


@pytest.mark.parametrize("letter", ["x", "é", "茶"])  # of one, two and three bytes
def test_all_that_waits_is_never_too_much_for_the_server(
    letter: str, context: BrowserContext, visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    tab = visit("/")
    eventually(lambda: peer.views == ["/"])
    context.set_offline(True)
    tab.evaluate(
        "(letter) => {"
        " for (let number = 0; number < 120; number++) for (const size of [19_000, 1_800])"
        "   track('n' + number, { text: letter.repeat(size) });"
        "}",
        letter,
    )
    context.set_offline(False)

    eventually(lambda: "n119" in names(peer))
    assert names(peer) == [f"n{number}" for number in range(21, 120)]
    sizes = [int(request.headers["Content-Length"]) for request in peer.requests]
    assert 99 * 1_800 * len(letter.encode()) < max(sizes) < MAX_BATCH


def test_two_tabs_do_not_say_twice_as_much(
    context: BrowserContext, visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    tab, other = visit("/"), visit("/other")
    tab.evaluate("littlestats.consent()")
    eventually(lambda: other.evaluate("localStorage.length") == 1 and len(peer.views) == 2)
    context.set_offline(True)
    for each in (tab, other):
        each.evaluate("for (let number = 0; number < 99; number++) track('n' + number)")
    context.set_offline(False)
    tab.evaluate("track('last')")

    eventually(lambda: "last" in names(peer))
    assert max(len(request.body["events"]) for request in peer.requests) == 99


def test_the_newest_leave_with_the_page_when_not_all_can(
    context: BrowserContext, visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    context.add_init_script(
        "window.setTimeout = () => {};"  # time never comes
        "const { fetch } = window; window.fetch = (...all) => window.up ? fetch(...all) : Promise.reject();"
    )
    tab = visit("/")
    tab.evaluate(
        "for (let number = 10; number < 30; number++) track('n' + number, { text: '茶'.repeat(1_800) });"
        " dispatchEvent(new Event('pagehide'))"
    )
    eventually(lambda: peer.of("page_exit") != [])
    assert [request.is_beacon for request in peer.requests] == [True]
    assert names(peer) == [f"n{number}" for number in range(21, 30)]
    tab.evaluate("window.up = true; dispatchEvent(new Event('online'))")

    eventually(lambda: len(peer.events) == 22)
    assert sorted(names(peer)) == [f"n{number}" for number in range(10, 30)]


def test_what_is_older_than_the_server_remembers_is_dropped(
    context: BrowserContext, visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    tab = visit("/", clock=True)
    eventually(lambda: peer.views == ["/"])
    context.set_offline(True)
    tab.evaluate("track('old')")
    tab.clock.fast_forward(100 * HOURS)
    tab.evaluate("track('young')")
    tab.clock.fast_forward(50 * HOURS)
    context.set_offline(False)

    eventually(lambda: "young" in names(peer))
    assert names(peer) == ["young"]


def test_an_answer_that_is_lost_costs_nothing(visit: Visit, peer: Peer, eventually: Eventually) -> None:
    peer.held = Event()
    tab = visit("/")
    tab.evaluate("track('once')")
    eventually(lambda: len(peer.requests) == 1)
    tab.goto("/next")
    peer.held.set()

    eventually(lambda: peer.views == ["/", "/next"])
    assert names(peer) == ["once"]
    assert len([event for event in peer.sent if event.get("name") == "once"]) == 2


def test_a_tab_that_is_killed_loses_nothing_once_the_visitor_agreed(
    visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    peer.status = LOST
    tab = visit("/")
    tab.evaluate("littlestats.consent(); track('before the kill')")
    kill(tab)
    peer.requests.clear()
    peer.status = OK
    visit("/again")

    eventually(lambda: peer.views == ["/", "/again"])
    assert names(peer) == ["before the kill"]
    # Alone, because a server takes from the first event of a visit where its visitor came from.
    assert [event.get("name") for event in peer.requests[0].body["events"]] == [None, "before the kill"]


def test_a_tab_that_is_killed_leaves_nothing_of_a_visitor_who_did_not(
    visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    peer.status = LOST
    tab = visit("/")
    tab.evaluate("track('before the kill')")
    kill(tab)
    peer.requests.clear()
    peer.status = OK
    tab = visit("/again")

    eventually(lambda: peer.views == ["/again"])
    assert tab.evaluate("localStorage.length") == 0


def test_tabs_that_speak_at_once_lose_nothing(
    context: BrowserContext, visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    visit("/").evaluate("littlestats.consent()")
    tabs = [visit(f"/{number}") for number in range(3)]
    eventually(lambda: len(peer.views) == 4)
    context.set_offline(True)
    expected = [f"{round} of {number}" for round in range(5) for number in range(3)]
    for name in expected:
        tabs[int(name[-1])].evaluate("name => track(name)", name)
    context.set_offline(False)

    eventually(lambda: sorted(names(peer)) == sorted(expected))


def test_a_tab_that_writes_at_the_same_moment_takes_nothing_away(
    visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    tab = visit("/")
    tab.evaluate("littlestats.consent()")
    # Another process may write what it knew a moment ago.
    tab.evaluate("const known = { ...localStorage }; track('mine'); Object.assign(localStorage, known);")

    eventually(lambda: names(peer) == ["mine"])


def test_a_tab_speaks_for_one_that_was_closed(
    context: BrowserContext, visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    tab, other = visit("/"), visit("/other")
    tab.evaluate("littlestats.consent()")
    eventually(lambda: other.evaluate("localStorage.length") == 1)
    context.set_offline(True)
    other.evaluate("track('last words')")
    eventually(lambda: "last words" in tab.evaluate("Object.values(localStorage)[0]"))
    other.close()
    tab.evaluate("track('and mine')")
    context.set_offline(False)

    eventually(lambda: {"last words", "and mine"} <= set(names(peer)))
    eventually(lambda: tab.evaluate("JSON.parse(Object.values(localStorage)[0]).events") == [])


def test_an_event_that_is_no_json_or_too_large_spoils_no_other(
    visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    peer.pages["/"] = page("<script>const ring = {}; ring.ring = ring;</script>")
    tab = visit("/")
    tab.evaluate("track('ring', ring); track('big', { text: 'x'.repeat(1e6) }); track('good')")

    eventually(lambda: names(peer) == ["good"])
    assert tab.evaluate("heard") == []
