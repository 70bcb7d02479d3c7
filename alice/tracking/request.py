"""What an HTTP request says about who sends it. Nothing of it is stored as it is."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from alice.web.address import client_behind

HINTS = ("sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform")
_ENVIRON = {name: "HTTP_" + name.upper().replace("-", "_") for name in HINTS}


class Caller(NamedTuple):
    address: str
    user_agent: str
    hints: dict[str, str]  # client hints, by header name in lower case
    language: str | None  # the first that Accept-Language names
    environ: Mapping[str, Any]
    objects: bool  # asks not to be tracked: DNT or Global Privacy Control


def caller(environ: Mapping[str, Any], trusted_proxies: int) -> Caller:
    """Who sends this WSGI request; proxies are believed by their number."""
    get = environ.get
    language = get("HTTP_ACCEPT_LANGUAGE")
    return Caller(
        client_behind(get("REMOTE_ADDR", ""), get("HTTP_X_FORWARDED_FOR", ""), trusted_proxies),
        get("HTTP_USER_AGENT", ""),
        {name: environ[key] for name, key in _ENVIRON.items() if key in environ},
        language.partition(",")[0].partition(";")[0].strip()[:35] or None if language else None,
        environ,
        get("HTTP_DNT") == "1" or get("HTTP_SEC_GPC") == "1",
    )
