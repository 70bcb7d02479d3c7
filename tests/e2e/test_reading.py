"""What the reading page reports: each display of a page once, whatever reader and network do."""

import re

import pytest
from playwright.sync_api import BrowserContext, Page, Request, Route, expect

from tests.e2e.conftest import Eventually, Visit
from tests.e2e.site import BOOK, Person, Site

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


@pytest.fixture
def person(site: Site) -> Person:
    return site.reader()


def on_page(page: Page, number: int) -> None:
    """Wait until the page shows this page of the book."""
    expect(page.locator("[data-reading]")).to_have_attribute("data-page-number", str(number))


def with_still_clock(page: Page) -> None:
    """Time passes on the page when the test says so."""
    page.clock.install(time=1_000_000_000)
    page.clock.pause_at(1_000_001_000)


def posts_of(page: Page) -> list[str]:
    """What the page posts from now on, but for what counts visits."""
    posts: list[str] = []

    def note(request: Request) -> None:
        if request.method == "POST" and "/api/v2/track/" not in request.url:
            posts.append(request.url)

    page.on("request", note)
    return posts


# Displays


def test_a_page_in_view_for_less_than_a_second_is_not_logged(
    site: Site, visit: Visit, person: Person, eventually: Eventually
) -> None:
    reader = visit(person)
    with_still_clock(reader)
    reader.goto(f"/read/{BOOK}/1")
    for number in (2, 3, 4):
        reader.clock.run_for(900)
        reader.keyboard.press("ArrowRight")
        on_page(reader, number)

    reader.clock.run_for(1_100)

    eventually(lambda: site.pages_viewed(person) == [4])


def test_each_reload_is_a_display_of_its_own(
    site: Site, visit: Visit, person: Person, eventually: Eventually
) -> None:
    reader = visit(person)
    reader.goto(f"/read/{BOOK}/7")
    eventually(lambda: site.pages_viewed(person) == [7])

    reader.reload()

    eventually(lambda: site.pages_viewed(person) == [7, 7])
    assert len(set(site.views(person))) == 2


def test_going_back_is_a_display_of_its_own(
    site: Site, visit: Visit, person: Person, eventually: Eventually
) -> None:
    reader = visit(person)
    reader.goto(f"/read/{BOOK}/7")
    eventually(lambda: site.pages_viewed(person) == [7])
    reader.keyboard.press("ArrowRight")
    eventually(lambda: site.pages_viewed(person) == [7, 8])

    reader.evaluate("history.back()")

    eventually(lambda: site.pages_viewed(person) == [7, 8, 7])
    assert len(set(site.views(person))) == 3


def test_a_page_that_the_browser_kept_is_a_new_display_when_it_comes_back(
    site: Site, visit: Visit, person: Person, eventually: Eventually
) -> None:
    """Browsers keep pages of this kind (no-store) only sometimes, so they are told that they did."""
    reader = visit(person)
    reader.goto(f"/read/{BOOK}/7")
    eventually(lambda: site.pages_viewed(person) == [7])

    for event in ("pagehide", "pageshow"):
        reader.evaluate("(name) => dispatchEvent(new PageTransitionEvent(name, {persisted: true}))", event)

    eventually(lambda: site.pages_viewed(person) == [7, 7])
    assert len(set(site.views(person))) == 2


def test_a_tab_in_the_background_is_not_read(
    site: Site, visit: Visit, person: Person, eventually: Eventually
) -> None:
    reader = visit(person)
    with_still_clock(reader)
    reader.add_init_script(
        "Object.defineProperty(Document.prototype, 'hidden', {get: () => window.away ?? true})"
    )
    posts = posts_of(reader)
    reader.goto(f"/read/{BOOK}/9")
    reader.clock.run_for(130_000)
    reader.evaluate("'a round trip'")
    assert posts == []

    reader.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
    reader.clock.run_for(1_100)

    eventually(lambda: site.pages_viewed(person) == [9])


# A network that fails


def test_what_happened_offline_is_told_later_and_once(
    site: Site, visit: Visit, person: Person, eventually: Eventually
) -> None:
    reader = visit(person, tolerating="ERR_INTERNET_DISCONNECTED")
    with_still_clock(reader)
    reader.goto(f"/read/{BOOK}/11")
    reader.context.set_offline(True)
    reader.clock.run_for(1_100)
    expect(reader.get_by_role("status")).to_contain_text("No connection")
    assert site.views(person) == []

    reader.context.set_offline(False)

    eventually(lambda: site.pages_viewed(person) == [11])
    expect(reader.get_by_role("status")).to_be_empty()
    reader.clock.run_for(120_000)
    reader.reload()
    reader.clock.run_for(1_100)
    eventually(lambda: site.pages_viewed(person)[1:] == [11])


def test_a_view_whose_answer_was_lost_is_sent_again_and_counted_once(
    site: Site, visit: Visit, person: Person
) -> None:
    reader = visit(person, tolerating="ERR_FAILED")
    sent: list[str] = []

    def lose_first_answer(route: Route) -> None:
        sent.append(route.request.post_data_json["id"])
        answer = route.fetch()
        if len(sent) == 1:
            route.abort()
        else:
            route.fulfill(response=answer)

    reader.route("**/api/activity/track", lose_first_answer)
    with reader.expect_response("**/api/activity/track") as reported:
        reader.goto(f"/read/{BOOK}/12")

    assert reported.value.status == 200
    assert sent == [sent[0]] * 2
    assert site.views(person) == [(sent[0], 12)]


