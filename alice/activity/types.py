"""The kinds of activity: one enum, and the names the Go program used."""

from dataclasses import dataclass
from enum import StrEnum


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


@dataclass(slots=True)
class Activity:
    """One thing a reader did, as the log keeps it. Times in milliseconds."""

    id: str
    activity_type: str
    occurred_at: int
    created_at: int
    book_id: str | None = None
    page_number: int | None = None
    section_id: str | None = None
    metadata: str | None = None  # a JSON object


OLD_NAMES = {
    "PAGE_SYNC": ActivityType.PAGE_VIEW,
    "SECTION_SYNC": ActivityType.SECTION_VIEW,
    "DEFINITION_LOOKUP": ActivityType.WORD_LOOKUP,
    "AI_QUERY": ActivityType.AI_INTERACTION,
    "AI_HELP": ActivityType.AI_INTERACTION,
    "FEEDBACK_SUBMISSION": ActivityType.FEEDBACK,
}

VIEWS = frozenset({ActivityType.PAGE_VIEW, ActivityType.SECTION_VIEW})

# What a reader's own client may report; the server writes the rest where it happens.
FROM_CLIENTS = VIEWS | {
    ActivityType.WORD_LOOKUP,
    ActivityType.VOCABULARY_REVIEW,
    ActivityType.PROMPT_SHOWN,
    ActivityType.AI_INTERACTION,
    ActivityType.HELP_REQUEST,
    ActivityType.FEEDBACK,
}


def from_client(name: str) -> ActivityType:
    """The type a client means, old names included. Raises ValueError for what it may not report."""
    kind = OLD_NAMES.get(name) or ActivityType._value2member_map_.get(name)
    if kind not in FROM_CLIENTS:
        raise ValueError(name)
    return kind
