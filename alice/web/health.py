"""GET /health: whether Alice works, for monitoring."""

import peewee
from flask import Blueprint, Response

from alice import database, engines
from alice.errors import ServiceUnavailable
from alice.web.access import public
from alice.web.json import respond

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
@public
def health() -> Response:
    """Respond 200 if the database can be queried, else 503."""
    try:
        database.ensure_open()
        database.query("SELECT 1 FROM users LIMIT 1")
    except (engines.Unavailable, peewee.PeeweeException):
        raise ServiceUnavailable("The database does not answer.", retry_after=5) from None
    return respond({"status": "ok"})
