"""A body of up to 1 MB is read completely before a database connection is opened for its request."""

import io
import tempfile

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from alice import database
from tests.cast import Cast

pytestmark = pytest.mark.engine("sqlite")

MEGABYTE = 1_000_000
VALID = b'{"activities": [{"page_number": 1}]}'


def send(client: FlaskClient, body: io.BytesIO, **environ: str) -> TestResponse:
    """Send the body as a server hands it on that reads it bit by bit from a socket."""
    overrides = {"wsgi.input": body, "wsgi.input_terminated": True, **environ}
    return client.post("/api/probe/batch", content_type="application/json", environ_overrides=overrides)


@pytest.mark.parametrize(("length", "status"), [(MEGABYTE, 200), (MEGABYTE + 1, 413)])
@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_has_at_most_a_megabyte(client: FlaskClient, length: int, status: int, chunked: bool) -> None:
    length_known = {"CONTENT_LENGTH": str(length)}
    environ = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""} if chunked else length_known

    assert send(client, io.BytesIO(VALID.ljust(length)), **environ).status_code == status


def test_a_body_that_ends_early_is_refused(client: FlaskClient) -> None:
    answer = send(client, io.BytesIO(VALID), CONTENT_LENGTH=str(len(VALID) + 1))

    assert (answer.status_code, answer.json["error"]["code"]) == (400, "bad_request")


class Broken(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        raise ConnectionResetError


def test_a_sender_who_goes_is_no_fault_of_ours(client: FlaskClient) -> None:
    assert send(client, Broken(), CONTENT_LENGTH="10").status_code == 400


class Watched(io.BytesIO):
    """Notes whether a connection was lent when it was read."""

    lent = None

    def read(self, size: int | None = -1) -> bytes:
        self.lent = not database.alice_db.is_closed()
        return super().read(size)


def test_a_slow_sender_holds_no_connection(client: FlaskClient) -> None:
    body = Watched(VALID)

    assert send(client, body, CONTENT_LENGTH=str(len(VALID))).status_code == 200
    assert body.lent is False


def test_a_request_without_a_body_may_say_no_length(cast: Cast) -> None:
    answer = cast.reader.client.get("/api/auth/me", environ_overrides={"CONTENT_LENGTH": ""})

    assert answer.status_code == 200


def test_a_form_may_be_as_large_as_any_body(client: FlaskClient) -> None:
    form = {"first_name": "Ada", "filler": "x" * 900_000}

    assert client.post("/probe/guest", data=form, headers={"Origin": "http://localhost"}).status_code == 200


PART = b'--x\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
SECTION = PART % (b"section", b"", b"name")


def send_parts(cast: Cast, *parts: bytes) -> int:
    """Send a form of a type that is not taken, to the only page that looks into it before it says so."""
    return cast.reader.browser.post(
        "/account", data=b"".join((*parts, b"--x--")), content_type="multipart/form-data; boundary=x"
    ).status_code


def test_an_upload_is_written_nowhere(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/there/is/no/such/folder")

    assert send_parts(cast, SECTION, PART % (b"file", b'; filename="x"', b"x" * 900_000)) == 415


@pytest.mark.parametrize(("parts", "status"), [(100, 415), (101, 413)])
def test_a_form_has_at_most_a_hundred_parts(cast: Cast, parts: int, status: int) -> None:
    assert send_parts(cast, SECTION, *[PART % (b"x", b"", b"")] * (parts - 1)) == status
