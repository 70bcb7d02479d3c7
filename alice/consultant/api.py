"""The consultant API: active and online readers, all readers, activities, and one reader in detail."""

from collections.abc import Callable
from operator import attrgetter, itemgetter
from typing import Annotated, Any, TypeVar

from flask import Blueprint, Response
from orjson import Fragment
from pydantic import Field, StringConstraints

from alice import clock
from alice.accounts.user import STAFF
from alice.activity import log
from alice.activity.log import ActivityRow
from alice.clock import rfc3339
from alice.consultant import queries
from alice.consultant.queries import Reader
from alice.errors import NotFound
from alice.web.access import roles
from alice.web.json import respond
from alice.web.validation import Query, query

blueprint = Blueprint("consultant_api", __name__, url_prefix="/api/consultant")

Row = TypeVar("Row")
Limit = Annotated[int, Field(ge=1, le=500)]
# The cursor of a list ordered by time: the time (ms) and the id of the last item.
Moment = Annotated[str, StringConstraints(pattern=r"^\d{1,15}_[0-9a-f-]{36}$")]


class ActiveReaders(Query):
    minutes: int = Field(30, ge=1, le=1440)
    limit: Limit = 500
    before: Moment | None = None


class OnlineReaders(Query):
    limit: Limit = 500
    before: Moment | None = None


class Readers(Query):
    limit: Limit = 100
    before: str | None = Field(None, max_length=36)


class RecentActivities(Query):
    limit: Limit = 100
    before: int | None = Field(None, ge=1, le=1 << 62)


class ReaderActivity(Query):
    user_id: str = Field(max_length=100)
    hours: int = Field(24, ge=1, le=8760)


class OneReader(Query):
    user_id: str = Field(max_length=100)


@blueprint.get("/active-readers")
@roles(*STAFF)
def active_readers() -> Response:
    """Readers with a sign of life in the last minutes, the newest first."""
    params = query(ActiveReaders)
    found = queries.active_readers(params.minutes, _moment(params.before), params.limit + 1)
    return _list("readers", found, params.limit, _reader, _cursor)


@blueprint.get("/online-readers")
@roles(*STAFF)
def online_readers() -> Response:
    """Readers with a live session and a request in the last 5 minutes."""
    params, now = query(OnlineReaders), clock.now()
    found = [
        reader.shown(now) | {"online_since": _time(reader.online_since)}
        for reader in queries.online_readers(_moment(params.before), params.limit + 1)
    ]
    return _list("readers", found, params.limit, _reader, _cursor)


@blueprint.get("/readers")
@roles(*STAFF)
def readers() -> Response:
    """Every reader, the newest account first."""
    params, now = query(Readers), clock.now()
    found = [
        reader.shown(now) | _totals(reader) | {"created_at": rfc3339(reader.created_at)}
        for reader in queries.readers(params.before, params.limit + 1)
    ]
    return _list("readers", found, params.limit, _reader, itemgetter("user_id"))


@blueprint.get("/recent-activities")
@roles(*STAFF)
def recent_activities() -> Response:
    """The newest activities of all readers."""
    params = query(RecentActivities)
    found = log.newest(params.before, params.limit + 1)
    return _list("activities", found, params.limit, _activity, attrgetter("seq"))


@blueprint.get("/reader/activity")
@roles(*STAFF)
def reader_activity() -> Response:
    """How often a reader did what in the last hours."""
    params = query(ReaderActivity)
    _existing(params.user_id)
    return respond(queries.summary(params.user_id, params.hours))


@blueprint.get("/reader/state")
@roles(*STAFF)
def reader_state() -> Response:
    """A reader's place, totals and status."""
    reader = _existing(query(OneReader).user_id)
    status, stuck_reason = reader.status(clock.now())
    return respond(
        {
            "user_id": reader.id,
            "book_id": reader.book_id,
            "current_page": reader.current_page,
            "current_section_id": reader.current_section_id,
            "last_activity_type": reader.last_activity_type,
            "last_activity_at": _time(reader.last_activity_at),
            **_totals(reader),
            "status": status,
            "stuck_reason": stuck_reason,
            "updated_at": _time(reader.updated_at),
        }
    )


def _existing(user_id: str) -> Reader:
    reader = queries.reader(user_id)
    if reader is None:
        raise NotFound("There is no reader with this id.", "reader_unknown")
    return reader


def _reader(shown: dict[str, Any]) -> dict[str, Any]:
    return shown | {"last_active_at": _time(shown["last_active_at"])}


def _totals(reader: Reader) -> dict[str, int]:
    return {
        "total_pages_read": reader.total_pages_read or 0,
        "total_word_lookups": reader.total_word_lookups or 0,
        "total_ai_interactions": reader.total_ai_interactions or 0,
    }


def _activity(row: ActivityRow) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "id": row.id,
        "user_id": row.user_id,
        "activity_type": row.activity_type,
        "book_id": row.book_id,
        "page_number": row.page_number,
        "section_id": row.section_id,
        "metadata": Fragment(row.metadata.encode()) if row.metadata else None,
        "occurred_at": rfc3339(row.occurred_at),
        "created_at": rfc3339(row.created_at),
    }


def _list(
    name: str, found: list[Row], limit: int, item: Callable[[Row], Any], cursor: Callable[[Row], Any]
) -> Response:
    """Respond with at most `limit` items, of which up to `limit` + 1 were queried to see whether more follow.

    `next_before` is the cursor of the last item, or null at the end of the list.
    """
    items = [*map(item, found[:limit])]
    more = cursor(found[limit - 1]) if len(found) > limit else None
    return respond({"count": len(items), name: items, "next_before": more})


def _moment(before: str | None) -> tuple[int, str] | None:
    if before is None:
        return None
    at, _, user_id = before.partition("_")
    return int(at), user_id


def _cursor(shown: dict[str, Any]) -> str:
    """The cursor after this reader."""
    return f"{shown['last_active_at']}_{shown['user_id']}"


def _time(at: int | None) -> str | None:
    return rfc3339(at) if at else None
