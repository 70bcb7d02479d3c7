"""The EventTracker dialect: sessions that a client names, opens and renews, and the events in them.

Everything is under `/api/v1/events`: `POST session` (also as `session/init`), `session/validate`,
`session/renew`, `session/flush`, `track`, `batch-track`, and `GET session/:id`. A session is a visit.
Responses are `{success, data}`, errors `{success: false, error}`. For an expired session the response is 200
with `new_session_id`, so that the client renews the session and sends the event again.

Events are committed before the response, so there is no buffer: `events_in_buffer` and `flushed_events` are
0. `flushed_to_tinybird` is false because sinks read the log later, on their own.
"""

from collections.abc import Callable

from alice import database
from alice.errors import Refusal
from alice.tracking.dialects.answer import OPEN, Answer
from alice.tracking.dialects.eventtracker import events, sessions
from alice.tracking.log.caller import Caller
from alice.tracking.pipeline import Tracking

PREFIX = "/api/v1/events/"
# Pages of any origin may send events; no cookie is read here.
PREFLIGHT = [
    OPEN,
    ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
    ("Access-Control-Allow-Headers", "Content-Type"),
    ("Access-Control-Max-Age", "86400"),
]


POSTS: dict[str, Callable[[Tracking, bytes, Caller], Answer]] = {
    "session": sessions.init,
    "session/init": sessions.init,
    "session/validate": sessions.validate,
    "session/renew": sessions.renew,
    "session/flush": sessions.flush,
    "track": events.track,
    "batch-track": events.batch,
}


def handle(tracking: Tracking, method: str, path: str, raw: bytes, caller: Caller) -> Answer:
    """Respond to a request below PREFIX."""
    name = path.removeprefix(PREFIX)
    post = POSTS.get(name)
    shown = None if post else _shown_session(name)
    if post is None and shown is None:
        return _refused(404, "There is nothing here.")
    allowed = "POST" if post else "GET"
    if method == "OPTIONS":
        return Answer(204, None, PREFLIGHT)
    if method != allowed:
        return _refused(405, f"Only {allowed} goes here.", [("Allow", f"{allowed}, OPTIONS")])
    try:
        tracking.admit(caller)
        with database.connected(database.events_db):
            answer = post(tracking, raw, caller) if post else sessions.show(tracking, shown)
    except Refusal as refusal:
        return _refused(refusal.status, refusal.message, [*refusal.headers.items()])
    return answer._replace(headers=[OPEN])


def _shown_session(name: str) -> str | None:
    """The id in `session/:id`, or None. WSGI decodes the path's UTF-8 bytes as Latin-1 (PEP 3333)."""
    where, _, session_id = name.partition("/")
    if where != "session" or not session_id or "\0" in session_id:
        return None
    return session_id.encode("latin-1", "replace").decode("utf-8", "replace")


def _refused(status: int, message: str, headers: list[tuple[str, str]] | None = None) -> Answer:
    return Answer(status, {"success": False, "error": message}, [OPEN, *(headers or [])])
