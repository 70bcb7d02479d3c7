"""What an HTTP request contains about its sender. Nothing of it is stored unchanged."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from alice.web.address import client_behind


class Caller(NamedTuple):
    address: str
    user_agent: str | None  # None: the visitor's browser is unknown; "": no header was sent
    environ: Mapping[str, Any]
    opted_out: bool  # sends DNT or Global Privacy Control

    @property
    def language(self) -> str | None:
        """The first language that Accept-Language names."""
        names = self.environ.get("HTTP_ACCEPT_LANGUAGE", "")
        return names.partition(",")[0].partition(";")[0].strip()[:35] or None


def caller(environ: Mapping[str, Any], trusted_proxies: int) -> Caller:
    """The sender of a WSGI request, behind this number of trusted proxies."""
    get = environ.get
    return Caller(
        client_behind(get("REMOTE_ADDR", ""), get("HTTP_X_FORWARDED_FOR", ""), trusted_proxies),
        get("HTTP_USER_AGENT", ""),
        environ,
        get("HTTP_DNT") == "1" or get("HTTP_SEC_GPC") == "1",
    )
