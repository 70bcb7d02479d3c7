"""tracker.js and user-tracker.js against a real Alice: each event that a browser sends is stored once."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from alice.tracking.log.event import Kind
from tests.e2e.conftest import PATIENCE
from tests.e2e.site import Person, Site, opened
from tests.tracking.conftest import CHROME
from tests.tracking.script.conftest import HEAR, Eventually

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def alice(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with opened(tmp_path_factory.mktemp("alice")) as site:
        yield site


@pytest.fixture
def open_page(chromium: Browser, alice: Site) -> Iterator[Open]:
    """`open_page(path, person)`: one of Alice's own pages, in a browser of its own."""
    contexts = []

    def opening(path: str, person: Person | None = None, script: str = "", **options: Any) -> Page:
        context = chromium.new_context(base_url=alice.server.base_url, user_agent=CHROME, **options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        context.add_init_script(HEAR + script)
        if person:
            url = alice.server.base_url
            context.add_cookies([{"name": "alice_session", "value": person.token, "url": url}])
        page = context.new_page()
        page.goto(path)
        return page

    yield opening
    for context in contexts:
        context.close()


def events(alice: Site, sql: str, *params: Any) -> list[tuple]:
    with closing(sqlite3.connect(alice.server.data_dir / "events.db")) as connection:
        return connection.execute(sql, params).fetchall()


def kinds(alice: Site, language: str) -> list[tuple[int, Kind]]:
    """Number and kind of each event of the only visit in this language."""
    found = events(
        alice,
        "SELECT e.visit_number, e.sequence, e.kind FROM events e JOIN visits v ON v.number = e.visit_number "
        "WHERE v.language = ? ORDER BY e.seq",
        language,
    )
    assert len({visit for visit, _, _ in found}) <= 1
    return [(sequence, Kind(kind)) for _, sequence, kind in found]


def test_what_a_visitor_does_is_kept_once(alice: Site, open_page: Open, eventually: Eventually) -> None:
    page = open_page("/login?utm_source=letter", locale="de-CH")
    page.evaluate("track('tea', { cups: 2 })")
    eventually(lambda: len(kinds(alice, "de-CH")) == 2)
    page.evaluate("dispatchEvent(new Event('pagehide'))")  # by a beacon, and again, since it has no answer
    page.evaluate("track('more')")
    eventually(lambda: len(kinds(alice, "de-CH")) == 4)

    expected = [Kind.PAGE_VIEW, Kind.CUSTOM, Kind.PAGE_EXIT, Kind.CUSTOM]
    assert kinds(alice, "de-CH") == list(enumerate(expected, 1))
    ((path, source, screen, is_bot),) = events(
        alice,
        "SELECT landing_path, utm_source, screen, is_bot FROM visits WHERE language = 'de-CH'",
    )
    assert (path, source, screen, is_bot) == ("/login", "letter", "1280x720", 0)
    assert page.evaluate("heard") == []


def test_a_visitor_who_agreed_is_known_on_the_next_page(
    alice: Site, open_page: Open, eventually: Eventually
) -> None:
    page = open_page(
        "/login", locale="fr-CA", script="addEventListener('load', () => littlestats.consent());"
    )
    eventually(lambda: len(kinds(alice, "fr-CA")) == 1)
    page.goto("/register")

    expected = [Kind.PAGE_VIEW, Kind.PAGE_EXIT, Kind.PAGE_VIEW]
    eventually(lambda: kinds(alice, "fr-CA") == list(enumerate(expected, 1)))


USE = "const { userTracker } = await import('/static/js/user-tracker.js');"


def test_a_reader_tracks_and_reads_their_own_movements(
    alice: Site, open_page: Open, eventually: Eventually
) -> None:
    reader = alice.reader()
    page = open_page("/shelf", reader)
    begun = page.evaluate(
        f"""async (id) => {{
            {USE}
            userTracker.trackPageView("/early");
            const begun = await userTracker.initialize(id);
            userTracker.trackEvent("click", {{ element: "button#go", coordinates: {{ x: 1, y: 2 }} }});
            userTracker.trackEvent("tea", {{ cups: 2 }});
            return begun && userTracker.initialize(id);
        }}""",
        reader.id,
    )
    assert begun is True

    def movements() -> list[dict[str, Any]]:
        analytics = page.evaluate(f"async () => {{ {USE} return userTracker.getAnalytics('1h'); }}")
        assert analytics["totalSessions"] <= 1
        return analytics["movements"][::-1]

    eventually(lambda: len(movements()) == 3)
    assert [movement["event"] for movement in movements()] == ["page_view", "click", "tea"]
    assert movements()[0]["data"] == {"path": "/early"}
    assert movements()[2]["data"] == {"path": "/shelf", "cups": 2}
    assert len(page.evaluate("Object.keys(sessionStorage)")) == 1


def test_leaving_a_page_sends_what_waits(alice: Site, open_page: Open, eventually: Eventually) -> None:
    reader = alice.reader()
    page = open_page("/shelf", reader)
    page.evaluate(
        f"async (id) => {{ {USE} await userTracker.initialize(id); userTracker.trackEvent('last'); }}",
        reader.id,
    )
    page.goto("/shelf", wait_until="commit")

    path = f"/api/track/analytics?userId={reader.id}&event=last"
    eventually(lambda: len(alice.server.get(path, reader.token).json["movements"]) == 1)


def test_nobody_tracks_or_reads_another(alice: Site, open_page: Open) -> None:
    reader, other = alice.reader(), alice.reader()
    page = open_page("/shelf", reader)
    results = page.evaluate(
        f"""async (id) => {{
            {USE}
            const before = await userTracker.getAnalytics().catch((error) => error.message);
            const begun = await userTracker.initialize(id);
            const after = await userTracker.getAnalytics("1h").catch((error) => error.message);
            return [before, begun, after];
        }}""",
        other.id,
    )

    assert results[:2] == ["Call initialize() first.", False]
    assert isinstance(results[2], str) and results[2]


def test_a_reader_whose_browser_objects_is_not_tracked(alice: Site, open_page: Open) -> None:
    reader = alice.reader()
    gpc = "Object.defineProperty(navigator, 'globalPrivacyControl', { get: () => true });"
    page = open_page("/shelf", reader, script=gpc)
    sent: list[str] = []
    page.on("request", lambda request: "track" in request.url and sent.append(request.url))
    begun = page.evaluate(
        f"""async (id) => {{
            {USE}
            for (let number = 0; number < 20; number++) userTracker.trackEvent("n" + number);
            return userTracker.initialize(id);
        }}""",
        reader.id,
    )
    page.goto("/shelf")

    assert begun is False
    assert not any("/api/track" in url for url in sent)
    assert alice.server.get(f"/api/track/analytics?userId={reader.id}", reader.token).json["movements"] == []
