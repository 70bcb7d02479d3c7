"""The add-ons of tracker.js: clicks, scrolling and the use of forms are sent, what is typed never is."""

from playwright.sync_api import Page

from tests.tracking.script.conftest import Eventually, Visit
from tests.tracking.script.peer import Peer, page

CLICKS = """
<a id="out" class="button  large" href="http://elsewhere.example/a?b=secret#c" target="_blank"><b>Out</b></a>
<a id="signed" href="http://user:password@elsewhere.example/a.html?b=secret#c">Signed</a>
<a class="mail" href="mailto:alice@example.com">Write</a>
<button id="go"><svg class="icon"><path class="stroke" d="M0 0h9v9z"/></svg>Go</button>
<svg class="drawing" width="20" height="20"></svg>
<div data-alice-ignore><button id="ignored">Private</button></div>
<input type="password" id="password">
<form id="named">
    <input name="id"><input name="classList"><input name="closest">
    <button id="inside" type="button">In</button>
</form>
<script>
    addEventListener("click", (event) => event.preventDefault());
    document.querySelector("#go").addEventListener("click", (event) => event.stopPropagation());
</script>
"""
FORM = """
<form id="order" name="tea-order">
    <input name="guest" value="Alice">
    <input id="cups" type="number">
    <select name="tea"><option>Green<option>Black</select>
    <textarea></textarea>
    <input name="secret" type="password">
    <input name="shown" type="text" autocomplete="current-password">
    <input name="card" autocomplete="billing cc-number">
    <input name="code" autocomplete="One-Time-Code">
    <input name="hidden" type="hidden" value="hidden value">
    <fieldset data-alice-ignore><input name="diary"></fieldset>
    <button>Send</button>
</form>
<form name="search" data-alice-ignore><input name="q"><button>Find</button></form>
<p contenteditable>Notes</p>
<script>addEventListener("submit", (event) => event.preventDefault());</script>
"""
# What the components of a page keep in their shadows.
SHADOWS = """
<x-login></x-login>
<section data-alice-ignore><x-private></x-private></section>
<x-outer data-alice-ignore></x-outer>
<a class="link" href="/next"><x-icon></x-icon></a>
<x-closed id="closed"></x-closed>
<script>
    addEventListener("click", (event) => event.preventDefault());
    const shadow = (host, content, mode = "open") => {
        const root = host.attachShadow({ mode });
        root.innerHTML = content;
        return root;
    };
    const find = (selector) => document.querySelector(selector);
    shadow(find("x-login"), `
        <form name="login"><input name="user"></form><input name="secret" type="password">
        <input name="shown" autocomplete="current-password"><input name="card" autocomplete="cc-csc">
        <input name="code" autocomplete="one-time-code">
        <p data-alice-ignore><input name="diary"></p><button id="enter">Enter</button>`);
    shadow(find("x-private"), `<input name="q">`);
    const inner = shadow(find("x-outer"), `<x-inner></x-inner>`).querySelector("x-inner");
    shadow(inner, `<input name="r"><button id="deep">Deep</button>`);
    shadow(find("x-icon"), `<b id="icon">Icon</b>`);
    shadow(find("x-closed"), `<button>Closed</button>`, "closed");
</script>
"""
SECRETS = ("secret", "shown", "card", "code", "diary", "q")
LONG = "<style>body { margin: 0; height: 2400px }</style>"  # four screens


def data(peer: Peer, name: str) -> list[dict[str, str]]:
    return [event["data"] for event in peer.of(name)]


def opened(visit: Visit, peer: Peer, body: str, **options: str) -> Page:
    peer.pages["/"] = page(body, **options)
    return visit("/")


