"""Where somebody comes from: the campaign in an address, the host of a referrer, and one word for both.

Of an address only its path and the campaign's parameters are kept: other parameters may hold anything.
Nothing here raises for what a client sends; what cannot be read is None.
"""

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

MAX_PATH = 1024  # bytes of UTF-8: PostgreSQL's indexes hold no more than 2,700 of a row
MAX_VALUE = 200  # characters of a campaign's parameter
MAX_HOST = 253  # characters, as in DNS
MAX_QUERY = 8192  # characters that are looked through

DIRECT = "Direct"
UNKNOWN = "unknown"


class Campaign(NamedTuple):
    """What an address says about a campaign; each at most 200 characters, None if it says nothing."""

    source: str | None = None  # utm_source, else source, else ref
    medium: str | None = None
    name: str | None = None  # utm_campaign
    term: str | None = None
    content: str | None = None
    ref: str | None = None


class Address(NamedTuple):
    host: str | None  # lower case, without port and sign-in
    path: str | None  # begins with a slash; at most 1,024 bytes; None if the address is of no page
    campaign: Campaign


NO_CAMPAIGN = Campaign()
NOWHERE = Address(None, None, NO_CAMPAIGN)


def address(url: str, host: str | None = None) -> Address:
    """Split a path with its query, or a whole address; `host` is answered for an address without one.

    What is neither (such as `file:` and `javascript:`) is NOWHERE.
    """
    rest = _clean(url).partition("#")[0]
    if not rest.startswith("/") or rest.startswith("//"):
        try:
            parts = urlsplit(rest)
            if parts.scheme not in ("", "http", "https"):
                return NOWHERE
            host = _host(parts.hostname) or host
        except ValueError:
            return NOWHERE
        rest = f"{parts.path}?{parts.query}"
    path, _, query = rest.partition("?")
    if not path.startswith("/"):
        path = f"/{path}"
    return Address(host, _cut(path), _campaign(query) if query else NO_CAMPAIGN)


def _cut(path: str) -> str:
    return path if len(path) * 4 <= MAX_PATH else path.encode()[:MAX_PATH].decode(errors="ignore")


def referrer(text: str, own_hosts: frozenset[str]) -> str | None:
    """The host a referrer names, without `www.`; None for one of our own, and for what names none.

    A bare host is taken as well as an address; an Android app is named by its package.
    """
    text = _clean(text)
    try:
        parts = urlsplit(text if "//" in text else f"//{text}")
        host = _host(parts.hostname)
    except ValueError:
        return None
    if parts.scheme not in ("", "http", "https", "android-app") or not host:
        return None
    if not parts.scheme and "." not in host:
        return None  # a word, not a host
    host = host.removeprefix("www.")
    return None if host in map(_bare, own_hosts) else host


def bucket(campaign: Campaign | None, referrer_host: str | None) -> str:
    """`source|medium|campaign` with `unknown` for what is missing; without any, the host; else `Direct`."""
    if campaign and (campaign.source or campaign.medium or campaign.name):
        return "|".join(part or UNKNOWN for part in (campaign.source, campaign.medium, campaign.name))
    return referrer_host or DIRECT


def _campaign(query: str) -> Campaign:
    found: dict[str, str] = {}
    for name, value in parse_qsl(query[:MAX_QUERY]):
        name = name.lower()
        if name in _PARAMETERS and name not in found and (value := _clean(value)[:MAX_VALUE].rstrip()):
            found[name] = value
    if not found:
        return NO_CAMPAIGN
    get = found.get
    return Campaign(
        get("utm_source") or get("source") or get("ref"),
        get("utm_medium"),
        get("utm_campaign"),
        get("utm_term"),
        get("utm_content"),
        get("ref"),
    )


_PARAMETERS = frozenset(
    ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "ref", "source")
)


def _clean(text: str) -> str:
    """The text without control characters and lone surrogates, which no database keeps."""
    if not text.isprintable():
        text = _UNKEEPABLE.sub("", text)
    return text.strip()


_UNKEEPABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def _host(name: str | None) -> str | None:
    """A host name in lower case, without the dot that may end it; None if it holds what none does."""
    if not name or len(name) > MAX_HOST or not _HOST.fullmatch(name):
        return None
    return name.rstrip(".") or None


_HOST = re.compile(r"[\w.:-]+")  # with the colons of IPv6


def _bare(own: str) -> str:
    """A host of ours as referrers are compared with it."""
    return own.lower().removeprefix("www.").rstrip(".")
