"""What a dialect answers: a status, a JSON object or nothing, and headers of its own."""

from typing import Any, NamedTuple


class Answer(NamedTuple):
    status: int
    body: dict[str, Any] | None
    headers: list[tuple[str, str]] = []


OPEN = ("Access-Control-Allow-Origin", "*")  # pages of any origin may read the answer
