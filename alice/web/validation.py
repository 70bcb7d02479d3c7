"""Validation of JSON bodies, query strings and forms, each declared as a pydantic model with bounds.

Bodies are strict ("10" is not an integer), query strings and forms are converted. For bodies and query
strings only the first error is reported, with the path of its field.
"""

import re
from collections.abc import Iterable
from math import isfinite
from typing import Annotated, Any, TypeVar

import orjson
from flask import request
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from alice.errors import Invalid, Malformed, UnsupportedMediaType

MAX_BODY = 1_000_000  # bytes
JSON_TYPE = "application/json"
FORM_TYPE = "application/x-www-form-urlencoded"


STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Body(BaseModel):
    """A JSON body: strict, and no unknown keys."""

    model_config = STRICT


class Query(BaseModel):
    """A query string: text is converted, unknown and repeated names are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Form(BaseModel):
    """An HTML form: text is converted, unknown fields (such as the CSRF token) are ignored."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


def _json_text(value: dict[str, Any]) -> str:
    try:
        text = orjson.dumps(value)
    except TypeError as error:
        reasons = (reason for sign, reason in _NOT_STORABLE.items() if sign in str(error))
        raise ValueError(next(reasons, "holds a value that cannot be kept")) from None
    # orjson writes infinity as null. A JSON body yields infinity only for a number that is too large.
    if b"null" in text and _holds_infinity(value):
        raise ValueError("holds a number too large to be kept")
    return text.decode()


# part of orjson's message -> our message
_NOT_STORABLE = {"64-bit": "holds a number of more than 64 bits", "ecursion": "is nested too deeply"}


def _holds_infinity(value: Any) -> bool:
    if isinstance(value, float):
        return not isfinite(value)
    if isinstance(value, dict):
        return any(map(_holds_infinity, value.values()))
    return isinstance(value, list) and any(map(_holds_infinity, value))


# A JSON object of any content that can be stored and sent again; validated into JSON text.
JsonText = Annotated[dict[str, Any], AfterValidator(_json_text)]
Model = TypeVar("Model", bound=BaseModel)


def body(model: type[Model]) -> Model:
    """The request's JSON body. Raises Malformed (400), Invalid (422), or 413 and 415."""
    if request.mimetype != JSON_TYPE:
        raise UnsupportedMediaType(f"The body must be {JSON_TYPE}.")
    return parse(model, request.get_data(cache=False))


def parse(model: type[Model], raw: bytes) -> Model:
    """Validate JSON text. Raises Malformed or Invalid."""
    try:
        parsed = model.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            raise _not_json(raw, first) from None
        if b"NaN" in raw or b"Infinity" in raw:
            _refuse_nan_and_nul(raw)  # malformed JSON is reported before wrong values
        raise _invalid(first) from None
    if b"NaN" in raw or b"Infinity" in raw or b"\\u0000" in raw:
        _refuse_nan_and_nul(raw)
    return parsed


def _not_json(raw: bytes, error: ErrorDetails) -> Malformed | Invalid:
    if "recursion limit" not in error.get("ctx", {}).get("error", ""):
        return Malformed("The body is not JSON.")
    try:
        orjson.loads(raw)  # accepts deeper nesting than pydantic
    except orjson.JSONDecodeError:
        return Malformed("The body is not JSON, or nested too deeply.")
    return Invalid("The body is nested too deeply.")


def query(model: type[Model]) -> Model:
    """The request's query string. Raises Invalid (422)."""
    pairs = request.args
    values = pairs.to_dict()
    for name, given in pairs.lists():
        if len(given) > 1:
            raise Invalid(f"{_printable(name)} is given more than once.", _printable(name))
    for name, value in values.items():
        if "\0" in value:
            raise Invalid(f"{_printable(name)} holds a character that cannot be kept.", _printable(name))
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _invalid(error.errors(include_url=False, include_input=False)[0]) from None


def form(model: type[Model]) -> Model | dict[str, str]:
    """The request's HTML form: the model, or a message for each field at fault, to show the form again."""
    if request.mimetype != FORM_TYPE:
        raise UnsupportedMediaType(f"A form must be sent as {FORM_TYPE}.")
    values = request.form.to_dict()
    broken = {name: "This holds a character that cannot be kept." for name in values if "\0" in values[name]}
    if broken:
        return broken
    try:
        return model.model_validate(values)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        return {_path(e["loc"]): f"This {_reason(e)}." for e in reversed(errors)}


def explain(error: ValidationError) -> str:
    """The first error, as a sentence that names the field."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{_path(first['loc']) or 'The body'} {_reason(first)}."


def _invalid(error: ErrorDetails) -> Invalid:
    path = _path(error["loc"])
    return Invalid(f"{path or 'The body'} {_reason(error)}.", path or None)


def _path(location: Iterable[str | int]) -> str:
    """`("activities", 3, "page_number")` as `activities[3].page_number`."""
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{_printable(step)}" if path else _printable(step)
    return path


def _printable(name: str) -> str:
    """A name as the client sent it, short and without control characters."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name[:64])


REASONS = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is too large",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "does not have the right form",
    "too_short": "must hold at least {min_length} items",
    "too_long": "must hold at most {max_length} items",
    "enum": "must be one of {expected}",
    "literal_error": "must be one of {expected}",
    "timezone_aware": "must name its time zone, as in 2025-01-20T10:30:00Z",
    "value_error": "{error}",  # the text of our own validators' ValueError
}

A_TIME = "must be a time such as 2025-01-20T10:30:00Z"
ONE_OF_MANY = re.compile(r"\b1 (character|item)s\b")


def _reason(error: ErrorDetails) -> str:
    kind = error["type"]
    reason = REASONS.get(kind) or (A_TIME if kind.startswith("datetime_") else "is not valid")
    return ONE_OF_MANY.sub(r"1 \1", reason.format_map(error.get("ctx", {})))


def _refuse_nan_and_nul(raw: bytes) -> None:
    """Raise Malformed for NaN, which pydantic accepts, and Invalid for NUL, which PostgreSQL cannot store."""
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise Malformed("The body is not JSON.") from None
    path = _nul_in(document, "")
    if path is not None:
        raise Invalid(f"{path or 'The body'} holds a character that cannot be kept.", path or None)


def _nul_in(value: Any, path: str) -> str | None:
    """The path of the first string or key that contains a NUL, or None."""
    if isinstance(value, str):
        return path if "\0" in value else None
    if isinstance(value, dict):
        items = ((f"{path}.{_printable(k)}" if path else _printable(k), k, v) for k, v in value.items())
        found = (p if "\0" in k else _nul_in(v, p) for p, k, v in items)
    elif isinstance(value, list):
        found = (_nul_in(v, f"{path}[{i}]") for i, v in enumerate(value))
    else:
        return None
    return next((p for p in found if p is not None), None)
