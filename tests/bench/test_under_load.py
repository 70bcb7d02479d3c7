"""Under load: 64 clients write and read for a minute, and nothing breaks, locks or swells."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from alice import clock
from alice.clock import rfc3339
from alice.ids import new_id
from tests import servers
from tests.bench.conftest import Report
from tests.bench.measuring import Line, message
from tests.bench.seeding import BOOK, Person, Site
from tests.servers import Server

CLIENTS = 64
WATCHING = 4  # of them consultants, the others readers
MEGABYTE = 1024  # kB, in which /proc counts


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Site:
    return request.getfixturevalue(f"{request.param}_site")


@pytest.mark.parametrize(("site", "megabytes"), [("small", 90), ("large", 200)], indirect=["site"])
def test_nothing_fails_and_memory_stays_small(
    site: Site, megabytes: int, seconds: float, report: Report
) -> None:
    site.wake()
    with servers.serving(site.settings, "--workers", "2") as server:
        failures, answered = _load(server, site, seconds)
        memory = [_peak_memory(worker) for worker in server.workers]
    logged = "\n".join([*server.log, server.errors])

    assert not failures
    assert "database is locked" not in logged
    assert "Traceback" not in logged
    assert len(memory) == 2
    name = f"memory of a worker, log of {site.log_rows:,} rows"
    detail = f"{answered.total() / seconds:.0f} requests/s by {CLIENTS} clients"
    assert report.check(name, max(memory) / MEGABYTE, megabytes, "MB", detail)


def _load(server: Server, site: Site, seconds: float) -> tuple[Counter[str], Counter[int]]:
    """Everybody at once; what failed, and how many requests were answered with which status."""
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
    return failures, answered


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
            "active-readers", "recent-activities?limit=100", "online-readers", "readers",
            f"reader/state?user_id={somebody}", f"reader/activity?user_id={somebody}",
        ):  # fmt: skip
            yield message("GET", f"/api/consultant/{path}", consultant.token)
        yield message("GET", "/consultant", consultant.token)


def _post(path: str, reader: Person, body: dict) -> bytes:
    return message("POST", path, reader.token, orjson.dumps(body))


def _peak_memory(pid: int) -> int:
    """The most memory a process ever had resident, in kB."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0])
