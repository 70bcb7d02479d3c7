"""Events of the EventTracker dialect: one, or a batch, appended to their sessions."""

from collections.abc import Sequence
from functools import cache, partial
from typing import Any, NamedTuple

from alice.errors import Refusal
from alice.ids import new_id
from alice.tracking.dialects import body
from alice.tracking.dialects.answer import Answer
from alice.tracking.dialects.eventtracker.finding import (
    EXPIRED,
    NOT_FOUND,
    Found,
    find,
    parse,
    require,
    success,
    successor,
)
from alice.tracking.dialects.eventtracker.schema import Event
from alice.tracking.log import campaign
from alice.tracking.log.caller import Caller
from alice.tracking.log.event import Kind
from alice.tracking.log.hit import Hit, VisitDetails
from alice.tracking.log.visit import Expired
from alice.tracking.pipeline import Tracking

KINDS = {
    "pageview": Kind.PAGE_VIEW,
    "click": Kind.CLICK,
    "scroll": Kind.SCROLL,
    "form_submit": Kind.FORM_SUBMIT,
    "conversion": Kind.CONVERSION,
    "engagement": Kind.ENGAGEMENT,
    "system": Kind.SYSTEM,
}
PAGE_VIEW = "page-view"  # the event_id of page views from clients that lack the type "pageview"
# Fields of an event stored as its properties. The others become its kind, name, time, id and visit.
PROPERTIES = tuple(
    name
    for name in Event.model_fields
    if name not in ("session_id", "project_id", "id", "timestamp", "event_type", "event_id")
)


def track(tracking: Tracking, raw: bytes, caller: Caller) -> Answer:
    """Append one event to its session."""
    event = parse(Event, raw)
    if caller.opted_out:
        return success({"event_sequence": 0} | _UNBUFFERED)
    found = require(tracking, event.session_id, event.project_id)
    tracking.admit(None, found.site.id)
    try:
        recorded = tracking.append(found.visit.number, [_hit(event)], _later_details([event]))
    except Expired:
        new = successor(tracking, found.site, found.visit)
        return Answer(200, {"success": False, "error": EXPIRED, "new_session_id": new})
    return success({"event_sequence": recorded.sequences[0]} | _UNBUFFERED)


_UNBUFFERED = {"events_in_buffer": 0, "flushed_to_tinybird": False}


def _hit(event: Event) -> Hit:
    kind = Kind.PAGE_VIEW if event.event_id == PAGE_VIEW else KINDS[event.event_type]
    properties = {name: value for name in PROPERTIES if (value := getattr(event, name)) is not None}
    if kind != KINDS[event.event_type]:
        properties["event_type"] = event.event_type
    path = campaign.address(event.page_url).path if event.page_url else None
    return Hit(kind, event.event_id or None, path, event.timestamp, event.id, properties)


def _later_details(events: Sequence[Event]) -> VisitDetails | None:
    """Attribution of the first event with a page_url, and the A/B test of the first event with one.

    They fill in what the session lacks; None if no event has either.
    """
    details = None
    for event in events:
        if event.page_url:
            came = campaign.address(event.page_url)
            own = frozenset((came.host,) if came.host else ())
            referrer = campaign.referrer(event.referrer_url, own) if event.referrer_url else None
            details = VisitDetails(path=came.path, referrer=referrer, campaign=came.campaign)
            break
    for event in events:
        if event.ab_test_id or event.ab_test_variant_id:
            details = details or VisitDetails()
            details.ab_test, details.ab_variant = event.ab_test_id or None, event.ab_test_variant_id or None
            break
    return details


class Failure(NamedTuple):
    """An event of a batch that was not stored."""

    index: int
    error: str
    new_session_id: str | None = None

    def document(self) -> dict[str, Any]:
        return {name: value for name, value in self._asdict().items() if value is not None}


Group = list[tuple[int, Event]]  # events with their index in the batch


def batch(tracking: Tracking, raw: bytes, caller: Caller) -> Answer:
    """Append events of one or several sessions, in one transaction per session."""
    items = body.batch(body.read(raw))
    if len(items) > 1:
        tracking.admit(caller, cost=len(items) - 1)
    events, failed = _checked(items, raw)
    if caller.opted_out:
        return success(_processed(0))
    groups, lost = _groups(tracking, events)
    failed += lost
    for found, group in groups:
        tracking.admit(None, found.site.id, len(group))
    for found, group in groups:
        failed += _append(tracking, found, group)
    return _batch_answer(len(items), sorted(failed))


def _checked(items: list[Any], raw: bytes) -> tuple[Group, list[Failure]]:
    """Return the valid events of a batch in their order, and a Failure for each invalid one."""
    good, failed = [], []
    for index, item in enumerate(items):
        try:
            body.require_small(item, raw)
            good.append((index, body.validated(Event, item)))
        except Refusal as error:
            failed.append(Failure(index, error.message))
    return good, failed


def _groups(tracking: Tracking, events: Group) -> tuple[list[tuple[Found, Group]], list[Failure]]:
    """Group the events by session; return the groups, and a Failure for each whose session is unknown."""
    find_session = cache(partial(find, tracking))
    groups: dict[int, tuple[Found, Group]] = {}
    lost = []
    for index, event in events:
        found = find_session(event.session_id, event.project_id)
        if found is None:
            lost.append(Failure(index, NOT_FOUND))
        else:
            groups.setdefault(found.visit.number, (found, []))[1].append((index, event))
    return list(groups.values()), lost


def _append(tracking: Tracking, found: Found, group: Group) -> list[Failure]:
    events = [event for _, event in group]
    try:
        tracking.append(found.visit.number, [_hit(event) for event in events], _later_details(events))
    except Expired:
        new = successor(tracking, found.site, found.visit)
        return [Failure(index, EXPIRED, new) for index, _ in group]
    return []


def _processed(events: int) -> dict[str, Any]:
    return {"processed_events": events, "batch_id": new_id()} | _UNBUFFERED


def _batch_answer(total: int, failed: list[Failure]) -> Answer:
    """Return 200 and success if all events were stored.

    Otherwise 200 if some were, or if a session must be renewed; 404 if no event's session exists; else 400.
    """
    data = _processed(total - len(failed))
    if not failed:
        return success(data)
    errors = {failure.error for failure in failed}
    document: dict[str, Any] = {
        "success": False,
        "error": min(errors) if len(errors) == 1 else f"{len(failed)} of {total} events were not kept.",
        "processed_events": total - len(failed),
        "data": data | {"failed": [failure.document() for failure in failed]},
    }
    renewals = {failure.new_session_id for failure in failed if failure.new_session_id}
    if len(renewals) == 1:
        document["new_session_id"] = min(renewals)
    if renewals or len(failed) < total:
        return Answer(200, document)
    return Answer(404 if errors == {NOT_FOUND} else 400, document)
