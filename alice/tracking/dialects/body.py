"""Request bodies with events: JSON of any shape, but of bounded size, depth and width."""

from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from alice.errors import Malformed, TooLarge
from alice.web.validation import explain

MAX_ONE = 64 * 1024  # bytes of a body with one event
MAX_BATCH = 1_000_000  # bytes of a body with several
MAX_EVENTS = 500  # in a batch
MAX_DEPTH = 8  # of an event; a batch adds two
MAX_KEYS = 100  # of an object
MAX_NAME = 200  # characters of a key

Model = TypeVar("Model", bound=BaseModel)


def read(raw: bytes) -> Any:
    """Parse a JSON body.

    Raises Malformed (400) if it is not JSON, is deeper or wider than allowed, or has a NUL character in a
    string; raises TooLarge (413) above 1 MB.
    """
    if len(raw) > MAX_BATCH:
        raise TooLarge()
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise Malformed("The body is not JSON.") from None
    if type(document) in _CONTAINERS:
        _check(document, MAX_DEPTH + 2)
    if b"\\u0000" in raw and _holds_nul(document):  # the only way to write NUL in JSON
        raise Malformed("A text holds a character that cannot be kept.")
    return document


def batch(document: Any, name: str = "events") -> list[Any]:
    """The list that the document holds under `name`. Raises Malformed (400) unless it has 1 to 500 items."""
    items = document.get(name) if isinstance(document, dict) else None
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_EVENTS:
        raise Malformed(f"{name} must be a list of 1 to {MAX_EVENTS}.")
    return items


def require_small(event: Any, raw: bytes) -> None:
    """Raise TooLarge (413) if this event of a body holds more than 64 KB."""
    if len(raw) > MAX_ONE and len(orjson.dumps(event)) > MAX_ONE:
        raise TooLarge("One event may hold at most 64 KB.")


def validated(model: type[Model], document: Any) -> Model:
    """Validate `document` as `model`. Raises Malformed (400), which names the first invalid field."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise Malformed(explain(error), "invalid") from None


_CONTAINERS = frozenset((dict, list))  # the exact types: a JSON parser returns no subclasses


def _check(container: dict[str, Any] | list[Any], depth: int) -> None:
    if depth == 0:
        raise Malformed(f"The body is nested more than {MAX_DEPTH} deep.")
    if isinstance(container, dict):
        if len(container) > MAX_KEYS:
            raise Malformed(f"An object has more than {MAX_KEYS} keys.")
        if container and max(map(len, container)) > MAX_NAME:
            raise Malformed(f"A key has more than {MAX_NAME} characters.")
        container = container.values()
    for child in container:
        if type(child) in _CONTAINERS:
            _check(child, depth - 1)


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(map(_holds_nul, (*value, *value.values())))
    return isinstance(value, list) and any(map(_holds_nul, value))
