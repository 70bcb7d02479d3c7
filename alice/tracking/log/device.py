"""Device, browser and operating system of a request, and whether a bot sent it.

They are read from the user agent, and from client hints, which are more precise, if the browser sends them.
An iPad that requests desktop pages identifies itself as a Mac; no header distinguishes the two.
"""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, NamedTuple

from ua_parser.core import Domain, UserAgent
from ua_parser.regex import Resolver

DESKTOP, MOBILE, TABLET, BOT = "desktop", "mobile", "tablet", "bot"
CACHED = 4096  # results cached per process; the headers they come from are in memory only
MAX_AGENT = 512  # characters; the rest is ignored
MAX_HINT = 256
MAX_NAME = 40


class Device(NamedTuple):
    kind: str | None  # desktop, mobile, tablet or bot
    browser: str | None
    browser_version: str | None  # major version only
    os: str | None


UNKNOWN = Device(None, None, None, None)


def of(user_agent: str, environ: Mapping[str, Any]) -> Device:
    """The device of a WSGI request, from this user agent and the request's client hints.

    Televisions and consoles count as desktop. A client that does not identify itself as a browser is a bot.
    """
    get = environ.get
    return _of(
        user_agent[:MAX_AGENT],
        get("HTTP_SEC_CH_UA", "")[:MAX_HINT],
        get("HTTP_SEC_CH_UA_MOBILE", "")[:MAX_HINT],
        get("HTTP_SEC_CH_UA_PLATFORM", "")[:MAX_HINT],
    )


@lru_cache(maxsize=CACHED)
def _of(agent: str, brands: str, mobile: str, platform: str) -> Device:
    found = _matcher()(agent, Domain.USER_AGENT | Domain.OS)
    browser = _browser(found.user_agent)
    if _is_bot(agent, brands):
        return Device(BOT, *browser, None)
    system = _SYSTEMS.get(platform.strip().strip('"')) or (
        _SYSTEMS.get(found.os.family) if found.os else None
    )
    return Device(_kind(agent, mobile.strip(), system), *(_branded(brands) or browser), system)


@cache
def _matcher() -> Resolver:
    """The patterns, loaded at the first request: this takes 50 ms and about 13 MB per process.

    Device patterns are not loaded: they would double that, and they name models, not kinds.
    """
    from ua_parser_builtins.lazy import MATCHERS

    agents, systems, _ = MATCHERS
    return Resolver((agents, systems, []))


# Bots


def _is_bot(agent: str, brands: str) -> bool:
    """Whether a bot sent this. Every browser sends Mozilla/ or Opera/ and, in parentheses, its system."""
    if not agent.startswith(("Mozilla/", "Opera/")) or "(" not in agent:
        return True
    return bool(_PROGRAM.search(agent)) or "Headless" in brands


_PROGRAM = re.compile(
    r"""
      (?<!cu)bot(?![a-z])                                         # but not CUBOT, a brand of phones
    | compatible;\s(?!.*(?:msie|konqueror|iemobile|trident))      # how crawlers identify themselves
    | crawl | spider | slurp | scrap | archiver | indexer | nutch | heritrix | bubing | datanyze | favicon
    | headless | phantomjs | puppeteer | playwright | selenium | electron-fetch | jsdom
    | lighthouse | pagespeed | gtmetrix | pingdom | uptime | monitor | statuscake | synthetic | ptst/
    | externalhit | facebookcatalog | preview | validator | link\s?check | feedfetcher | mediapartners
    | google(?:other|-inspectiontool|-read-aloud)
    | curl | wget | python | httpclient | http-client | okhttp | libwww | java/ | node-fetch | undici | axios
    """,
    re.IGNORECASE | re.VERBOSE,
)


# Browsers


def _branded(brands: str) -> tuple[str, str | None] | None:
    """Name and version: `"Chromium";v="141", "Opera";v="125", "Not?A_Brand";v="8"` is Opera 125."""
    for brand, version in _BRAND.findall(brands):
        if brand in _BRANDS:
            return _BRANDS[brand], version
    return None


_BRAND = re.compile(r'"([^"]*)"\s*;\s*v="(\d{1,6})')
_BRANDS = {
    "Google Chrome": "Chrome",
    "Android WebView": "Chrome",
    "Microsoft Edge": "Edge",
    "Microsoft Edge WebView2": "Edge",
    "Opera": "Opera",
    "Opera GX": "Opera",
    "OperaMobile": "Opera",
    "Brave": "Brave",
    "Vivaldi": "Vivaldi",
    "Samsung Internet": "Samsung Internet",
    "YaBrowser": "Yandex Browser",
    "Yandex": "Yandex Browser",
    "DuckDuckGo": "DuckDuckGo",
}


def _browser(parsed: UserAgent | None) -> tuple[str | None, str | None]:
    """Name and major version. The name is the same on all devices: `Chrome Mobile iOS` is Chrome."""
    if parsed is None:
        return None, None
    name = _BUILD.sub("", parsed.family).strip()
    number = _NUMBER.match(parsed.major or "")
    return _BROWSERS.get(name, name)[:MAX_NAME] or None, number[0] if number else None


_BUILD = re.compile(r"^(?:Mobile|Headless)\s?| (?:Mobile|iOS|WebView|UI/WKWebView|Desktop|Touch)(?=\s|$)")
_NUMBER = re.compile(r"\d{1,6}")
_BROWSERS = {"Yandex": "Yandex Browser", "Chromium": "Chrome", "IE": "Internet Explorer"}


# Systems and kinds

# fmt: off
_NAMES = (
    "Windows", "Windows Phone", "macOS", "iOS", "Android", "Chrome OS", "Linux", "HarmonyOS", "KaiOS",
    "Tizen", "webOS", "tvOS", "FreeBSD", "OpenBSD", "NetBSD", "Solaris", "Fuchsia",
)
_LINUXES = (
    "Ubuntu", "Kubuntu", "Lubuntu", "Xubuntu", "Debian", "Fedora", "Red Hat", "CentOS", "SUSE", "openSUSE",
    "Gentoo", "Arch Linux", "Linux Mint", "Mageia", "Mandriva", "Slackware", "Puppy",
)
# fmt: on

# Name in the user agent or the client hint -> name that Alice stores.
_SYSTEMS = {
    **{name: name for name in _NAMES},
    **dict.fromkeys(_LINUXES, "Linux"),
    "Mac OS X": "macOS",
    "Mac OS": "macOS",
    "Chromium OS": "Chrome OS",
    "ChromeOS": "Chrome OS",
}


def _kind(agent: str, mobile: str, system: str | None) -> str:
    if mobile == "?1":
        return MOBILE
    if _TABLET.search(agent):
        return TABLET
    if system == "Android" and not _TELEVISION.search(agent) and (mobile == "?0" or "Mobi" not in agent):
        return TABLET
    return MOBILE if _MOBILE.search(agent) else DESKTOP


_TABLET = re.compile(r"iPad|Tablet(?! PC)|PlayBook|Kindle|KF[A-Z]{2,6} |Silk/(?!.*Mobile)|Nexus (?:7|9|10)\b")
_TELEVISION = re.compile(r"\bTV\b|SmartTV|GoogleTV|AFT[A-Z]|BRAVIA|CrKey|Television", re.IGNORECASE)
_MOBILE = re.compile(r"Mobi|iPhone|iPod|Windows Phone|Opera Mini|BlackBerry|\bBB10\b|KAIOS|Symbian|webOS/")
