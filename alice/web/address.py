"""The client's IP address of a request, and the scheme and origin that it was sent to.

Any client can send headers such as X-Forwarded-For, so they count only with `ALICE_TRUSTED_PROXIES`.
"""

from ipaddress import ip_address

from flask import request

from alice.web.context import settings


def client_address() -> str:
    """The client's IP address, as the outermost trusted proxy saw it."""
    return client_behind(
        request.environ.get("REMOTE_ADDR", ""),
        request.environ.get("HTTP_X_FORWARDED_FOR", ""),
        settings().trusted_proxies,
    )


def client_behind(peer: str, forwarded_for: str, proxies: int) -> str:
    """The nth address from the right of X-Forwarded-For, for n proxies; the peer if that is no address."""
    chain = forwarded_for.split(",")
    if proxies == 0 or len(chain) < proxies:
        return peer
    return _plain(chain[-proxies]) or peer


def _plain(text: str) -> str | None:
    """The IP address without port and brackets; None if the text is not an IP address."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def scheme() -> str:
    """`https` or `http`, as the reader's browser sees it."""
    public_url = settings().public_url
    if public_url:
        return public_url.partition(":")[0]
    if settings().trusted_proxies and "HTTP_X_FORWARDED_PROTO" in request.environ:
        # The client may have written the values further left. Many proxies replace the header instead of
        # appending to it, so there may be fewer values than proxies.
        chain = request.environ["HTTP_X_FORWARDED_PROTO"].split(",")
        proto = chain[-min(settings().trusted_proxies, len(chain))].strip().lower()
        return "https" if proto == "https" else "http"
    return request.environ["wsgi.url_scheme"]


def is_secure() -> bool:
    """Whether cookies of this request can be marked Secure."""
    return scheme() == "https"


def is_own_origin(origin: str) -> bool:
    """Whether an Origin header names this site."""
    configured = settings()
    if configured.public_url:
        return origin.lower() == configured.public_url.lower()
    host = request.environ.get("HTTP_HOST", "").lower()
    if not host:
        return False
    if configured.trusted_proxies:
        return origin.lower() == f"{scheme()}://{host}"
    # A proxy that is not configured may terminate TLS, so either scheme is accepted.
    return origin.lower() in (f"http://{host}", f"https://{host}")
