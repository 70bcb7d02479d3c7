"""Checks what a reader's client reports against the library, and makes rows of the log from it."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field, RootModel, StringConstraints, model_validator
from typing_extensions import TypedDict  # the one that pydantic needs before Python 3.12

from alice import clock, database
from alice.activity.types import CLIENT_NAMES, SECTION_VIEW, VIEWS, Activity
from alice.clock import days
from alice.errors import Invalid, NotFound
from alice.ids import new_id
from alice.library import access
from alice.library.access import BookAccess
from alice.web.validation import STRICT, JsonText

OLDEST = days(30)  # an activity reported as older is logged as this old
MAX_METADATA = 4096  # bytes of JSON
MAX_BATCH = 100

Id = Annotated[
    str, StringConstraints(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", to_lower=True)
]


Name = Literal[tuple(sorted(CLIENT_NAMES))]


def _bounded(text: str) -> str:
    if len(text.encode()) > MAX_METADATA:
        raise ValueError(f"must have at most {MAX_METADATA} bytes")
    return text


class Report(TypedDict, total=False):
    """One activity, as clients send it. A TypedDict, as a model takes 50 % longer to fill and read."""

    __pydantic_config__ = STRICT

    id: Id | None
    activity_type: Name | None
    event_type: Name | None  # what the Go program calls activity_type
    book_id: Annotated[str, Field(max_length=200)] | None
    page_number: Annotated[int, Field(ge=1, le=1_000_000)] | None
    section_id: Id | None
    metadata: Annotated[JsonText, AfterValidator(_bounded)] | None
    occurred_at: AwareDatetime | None


class Reports(Report, total=False):
    """One activity, or up to 100 of them."""

    activities: Annotated[list[Report], Field(min_length=1, max_length=MAX_BATCH)] | None


class Track(RootModel[Reports]):
    """The body of a report."""

    @property
    def several(self) -> bool:
        return self.root.get("activities") is not None

    @model_validator(mode="after")
    def _one_or_many(self) -> "Track":
        if self.several and len(self.root) > 1:
            raise ValueError("holds either one activity or activities, not both")
        return self


def activities(user_id: str, report: Track, opens_all: bool) -> list[Activity]:
    """The reported activities as rows of the log. At most two queries.

    Raises Invalid (its `field` is the path in the body), NotFound (no such book) or Forbidden `book_locked`.
    """
    now = clock.now()
    several = report.several
    reports = report.root["activities"] if several else [report.root]
    books = _books(user_id, opens_all, {one.get("book_id") for one in reports})
    sections = _sections({one.get("section_id") for one in reports})
    return [
        _activity(one, books, sections, now, index if several else None) for index, one in enumerate(reports)
    ]


def _books(user_id: str, opens_all: bool, ids: set[str | None]) -> dict[str, BookAccess]:
    ids.discard(None)
    return access.to_books(user_id, opens_all, ids) if ids else {}


def _sections(ids: set[str | None]) -> dict[str, tuple[str, int]]:
    """The book and page of each section."""
    ids.discard(None)
    if not ids:
        return {}
    marks = ", ".join("?" * len(ids))
    rows = database.query(f"SELECT id, book_id, page_number FROM sections WHERE id IN ({marks})", *ids)
    return {id: (book_id, page) for id, book_id, page in rows}


def _activity(
    report: Report,
    books: dict[str, BookAccess],
    sections: dict[str, tuple[str, int]],
    now: int,
    index: int | None,
) -> Activity:
    """One report as a row of the log; `index` is its place in the body's list of activities."""
    get = report.get
    name, old_name = get("activity_type"), get("event_type")
    if (name is None) == (old_name is None):
        raise _invalid(index, "activity_type", "is required, and only once: event_type is its old name")
    kind = CLIENT_NAMES[name or old_name]
    book_id, page_number, section_id = get("book_id"), get("page_number"), get("section_id")
    if kind in VIEWS and (book_id is None or page_number is None):
        raise _invalid(index, "book_id" if book_id is None else "page_number", "is required for a view")
    if kind == SECTION_VIEW and section_id is None:
        raise _invalid(index, "section_id", "is required for a section view")
    if book_id is not None:
        _check_place(books.get(book_id), page_number, index)
    elif page_number is not None or section_id is not None:
        raise _invalid(index, "book_id", "is required with a page or a section")
    if section_id is not None and sections.get(section_id) != (book_id, page_number):
        raise _invalid(index, "section_id", "is not on this page")
    at = _clamped(get("occurred_at"), now)
    return Activity(
        get("id") or new_id(now), kind, at, now, book_id, page_number, section_id, get("metadata")
    )


def _check_place(book: BookAccess | None, page_number: int | None, index: int | None) -> None:
    if book is None:
        raise NotFound(f"{_path(index, 'book_id')} names no book.", "book_unknown")
    if not book.unlocked:
        raise access.locked()
    if page_number is not None and page_number > book.total_pages:
        raise _invalid(index, "page_number", f"must be at most {book.total_pages}")


def _clamped(occurred_at: datetime | None, now: int) -> int:
    """The client's time (ms), clamped to between OLDEST ago and now."""
    if occurred_at is None:
        return now
    at = (occurred_at - _EPOCH) // _MILLISECOND
    if at > now:
        return now
    return at if at > now - OLDEST else now - OLDEST


def _path(index: int | None, field: str) -> str:
    """The path of a field in the body, which is one report or a list of several."""
    return field if index is None else f"activities[{index}].{field}"


def _invalid(index: int | None, field: str, reason: str) -> Invalid:
    path = _path(index, field)
    return Invalid(f"{path} {reason}.", path)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
