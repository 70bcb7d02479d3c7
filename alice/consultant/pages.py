"""The consultant's page: who is online, where, since when, how they do, and what just happened."""

import json
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request
from werkzeug.http import quote_etag

from alice import clock
from alice.accounts.user import STAFF
from alice.activity.status import STUCK
from alice.clock import seconds
from alice.consultant import queries
from alice.consultant.queries import ActivityRow, Reader
from alice.library import book
from alice.web.access import roles

blueprint = Blueprint("consultant_pages", __name__)

ONLINE_COUNTED = 1000
ONLINE_SHOWN = 200  # those who are stuck first
ACTIVITIES_SHOWN = 30
# What is shown changes with the log and, more slowly, with time: statuses age without an activity.
AGES_EVERY = seconds(5)


@blueprint.get("/consultant")
@roles(*STAFF)
def dashboard() -> str:
    """The whole page; it then asks for its live part by itself."""
    return render_template("consultant/dashboard.html", **live_data())


@blueprint.get("/consultant/live")
@roles(*STAFF)
def live() -> Response:
    """The live part alone; 304 while nothing has changed."""
    version = quote_etag(f"{queries.newest_seq()}-{clock.now() // AGES_EVERY}")
    if request.headers.get("If-None-Match") == version:
        return Response(status=304, headers={"ETag": version})
    answer = make_response(render_template("consultant/_live.html", **live_data()))
    answer.headers["ETag"] = version
    return answer


def live_data() -> dict[str, Any]:
    """What both show. Four queries, however many readers there are."""
    now, titles = clock.now(), book.titles()
    readers = queries.online_readers(None, ONLINE_COUNTED)
    activities = queries.recent_activities(None, ACTIVITIES_SHOWN)
    online = [_online(reader, titles, now) for reader in readers]
    online.sort(key=lambda reader: reader["status"] != STUCK)  # whoever needs help stands first
    statuses = [reader["status"] for reader in online]
    return {
        "online": online[:ONLINE_SHOWN],
        "not_shown": max(0, len(online) - ONLINE_SHOWN),
        "activities": [_activity(row, titles) for row in activities],
        "counts": {"online": len(readers)} | {name: statuses.count(name) for name in ("reading", "stuck")},
        "seq": activities[0].seq if activities else 0,
    }


def _online(reader: Reader, titles: dict[str, str], now: int) -> dict[str, Any]:
    status, stuck_reason = reader.status(now)
    return {
        "user_id": reader.id,
        "name": reader.name,
        "email": reader.email,
        "book_title": titles.get(reader.book_id),
        "current_page": reader.current_page,
        "since": reader.online_since,
        "status": status,
        "stuck_reason": stuck_reason,
        "last_active_at": reader.last_active_at,
    }


def _activity(row: ActivityRow, titles: dict[str, str]) -> dict[str, Any]:
    word = json.loads(row.metadata).get("word") if row.metadata else None
    return {
        "seq": row.seq,
        "name": row.name,
        "activity_type": row.activity_type,
        "book_title": titles.get(row.book_id),
        "page_number": row.page_number,
        "occurred_at": row.occurred_at,
        "word": word if isinstance(word, str) else None,
    }