# Being there


def test_heartbeats_keep_the_reader_present_while_the_page_is_in_view(
    site: Site, visit: Visit, person: Person, eventually: Eventually
) -> None:
    reader = visit(person)
    reader.clock.install()
    reader.goto(f"/read/{BOOK}/13")
    assert presence(site, person) == []

    reader.clock.fast_forward("01:01")

    eventually(lambda: presence(site, person) == [(BOOK, 13)])


def presence(site: Site, person: Person) -> list[tuple]:
    return site.rows("SELECT book_id, page_number FROM reading_presence WHERE user_id = ?", person.id)


def test_the_section_the_reader_points_at_is_where_they_are(
    site: Site, visit: Visit, person: Person, eventually: Eventually
) -> None:
    reader = visit(person)
    reader.goto(f"/read/{BOOK}/14")
    section = reader.locator("[data-section-id]").nth(1)
    id = section.get_attribute("data-section-id")

    section.locator("p").first.click()
    section.locator("p").first.click()  # is there already

    expect(section).to_have_attribute("aria-current", "location")
    eventually(lambda: sections(site, person) == [id])
    assert site.rows("SELECT current_section_id FROM reader_states WHERE user_id = ?", person.id) == [(id,)]
    reader.reload()
    expect(section).to_have_attribute("aria-current", "location")
    eventually(lambda: len(site.views(person)) > 0)
    assert sections(site, person) == [id]


def sections(site: Site, person: Person) -> list[str]:
    chosen = site.rows(
        "SELECT section_id FROM activity_logs WHERE user_id = ? AND activity_type = 'SECTION_VIEW'", person.id
    )
    return [id for (id,) in chosen]


def test_staff_who_look_into_the_book_leave_no_trace_and_no_errors(site: Site, visit: Visit) -> None:
    before = site.rows("SELECT count(*) FROM activity_logs WHERE user_id = ?", site.consultant.id)
    page = visit(site.consultant)
    with_still_clock(page)
    posts = posts_of(page)
    page.goto(f"/read/{BOOK}/3")

    page.locator("[data-section-id] p").first.click()
    page.clock.run_for(130_000)
    page.reload()

    assert posts == []
    assert site.rows("SELECT count(*) FROM activity_logs WHERE user_id = ?", site.consultant.id) == before


# Turning


def test_pages_turn_without_javascript_and_each_turn_is_logged_once(
    site: Site, visit: Visit, person: Person
) -> None:
    reader = visit(person, java_script_enabled=False)
    reader.goto("/shelf")
    reader.get_by_role("link", name="Start reading").click()
    reader.get_by_role("button", name="Next page").click()
    on_page(reader, 2)
    reader.get_by_role("button", name="Previous page").click()
    on_page(reader, 1)
    reader.get_by_label("Page", exact=True).fill("99")
    reader.get_by_role("button", name="Go").click()
    on_page(reader, 99)
    reader.reload()

    assert site.pages_viewed(person) == [2, 1, 99]
    reader.goto("/shelf")
    expect(reader.get_by_role("link", name=re.compile("Continue on page 99"))).to_be_visible()


def test_a_swipe_turns_the_page_on_a_phone(visit: Visit, person: Person) -> None:
    reader = visit(person, **PHONE)
    reader.goto(f"/read/{BOOK}/30")

    swipe(reader, start=300, end=100)
    on_page(reader, 31)
    swipe(reader, start=100, end=300)
    on_page(reader, 30)
    swipe(reader, start=200, end=180)
    tap_next(reader)
    on_page(reader, 31)


def swipe(page: Page, start: int, end: int) -> None:
    touch = touches(page.context, page)
    touch("touchStart", [{"x": start, "y": 400}])
    for step in range(1, 6):
        touch("touchMove", [{"x": start + (end - start) * step / 5, "y": 400 + step}])
    touch("touchEnd", [])


def touches(context: BrowserContext, page: Page) -> object:
    session = context.new_cdp_session(page)
    return lambda kind, points: session.send(
        "Input.dispatchTouchEvent", {"type": kind, "touchPoints": points}
    )


def tap_next(page: Page) -> None:
    page.get_by_role("link", name="Next page").tap()


def test_the_book_has_two_ends(site: Site, visit: Visit, person: Person) -> None:
    ((last,),) = site.rows("SELECT total_pages FROM books WHERE id = ?", BOOK)
    reader = visit(person)
    reader.goto(f"/read/{BOOK}/1")
    expect(reader.get_by_role("link", name="Previous page")).to_have_count(0)
    reader.keyboard.press("ArrowLeft")
    on_page(reader, 1)

    reader.get_by_label("Page", exact=True).fill(str(last + 1))
    reader.keyboard.press("Enter")
    on_page(reader, 1)
    reader.get_by_label("Page", exact=True).fill(str(last))
    reader.keyboard.press("Enter")
    on_page(reader, last)
    reader.get_by_role("link", name="The end").click()
    expect(reader).to_have_url(f"{site.server.base_url}/shelf")
