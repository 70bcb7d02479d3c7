"""Bodies are strict, queries and forms convert, all are bounded, and nothing hostile is a 500."""

import io
import json
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.engine("sqlite")

HOSTILE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def batch(client: FlaskClient, raw: bytes, content_type: str = "application/json") -> Any:
    return client.post("/api/probe/batch", data=raw, content_type=content_type)


def test_a_valid_body_arrives(client: FlaskClient) -> None:
    answer = batch(client, b'{"activities": [{"page_number": 7, "metadata": {"word": "m\\u00f6gen"}}]}')

    assert answer.status_code == 200
    assert answer.json["activities"][0]["metadata"] == '{"word":"mögen"}'


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"nothing",
        b"{'a': 1}",
        b'{"a": 1,}',
        b"\xff\xfe{}",
        b'"\\ud800"',
        b"[" * 100_000,
        b'{"a":' * 5000,
        b'{"activities": [{"page_number": ' + b"9" * 5000 + b"}]}",
        b'{"activities": [{"page_number": 1, "metadata": {"a": NaN}}]}',
        b'{"activities": [{"page_number": 1, "metadata": {"a": -Infinity}}]}',
        b'{"activities": [{"page_number": 1, "note": "\xff"}]}',
    ],
)
def test_what_is_not_json_is_a_400(client: FlaskClient, raw: bytes) -> None:
    answer = batch(client, raw)

    assert answer.status_code == 400
    assert answer.json["error"]["code"] == "malformed_json"


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_another_content_type_is_a_415(client: FlaskClient, content_type: str) -> None:
    answer = batch(client, b'{"activities": [{"page_number": 1}]}', content_type)

    assert answer.status_code == 415
    assert answer.json["error"]["code"] == "unsupported_media_type"


def test_a_charset_does_no_harm(client: FlaskClient) -> None:
    raw = b'{"activities": [{"page_number": 1}]}'

    assert batch(client, raw, "application/json; charset=utf-8").status_code == 200


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ([], None, "must be an object"),
        ({}, "activities", "is required"),
        ({"activities": []}, "activities", "at least 1 item."),
        ({"activities": [{"page_number": 1}] * 4}, "activities", "at most 3 items."),
        ({"activities": "x"}, "activities", "must be a list"),
        ({"activities": [7]}, "activities[0]", "must be an object"),
        ({"activities": [{}]}, "activities[0].page_number", "is required"),
        ({"activities": [{"page_number": "10"}]}, "activities[0].page_number", "must be a whole number"),
        ({"activities": [{"page_number": 1.0}]}, "activities[0].page_number", "must be a whole number"),
        ({"activities": [{"page_number": True}]}, "activities[0].page_number", "must be a whole number"),
        ({"activities": [{"page_number": None}]}, "activities[0].page_number", "must be a whole number"),
        ({"activities": [{"page_number": 0}]}, "activities[0].page_number", "at least 1."),
        (
            {"activities": [{"page_number": 1}, {"page_number": 1001}]},
            "activities[1].page_number", "at most 1000.",
        ),
        ({"activities": [{"page_number": 1, "note": ""}]}, "activities[0].note", "at least 1 character."),
        ({"activities": [{"page_number": 1, "note": "x" * 11}]}, "activities[0].note", "at most 10 char"),
        ({"activities": [{"page_number": 1, "sort": 1}]}, "activities[0].sort", "is not known"),
        ({"activities": [{"page_number": 1, "metadata": []}]}, "activities[0].metadata", "must be an object"),
        (
            {"activities": [{"page_number": 1, "metadata": {"a": {"b": ["x\0"]}}}]},
            "activities[0].metadata.a.b[0]", "cannot be kept",
        ),
        ({"activities": [{"page_number": 1, "kind": "\0"}]}, "activities[0].kind", "cannot be kept"),
        (
            {"activities": [{"page_number": 1, "metadata": {"a\0": 1}}]},
            "activities[0].metadata.a\ufffd", "cannot be kept",
        ),
        ({"activities": [{"page_number": 1, "at": "noon"}]}, "activities[0].at", "must be a time such as"),
        ({"activities": [{"page_number": 0}, {"page_number": 0}]}, "activities[0].page_number", "at least"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_a_422_that_names_field_and_bound(
    client: FlaskClient, body: Any, field: str | None, words: str
) -> None:
    answer = batch(client, orjson.dumps(body))

    assert answer.status_code == 422
    assert answer.json["error"]["code"] == "invalid"
    assert answer.json["error"].get("field") == field
    assert words in answer.json["error"]["message"]


def test_numbers_too_large_for_any_store_are_refused(client: FlaskClient) -> None:
    huge = b"9" * 40
    too_large = (b'"metadata": {"a": %b}' % huge, b'"weight": 1e400')
    for raw in (b'{"page_number": %b}' % huge, *(b'{"page_number": 1, %b}' % field for field in too_large)):
        assert batch(client, b'{"activities": [%b]}' % raw).status_code == 422


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"1e400", "a number too large to be kept"),
        (b'[null, {"b": -1e400}]', "a number too large to be kept"),
        (b"9" * 40, "a number of more than 64 bits"),
    ],
)
def test_a_number_that_cannot_be_kept_is_said_to_be_one(
    client: FlaskClient, value: bytes, words: str
) -> None:
    answer = batch(client, b'{"activities": [{"page_number": 1, "metadata": {"a": %b}}]}' % value)

    assert answer.status_code == 422
    assert answer.json["error"]["field"] == "activities[0].metadata"
    assert words in answer.json["error"]["message"]


