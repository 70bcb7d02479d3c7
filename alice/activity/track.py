"""What a reader's client reports: checked against the library, clamped, and handed to the log."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

import orjson
from pydantic import Field, StringConstraints, field_validator, model_validator

from alice import clock, database
from alice.activity import types
from alice.activity.types import VIEWS, Activity, ActivityType
from alice.clock import days
from alice.database import new_id
from alice.library import access
from alice.web.errors import Forbidden, Invalid, NotFound
from alice.web.validation import Body

OLDEST = days(30)  # what a client reports as older is taken to be this old
MAX_METADATA = 4096  # bytes of JSON
MAX_BATCH = 100

Id = Annotated[
    str, StringConstraints(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", to_lower=True)
]


class Report(Body):
    """One activity, as clients send it."""

    id: Id | None = None
    activity_type: str | None = Field(None, max_length=64)
    event_type: str | None = Field(None, max_length=64)  # the Go program's name for it
    book_id: str | None = Field(None, max_length=200)
    page_number: int | None = Field(None, ge=1, le=1_000_000)
    section_id: Id | None = None
    metadata: dict[str, Any] | None = None
    occurred_at: datetime | None = None

    @field_validator("activity_type", "event_type")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        try:
            return None if name is None else types.from_client(name)
        except ValueError:
            raise ValueError("is not an activity that a client reports") from None

    @field_validator("occurred_at")
    @classmethod
    def _with_zone(cls, at: datetime | None) -> datetime | None:
        if at is not None and at.tzinfo is None:
            raise ValueError("must name its time zone, as in 2025-01-20T10:30:00Z")
        return at

    @field_validator("metadata")
    @classmethod
    def _small(cls, metadata: dict[str, Any] | None) -> dict[str, Any] | None:
        if metadata is not None and len(orjson.dumps(metadata)) > MAX_METADATA:
            raise ValueError(f"must have at most {MAX_METADATA} bytes")
        return metadata

    @property
    def kind(self) -> ActivityType | None:
        return self.activity_type or self.event_type


class Track(Report):
    """The body of a report: one activity, or up to 100 of them."""

    activities: Annotated[list[Report], Field(min_length=1, max_length=MAX_BATCH)] | None = None

    @model_validator(mode="after")
    def _one_or_many(self) -> "Track":
        if self.activities is not None and len(self.model_fields_set) > 1:
            raise ValueError("holds either one activity or activities, not both")
        return self


def activities(user_id: str, role: str, reports: list[Report], code_required: bool) -> list[Activity]:
    """The log rows these reports mean. At most two queries.

    Raises Invalid, NotFound (no such book) or Forbidden `book_locked`; the field names the item at fault.
    """
    now = clock.now()
    books = _openings(user_id, role, reports, code_required)
    sections = _sections(reports)
    rows = []
    for index, report in enumerate(reports):
        where = f"activities[{index}]." if len(reports) > 1 else ""
        _check(report, books, sections, where)
        rows.append(_activity(report, now))
    return rows


def _openings(
    user_id: str, role: str, reports: Iterable[Report], code_required: bool
) -> dict[str, access.Opening]:
    ids = {report.book_id for report in reports if report.book_id is not None}
    return access.openings(user_id, role, ids, code_required) if ids else {}


def _sections(reports: Iterable[Report]) -> dict[str, tuple[str, int]]:
    """The book and page of each section the reports name."""
    ids = {report.section_id for report in reports if report.section_id is not None}
    if not ids:
        return {}
    marks = ", ".join("?" * len(ids))
    rows = database.query(f"SELECT id, book_id, page_number FROM sections WHERE id IN ({marks})", *ids)
    return {id: (book_id, page) for id, book_id, page in rows}


def _check(
    report: Report, books: dict[str, access.Opening], sections: dict[str, tuple[str, int]], where: str
) -> None:
    if (report.activity_type is None) == (report.event_type is None):
        raise Invalid(f"{where}activity_type is required, once.", f"{where}activity_type")
    if report.kind in VIEWS and report.book_id is None:
        raise Invalid(f"{where}book_id is required for a view.", f"{where}book_id")
    if report.kind in VIEWS and report.page_number is None:
        raise Invalid(f"{where}page_number is required for a view.", f"{where}page_number")
    if report.kind is ActivityType.SECTION_VIEW and report.section_id is None:
        raise Invalid(f"{where}section_id is required for a section view.", f"{where}section_id")
    _check_place(report, books, sections, where)


def _check_place(
    report: Report, books: dict[str, access.Opening], sections: dict[str, tuple[str, int]], where: str
) -> None:
    if report.book_id is None:
        if report.page_number is not None or report.section_id is not None:
            raise Invalid(f"{where}book_id is required with a page or a section.", f"{where}book_id")
        return
    book = books.get(report.book_id)
    if book is None:
        raise NotFound(f"{where}book_id names no book.", "book_unknown")
    if not book.unlocked:
        raise Forbidden("This book opens with the code from your copy.", "book_locked")
    if report.page_number is not None and report.page_number > book.total_pages:
        raise Invalid(f"{where}page_number must be at most {book.total_pages}.", f"{where}page_number")
    if report.section_id is not None and sections.get(report.section_id) != (
        report.book_id,
        report.page_number,
    ):
        raise Invalid(f"{where}section_id is not on this page.", f"{where}section_id")


def _activity(report: Report, now: int) -> Activity:
    at = now if report.occurred_at is None else int(report.occurred_at.timestamp() * 1000)
    return Activity(
        id=report.id or new_id(now),
        activity_type=report.kind,
        occurred_at=min(max(at, now - OLDEST), now),
        created_at=now,
        book_id=report.book_id,
        page_number=report.page_number,
        section_id=report.section_id,
        metadata=orjson.dumps(report.metadata).decode() if report.metadata is not None else None,
    )
