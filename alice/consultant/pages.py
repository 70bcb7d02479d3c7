"""The consultant's page: the online readers with place, time and status, and the newest activities."""

import json
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request
from werkzeug.http import quote_etag

from alice import clock
from alice.accounts.user import STAFF
from alice.activity import log
from alice.activity.log import ActivityRow
from alice.activity.status import STUCK
from alice.clock import seconds
from alice.consultant import queries
from alice.consultant.queries import Reader
from alice.library import book
from alice.web.access import roles

blueprint = Blueprint("consultant_pages", __name__)

ONLINE_COUNTED = 1000
ONLINE_SHOWN = 200  # stuck readers first
ACTIVITIES_SHOWN = 30
# A status can change with time, without an activity, so the ETag changes at least this often.
AGES_EVERY = seconds(5)


@blueprint.get("/consultant")
@roles(*STAFF)
def dashboard() -> str:
    """The whole page. Its script then requests the live part every second."""
    return render_template("consultant/dashboard.html", **live_data())


@blueprint.get("/consultant/live")
@roles(*STAFF)
def live() -> Response:
    """The live part alone; 304 while the ETag is the same."""
    version = quote_etag(f"{log.newest_seq()}-{clock.now() // AGES_EVERY}")
    if request.headers.get("If-None-Match") == version:
        return Response(status=304, headers={"ETag": version})
    response = make_response(render_template("consultant/_live.html", **live_data()))
    response.headers["ETag"] = version
    return response


def live_data() -> dict[str, Any]:
    """The variables of both templates, by three queries for any number of readers."""
    now, titles = clock.now(), book.titles()
    readers = queries.online_readers(None, ONLINE_COUNTED)
    activities = log.newest(None, ACTIVITIES_SHOWN)
    online = [_online(reader, titles, now) for reader in readers]
    online.sort(key=lambda reader: reader["status"] != STUCK)  # stuck readers first
    statuses = [reader["status"] for reader in online]
    return {
        "online": online[:ONLINE_SHOWN],
        "not_shown": max(0, len(online) - ONLINE_SHOWN),
        "activities": [_activity(row, titles) for row in activities],
        "counts": {"online": len(readers)} | {name: statuses.count(name) for name in ("reading", "stuck")},
        "seq": activities[0].seq if activities else 0,
    }


def _online(reader: Reader, titles: dict[str, str], now: int) -> dict[str, Any]:
    return reader.shown(now) | {
        "name": reader.name,
        "book_title": titles.get(reader.book_id),
        "since": reader.online_since,
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
