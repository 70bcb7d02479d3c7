"""Requests of the consultant and of readers, for the tests of the consultant API."""

from werkzeug.test import TestResponse

from tests.activity.making import view as report
from tests.cast import BOOK, Cast, Person

ENDPOINTS = [
    "active-readers",
    "online-readers",
    "readers",
    "recent-activities",
    "reader/activity",
    "reader/state",
]


def get(cast: Cast, path: str, **query: object) -> TestResponse:
    return cast.consultant.client.get(f"/api/consultant/{path}", query_string=query)


def view(cast: Cast, page: int = 1, **more: object) -> None:
    assert cast.reader.client.post("/api/activity/track", json=report(page, **more)).status_code == 201


def beat(person: Person, page: int) -> None:
    """Send the heartbeat of the person's reading page."""
    body = {"book_id": BOOK, "page_number": page}
    assert person.client.post("/api/heartbeat", json=body).status_code == 204
