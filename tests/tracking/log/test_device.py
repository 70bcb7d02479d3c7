"""The device, browser and system of a request, and which requests come from bots."""

import subprocess
import sys

import pytest

from alice.tracking.log.device import BOT, DESKTOP, MOBILE, TABLET, Device, of

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) "
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) "
LINUX = "Mozilla/5.0 (X11; Linux x86_64) "
PIXEL = "Mozilla/5.0 (Linux; Android 10; K) "
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) "
IPAD = "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) "
WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko) "
CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
CHROME_MOBILE = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36"


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        (WINDOWS + CHROME, (DESKTOP, "Chrome", "141", "Windows")),
        (WINDOWS + CHROME + " Edg/140.0.0.0", (DESKTOP, "Edge", "140", "Windows")),
        (WINDOWS + CHROME + " OPR/125.0.0.0", (DESKTOP, "Opera", "125", "Windows")),
        (
            "Mozilla/5.0 (Windows NT 10.0; rv:144.0) Gecko/20100101 Firefox/144.0",
            (DESKTOP, "Firefox", "144", "Windows"),
        ),
        (
            "Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2; Trident/6.0)",
            (DESKTOP, "Internet Explorer", "10", "Windows"),
        ),
        (MAC + WEBKIT + "Version/18.1 Safari/605.1.15", (DESKTOP, "Safari", "18", "macOS")),
        (LINUX + CHROME, (DESKTOP, "Chrome", "141", "Linux")),
        (
            "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
            (DESKTOP, "Firefox", "144", "Linux"),
        ),
        ("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) " + CHROME, (DESKTOP, "Chrome", "141", "Chrome OS")),
        (PIXEL + CHROME_MOBILE, (MOBILE, "Chrome", "141", "Android")),
        (PIXEL + CHROME, (TABLET, "Chrome", "141", "Android")),
        (PIXEL + CHROME_MOBILE + " EdgA/140.0.0.0", (MOBILE, "Edge", "140", "Android")),
        (PIXEL + CHROME_MOBILE + " OPR/90.0.0.0", (MOBILE, "Opera", "90", "Android")),
        (
            "Mozilla/5.0 (Android 15; Mobile; rv:144.0) Gecko/144.0 Firefox/144.0",
            (MOBILE, "Firefox", "144", "Android"),
        ),
        (
            "Mozilla/5.0 (Linux; Android 9; CUBOT_X18_Plus) " + CHROME_MOBILE,
            (MOBILE, "Chrome", "141", "Android"),
        ),
        (
            "Mozilla/5.0 (Linux; Android 14; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) "
            "SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
            (MOBILE, "Samsung Internet", "28", "Android"),
        ),
        (
            "Mozilla/5.0 (Linux; Android 11; KFTRWI) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Silk/139.2.3 like Chrome/139.0.0.0 Safari/537.36",
            (TABLET, "Amazon Silk", "139", "Android"),
        ),
        ("Mozilla/5.0 (Linux; Android 11; BRAVIA 4K TV) " + CHROME, (DESKTOP, "Chrome", "141", "Android")),
        (IPHONE + WEBKIT + "Version/17.5 Mobile/15E148 Safari/604.1", (MOBILE, "Safari", "17", "iOS")),
        (IPHONE + WEBKIT + "CriOS/141.0.0.0 Mobile/15E148 Safari/604.1", (MOBILE, "Chrome", "141", "iOS")),
        (IPHONE + WEBKIT + "FxiOS/144.0 Mobile/15E148 Safari/605.1.15", (MOBILE, "Firefox", "144", "iOS")),
        (
            IPHONE + WEBKIT + "Version/17.0 EdgiOS/140.0.0.0 Mobile/15E148 Safari/605.1.15",
            (MOBILE, "Edge", "140", "iOS"),
        ),
        (IPAD + WEBKIT + "Version/16.6 Mobile/15E148 Safari/604.1", (TABLET, "Safari", "16", "iOS")),
        (IPAD + WEBKIT + "CriOS/141.0.0.0 Mobile/15E148 Safari/604.1", (TABLET, "Chrome", "141", "iOS")),
    ],
)
def test_a_user_agent_gives_device_browser_and_system(agent: str, device: tuple[str, ...]) -> None:
    assert of(agent, {}) == device


