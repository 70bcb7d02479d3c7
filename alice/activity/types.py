"""The kinds of activity: one enum, and the names the Go program used."""

from enum import StrEnum
from typing import NamedTuple


class ActivityType(StrEnum):
    LOGIN = "LOGIN"
    LOGOUT = "LOGOUT"
    BOOK_VERIFIED = "BOOK_VERIFIED"
    PAGE_VIEW = "PAGE_VIEW"
    SECTION_VIEW = "SECTION_VIEW"
    WORD_LOOKUP = "WORD_LOOKUP"
    AI_INTERACTION = "AI_INTERACTION"
    HELP_REQUEST = "HELP_REQUEST"
    HELP_RESOLVED = "HELP_RESOLVED"
    FEEDBACK = "FEEDBACK"
    PROMPT_SHOWN = "PROMPT_SHOWN"
    PROMPT_ACCEPTED = "PROMPT_ACCEPTED"
    PROMPT_DISMISSED = "PROMPT_DISMISSED"
    VOCABULARY_REVIEW = "VOCABULARY_REVIEW"


class Activity(NamedTuple):
    """One thing a reader did, as the log keeps it. Times in milliseconds."""

    id: str
    activity_type: str
    occurred_at: int
    created_at: int
    book_id: str | None = None
    page_number: int | None = None
    section_id: str | None = None
    metadata: str | None = None  # a JSON object


# Plain strings, as in rows: comparing a string with a member of the enum takes several times as long, and
# applying a row of the log takes only a microsecond.
PAGE_VIEW, SECTION_VIEW = ActivityType.PAGE_VIEW.value, ActivityType.SECTION_VIEW.value
WORD_LOOKUP, AI_INTERACTION = ActivityType.WORD_LOOKUP.value, ActivityType.AI_INTERACTION.value
HELP_REQUEST, HELP_RESOLVED = ActivityType.HELP_REQUEST.value, ActivityType.HELP_RESOLVED.value
LOGOUT = ActivityType.LOGOUT.value

VIEWS = frozenset({PAGE_VIEW, SECTION_VIEW})

# The activity type of each name that a reader's client may send; the server logs the other types itself.
CLIENT_NAMES = {
    "PAGE_VIEW": PAGE_VIEW,
    "SECTION_VIEW": SECTION_VIEW,
    "WORD_LOOKUP": WORD_LOOKUP,
    "VOCABULARY_REVIEW": ActivityType.VOCABULARY_REVIEW.value,
    "PROMPT_SHOWN": ActivityType.PROMPT_SHOWN.value,
    "AI_INTERACTION": AI_INTERACTION,
    "HELP_REQUEST": HELP_REQUEST,
    "FEEDBACK": ActivityType.FEEDBACK.value,
    # names of the Go program
    "PAGE_SYNC": PAGE_VIEW,
    "SECTION_SYNC": SECTION_VIEW,
    "DEFINITION_LOOKUP": WORD_LOOKUP,
    "AI_QUERY": AI_INTERACTION,
    "AI_HELP": AI_INTERACTION,
    "FEEDBACK_SUBMISSION": ActivityType.FEEDBACK.value,
}