@pytest.mark.parametrize("value", [b"null", b'"null"', b"1e300", b'{"null": [null, -0.0]}'])
def test_null_is_kept(client: FlaskClient, value: bytes) -> None:
    answer = batch(client, b'{"activities": [{"page_number": 1, "metadata": {"a": %b}}]}' % value)

    assert orjson.loads(answer.json["activities"][0]["metadata"]) == {"a": orjson.loads(value)}


@pytest.mark.parametrize("depth", [190, 300, 900])
def test_what_is_nested_too_deeply_is_said_to_be(client: FlaskClient, depth: int) -> None:
    deep = b"[" * depth + b"]" * depth
    answer = batch(client, b'{"activities": [{"page_number": 1, "metadata": {"a": %b}}]}' % deep)

    if depth < 200:
        assert answer.status_code == 200
    else:
        assert answer.status_code == 422
        assert answer.json["error"]["message"] == "The body is nested too deeply."


def test_text_that_only_looks_like_a_nul_is_kept(client: FlaskClient) -> None:
    answer = batch(client, rb'{"activities": [{"page_number": 1, "note": "\\u0000 NaN"}]}')

    assert answer.json["activities"][0]["note"] == r"\u0000 NaN"


def test_of_a_repeated_key_the_last_counts(client: FlaskClient) -> None:
    answer = batch(client, b'{"activities": [{"page_number": 1, "page_number": 2}]}')

    assert answer.json["activities"][0]["page_number"] == 2


def test_what_was_sent_is_not_sent_back_in_the_message(client: FlaskClient) -> None:
    answer = batch(client, b'{"activities": [{"page_number": "<script>"}]}')

    assert "script" not in answer.text


def test_a_field_name_is_cut_and_cleaned_before_it_is_named(client: FlaskClient) -> None:
    answer = batch(client, orjson.dumps({"activities": [{"page_number": 1}], "x\n" * 500: 1}))

    assert answer.status_code == 422
    assert answer.json["error"]["field"] == "x\ufffd" * 32


@HOSTILE
@given(raw=st.binary(max_size=200))
def test_no_bytes_are_a_500(client: FlaskClient, raw: bytes) -> None:
    assert batch(client, raw).status_code in (400, 422)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@HOSTILE
@given(
    item=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("page_number", "note", "kind", "weight", "metadata", "x"), json_values)
    )
)
def test_no_document_is_a_500(client: FlaskClient, item: dict) -> None:
    raw = json.dumps({"activities": [item]}).encode()

    assert batch(client, raw).status_code in (200, 400, 422)


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("limit=0", "limit", "at least 1."),
        ("limit=501", "limit", "at most 500."),
        ("limit=x", "limit", "whole number"),
        ("limit=", "limit", "whole number"),
        ("limit=1.5", "limit", "whole number"),
        ("limit=NaN", "limit", "whole number"),
        ("limit=" + "9" * 30, "limit", "at most 500."),
        ("limit=" + "9" * 5000, "limit", "too large"),
        ("limit=1&limit=2", "limit", "more than once"),
        ("limits=1", "limits", "is not known"),
        ("limit=0&before=x", "limit", "at least 1."),
        ("weight=NaN", "weight", "must be a finite number"),
        ("id=x", "id", "id is not valid"),
        ("name=%00", "name", "cannot be kept"),
        ("name=" + "x" * 21, "name", "at most 20 characters."),
    ],
)
def test_a_wrong_query_value_is_a_422_that_names_field_and_bound(
    client: FlaskClient, text: str, field: str, words: str
) -> None:
    answer = client.get(f"/api/probe/window?{text}")

    assert answer.status_code == 422
    assert answer.json["error"]["field"] == field
    assert words in answer.json["error"]["message"]


def test_query_values_are_converted(client: FlaskClient) -> None:
    answer = client.get("/api/probe/window?limit=7&before=9000")

    assert answer.json == {"limit": 7, "before": 9000, "weight": None, "id": None, "name": ""}


def test_a_query_that_is_not_utf_8_is_no_500(client: FlaskClient) -> None:
    assert client.get("/api/probe/window?name=%ff%fe").status_code == 200


@HOSTILE
@given(
    pairs=st.lists(
        st.tuples(st.sampled_from(["limit", "before", "name", "x"]), st.text(max_size=30)), max_size=4
    )
)
def test_no_query_is_a_500(client: FlaskClient, pairs: list[tuple[str, str]]) -> None:
    text = urlencode(pairs, errors="surrogatepass")

    assert client.get(f"/api/probe/window?{text}").status_code in (200, 422)


def guest(client: FlaskClient, data: dict[str, Any], **kwargs: Any) -> Any:
    return client.post("/probe/guest", data=data, headers={"Origin": "http://localhost"}, **kwargs)


def test_a_form_is_converted_and_other_fields_are_ignored(client: FlaskClient) -> None:
    answer = guest(client, {"first_name": "Alice", "age": "7", "csrf_token": "x", "button": ""})

    assert answer.json == {"first_name": "Alice", "age": 7, "weight": 0}


def test_a_wrong_form_says_so_for_each_field(client: FlaskClient) -> None:
    answer = guest(client, {"first_name": "", "age": "151", "weight": "inf"})

    assert answer.json == {
        "first_name": "This must have at least 1 character.",
        "age": "This must be at most 150.",
        "weight": "This must be a finite number.",
    }


def test_a_nul_in_a_form_is_a_field_error(client: FlaskClient) -> None:
    assert "cannot be kept" in guest(client, {"first_name": "a\0"}).json["first_name"]


def test_a_form_with_files_is_not_taken(client: FlaskClient) -> None:
    answer = guest(client, {"first_name": "a", "file": (io.BytesIO(b"x"), "x.txt")})

    assert answer.status_code == 415
