"""Events as rows of `events_v1`, visits as rows of `session_v1`: the same for all sinks.

A row is complete by itself: ids, names and times are text, and no number refers to another table of Alice.
`seq` is the place in the log. Bots are included and marked. A property of an event that has the name of a
column and fits it is in that column; the others are in `metadata`, as JSON text.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import orjson

from alice.clock import rfc3339
from alice.database import events
from alice.ids import event_id, visit_id
from alice.tracking.log.event import Kind
from alice.tracking.log.event_property import properties
from alice.tracking.log.strings import texts
from alice.tracking.sinks.sink import EVENTS

UNKNOWN = "Unknown"  # in the tables, for a place or a device that is not known
EU = frozenset(
    ("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU",
     "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK")
)  # fmt: skip


class Waiting(NamedTuple):
    count: int  # at most the limit
    since: int | None  # when the oldest was written (ms)
    first: int | None  # seq of an event, number of a visit
    last: int | None


def waiting(stream: str, position: int, limit: int) -> Waiting:
    """Count the rows after this position, up to the limit."""
    return Waiting(*events.query(_WAITING[stream], position, limit)[0])


def read(stream: str, first: int, last: int) -> list[bytes]:
    """Return these rows as JSON lines, in order. The number of queries does not depend on how many."""
    return _events(first, last) if stream == EVENTS else _visits(first, last)


_WAITING = {
    "events": "SELECT COUNT(*), MIN(received_at), MIN(seq), MAX(seq) FROM "
    "(SELECT seq, received_at FROM events WHERE seq > ? ORDER BY seq LIMIT ?) w",
    "visits": "SELECT COUNT(*), MIN(started_at), MIN(number), MAX(number) FROM "
    "(SELECT number, started_at FROM visits WHERE number > ? ORDER BY number LIMIT ?) w",
}


# Events

_EVENTS = """
SELECT e.seq, e.received_at, e.occurred_at, e.sequence, e.kind, e.name, e.path, e.engaged_ms, s.id,
       v.number, v.started_at, v.session_id, v.user_id, o.hash, v.context, v.ab_test, v.ab_variant, v.is_bot
FROM events e
JOIN visits v ON v.number = e.visit_number
JOIN sites s ON s.number = v.site_number
JOIN visitors o ON o.number = v.visitor_number
WHERE e.seq BETWEEN ? AND ? ORDER BY e.seq
"""


class _Event(NamedTuple):
    seq: int
    received_at: int
    occurred_at: int
    sequence: int
    kind: int
    name: int | None
    path: int | None
    engaged_ms: int | None
    site_id: str
    visit_number: int
    started_at: int
    session_id: str | None
    user_id: str | None
    hash: bytes
    context: str | None
    ab_test: str | None
    ab_variant: str | None
    is_bot: int


TYPES = {kind: kind.name.lower() for kind in Kind} | {Kind.PAGE_VIEW: "pageview"}


def _events(first: int, last: int) -> list[bytes]:
    found = [_Event._make(row) for row in events.query(_EVENTS, first, last)]
    props = properties([event.seq for event in found])
    words = texts({number for event in found for number in (event.name, event.path)})
    return [_line(_event(event, props[event.seq], words)) for event in found]


def _event(event: _Event, props: dict[str, Any], words: dict[int | None, str | None]) -> dict[str, Any]:
    context = _context(event.context)
    columns, metadata = _columns(props)
    row = {
        "timestamp": rfc3339(event.occurred_at),
        "received_at": rfc3339(event.received_at),
        "id": event_id(event.received_at, event.seq, event.site_id),
        "seq": event.seq,
        "event_id": words[event.name] or Kind(event.kind).name.lower().replace("_", "-"),
        "event_type": TYPES[Kind(event.kind)],
        "event_value": 0.0,
        "event_value_currency": "USD",
        "event_value_type": "static",
        "event_placement": "internal",
        "session_event_sequence": event.sequence,
        "page_url": words[event.path] or "",
        "time_on_page": event.engaged_ms // 1000 if event.engaged_ms else None,
        "metadata": metadata,
        "is_bot": event.is_bot,
        **dict.fromkeys(_NULL),
        **_ids(event, context),
        "attribution_id": context.get("attribution_id"),
        "segment_id": context.get("segment_id"),
        "ab_test_id": event.ab_test,
        "ab_test_variant_id": event.ab_variant,
    }
    return row | columns


_NULL = (
    "form_id", "clicked_element", "clicked_url", "page_load_time", "dom_ready_time", "scroll_percentage",
    "viewport_width", "viewport_height", "referrer_url",
)  # fmt: skip


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _whole(most: int) -> Callable[[Any], int | None]:
    def fit(value: Any) -> int | None:
        number = _number(value)
        return round(number) if number is not None and 0 <= number <= most else None

    return fit


def _type(value: Any) -> str | None:
    return value if isinstance(value, str) and value in TYPES.values() else None


# The properties that have a column. Each function returns the value for it, or None if it does not fit.
_FITS: dict[str, Callable[[Any], Any]] = {
    "event_type": _type,  # of an EventTracker page view that was sent with another type
    "event_value": _number,
    "page_load_time": _number,
    "dom_ready_time": _number,
    "scroll_percentage": _whole(100),
    "time_on_page": _whole((1 << 32) - 1),
    "viewport_width": _whole((1 << 16) - 1),
    "viewport_height": _whole((1 << 16) - 1),
} | dict.fromkeys(
    ("event_value_currency", "event_value_type", "event_placement", "attribution_id", "segment_id",
     "ab_test_id", "ab_test_variant_id", "form_id", "clicked_element", "clicked_url", "environment",
     "campaign_environment", "page_url", "referrer_url"),
    _text,
)  # fmt: skip
# The names of the same properties in other dialects.
_ALSO = {
    "element": "clicked_element",
    "href": "clicked_url",
    "form": "form_id",
    "depth": "scroll_percentage",
    "scroll": "scroll_percentage",
}


def _columns(props: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Split the properties of an event: those that have a column, and the rest as JSON text.

    If several fit one column, the one with its name takes it, else the first by name.
    """
    columns, rest = {}, {}
    for name, value in sorted(props.items(), key=lambda item: (item[0] in _ALSO, item[0])):
        column = _ALSO.get(name, name)
        fitting = _FITS[column](value) if column in _FITS else None
        if fitting is None or column in columns:
            rest[name] = value
        else:
            columns[column] = fitting
    if not rest:
        return columns, None
    only = rest.get("metadata") if len(rest) == 1 else None
    return columns, only if isinstance(only, str) else orjson.dumps(rest).decode()


