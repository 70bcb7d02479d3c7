"""JSON responses."""

from typing import Any

import orjson
from flask import Response

CONTENT_TYPE = "application/json"


def respond(data: Any, status: int = 200) -> Response:
    """A JSON response. Keys must be str; dataclasses and lists of tuples are allowed; NaN becomes null."""
    return Response(orjson.dumps(data), status, content_type=CONTENT_TYPE)
