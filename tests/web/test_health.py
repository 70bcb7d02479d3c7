"""/health says whether the database can be queried."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alice import database, engines


def test_it_is_open_to_all_and_well(client: FlaskClient) -> None:
    answer = client.get("/health")

    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


@pytest.fixture
def _no_users_table(app: Flask) -> Iterator[None]:
    with database.connected():
        database.execute("ALTER TABLE users RENAME TO gone")
    yield
    with database.connected():
        database.execute("ALTER TABLE gone RENAME TO users")


@pytest.mark.usefixtures("_no_users_table")
def test_it_answers_503_when_the_database_does_not(client: FlaskClient) -> None:
    answer = client.get("/health")

    assert answer.status_code == 503
    assert answer.json["error"]["code"] == "unavailable"
    assert answer.headers["Retry-After"] == "5"


def test_it_gives_its_connection_back(client: FlaskClient) -> None:
    for _ in range(engines.CONNECTIONS + 2):
        assert client.get("/health").status_code == 200
