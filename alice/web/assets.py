"""Static files. Their URLs contain a hash of all static files, so a browser may cache each for a year.

`asset("js/app.js")` is `/static/v-0123456789ab/js/app.js`. The hash is a folder and not a part of the file's
name, so that the relative imports of a module contain it as well.
"""

import hashlib
import re
from pathlib import Path

from flask import Flask, Response, current_app, send_from_directory

from alice.web.access import public

PREFIX = re.compile(r"v-[0-9a-f]{12}/")
FOR_A_YEAR = "public, max-age=31536000, immutable"
REVALIDATE = "public, no-cache"


def install(app: Flask) -> None:
    folder = Path(app.root_path) / "static"
    version = app.config["STATIC_VERSION"] = f"v-{fingerprint(folder)}/"
    app.view_functions["static"] = static  # replaces Flask's view but keeps its URL rule
    app.jinja_env.globals["asset"] = f"/static/{version}{{}}".format  # called a dozen times per page


def fingerprint(folder: Path) -> str:
    """12 hex digits that change when any file below the folder does."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


@public
def static(filename: str) -> Response:
    """Send the current file, whatever the hash in the URL; cacheable only with the current hash."""
    versioned = PREFIX.match(filename)
    folder = Path(current_app.root_path) / "static"
    answer = send_from_directory(folder, filename[versioned.end() :] if versioned else filename)
    current = versioned and versioned.group() == current_app.config["STATIC_VERSION"]
    answer.headers["Cache-Control"] = FOR_A_YEAR if current and not current_app.debug else REVALIDATE
    return answer