@pytest.mark.parametrize(
    ("agent", "browser"),
    [
        ("", None),
        ("Mozilla/5.0", None),
        ("x", None),
        ("curl/8.5.0", "curl"),
        ("Wget/1.21.4", "Wget"),
        ("python-requests/2.32.3", "Python Requests"),
        ("Go-http-client/2.0", "Go-http-client"),
        ("okhttp/4.12.0", "okhttp"),
        ("Dalvik/2.1.0 (Linux; U; Android 11; SM-A505F Build/RP1A)", "Android"),
        (f"Mozilla/5.0 (x; {'y' * 60}bot/1.0)", "y" * 40),
        ("node", None),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot"),
        (
            PIXEL + CHROME_MOBILE + " (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Googlebot",
        ),
        ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "bingbot"),
        ("Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", "AhrefsBot"),
        ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "FacebookBot"),
        (LINUX + CHROME.replace("Chrome/", "HeadlessChrome/"), "Chrome"),
        (LINUX + CHROME + " Chrome-Lighthouse", "Chrome"),
        ("Mozilla/5.0 (compatible; SomebodysNewThing/1.0)", None),
    ],
)
def test_programs_are_bots(agent: str, browser: str | None) -> None:
    found = of(agent, {})

    assert (found.kind, found.os) == (BOT, None)
    assert browser is None or found.browser == browser


@pytest.mark.parametrize(
    ("agent", "hints", "device"),
    [
        (
            WINDOWS + CHROME,
            {"HTTP_SEC_CH_UA": '"Chromium";v="141", "Brave";v="141", "Not?A_Brand";v="8"'},
            (DESKTOP, "Brave", "141", "Windows"),
        ),
        (
            WINDOWS + CHROME,
            {
                "HTTP_SEC_CH_UA": '"Not?A_Brand";v="8", "Chromium";v="141"',
                "HTTP_SEC_CH_UA_PLATFORM": '"Windows"',
            },
            (DESKTOP, "Chrome", "141", "Windows"),
        ),
        (
            LINUX + CHROME,  # a telephone that asks for desktop pages
            {"HTTP_SEC_CH_UA_MOBILE": "?1", "HTTP_SEC_CH_UA_PLATFORM": '"Android"'},
            (MOBILE, "Chrome", "141", "Android"),
        ),
        (
            LINUX + CHROME,  # a tablet says it is no telephone, and desktop pages are its default
            {"HTTP_SEC_CH_UA_MOBILE": "?0", "HTTP_SEC_CH_UA_PLATFORM": '"Android"'},
            (TABLET, "Chrome", "141", "Android"),
        ),
        (PIXEL + CHROME_MOBILE, {"HTTP_SEC_CH_UA_MOBILE": "?0"}, (TABLET, "Chrome", "141", "Android")),
        (MAC + CHROME, {"HTTP_SEC_CH_UA_PLATFORM": '"macOS"'}, (DESKTOP, "Chrome", "141", "macOS")),
        (MAC + CHROME, {"HTTP_SEC_CH_UA_PLATFORM": '"Unknown"'}, (DESKTOP, "Chrome", "141", "macOS")),
        (
            MAC + CHROME,
            {"HTTP_SEC_CH_UA": ';;"";v=', "HTTP_SEC_CH_UA_MOBILE": "?2"},
            (DESKTOP, "Chrome", "141", "macOS"),
        ),
    ],
)
def test_client_hints_are_preferred_to_the_user_agent(
    agent: str, hints: dict[str, str], device: tuple[str, ...]
) -> None:
    assert of(agent, hints) == device


def test_a_headless_browser_is_known_by_its_hints() -> None:
    assert of(WINDOWS + CHROME, {"HTTP_SEC_CH_UA": '"HeadlessChrome";v="141"'}).kind == BOT


@pytest.mark.parametrize(("length", "kind"), [(512, BOT), (513, DESKTOP)])
def test_of_a_user_agent_512_characters_are_looked_at(length: int, kind: str) -> None:
    assert of(LINUX.ljust(length - 3) + "bot", {}).kind == kind


@pytest.mark.parametrize(("length", "version"), [(256, "141"), (257, "14")])
def test_of_a_hint_256_characters_are_looked_at(length: int, version: str) -> None:
    hints = {"HTTP_SEC_CH_UA": '"Brave";v="141'.rjust(length)}

    assert of(WINDOWS + CHROME, hints) == (DESKTOP, "Brave", version, "Windows")


def test_names_are_short_and_never_the_user_agent() -> None:
    agent = f"Mozilla/5.0 ({'x' * 100_000}) {'y' * 100_000}/1{'0' * 1000} Safari/1"

    found = of(agent, {"HTTP_SEC_CH_UA": '"' * 100_000})

    assert isinstance(found, Device)
    assert all(len(part or "") <= 40 for part in found)


def test_the_patterns_are_loaded_at_the_first_request() -> None:
    code = "import sys, alice.tracking.log.device; print('ua_parser_builtins.lazy' in sys.modules)"

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert said.stdout.strip() == "False"
