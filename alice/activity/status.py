"""What a reader is doing, derived on request: idle, active, reading or stuck.

Rules (the first that matches): idle: logged out, or no sign of life for 10 minutes. Stuck: on one page with
5 lookups or AI questions, or on it for longer than max(3 x the reader's own median, 5 minutes), or back and
forth between the same two pages 3 times, or with an open help request. Reading: a page or section viewed, or
a heartbeat from the page, in the last 2 minutes. Else active.
"""

from statistics import median
from typing import NamedTuple

from alice.activity.state import State
from alice.activity.types import ActivityType
from alice.clock import minutes

IDLE_AFTER = minutes(10)
READING_FOR = minutes(2)
STUCK_AFTER_QUESTIONS = 5  # lookups or AI questions on one page
STUCK_AFTER_RETURNS = 3
STUCK_AFTER_DWELL = minutes(5)  # at least
STUCK_AFTER_MEDIANS = 3  # times the reader's own median

IDLE, ACTIVE, READING, STUCK = "idle", "active", "reading", "stuck"


class Presence(NamedTuple):
    """The page a reader's heartbeats come from."""

    book_id: str
    page_number: int
    seen_at: int  # ms
    dwell_ms: int  # how long that page has been in view


class Status(NamedTuple):
    name: str
    stuck_reason: str | None


def derive(state: State, presence: Presence | None, last_active_at: int | None, now: int) -> Status:
    """The status at `now` (ms) of a reader whose last request was at `last_active_at` (ms)."""
    seen_at = presence.seen_at if presence else 0
    if _logged_out(state, seen_at):
        return Status(IDLE, None)
    alive_at = max(state.last_activity_at, last_active_at or 0)
    name = unless_stuck(state.page_viewed_at, state.section_viewed_at, seen_at, alive_at, now)
    reason = None if name == IDLE else stuck_reason(state, presence)
    return Status(STUCK if reason else name, reason)


def unless_stuck(
    page_viewed_at: int | None, section_viewed_at: int | None, seen_at: int | None, alive_at: int, now: int
) -> str:
    """Idle, reading or active: the status of a reader who is neither signed out nor stuck. Times in ms.

    The caller may assume this, without the other columns, if the status stored with the state is active or
    reading and the dwell time of the presence is at most STUCK_AFTER_DWELL.
    """
    seen_at = seen_at or 0
    if now - alive_at > IDLE_AFTER and now - seen_at > IDLE_AFTER:
        return IDLE
    since = now - READING_FOR
    if (page_viewed_at or 0) >= since or seen_at >= since or (section_viewed_at or 0) >= since:
        return READING
    return ACTIVE


def implied(state: State) -> str:
    """The status from the log alone, at the time of the newest activity. It is stored in reader_states."""
    return derive(state, None, None, state.last_activity_at).name


def stuck_reason(state: State, presence: Presence | None) -> str | None:
    """Why the reader is stuck, as a text for consultants; None if the reader is not."""
    if state.open_help_requests:
        return "asked for help"
    questions = state.page_lookups + state.page_ai_questions
    if questions >= STUCK_AFTER_QUESTIONS:
        return f"{questions} lookups and questions on page {state.current_page}"
    if state.page_returns >= STUCK_AFTER_RETURNS:
        return f"back and forth between pages {state.previous_page} and {state.current_page}"
    dwell = _dwell(state, presence)
    if dwell > STUCK_AFTER_DWELL and dwell > STUCK_AFTER_MEDIANS * median(state.recent_dwells or [0]):
        return f"{dwell // minutes(1)} minutes on page {state.current_page}"
    return None


def _logged_out(state: State, seen_at: int) -> bool:
    return state.last_activity_type == ActivityType.LOGOUT and seen_at <= state.last_activity_at


def _dwell(state: State, presence: Presence | None) -> int:
    """How long (ms) the reader has been on the current page: the longer of log and heartbeats."""
    logged = state.last_activity_at - state.page_entered_at if state.page_entered_at else 0
    if presence and (presence.book_id, presence.page_number) == (state.book_id, state.current_page):
        return max(logged, presence.dwell_ms)
    return logged
