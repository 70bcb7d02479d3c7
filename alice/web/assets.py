"""Static files. Their addresses carry a hash of all of them, so a browser may keep each for a year.

`asset("js/app.js")` is `/static/v-0123456789ab/js/app.js`. The hash stands in the folder and not behind the
file, so that what a module imports by a relative path is kept as well.
"""

import hashlib
import re
from pathlib import Path

from flask import Flask, Response, current_app, send_from_directory

from alice.web.access import public

PREFIX = re.compile(r"v-[0-9a-f]{12}/")
FOR_A_YEAR = "public, max-age=31536000, immutable"
ASK_AGAIN = "public, no-cache"


def install(app: Flask) -> None:
    folder = Path(app.root_path) / "static"
    version = app.config["STATIC_VERSION"] = f"v-{fingerprint(folder)}/"
    app.view_functions["static"] = static  # instead of Flask's, whose rule it keeps
    app.jinja_env.globals["asset"] = f"/static/{version}{{}}".format  # asked for a dozen times a page


def fingerprint(folder: Path) -> str:
    """12 hex digits that change when any file below the folder does."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


@public
def static(filename: str) -> Response:
    """A file; one asked for by an older hash is the present one, but not to be kept."""
    versioned = PREFIX.match(filename)
    folder = Path(current_app.root_path) / "static"
    answer = send_from_directory(folder, filename[versioned.end() :] if versioned else filename)
    current = versioned and versioned.group() == current_app.config["STATIC_VERSION"]
    answer.headers["Cache-Control"] = FOR_A_YEAR if current and not current_app.debug else ASK_AGAIN
    return answer
