"""/tracker.js: one file, the same for every site.

Other sites load it without its hash, and browsers cache it for an hour. Alice's own pages load it with its
hash, and browsers cache it for a year.
"""

import gzip
import hashlib
import logging
from functools import cache
from pathlib import Path

from flask import Blueprint, Flask, Response, request

from alice import engines
from alice.config import Settings
from alice.tracking.site import Sites
from alice.web.access import public
from alice.web.assets import FOR_A_YEAR

logger = logging.getLogger(__name__)
FOR_AN_HOUR = "public, max-age=3600"

blueprint = Blueprint("tracker", __name__)


@blueprint.get("/tracker.js")
@blueprint.get("/tracker.<version>.js")
@public
def tracker_js(version: str | None = None) -> Response:
    """The current script, also for an outdated hash, but then it may be cached for an hour only."""
    small = request.accept_encodings.quality("gzip") > 0  # `gzip;q=0` refuses gzip
    answer = Response(compressed() if small else script(), mimetype="text/javascript")
    answer.set_etag(fingerprint() + ("-gzip" if small else ""))
    answer.headers["Vary"] = "Accept-Encoding"
    if small:
        answer.headers["Content-Encoding"] = "gzip"
    answer.headers["Cache-Control"] = FOR_A_YEAR if version == fingerprint() else FOR_AN_HOUR
    answer.headers["Access-Control-Allow-Origin"] = "*"
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return answer.make_conditional(request)


@cache
def script() -> bytes:
    """The minified script, which `make tracker` builds from the sources in this folder."""
    return (Path(__file__).parent / "tracker.min.js").read_bytes()


@cache
def compressed() -> bytes:
    return gzip.compress(script(), 9, mtime=0)


@cache
def fingerprint() -> str:
    """12 hex digits that change when the script does."""
    return hashlib.sha256(script()).hexdigest()[:12]


def install(app: Flask, settings: Settings, sites: Sites) -> None:
    """Serve the script, and let templates include it: Alice tracks its own pages, too."""

    known: list[str] = []  # the id, once it was found: it never changes

    def tracked_site() -> str | None:
        """The id of Alice's own site; None if visits to it are not counted, or it cannot be read."""
        if settings.track_pages and not known:
            try:
                own = sites.own()
                known.extend([own.id] if own else [])
            except Exception as error:
                if not engines.is_temporary(error):
                    raise
                logger.warning("a page is not counted: %s", error)  # the page is shown nevertheless
        return known[0] if known else None

    app.jinja_env.globals.update(
        tracked_site=tracked_site, tracker_src=lambda: f"/tracker.{fingerprint()}.js"
    )
    app.register_blueprint(blueprint)