# Visits

_TEXTS = (
    "landing_path", "referrer_host", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content",
    "bucket", "device", "browser", "os", "language", "timezone", "country", "ab_test", "ab_variant",
)  # fmt: skip
_VISITS = f"""
SELECT v.number, v.started_at, s.id, s.domain, v.session_id, v.user_id, o.hash, v.context, v.is_bot,
       EXISTS (SELECT 1 FROM visits p WHERE p.visitor_number = v.visitor_number AND p.number < v.number),
       {", ".join(f"v.{name}" for name in _TEXTS)}
FROM visits v
JOIN sites s ON s.number = v.site_number
JOIN visitors o ON o.number = v.visitor_number
WHERE v.number BETWEEN ? AND ? ORDER BY v.number
"""


class _Visit(NamedTuple):
    visit_number: int
    started_at: int
    site_id: str
    domain: str
    session_id: str | None
    user_id: str | None
    hash: bytes
    context: str | None
    is_bot: int
    returns: int


def _visits(first: int, last: int) -> list[bytes]:
    found = events.query(_VISITS, first, last)
    fixed = len(_Visit._fields)
    lines = []
    for row in found:
        text = dict(zip(_TEXTS, row[fixed:], strict=True))
        lines.append(_line(_visit(_Visit._make(row[:fixed]), text)))
    return lines


def _visit(visit: _Visit, text: dict[str, str | None]) -> dict[str, Any]:
    context = _context(visit.context)
    return {
        "timestamp": rfc3339(visit.started_at),
        "seq": visit.visit_number,
        **_ids(visit, context),
        "segment_id": context.get("segment_id"),
        "ab_test_id": text["ab_test"],
        "ab_test_variant_id": text["ab_variant"],
        **{name: value for name, value in text.items() if name.startswith("utm_")},
        "ref": context.get("ref"),
        "source": context.get("source"),
        "bucket": text["bucket"] or "Direct",
        "country": text["country"] or UNKNOWN,
        "continent": UNKNOWN,
        "city": UNKNOWN,
        "region": UNKNOWN,
        "region_code": None,
        "timezone": text["timezone"],
        "is_eu_country": int(text["country"] in EU),
        "device_type": text["device"] or UNKNOWN,
        "device_os": text["os"] or UNKNOWN,
        "browser": text["browser"] or UNKNOWN,
        "browser_version": None,
        "connection_type": UNKNOWN,
        "is_mobile": int(text["device"] == "mobile"),
        "referrer": text["referrer_host"],
        "language": text["language"],
        "user_agent": "",  # never stored
        "bot_score": 0.0,
        "is_bot": visit.is_bot,
        "is_verified_bot": 0,
        "is_corporate_proxy": 0,
        "is_ssl": 0,
        "domain_type": None,
        "user_hostname": visit.domain,
        "is_returning": int(bool(visit.returns)),
        "uri": text["landing_path"],
    }


# Both


def _ids(of: _Event | _Visit, context: dict[str, str | None]) -> dict[str, str | None]:
    """Return the ids of a row. Without a user id, `user_id` is the hash that a visitor keeps for a day."""
    public_id = visit_id(of.started_at, of.visit_number)
    return {
        "visit_id": public_id,
        "session_id": of.session_id or public_id,
        "user_id": of.user_id or bytes(of.hash).hex(),
        "project_id": of.site_id,
        "workspace_id": context.get("workspace_id") or "",
        "campaign_id": context.get("campaign_id") or "",
        "landing_page_id": context.get("landing_page_id") or "",
        "environment": context.get("environment") or "production",
        "campaign_environment": context.get("campaign_environment") or "production",
    }


def _context(text: str | None) -> dict[str, str | None]:
    """Parse a visit's context. Values that are not texts become None."""
    items: Iterable[tuple[str, Any]] = orjson.loads(text).items() if text else ()
    return {name: _text(value) for name, value in items}


def _line(columns: dict[str, Any]) -> bytes:
    return orjson.dumps(columns, option=orjson.OPT_APPEND_NEWLINE)
