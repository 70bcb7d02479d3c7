"""reader_states: one row per reader, derived from the log.

`State.apply` is the only place that defines what an activity changes. `log.append` and `rebuild` both use it,
in the order of `seq`.
"""

import json
from dataclasses import dataclass, field, fields
from operator import attrgetter

from alice.activity.types import (
    AI_INTERACTION,
    HELP_REQUEST,
    HELP_RESOLVED,
    LOGOUT,
    PAGE_VIEW,
    SECTION_VIEW,
    VIEWS,
    WORD_LOOKUP,
    Activity,
)
from alice.clock import minutes
from alice.database import Queries

KEEP_DWELLS = 20  # the newest dwell times; their median is the reader's own pace
LONGEST_DWELL = minutes(10)  # a reader without any activity for longer is taken to be away


@dataclass(slots=True)
class State:
    """A row of reader_states in memory; the fields are its columns in their order, without user_id."""

    book_id: str | None = None
    current_page: int | None = None
    current_section_id: str | None = None
    last_activity_type: str = ""
    last_activity_at: int = 0
    total_pages_read: int = 0
    total_word_lookups: int = 0
    total_ai_interactions: int = 0
    status: str = "idle"
    page_entered_at: int | None = None
    page_viewed_at: int | None = None
    section_viewed_at: int | None = None
    previous_page: int | None = None
    page_lookups: int = 0
    page_ai_questions: int = 0
    page_returns: int = 0
    open_help_requests: int = 0
    recent_dwells: list[int] = field(default_factory=list)  # ms, oldest first; JSON in the row
    updated_at: int = 0

    def apply(self, activity: Activity) -> "PageLeft | None":
        """Apply one activity; return the page that the reader left with it, or None.

        A late activity (older than the newest) is added to the totals, but does not move the reader.
        """
        kind, at = activity.activity_type, activity.occurred_at
        if kind not in VIEWS:
            self._count(kind)
        self.updated_at = activity.created_at
        if at < self.last_activity_at:
            return None
        left = self._move(activity)
        self.last_activity_type, self.last_activity_at = kind, at
        if kind == PAGE_VIEW:
            self.page_viewed_at = at
        elif kind == SECTION_VIEW:
            self.section_viewed_at = at
        elif kind == WORD_LOOKUP:
            self.page_lookups += 1
        elif kind == AI_INTERACTION:
            self.page_ai_questions += 1
        return left

    def _count(self, kind: str) -> None:
        if kind == WORD_LOOKUP:
            self.total_word_lookups += 1
        elif kind == AI_INTERACTION:
            self.total_ai_interactions += 1
        elif kind == HELP_REQUEST:
            self.open_help_requests += 1
        elif kind == HELP_RESOLVED and self.open_help_requests:
            self.open_help_requests -= 1

    def _move(self, activity: Activity) -> "PageLeft | None":
        at, page, left = activity.occurred_at, activity.page_number, None
        if activity.activity_type == LOGOUT:
            left, self.page_entered_at = self._leave(at), None
        elif page is not None:
            if page != self.current_page or activity.book_id != self.book_id:
                left = self._leave(at)
                self._enter(activity.book_id, page, at)
            elif self.page_entered_at is None or at - self.last_activity_at > LONGEST_DWELL:
                self.page_entered_at = at  # back after a while: a new stay on the same page
            if activity.section_id is not None:
                self.current_section_id = activity.section_id
        return left

    def _enter(self, book_id: str | None, page: int, at: int) -> None:
        same_book = book_id == self.book_id
        self.page_returns = self.page_returns + 1 if same_book and page == self.previous_page else 0
        self.previous_page = self.current_page if same_book else None
        self.book_id, self.current_page, self.current_section_id = book_id, page, None
        self.page_entered_at = at
        if self.page_viewed_at == at:
            self.page_viewed_at = at - 1  # that view was of the page before, in the same millisecond
        self.page_lookups = self.page_ai_questions = 0

    def _leave(self, at: int) -> "PageLeft | None":
        if self.page_entered_at is None:
            return None
        dwell = at - self.page_entered_at
        if dwell <= LONGEST_DWELL:
            self.recent_dwells = [*self.recent_dwells, dwell][-KEEP_DWELLS:]
        if (self.page_viewed_at or 0) < self.page_entered_at:
            return None  # the reader was active there, but never viewed the page
        return PageLeft(self.book_id, self.current_page, min(dwell, LONGEST_DWELL))


@dataclass(slots=True, frozen=True)
class PageLeft:
    book_id: str
    page_number: int
    dwell_ms: int


COLUMNS = tuple(f.name for f in fields(State))
_COLUMN_LIST = ", ".join(COLUMNS)
_LOAD = f"SELECT {_COLUMN_LIST} FROM reader_states WHERE user_id = ?"
_STORE = (
    f"INSERT INTO reader_states (user_id, {_COLUMN_LIST}) VALUES ({', '.join('?' * (len(COLUMNS) + 1))}) "
    f"ON CONFLICT (user_id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in COLUMNS)}"
)
_DWELLS = COLUMNS.index("recent_dwells")
_values = attrgetter(*COLUMNS)


def to_row(state: State) -> tuple:
    """The values of `COLUMNS`."""
    values = list(_values(state))
    values[_DWELLS] = json.dumps(state.recent_dwells, separators=(",", ":"))
    return tuple(values)


def load(db: Queries, user_id: str) -> State | None:
    rows = db.query(_LOAD, user_id)
    if not rows:
        return None
    state = State(*rows[0])
    state.recent_dwells = json.loads(state.recent_dwells)
    return state


def store(db: Queries, user_id: str, state: State) -> None:
    """Write the row. Only activity.log.append and activity.rebuild do this."""
    db.execute(_STORE, user_id, *to_row(state))
