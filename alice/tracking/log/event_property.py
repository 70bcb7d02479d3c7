"""event_properties: the properties of events, each value with its type.

`key` is the number of a string. `number` holds 0 or 1 for a boolean, and for a date ms since the epoch.
"""

from collections.abc import Collection, Sequence
from enum import IntEnum
from itertools import chain
from typing import Any

import orjson

from alice.clock import from_iso8601
from alice.database import Log, events


class PropertyType(IntEnum):
    STRING = 1
    NUMBER = 2
    BOOLEAN = 3
    DATE = 4
    JSON = 5  # null, a list or an object, as JSON text


AT_ONCE = 1000  # rows in one statement; databases limit its parameters


def append(db: Log, rows: Sequence[tuple[int, int, Any]]) -> None:
    """Insert (seq of the event, number of the key, value)."""
    for start in range(0, len(rows), AT_ONCE):
        part = rows[start : start + AT_ONCE]
        marks = ", ".join(["(?, ?, ?, ?, ?)"] * len(part))
        values = chain.from_iterable((seq, key, *_typed(value)) for seq, key, value in part)
        db.execute(
            f"INSERT INTO event_properties (event_seq, key, type, text, number) VALUES {marks}", *values
        )


def _typed(value: Any) -> tuple[int, str | None, float | None]:
    if isinstance(value, bool):
        return PropertyType.BOOLEAN, None, float(value)
    if isinstance(value, (int, float)):
        exact = isinstance(value, float) or abs(value) <= 1 << 53
        return (PropertyType.NUMBER, None, float(value)) if exact else (PropertyType.JSON, str(value), None)
    if isinstance(value, str):
        at = _date(value)
        return (PropertyType.STRING, value, None) if at is None else (PropertyType.DATE, value, at)
    return PropertyType.JSON, orjson.dumps(value).decode(), None


def _date(text: str) -> float | None:
    """The time (ms) of a date such as 2025-01-20 or 2025-01-20T10:30:00Z; None for other texts."""
    if len(text) < 10 or text[4:5] != "-" or not text[:4].isdigit():
        return None
    try:
        return from_iso8601(text)
    except ValueError:
        return None


def properties(seqs: Collection[int]) -> dict[int, dict[str, Any]]:
    """The properties of each of these events, by seq, as they were sent."""
    found: dict[int, dict[str, Any]] = {seq: {} for seq in seqs}
    for start in range(0, len(seqs), 500):
        part = [*seqs][start : start + 500]
        marks = ", ".join("?" * len(part))
        rows = events.query(
            "SELECT p.event_seq, s.text, p.type, p.text, p.number FROM event_properties p "
            f"JOIN strings s ON s.number = p.key WHERE p.event_seq IN ({marks})",
            *part,
        )
        for seq, key, type, text, number in rows:
            found[seq][key] = _value(type, text, number)
    return found


def _value(type: int, text: str | None, number: float | None) -> Any:
    if type == PropertyType.BOOLEAN:
        return bool(number)
    if type == PropertyType.NUMBER:
        return int(number) if number.is_integer() and abs(number) <= 1 << 53 else number
    return orjson.loads(text) if type == PropertyType.JSON else text
