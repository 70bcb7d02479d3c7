"""Where a visitor comes from: the campaign in a URL, the host of a referrer, and the bucket for both.

Of a URL only its path and the campaign's parameters are stored: other parameters may hold anything. No
function here raises because of what a client sends; values that cannot be parsed become None.
"""

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

MAX_PATH = 1024  # bytes of UTF-8: an index entry of PostgreSQL holds at most 2,700
MAX_VALUE = 200  # characters of a campaign's parameter
MAX_HOST = 253  # characters, as in DNS
MAX_QUERY = 8192  # characters; the rest is ignored

DIRECT = "Direct"
UNKNOWN = "unknown"


class Campaign(NamedTuple):
    """The campaign's parameters in a URL: each at most 200 characters, None if missing."""

    source: str | None = None  # utm_source, else source, else ref
    medium: str | None = None
    name: str | None = None  # utm_campaign
    term: str | None = None
    content: str | None = None
    ref: str | None = None


class Address(NamedTuple):
    host: str | None  # lower case, without port, user name and password
    path: str | None  # begins with a slash; at most 1,024 bytes; None if the URL is not a page's
    campaign: Campaign


NO_CAMPAIGN = Campaign()
NOWHERE = Address(None, None, NO_CAMPAIGN)


def address(url: str, host: str | None = None) -> Address:
    """Split a path with its query, or a whole URL; `host` is the default for a URL without one.

    Returns NOWHERE for anything else, such as `file:` and `javascript:`.
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
    """The host of a referrer, without `www.`; None if it is one of `own_hosts`, or if there is no host.

    The referrer may be a URL or a bare host. The host of an Android app is its package name.
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
    """`source|medium|campaign`, `unknown` for missing parts; if all are missing, the host, else `Direct`."""
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
    """Remove control characters and lone surrogates, and strip. PostgreSQL refuses NUL and surrogates."""
    if not text.isprintable():
        text = _UNKEEPABLE.sub("", text)
    return text.strip()


_UNKEEPABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def _host(name: str | None) -> str | None:
    """The host name without a trailing dot; None if it is too long or has invalid characters."""
    if not name or len(name) > MAX_HOST or not _HOST.fullmatch(name):
        return None
    return name.rstrip(".") or None


_HOST = re.compile(r"[\w.:-]+")  # colons: IPv6


def _bare(own: str) -> str:
    """Normalise one of our own hosts, to compare it with a referrer's."""
    return own.lower().removeprefix("www.").rstrip(".")
