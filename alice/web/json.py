"""JSON out: orjson, for views and for whatever Flask turns into JSON itself."""

from typing import Any

import orjson
from flask import Response
from flask.json.provider import JSONProvider

CONTENT_TYPE = "application/json"


def respond(data: Any, status: int = 200) -> Response:
    """An answer in JSON. Keys are str; dataclasses and lists of tuples are fine; NaN becomes null."""
    return Response(orjson.dumps(data), status, content_type=CONTENT_TYPE)


class OrjsonProvider(JSONProvider):
    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return orjson.loads(s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        return respond(self._prepare_response_obj(args, kwargs))