def test_a_click_names_its_element_and_where_it_leads(
    visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    tab = opened(visit, peer, CLICKS, clicks="")
    for selector in ("#out b", "#signed", ".mail", "#go path", ".drawing", "#inside"):
        tab.click(selector)

    eventually(lambda: len(data(peer, "click")) == 6)
    assert data(peer, "click") == [
        {"element": "a#out.button.large", "href": "http://elsewhere.example/a"},
        {"element": "a#signed", "href": "http://elsewhere.example/a.html"},
        {"element": "a.mail"},
        {"element": "button#go"},
        {"element": "svg.drawing"},
        {"element": "button#inside"},
    ]
    assert tab.evaluate("heard") == []


def test_a_click_where_nobody_should_look_is_not_seen(
    visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    tab = opened(visit, peer, CLICKS, clicks="")
    for selector in ("#ignored", "#password", "#go"):
        tab.click(selector)

    eventually(lambda: data(peer, "click") == [{"element": "button#go"}])


def test_a_quarter_of_a_page_is_reached_once(visit: Visit, peer: Peer, eventually: Eventually) -> None:
    tab = opened(visit, peer, LONG, scroll="")
    for place in (700, 0, 800, 1800):
        tab.evaluate("place => scrollTo(0, place)", place)
        tab.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    eventually(lambda: data(peer, "scroll") == [{"depth": depth} for depth in (25, 50, 75, 100)])

    tab.evaluate("history.pushState({}, '', '/next')")
    tab.evaluate("scrollTo(0, 700)")
    eventually(lambda: len(data(peer, "scroll")) >= 5)
    assert data(peer, "scroll")[4:][0] == {"depth": 25}


def test_a_form_says_which_fields_and_never_what_is_in_them(
    visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    tab = opened(visit, peer, FORM, forms="")
    tab.locator("[name=guest]").press_sequentially("The Hatter")
    tab.fill("#cups", "31337")
    tab.select_option("select", "Black")
    tab.fill("textarea", "no butter")
    tab.fill("p", "no butter either")
    tab.click("text=Send")

    eventually(lambda: data(peer, "form_submit") == [{"form": "tea-order"}])
    assert data(peer, "form_interaction") == [
        {"form": "tea-order", "field": "guest"},
        {"form": "tea-order", "field": "cups"},
        {"form": "tea-order", "field": "tea"},
        {"form": "tea-order", "field": "textarea"},
        {"field": "p"},
    ]
    assert not any(value in str(peer.requests) for value in ("Hatter", "Alice", "31337", "Black", "butter"))


def test_secret_fields_are_never_touched(visit: Visit, peer: Peer, eventually: Eventually) -> None:
    tab = opened(visit, peer, FORM, forms="", clicks="")
    for name in SECRETS:
        tab.locator(f"[name={name}]").press_sequentially("4711")
        tab.locator(f"[name={name}]").click()
    tab.click("text=Find")
    tab.evaluate(
        "document.querySelector('[name=hidden]').dispatchEvent(new Event('input', { bubbles: true }))"
    )
    tab.evaluate("document.querySelector('[name=secret]').type = 'text'")  # "show my password"
    tab.locator("[name=secret]").press_sequentially("0815")
    tab.evaluate("track('last')")

    eventually(lambda: peer.of("last") != [])
    assert [event["name"] for event in peer.of("event")] == ["last"]
    assert "4711" not in str(peer.requests)


def test_the_shadow_of_a_component_hides_no_secret_from_it(
    visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    tab = opened(visit, peer, SHADOWS, forms="", clicks="")
    for name in (*SECRETS, "r"):
        tab.locator(f"[name={name}]").press_sequentially("4711")
        tab.locator(f"[name={name}]").click()
    tab.click("#deep")
    tab.evaluate("find('x-login').shadowRoot.querySelector('[name=secret]').type = 'text'")
    tab.locator("[name=secret]").press_sequentially("0815")
    tab.evaluate("track('last')")

    eventually(lambda: peer.of("last") != [])
    assert [event["name"] for event in peer.of("event")] == ["last"]


def test_what_is_used_in_a_shadow_is_named_as_elsewhere(
    visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    tab = opened(visit, peer, SHADOWS, forms="", clicks="")
    tab.locator("[name=user]").press_sequentially("4711")
    for selector in ("#enter", "#icon", "x-closed"):
        tab.click(selector)

    eventually(lambda: len(data(peer, "click")) == 3)
    assert data(peer, "form_interaction") == [{"form": "login", "field": "user"}]
    assert data(peer, "click") == [
        {"element": "button#enter"},
        {"element": "a.link", "href": f"{peer.url}/next"},
        {"element": "x-closed#closed"},
    ]


def test_an_add_on_that_was_not_asked_for_does_nothing(
    visit: Visit, peer: Peer, eventually: Eventually
) -> None:
    tab = opened(visit, peer, FORM + LONG)
    tab.fill("#cups", "3")
    tab.evaluate("scrollTo(0, 1800)")
    tab.click("text=Send")
    tab.evaluate("track('last')")

    eventually(lambda: peer.of("last") != [])
    assert [event["name"] for event in peer.of("event")] == ["last"]
