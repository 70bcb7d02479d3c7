"""The main path: register, unlock the book, read, and be seen by a consultant."""

from playwright.sync_api import Locator, Page, expect

from tests.cast import PASSWORD
from tests.e2e.conftest import Eventually, Visit
from tests.e2e.site import BOOK, Site


def register(page: Page, name: str, email: str) -> None:
    page.goto("/")
    page.get_by_role("link", name="Start reading").click()
    page.get_by_label("First name").fill(name)
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()


def seen_by(consultant: Page, email: str) -> Locator:
    """The reader's row on the consultant's page."""
    return consultant.locator("[data-part=online] [data-key]", has_text=email)


def test_a_reader_registers_verifies_and_reads_three_pages_and_the_consultant_sees_each(
    site: Site, visit: Visit
) -> None:
    name, email = site.stranger()
    consultant, reader = visit(site.consultant), visit()
    consultant.goto("/consultant")
    row = seen_by(consultant, email)

    register(reader, name, email)
    reader.get_by_label("Book code").fill(next(site.codes).lower().replace("-", " "))
    reader.get_by_role("button", name="Unlock the book").click()

    expect(reader).to_have_url(f"{site.server.base_url}/read/{BOOK}/1")
    expect(row).to_contain_text("Page 1")
    expect(row).to_contain_text("Reading")

    reader.get_by_role("link", name="Next page").click()
    expect(row).to_contain_text("Page 2")

    reader.keyboard.press("ArrowRight")
    expect(row).to_contain_text("Page 3")

    reader.get_by_label("Page", exact=True).fill("57")
    reader.keyboard.press("Enter")
    expect(row).to_contain_text("Page 57")
    expect(consultant.locator("[data-part=feed]")).to_contain_text(f"{name} opened page 57")


def test_reading_goes_on_where_it_was_left_on_any_device(
    site: Site, visit: Visit, eventually: Eventually
) -> None:
    person = site.reader()
    first = visit(person)
    first.goto(f"/read/{BOOK}/23")
    first.keyboard.press("ArrowRight")
    expect(first).to_have_url(f"{site.server.base_url}/read/{BOOK}/24")
    eventually(lambda: site.pages_viewed(person)[-1:] == [24])

    second = visit(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    second.goto("/login")
    second.get_by_label("E-mail").fill(person.email)
    second.get_by_label("Password").fill(person.password)
    second.get_by_role("button", name="Sign in").click()
    second.get_by_role("link", name="Continue on page 24").click()

    expect(second).to_have_url(f"{site.server.base_url}/read/{BOOK}/24")
    expect(second.locator(".folio")).to_have_text("24")
    second.goto(f"/read/{BOOK}")
    expect(second).to_have_url(f"{site.server.base_url}/read/{BOOK}/24")


def test_signing_out_in_one_tab_refuses_the_other_at_once(site: Site, visit: Visit) -> None:
    person = site.reader()
    one = visit(person, tolerating="401 (UNAUTHORIZED)")  # the other tab may want to report its page
    other, copy = one.context.new_page(), visit(person)
    for page in (one, other):
        page.goto(f"/read/{BOOK}/5")

    one.get_by_role("button", name="Sign out").click()
    expect(one).to_have_url(f"{site.server.base_url}/")

    other.keyboard.press("ArrowRight")
    expect(other).to_have_url(f"{site.server.base_url}/login?next=/read/{BOOK}/6")
    copy.goto("/shelf")
    expect(copy).to_have_url(f"{site.server.base_url}/login?next=/shelf")


def test_a_reader_who_was_signed_out_elsewhere_is_told_and_can_come_back(site: Site, visit: Visit) -> None:
    person = site.reader()
    reader = visit(person, tolerating="401 (UNAUTHORIZED)")
    reader.clock.install()
    reader.goto(f"/read/{BOOK}/5")
    site.server.post("/api/auth/logout", token=person.token)

    reader.clock.fast_forward("01:30")  # a heartbeat is due

    reader.get_by_role("link", name="Sign in to keep your place").click()
    reader.get_by_label("E-mail").fill(person.email)
    reader.get_by_label("Password").fill(person.password)
    reader.get_by_role("button", name="Sign in").click()
    expect(reader).to_have_url(f"{site.server.base_url}/read/{BOOK}/5")
