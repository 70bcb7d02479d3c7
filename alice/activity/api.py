"""The endpoints for what clients report: activities and heartbeats."""

from flask import Blueprint, Response
from flask_login import current_user
from pydantic import Field

from alice import clock
from alice.accounts.user import READER
from alice.activity import log, track
from alice.activity.presence import write_presence
from alice.errors import Conflict, Invalid
from alice.library import access
from alice.web.access import roles
from alice.web.context import alice, settings
from alice.web.json import respond
from alice.web.validation import Body, body

blueprint = Blueprint("activity_api", __name__, url_prefix="/api")


class Heartbeat(Body):
    book_id: str = Field(max_length=200)
    page_number: int = Field(ge=1, le=1_000_000)


@blueprint.post("/activity/track")
@roles(READER)
def track_activity() -> Response:
    """Log one activity, or up to 100. A 2xx status means that they are committed."""
    report = body(track.Track)
    reader = current_user._get_current_object()
    rows = track.activities(reader.id, reader.role, report, settings().require_book_code)
    try:
        appended = alice().recorder.submit(lambda db: log.append(db, reader.id, reader.session_id, rows))
    except log.ForeignId:
        raise Conflict("This activity id has been used.", "id_taken") from None
    status = 201 if any(row["created"] for row in appended) else 200
    return respond({"activities": appended} if report.several else appended[0], status)


@blueprint.post("/heartbeat")
@roles(READER)
def heartbeat() -> Response:
    """Note which page the reader has in view; it is written within a few seconds."""
    beat = body(Heartbeat)
    reader = current_user._get_current_object()
    book = access.require(reader.id, reader.role, beat.book_id, settings().require_book_code)
    if beat.page_number > book.total_pages:
        raise Invalid(f"page_number must be at most {book.total_pages}.", "page_number")
    alice().recorder.touch(write_presence, reader.id, (beat.book_id, beat.page_number, clock.now()))
    return Response(status=204)
