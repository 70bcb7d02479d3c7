"""How long an answer asks us to wait."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from alice.clock import seconds
from alice.tracking.sinks.transport import retry_after


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "7"}, seconds(7)),
        ({"retry-after": "0.5"}, 500),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon", "x-ratelimit-reset": "4"}, seconds(4)),
        ({"x-ratelimit-reset": "9"}, seconds(9)),
        ({}, None),
    ],
)
def test_it_is_in_seconds(headers: dict[str, str], wait: int | None) -> None:
    assert retry_after(headers) == wait


def test_it_may_be_a_date(frozen_clock: int) -> None:
    later = datetime.fromtimestamp(frozen_clock // 1000 + 90, UTC)
    wait = retry_after({"retry-after": format_datetime(later, usegmt=True)})

    assert seconds(89) <= wait <= seconds(90)
