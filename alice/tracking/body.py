"""Bodies of telemetry: JSON of any shape, but of bounded size, depth and width."""

from typing import Any

import orjson

from alice.web.errors import Malformed, TooLarge

MAX_ONE = 64 * 1024  # bytes of a body with one event
MAX_BATCH = 1_000_000  # bytes of a body with several
MAX_EVENTS = 500  # in a batch
MAX_DEPTH = 8  # of an event; a batch adds two
MAX_KEYS = 100  # of an object
MAX_NAME = 200  # characters of a key


def read(raw: bytes) -> Any:
    """The JSON document. Raises Malformed (400) for what is none, or deeper or wider than allowed, and
    TooLarge (413) for one event of more than 64 KB.
    """
    if len(raw) > MAX_BATCH:
        raise TooLarge()
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise Malformed("The body is not JSON.") from None
    if len(raw) > MAX_ONE and not _is_batch(document):
        raise TooLarge()
    _check(document, MAX_DEPTH + 2)
    return document


def _is_batch(document: Any) -> bool:
    return isinstance(document, list) or (
        isinstance(document, dict) and any(isinstance(value, list) for value in document.values())
    )


def _check(value: Any, depth: int) -> None:
    if isinstance(value, dict):
        if len(value) > MAX_KEYS:
            raise Malformed(f"An object has more than {MAX_KEYS} keys.")
        if any(len(key) > MAX_NAME or "\0" in key for key in value):
            raise Malformed("The name of a value is too long, or holds a character that cannot be kept.")
        children = value.values()
    elif isinstance(value, list):
        children = value
    elif isinstance(value, str) and "\0" in value:
        raise Malformed("A text holds a character that cannot be kept.")
    else:
        return
    if depth == 0:
        raise Malformed(f"The body is nested more than {MAX_DEPTH} deep.")
    for child in children:
        if isinstance(child, (dict, list, str)):
            _check(child, depth - 1)
