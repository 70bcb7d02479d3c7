"""Bodies of telemetry: JSON of any shape up to its bounds, and nothing beyond them."""

from typing import Any

import orjson
import pytest

from alice.errors import Malformed, TooLarge
from alice.tracking.dialects import body


def nested(depth: int, kind: str = "list") -> bytes:
    """So many containers in each other."""
    document: Any = "tea"
    for _ in range(depth):
        document = [document] if kind == "list" else {"a": document}
    return orjson.dumps(document)


KEYS_100, KEYS_101 = ({f"k{n}": n for n in range(count)} for count in (100, 101))


@pytest.mark.parametrize(
    "raw",
    [
        b'"' + b"x" * 999_998 + b'"',
        nested(10),
        nested(10, "dict"),
        orjson.dumps(KEYS_100),
        orjson.dumps({"k" * 200: [], "a": {}}),
        b"{}",
        b"[]",
        b"7",
        b"null",
        b'"tea"',
        b"[[], {}, 1.5, null, true]",
        b'"\\\\u0000"',
        b'{"\\\\u0000": ["\\\\u0000", 1, null, [2.5], {"a": {}}]}',
    ],
)
def test_a_body_within_the_bounds_is_read(raw: bytes) -> None:
    assert body.read(raw) == orjson.loads(raw)


@pytest.mark.parametrize(
    "raw",
    [
        nested(11),
        nested(11, "dict"),
        b'[{"a": ' + nested(9) + b"}]",
        orjson.dumps(KEYS_101),
        orjson.dumps({"k" * 201: 1, "a": 1}),
        orjson.dumps([{"a": {"k" * 201: 1}}]),
        b'"\\u0000"',
        b'{"\\u0000": 1}',
        b'{"a": "x\\u0000"}',
        b'[1, ["\\u0000"]]',
        b'[{"a": ["b", "\\u0000"]}]',
        b"",
        b"tea",
        b"\xff",
        b"NaN",
    ],
)
def test_a_body_beyond_them_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        body.read(raw)


def test_a_body_of_more_than_1_mb_is_too_large() -> None:
    with pytest.raises(TooLarge):
        body.read(b'"' + b"x" * 999_999 + b'"')


@pytest.mark.parametrize("count", [1, 500])
def test_a_batch_holds_1_to_500(count: int) -> None:
    assert body.batch({"movements": [7] * count}, "movements") == [7] * count


@pytest.mark.parametrize(
    "document",
    [{"events": []}, {"events": [7] * 501}, {"events": {}}, {"events": "7"}, {}, [7], "events", None],
)
def test_a_list_of_wrong_length_or_another_type_is_refused(document: Any) -> None:
    with pytest.raises(Malformed, match=r"^events must be a list of 1 to 500\.$"):
        body.batch(document)


def test_one_event_holds_at_most_64_kb_whatever_else_is_sent() -> None:
    largest, too_large = ({"a": "x" * (64 * 1024 - 8 + more)} for more in (0, 1))
    raw = orjson.dumps([largest, too_large])

    body.require_small(largest, orjson.dumps(largest))
    body.require_small(largest, raw)
    for sent in (orjson.dumps(too_large), raw):
        with pytest.raises(TooLarge):
            body.require_small(too_large, sent)
