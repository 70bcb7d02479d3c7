"""Every page for every role: no errors, readable, and no wider than a small phone."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Visit
from tests.e2e.site import BOOK, Person, Site

SMALL_PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 800}

SIGNED_OUT = ["/", "/login", "/login?next=/shelf", "/register", "/forgot-password", "/privacy"]
READERS = [
    "/shelf",
    "/code",
    "/account",
    "/account?saved=name",
    "/account/devices",
    f"/read/{BOOK}/1",
    f"/read/{BOOK}/2",
]
STAFFS = ["/consultant", "/shelf", "/account", "/account/devices", f"/read/{BOOK}/2"]
# Pages that say no; their status is in the console, and nothing else.
REFUSED = {
    "nobody": {"/no-such-page": 404, "/no%20%3Cscript%3E": 404, "/api": 404},
    "reader": {"/consultant": 403, f"/read/{BOOK}/9999": 404, "/no-such-page": 404},
    "newcomer": {f"/read/{BOOK}/1": 403},
}

LAID_OUT = """
() => {
    const wide = document.documentElement.clientWidth;
    const beyond = [...document.querySelectorAll("body *")]
        .filter((element) => element.getBoundingClientRect().right > wide + 1 && element.checkVisibility())
        .filter((element) => !element.closest(".visually-hidden, .skip-link, [aria-hidden]"))
        .map((element) => element.outerHTML.slice(0, 80));
    return {scrolls: document.documentElement.scrollWidth > wide, beyond};
}
"""
STRUCTURE = """
() => {
    const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
    const inputs = [...document.querySelectorAll("input:not([type=hidden]):not([hidden])")];
    const named = (e) => (e.innerText || e.getAttribute("aria-label") || e.textContent || "").trim();
    return {
        titled: document.title.length > 5,
        headings: document.querySelectorAll("h1").length,
        repeatedIds: ids.filter((id, at) => ids.indexOf(id) !== at),
        unlabelled: inputs.filter((input) => !input.labels.length).map((input) => input.outerHTML),
        nameless: [...document.querySelectorAll("a, button")].filter((e) => !named(e)).map(String),
    };
}
"""
SOUND = {"titled": True, "headings": 1, "repeatedIds": [], "unlabelled": [], "nameless": []}

# Shows another page in place of this one: loading each would take a while.
SHOW = """
async (url) => {
    const page = new DOMParser().parseFromString(await (await fetch(url)).text(), "text/html");
    document.querySelector("main").replaceWith(page.querySelector("main"));
}
"""

# The contrast of the page's text with its ground (WCAG 2), and how light the ground is, 0 to 255.
COLOURS = """
() => {
    const pixel = (colour) => {
        const canvas = new OffscreenCanvas(1, 1).getContext("2d");
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const ground = [document.body, document.documentElement]
        .map((element) => pixel(getComputedStyle(element).backgroundColor)).find(([,,, alpha]) => alpha > 0);
    const text = pixel(getComputedStyle(document.querySelector("main h1, main p")).color);
    const linear = (part) => part <= 10 ? part / 3294.6 : ((part / 255 + 0.055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const [high, low] = [light(ground), light(text)].sort((a, b) => b - a);
    return {contrast: (high + 0.05) / (low + 0.05), ground: Math.max(...ground.slice(0, 3))};
}
"""


def someone(site: Site, who: str) -> Person | None:
    return {
        "nobody": lambda: None,
        "reader": site.reader,
        "newcomer": site.newcomer,
        "consultant": lambda: site.consultant,
    }[who]()


@pytest.mark.parametrize(
    ("who", "paths"),
    [("nobody", SIGNED_OUT), ("reader", READERS), ("newcomer", ["/shelf", "/code"]), ("consultant", STAFFS)],
)
def test_pages_are_quiet_sound_and_fit_the_screen(
    site: Site, visit: Visit, who: str, paths: list[str]
) -> None:
    page = visit(someone(site, who))
    for path in paths:
        page.set_viewport_size(DESKTOP)
        answer = page.goto(path, wait_until="networkidle" if path != "/consultant" else "load")
        assert answer.status == 200, path
        assert page.evaluate(STRUCTURE) == SOUND, path
        fits(page, path)
        page.set_viewport_size(SMALL_PHONE)
        fits(page, path)


@pytest.mark.parametrize("who", REFUSED)
def test_pages_that_refuse_are_as_sound(site: Site, visit: Visit, who: str) -> None:
    page = visit(someone(site, who), tolerating="the server responded with a status of", viewport=SMALL_PHONE)
    for path, status in REFUSED[who].items():
        assert page.goto(path).status == status, path
        if page.locator("html[lang]").count():
            assert page.evaluate(STRUCTURE) == SOUND, path
            fits(page, path)


def test_every_page_of_the_book_fits_a_small_phone(site: Site, visit: Visit) -> None:
    """Poems, the mouse's tale and long words included."""
    page = visit(site.consultant, viewport=SMALL_PHONE)
    ((last,),) = site.rows("SELECT total_pages FROM books WHERE id = ?", BOOK)
    page.goto(f"/read/{BOOK}/1")
    for number in range(2, last + 1):
        page.evaluate(SHOW, f"/read/{BOOK}/{number}")
        fits(page, f"page {number}")
    assert page.locator(".folio").text_content() == str(last)


def fits(page: Page, what: str) -> None:
    assert page.evaluate(LAID_OUT) == {"scrolls": False, "beyond": []}, what


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_follow_the_colour_scheme_and_stay_legible(site: Site, visit: Visit, scheme: str) -> None:
    signed_in, consultant = (
        visit(person, color_scheme=scheme) for person in (site.reader(), site.consultant)
    )
    stranger = visit(color_scheme=scheme)
    for page, path in [
        (stranger, "/"),
        (stranger, "/login"),
        (signed_in, "/shelf"),
        (signed_in, f"/read/{BOOK}/1"),
        (signed_in, "/account"),
        (consultant, "/consultant"),
    ]:
        page.goto(path)
        colours = page.evaluate(COLOURS)
        assert (colours["ground"] < 80) == (scheme == "dark"), (path, colours)
        assert colours["contrast"] >= 4.5, (path, colours)


# With the keyboard alone


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the element has the focus, which must be visible all the way."""
    for _ in range(40):
        page.keyboard.press("Tab")
        outline, there = page.evaluate(
            "(selector) => [getComputedStyle(document.activeElement).outlineStyle,"
            " document.activeElement.matches(selector)]",
            selector,
        )
        assert outline != "none", page.evaluate("document.activeElement.outerHTML")
        if there:
            return
    raise AssertionError(f"Tab does not reach {selector} on {page.url}")


def test_a_reader_needs_nothing_but_the_keyboard(site: Site, visit: Visit) -> None:
    person = site.reader()
    page = visit()
    page.goto("/")
    tab_to(page, "a[href='/login']")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site.server.base_url}/login")
    tab_to(page, "input[name=email]")
    page.keyboard.type(person.email)
    tab_to(page, "input[name=password]")
    page.keyboard.type(person.password)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site.server.base_url}/shelf")
    tab_to(page, f"a[href='/read/{BOOK}']")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site.server.base_url}/read/{BOOK}/1")
    tab_to(page, ".section-mark")
    page.keyboard.press("Enter")
    expect(page.locator("[data-section-id]").first).to_have_attribute("aria-current", "location")
    tab_to(page, "[data-turn=next]")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site.server.base_url}/read/{BOOK}/2")
    tab_to(page, "input[name=page_number]")
    page.keyboard.type("40")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site.server.base_url}/read/{BOOK}/40")
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(f"{site.server.base_url}/read/{BOOK}/39")
    tab_to(page, "form[action='/logout'] button")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site.server.base_url}/")


def test_the_first_tab_skips_to_the_content(site: Site, visit: Visit) -> None:
    page = visit(site.reader())
    page.goto("/shelf")

    tab_to(page, ".skip-link")
    page.keyboard.press("Enter")

    expect(page.locator("#main")).to_be_focused()


def test_the_consultants_page_refreshes_itself_without_moving_the_focus(site: Site, visit: Visit) -> None:
    consultant = visit(site.consultant)
    consultant.goto("/consultant")
    tab_to(consultant, "a[href='/account']")
    name, email = site.stranger()
    new = {"email": email, "password": "a password of hers", "first_name": name}
    site.server.post("/api/auth/register", new)
    site.server.post("/api/auth/login", {"email": email, "password": "a password of hers"})

    expect(consultant.locator("[data-part=feed]")).to_contain_text(f"{name} signed in")
    expect(consultant.locator("[data-part=online]")).to_contain_text(email)

    expect(consultant.locator("a[href='/account']")).to_be_focused()
    expect(consultant.locator("[data-live-note]")).to_have_text("Live")
