"""The edge is tested on routes made for it, and on the real ones."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import peewee
import pytest
from flask import Blueprint, Flask, Response, abort, render_template_string
from flask.testing import FlaskClient
from flask_login import current_user
from pydantic import Field

from alice.errors import Conflict, ServiceUnavailable, TooMany
from alice.web import address
from alice.web.access import public, roles
from alice.web.json import respond
from alice.web.validation import Body, Form, JsonText, Query, body, form, query


class Item(Body):
    page_number: Annotated[int, Field(ge=1, le=1000)]
    note: Annotated[str, Field(min_length=1, max_length=10)] | None = None
    kind: str | None = None
    weight: float | None = None
    at: datetime | None = None
    metadata: JsonText | None = None


class Batch(Body):
    activities: Annotated[list[Item], Field(min_length=1, max_length=3)]


class Window(Query):
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    before: int | None = None
    weight: float | None = None
    id: UUID | None = None
    name: Annotated[str, Field(max_length=20)] = ""


class Guest(Form):
    first_name: Annotated[str, Field(min_length=1, max_length=10)]
    age: Annotated[int, Field(ge=0, le=150)] = 0
    weight: float = 0


probe = Blueprint("probe", __name__)


@probe.post("/api/probe/batch")
@public
def probe_batch() -> Response:
    return respond(body(Batch).model_dump(warnings=False))  # metadata has become text


@probe.get("/api/probe/window")
@public
def probe_window() -> Response:
    return respond(query(Window).model_dump())


@probe.post("/probe/guest")
@public
def probe_guest() -> Response:
    guest = form(Guest)
    return respond(guest, 422) if isinstance(guest, dict) else respond(guest.model_dump())


@probe.get("/probe/token")
@public
def probe_token() -> str:
    return render_template_string("{{ csrf_token() }}")


@probe.route("/api/probe/mine", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
def probe_mine() -> Response:
    return respond({"role": current_user.role})


@probe.route("/probe/mine", methods=["GET", "POST"])
def probe_my_page() -> str:
    return "mine"


@probe.get("/api/probe/staff")
@roles("consultant", "admin")
def probe_staff() -> Response:
    return respond({})


@probe.get("/probe/admin")
@roles("admin")
def probe_admin() -> str:
    return "admin"


@probe.get("/probe/mine/fails")
def probe_mine_fails() -> Response:
    raise RuntimeError


@probe.get("/api/probe/fails/<how>")
@probe.get("/probe/fails/<how>")
@public
def probe_fails(how: str) -> Response:
    raise FAULTS[how]()


@probe.get("/api/probe/abort/<int:status>")
@probe.get("/probe/abort/<int:status>")
@public
def probe_abort(status: int) -> Response:
    abort(status)


@probe.get("/api/probe/address")
@public
def probe_address() -> Response:
    return respond({"client": address.client_address(), "scheme": address.scheme()})


@probe.get("/api/probe/cached")
@public
def probe_cached() -> Response:
    answer = respond({})
    answer.headers["Cache-Control"] = "public, max-age=60"
    return answer


FAULTS: dict[str, Any] = {
    "bug": lambda: RuntimeError("the password is swordfish"),
    "lock": lambda: peewee.OperationalError("database is locked"),
    "sql": lambda: peewee.OperationalError("no such column: secret"),
    "conflict": lambda: Conflict("This is taken.", "taken", "name"),
    "throttle": lambda: TooMany(17),
    "at once": lambda: TooMany(0),
    "busy": ServiceUnavailable,
}


@pytest.fixture
def app(app: Flask) -> Flask:
    """The application with routes to try the edge on."""
    app.register_blueprint(probe)
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A program that is not signed in: no cookies, no Origin."""
    return app.test_client(use_cookies=False)
