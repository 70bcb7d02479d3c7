"""Rate limits per address and per site; no address is stored."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import active_count
from typing import Any

import pytest

from alice import clock
from alice.app import create_app
from alice.clock import minutes, seconds
from alice.config import Settings
from alice.tracking import limit
from alice.tracking.limit import Limits
from alice.tracking.site import SiteRow

ADDRESS, OTHER = "192.0.2.1", "192.0.2.2"
SITE, OTHER_SITE = "wonderland00", "lookingglass"

pytestmark = pytest.mark.usefixtures("frozen_clock")


def test_an_address_may_send_so_many_events_a_minute() -> None:
    limits = Limits(per_address=3)
    clock.advance(seconds(1))

    said = [limits.check(ADDRESS, SITE) for _ in range(4)]

    assert said == [None, None, None, 60]
    assert limits.check(OTHER, SITE) is None


def test_by_default_an_address_may_send_600_and_a_site_gets_60_000() -> None:
    limits = Limits()

    assert [limits.check(ADDRESS, None, 599), limits.check(ADDRESS, None), limits.check(ADDRESS, None)] == [
        None, None, 60,
    ]  # fmt: skip
    assert [limits.check(None, SITE, 59_999), limits.check(None, SITE), limits.check(None, SITE)] == [
        None, None, 60,
    ]  # fmt: skip


def test_a_refusal_says_when_to_come_back() -> None:
    limits = Limits(per_address=1)
    limits.check(ADDRESS, SITE)
    clock.advance(seconds(20) + 1)
    assert limits.check(ADDRESS, SITE) == 40
    clock.advance(seconds(40) - 2)
    assert limits.check(ADDRESS, SITE) == 1

    clock.advance(1)

    assert limits.check(ADDRESS, SITE) is None


def test_a_site_gets_so_many_events_from_all_addresses_together() -> None:
    limits = Limits(per_site=3)

    said = [limits.check(f"192.0.2.{number}", SITE) for number in range(4)]

    assert said == [None, None, None, 60]
    assert limits.check(ADDRESS, OTHER_SITE) is None


def test_a_refused_address_does_not_count_for_the_site() -> None:
    limits = Limits(per_address=1, per_site=2)

    for _ in range(5):
        limits.check(ADDRESS, SITE)

    assert limits.check(OTHER, SITE) is None


def test_a_batch_counts_as_its_events_and_one_refused_as_none() -> None:
    limits = Limits(per_address=10)

    said = [limits.check(ADDRESS, SITE, cost) for cost in (6, 5, 4, 1)]

    assert said == [None, 60, None, 60]


def test_a_batch_larger_than_a_window_takes_a_whole_one() -> None:
    limits = Limits(per_address=10)

    assert [limits.check(ADDRESS, SITE, 500), limits.check(ADDRESS, SITE)] == [None, 60]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"),
        ("2001:db8:1:2::1", "2001:0DB8:1:2::3"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::2%eth0"),
    ],
)
def test_addresses_of_one_household_are_one(first: str, second: str) -> None:
    limits = Limits(per_address=1)

    assert [limits.check(first, SITE), limits.check(second, SITE)] == [None, 60]


@pytest.mark.parametrize("one", ["2001:db8:1:2::1", "198.51.100.1", "nowhere:at:all", "::ffff:198.51.100.1"])
@pytest.mark.parametrize(
    "other", ["2001:db8:1:3::1", "::ffff:192.0.2.1", "192.0.2.1", "", "no:address", "\ud800"]
)
def test_addresses_of_different_households_are_not(one: str, other: str) -> None:
    limits = Limits(per_address=1)
    limits.check(one, SITE)

    assert limits.check(other, SITE) is None


def test_a_request_without_a_site_counts_for_no_site() -> None:
    limits = Limits(per_site=1)

    assert [limits.check(ADDRESS, None) for _ in range(3)] == [None] * 3


def test_a_clock_that_is_set_back_locks_nobody_out() -> None:
    limits = Limits(per_address=1)
    limits.check(ADDRESS, SITE)

    clock.advance(-minutes(120))

    assert limits.check(ADDRESS, SITE) is None


def test_many_threads_get_no_more_than_one() -> None:
    limits = Limits(per_address=500)

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda _: limits.check(ADDRESS, SITE), range(1000)))

    assert said.count(None) == 500


def test_counters_do_not_grow_with_the_number_of_addresses() -> None:
    limits = Limits(per_address=2)
    limits.check(ADDRESS, SITE)

    said = [
        limits.check(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", None)
        for number in range(limit.MOST_COUNTERS + 5000)
    ]

    assert not any(said[: limit.MOST_COUNTERS - 1]), "so many have a counter of their own"
    assert any(said), "and others share some"
    counters = limits._of_address._counts
    assert limit.MOST_COUNTERS + limit.SHARED // 2 < len(counters) <= limit.MOST_COUNTERS + limit.SHARED
    counted = [limits.check(ADDRESS, SITE) for _ in range(2)]
    assert counted == [None, 60], "whoever was counted before still is, on their own"


def test_no_address_stays_in_memory() -> None:
    limits = Limits()
    limits.check("198.51.100.77", SITE)

    kept = limits._of_address._counts
    clock.advance(minutes(1))
    limits.check("198.51.100.77", SITE)
    afterwards = limits._of_address._counts

    assert [type(name) for name in kept] == [int], "a hash, and no text"
    assert kept.keys().isdisjoint(afterwards), "and another one in each window"


def test_limits_start_no_thread() -> None:
    before = active_count()

    Limits().check(ADDRESS, SITE)

    assert active_count() == before


REQUESTS = {
    "an unknown site": ("POST", "/api/v2/track/nosuchsite12", {"json": {"url": "/"}}),
    "another's page": ("POST", "/api/v2/track/{site}", {"headers": {"Origin": "https://evil.example"}}),
    "no payload": ("POST", "/api/v2/track/{site}", {"json": []}),
    "no session": ("POST", "/api/v1/events/session", {"json": {}}),
    "an unknown session": ("GET", "/api/v1/events/session/nobody", {}),
    "no event": ("POST", "/api/v1/events/track", {"json": {"session_id": "x"}}),
    "bad events": ("POST", "/api/v1/events/batch-track", {"json": {"events": [{}] * 4}}),
    "a wrong key": ("POST", "/api/track", {"json": {}, "headers": {"X-API-Key": "0" * 64}}),
}


@pytest.mark.parametrize("request_of", REQUESTS.values(), ids=REQUESTS)
def test_what_is_refused_counts_too(
    settings: Settings, site: SiteRow, request_of: tuple[str, str, dict[str, Any]]
) -> None:
    client = create_app(replace(settings, track_per_address=3)).test_client(use_cookies=False)
    method, path, more = request_of
    answers = [client.open(path.format(site=site.id), method=method, **more) for _ in range(4)]

    assert answers[-1].status_code == 429
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
