"""Under load: 64 clients write and read for a minute, and nothing breaks, locks or swells."""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from alice import clock
from alice.clock import rfc3339
from alice.ids import new_id
from tests import servers
from tests.bench.conftest import Report, Row
from tests.bench.measuring import Line, message
from tests.bench.seeding import BOOK, Person, Site
from tests.servers import Server

CLIENTS = 64
WATCHING = 4  # of them consultants, the others readers
MIX_SECONDS = float(os.environ.get("ALICE_TEST_MIX_SECONDS", 600))  # before memory is read


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Site:
    return request.getfixturevalue(f"{request.param}_site")


@pytest.mark.parametrize(("site", "megabytes"), [("small", 90), ("large", 200)], indirect=["site"])
def test_nothing_fails_and_memory_stays_small(
    site: Site, megabytes: int, seconds: float, report: Report
) -> None:
    site.wake()
    with _two_workers(site) as server:
        answered = _load(server, site, seconds)
        peak = max(_memory(worker, "VmHWM") for worker in server.workers)

    detail = f"the larger worker's peak, {answered.total() / seconds:.0f} requests/s by {CLIENTS} clients"
    report.check(Row(f"memory_peak_{site.log_rows}_rows", peak, megabytes, "MB", detail))


def test_memory_of_both_workers_when_idle(small_site: Site, report: Report) -> None:
    with _two_workers(small_site) as server:
        idle = sum(_memory(worker, "VmRSS") for worker in server.workers)

    report.check(Row("memory_idle", idle, 120, "MB"))


def test_memory_of_both_workers_after_a_mix(large_site: Site, report: Report) -> None:
    large_site.wake()
    with _two_workers(large_site) as server:
        answered = _load(server, large_site, MIX_SECONDS)
        time.sleep(min(60, MIX_SECONDS))
        after = sum(_memory(worker, "VmRSS") for worker in server.workers)

    detail = f"after {answered.total()} requests in {MIX_SECONDS:g} s"
    report.check(Row("memory_after_mix", after, 400, "MB", detail))


@contextmanager
def _two_workers(site: Site) -> Iterator[Server]:
    """A server whose log must not say that anything went wrong."""
    with servers.serving(site.settings, "--workers", "2") as server:
        yield server
    logged = "\n".join([*server.log, server.errors])
    assert "database is locked" not in logged
    assert "Traceback" not in logged


def _load(server: Server, site: Site, seconds: float) -> Counter[int]:
    """Let everybody send requests at once, of which none may fail; count the statuses."""
    failures: Counter[str] = Counter()
    answered: Counter[int] = Counter()
    until = time.monotonic() + seconds
    people = [*site.consultants[:WATCHING], *site.active[: CLIENTS - WATCHING]]
    habits = [_watching if n < WATCHING else _reading for n in range(CLIENTS)]
    clients = [
        threading.Thread(target=_use, args=(server.port, habit(site, person), until, failures, answered))
        for person, habit in zip(people, habits, strict=True)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert not failures
    assert len(server.workers) == 2
    return answered


def _use(
    port: int, requests: Iterator[bytes], until: float, failures: Counter[str], answered: Counter[int]
) -> None:
    """One client, on one connection from beginning to end."""
    try:
        line = Line(port)
        while time.monotonic() < until:
            request = next(requests)
            status = line.ask(request).status
            answered[status] += 1
            if status >= 300:
                failures[f"{status} {request.splitlines()[0].decode()}"] += 1
        line.close()
    except OSError as error:
        failures[repr(error)] += 1


def _reading(site: Site, reader: Person) -> Iterator[bytes]:
    """A reader: a page, that it was seen, a heartbeat, a look at who one is; now and then a batch."""
    chance = random.Random(reader.id)
    page = chance.randrange(len(site.sections))
    while True:
        page = page % len(site.sections) + 1
        view = {"activity_type": "PAGE_VIEW", "book_id": BOOK, "page_number": page}
        yield message("GET", f"/read/{BOOK}/{page}", reader.token)
        yield _post(
            "/api/activity/track", reader, view | {"id": new_id(), "occurred_at": rfc3339(clock.now())}
        )
        yield _post("/api/heartbeat", reader, {"book_id": BOOK, "page_number": page})
        yield message("GET", "/api/auth/me", reader.token)
        if chance.random() < 0.02:
            yield _post("/api/activity/track", reader, {"activities": [view] * chance.randint(2, 100)})


def _watching(site: Site, consultant: Person) -> Iterator[bytes]:
    """A consultant, who looks at everything in turn."""
    somebody = site.active[0].id
    while True:
        for path in (
            "active-readers",
            "recent-activities?limit=100",
            "online-readers",
            "readers",
            f"reader/state?user_id={somebody}",
            f"reader/activity?user_id={somebody}",
        ):
            yield message("GET", f"/api/consultant/{path}", consultant.token)
        yield message("GET", "/consultant", consultant.token)


def _post(path: str, reader: Person, body: dict) -> bytes:
    return message("POST", path, reader.token, orjson.dumps(body))


def _memory(pid: int, which: str) -> float:
    """The memory of a process in MB: resident now (VmRSS) or at most so far (VmHWM)."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status[which].split()[0]) / 1024
