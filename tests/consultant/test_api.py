"""The consultant API as a whole: who may ask, with which values, and the newest activities."""

import pytest

from alice.clock import rfc3339
from alice.ids import new_id
from tests.cast import BOOK, Cast
from tests.conftest import Counted
from tests.consultant.asking import ENDPOINTS, get, view

HER_PAGES = [5, 5, 3, 3, 3]  # where the bystander's activities were, the newest first


@pytest.mark.parametrize("path", ENDPOINTS)
def test_only_consultants_and_admins_are_answered(cast: Cast, path: str) -> None:
    url = f"/api/consultant/{path}?user_id={cast.reader.id}" if "/" in path else f"/api/consultant/{path}"

    statuses = [person.client.get(url).status_code for person in cast]
    assert statuses == [403, 403, 200, 200, 200, 401]
    assert cast.reader.client.get(url).json["error"]["code"] == "forbidden"


def test_recent_activities_have_the_founding_body(cast: Cast, frozen_clock: int) -> None:
    id = new_id()
    view(cast, 2, id=id, metadata={"from": "shelf"})
    body = get(cast, "recent-activities", limit=1).json

    assert body["count"] == 1
    (activity,) = body["activities"]
    assert activity.pop("seq") > 0
    assert activity == {
        "id": id,
        "user_id": cast.reader.id,
        "activity_type": "PAGE_VIEW",
        "book_id": BOOK,
        "page_number": 2,
        "section_id": None,
        "metadata": {"from": "shelf"},
        "occurred_at": rfc3339(frozen_clock),
        "created_at": rfc3339(frozen_clock),
    }


def test_recent_activities_page_by_cursor(cast: Cast) -> None:
    for page in range(1, 6):
        view(cast, page)

    first = get(cast, "recent-activities", limit=2).json
    second = get(cast, "recent-activities", limit=2, before=first["next_before"]).json
    last = get(cast, "recent-activities", before=second["next_before"]).json

    pages = [[a["page_number"] for a in body["activities"]] for body in (first, second, last)]
    assert pages == [[5, 4], [3, 2], [1, *HER_PAGES]]
    assert last["next_before"] is None


@pytest.mark.parametrize(
    ("path", "query", "field", "bound"),
    [
        ("active-readers", {"minutes": 0}, "minutes", "1"),
        ("active-readers", {"minutes": 1441}, "minutes", "1440"),
        ("active-readers", {"minutes": "soon"}, "minutes", "number"),
        ("active-readers", {"before": "x"}, "before", ""),
        ("recent-activities", {"limit": 0}, "limit", "1"),
        ("recent-activities", {"limit": 501}, "limit", "500"),
        ("recent-activities", {"before": -1}, "before", "1"),
        ("recent-activities", {"before": 10**30}, "before", ""),
        ("reader/activity", {"user_id": "x", "hours": 8761}, "hours", "8760"),
        ("reader/activity", {}, "user_id", "required"),
        ("reader/state", {}, "user_id", "required"),
        ("readers", {"sort": "name"}, "sort", ""),
    ],
)
def test_query_values_are_bounded_and_the_refusal_names_field_and_bound(
    cast: Cast, path: str, query: dict, field: str, bound: str
) -> None:
    answer = get(cast, path, **query)

    assert answer.status_code == 422
    assert answer.json["error"]["field"] == field
    assert bound in answer.json["error"]["message"]


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("active-readers", {"minutes": 1, "limit": 1, "before": f"0_{new_id()}"}, 200),
        ("active-readers", {"minutes": 1440, "limit": 500, "before": f"{'9' * 15}_{new_id()}"}, 200),
        ("active-readers", {"before": f"{'9' * 16}_{new_id()}"}, 422),
        ("online-readers", {"before": f"1_{new_id()}"}, 200),
        ("readers", {"before": "x" * 36}, 200),
        ("readers", {"before": "x" * 37}, 422),
        ("recent-activities", {"before": 1}, 200),
        ("recent-activities", {"before": 1 << 62}, 200),
        ("recent-activities", {"before": 0}, 422),
        ("recent-activities", {"before": (1 << 62) + 1}, 422),
        ("reader/activity", {"hours": 1}, 200),
        ("reader/activity", {"hours": 8760}, 200),
        ("reader/activity", {"hours": 0}, 422),
        ("reader/activity", {"user_id": "x" * 100}, 404),
        ("reader/activity", {"user_id": "x" * 101}, 422),
        ("reader/state", {"user_id": "x" * 100}, 404),
        ("reader/state", {"user_id": "x" * 101}, 422),
    ],
)
def test_bounds_are_within(cast: Cast, path: str, query: dict, status: int) -> None:
    who = {"user_id": cast.reader.id} if "/" in path else {}

    assert get(cast, path, **who | query).status_code == status


@pytest.mark.parametrize(
    ("path", "queries"),
    [
        ("active-readers", 2),
        ("online-readers", 2),
        ("readers", 2),
        ("recent-activities", 2),
        ("reader/state", 2),
        ("reader/activity", 3),
    ],
)
def test_an_endpoint_asks_a_fixed_number_of_queries(
    cast: Cast, counted: Counted, path: str, queries: int
) -> None:
    view(cast)
    with counted() as statements:
        get(cast, path, **({"user_id": cast.reader.id} if "/" in path else {}))

    assert len(statements) == queries
