"""Fixtures for sinks: a log to copy, a peer that receives it, and a real ClickHouse."""

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlsplit
from urllib.request import urlopen

import pytest
from flask import Flask

from alice import clock, database
from alice.database import events_db
from alice.ids import new_id
from alice.tracking.sinks import delivery, status
from alice.tracking.sinks.delivery import LONGEST_WAIT, Pace
from alice.tracking.sinks.sink import EVENTS, SCHEMA, STREAMS, VISITS, Batch, Sink
from alice.tracking.sinks.status import BatchStatus, StreamStatus
from alice.tracking.sinks.tinybird import Tinybird
from tests import bystander
from tests.conftest import EventRows
from tests.tracking.sinks.making import Log
from tests.tracking.sinks.peer import Peer, Reply, listening, success

CLICKHOUSE = os.environ.get("ALICE_TEST_CLICKHOUSE_URL")
PACE = Pace(10, clock.seconds(30))
ROW = Batch(new_id(), EVENTS, 1, 1, 1, 1, b'{"seq":1}\n')  # its row is not in the log
FEW = Pace(4, clock.seconds(30))  # of the crowd
ONE = Pace(1, clock.seconds(30))  # so that what is refused is a dead letter at once
Drain = Callable[..., None]


@pytest.fixture
def log(app: Flask) -> Log:
    return Log()


@pytest.fixture
def peer() -> Iterator[Peer]:
    with listening() as peer:
        yield peer


@pytest.fixture
def sink(peer: Peer) -> Tinybird:
    """A sink that sends to the peer, for what all sinks have in common."""
    return Tinybird(peer.url, "p.token")


class Other(Tinybird):
    """Another sink."""

    name = "other"


@pytest.fixture
def other(peer: Peer) -> Other:
    return Other(peer.url, "p.token")


@pytest.fixture
def crowd(log: Log, peer: Peer, sink: Tinybird, other: Other, frozen_clock: int) -> None:
    """Batches of two sinks and both streams: in each one is taken, one is dead, and two halves wait.

    The first half of Tinybird's events has not been sent yet. Its visits and the other's events wait after an
    outage, and the other's visits are stopped. All cursors are at the same row; the four rows after it are in
    no batch.
    """
    for _ in range(16):
        log.events(log.visit())
    last = {(sink, VISITS): [Reply(503)], (other, VISITS): [Reply(403)], (other, EVENTS): [Reply(503)]}
    for one in (sink, other):
        for stream in STREAMS:
            dead_row = [Reply(400), success, Reply(400), success, Reply(400)]
            peer.script = [Reply(422), *dead_row, Reply(413), *last.get((one, stream), ())]
            while peer.script:
                delivery.deliver(one, stream, FEW)
                clock.advance(1)
    clock.advance(clock.minutes(1))
    peer.requests.clear()
    peer.taken.clear()


@pytest.fixture
def drain(frozen_clock: int) -> Drain:
    """Let a sink deliver everything there is, however often it must wait; time passes for it."""

    def draining(sink: Sink, pace: Pace = PACE, tries: int = 60) -> None:
        for _ in range(tries):
            idle = True
            for stream in STREAMS:
                while delivery.deliver(sink, stream, pace):
                    idle = False
            clock.advance(LONGEST_WAIT // 12)
            if idle and not unsent():
                break

    return draining


def unsent() -> bool:
    """Whether rows are on their way, or in no batch yet and not held up."""
    behind = [stream for stream in streams() if stream.behind and stream.state != "stopped"]
    return bool(behind or letters("waiting"))


def letters(*states: str) -> list[BatchStatus]:
    """Batches in these states, or in any; not the bystander's."""
    with database.connected(events_db):
        sinks = {stream.sink for stream in status.streams()} - {bystander.SINK}
        found = [letter for sink in sinks for letter in status.unconfirmed(sink)]
    found.sort(key=lambda letter: (letter.created_at, letter.first, letter.id))
    return [letter for letter in found if not states or letter.state in states]


def undelivered() -> list[BatchStatus]:
    """The batches that `alice sinks status` lists, without the bystander's."""
    with database.connected(events_db):
        return [letter for letter in status.undelivered() if letter.sink != bystander.SINK]


def send(sink: Sink, batches: int, pace: Pace = PACE) -> None:
    """Send so many batches of events."""
    for _ in range(batches):
        delivery.deliver(sink, EVENTS, pace)


def streams() -> list[StreamStatus]:
    """The state of every stream but the bystander's."""
    with database.connected(events_db):
        return [stream for stream in status.streams() if stream.sink != bystander.SINK]


def status_of(stream: str) -> StreamStatus:
    """The state of the only sink's stream."""
    return next(found for found in streams() if found.stream == stream)


def waiting(sink: Sink, stream: str) -> list[BatchStatus]:
    return [letter for letter in letters("waiting") if (letter.sink, letter.stream) == (sink.name, stream)]


def positions(events_db: EventRows) -> dict[str, int]:
    """Up to which row the only sink has confirmed each stream."""
    return dict(events_db.query("SELECT stream, position FROM sink_cursors"))


# ClickHouse


@dataclass
class ClickHouseServer:
    """A database of the test's own on the real server."""

    server: str
    database: str

    @property
    def url(self) -> str:
        return f"{self.server}/{self.database}"

    def ask(self, sql: str, database: str | None = None) -> list[list[str]]:
        """The rows of a query, as texts."""
        address = f"{self.server}/?database={quote(database or self.database)}"
        with urlopen(address, sql.encode(), timeout=30) as answer:
            return [line.split("\t") for line in answer.read().decode().splitlines()]


@pytest.fixture
def clickhouse() -> Iterator[ClickHouseServer]:
    if not CLICKHOUSE:
        pytest.skip(
            "needs ClickHouse: apt install clickhouse-server, start it, and set "
            "ALICE_TEST_CLICKHOUSE_URL=http://127.0.0.1:8123"
        )
    parts = urlsplit(CLICKHOUSE)
    server = ClickHouseServer(f"{parts.scheme}://{parts.netloc}", f"alice_test_{uuid.uuid4().hex}")
    server.ask(f"CREATE DATABASE {server.database}", "default")
    try:
        for statement in statements(_schema_for(server)):
            server.ask(statement)
        yield server
    finally:
        server.ask(f"DROP DATABASE {server.database}", "default")


def _schema_for(server: ClickHouseServer) -> str:
    ((version,),) = server.ask("SELECT version()")
    return "clickhouse-18.sql" if int(version.partition(".")[0]) < 20 else "clickhouse.sql"


def statements(schema: str) -> list[str]:
    """The statements of a schema file."""
    text = (SCHEMA / schema).read_text()
    code = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return [statement for statement in code.split(";") if statement.strip()]
