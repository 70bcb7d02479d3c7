"""The response of a dialect: a status, a JSON object or nothing, and additional headers."""

from typing import Any, NamedTuple


class Answer(NamedTuple):
    status: int
    body: dict[str, Any] | None
    headers: list[tuple[str, str]] = []


OPEN = ("Access-Control-Allow-Origin", "*")  # pages of any origin may read the response
