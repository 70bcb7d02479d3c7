"""Errors as UserTracker and the sites' API write them: `{"error": "..."}`."""

from flask import Blueprint, Response
from werkzeug.exceptions import HTTPException

from alice.errors import Refusal
from alice.web import answers
from alice.web.json import respond

WORDS = {"unauthenticated": "Unauthorized", "forbidden": "Access denied"}


def install(blueprint: Blueprint) -> None:
    """Make all errors of the blueprint's views objects with one text."""
    blueprint.register_error_handler(Refusal, lambda refusal: _plain(answers.refused(refusal)))
    blueprint.register_error_handler(HTTPException, lambda error: _plain(answers.stopped(error)))
    blueprint.register_error_handler(Exception, lambda error: _plain(answers.failed(error)))


def _plain(original: Response) -> Response:
    error = original.get_json()["error"]
    content = {"error": WORDS.get(error["code"], error["message"])}
    if original.status_code == 401:
        content["code"] = "AUTH_REQUIRED"
    response = respond(content, original.status_code)
    if "Retry-After" in original.headers:
        response.headers["Retry-After"] = original.headers["Retry-After"]
    return response
