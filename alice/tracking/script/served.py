"""/tracker.js: one file, the same for every site.

Pages of other sites name it without its hash and ask again after an hour; Alice's own name it with the hash,
and a browser keeps it for a year.
"""

import gzip
import hashlib
import logging
from functools import cache
from pathlib import Path

from flask import Blueprint, Flask, Response, request

from alice import database
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
    """The script; one asked for by an older hash is the present one, but not to be kept for long."""
    small = request.accept_encodings.quality("gzip") > 0  # `gzip;q=0` names it, and refuses it
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
    """What `make tracker` made of the sources beside this file."""
    return (Path(__file__).parent / "tracker.min.js").read_bytes()


@cache
def compressed() -> bytes:
    return gzip.compress(script(), 9, mtime=0)


@cache
def fingerprint() -> str:
    """12 hex digits that change when the script does."""
    return hashlib.sha256(script()).hexdigest()[:12]


def install(app: Flask, settings: Settings, sites: Sites) -> None:
    """Serve the script, and let every page of Alice's own name it: she is the first site she tracks."""

    known: list[str] = []  # once it is: a site's id never changes

    def tracked_site() -> str | None:
        """The id of Alice's own site, if visits to it are counted."""
        if settings.track_pages and not known:
            try:
                known.append(sites.own(settings.public_url).id)
            except Exception as error:
                if not database.is_temporary(error):
                    raise
                logger.warning("a page is not counted: %s", error)  # and is shown all the same
        return known[0] if known else None

    app.jinja_env.globals.update(
        tracked_site=tracked_site, tracker_src=lambda: f"/tracker.{fingerprint()}.js"
    )
    app.register_blueprint(blueprint)
