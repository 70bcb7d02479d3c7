"""Batches of the version that stored copies of rows are sent after the upgrade, and after a rollback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from alice import clock, database, migrations
from alice.config import Settings
from alice.database import events, events_db
from alice.tracking.sinks import batches, delivery
from alice.tracking.sinks.delivery import Pace
from alice.tracking.sinks.sink import EVENTS, VISITS
from tests.conftest import EventRows, Template
from tests.tracking.sinks.conftest import Drain, letters, positions
from tests.tracking.sinks.making import Log
from tests.tracking.sinks.peer import Peer, Reply

OLD = "0001_tracking"


@pytest.fixture
def settings(template: Template, tmp_path: Path) -> Iterator[Settings]:
    """A database of the test's own that is bound, because its schema changes."""
    with template.copy(tmp_path) as settings:
        database.bind(settings)
        yield settings
        database.disconnect()


@pytest.fixture
def log(settings: Settings) -> Log:
    return Log()


def go_back(settings: Settings) -> None:
    """Undo migrations of events.db until the one that made the tables is the newest."""
    with migrations.connections():
        newer = [step.name for step in migrations.status() if step.database == "events" and step.name > OLD]
    for _ in newer:
        migrations.rollback(settings, "events")


def copy(id: str, first: int, last: int, state: str = "waiting") -> None:
    """Store a batch as it was before: the bytes of its rows; its cursor is past it."""
    with database.connected(events_db), database.transaction(events_db):
        sql = (
            "INSERT INTO sink_batches (id, sink, stream, first, last, rows, body, state, attempts, "
            "next_attempt_at, error, created_at) "
            "VALUES (?, 'tinybird', 'events', ?, ?, ?, ?, ?, 1, 0, 'an outage', ?)"
        )
        events.execute(sql, id, first, last, last - first + 1, b"0123456789", state, clock.now())
        events.execute(
            "INSERT INTO sink_cursors (sink, stream, position, failures, refused, open_until) "
            "VALUES ('tinybird', 'events', ?, 0, 0, 0) "
            "ON CONFLICT (sink, stream) DO UPDATE SET position = excluded.position",
            last,
        )


def test_batches_of_before_are_sent_from_the_log(
    settings: Settings, log: Log, peer: Peer, sink: delivery.Sink, drain: Drain
) -> None:
    seqs = log.events(log.visit(), 9)
    go_back(settings)
    copy("refused", seqs[0], seqs[1], "dead")
    copy("copied", seqs[2], seqs[4])
    migrations.migrate(settings)

    assert [(letter.id, letter.rows, letter.bytes) for letter in letters()] == [
        ("refused", 2, 10),
        ("copied", 3, 10),
    ]
    drain(sink)
    assert peer.ids() == seqs[2:]
    assert [letter.id for letter in letters()] == ["refused"]
    with database.connected(events_db):
        batches.retry(sink.name)
    peer.script = [Reply(400)]  # again; now it is divided
    drain(sink)
    assert sorted(peer.ids()) == seqs
    assert letters() == []


def test_after_going_back_what_waited_is_sent_again(
    settings: Settings, log: Log, peer: Peer, sink: delivery.Sink, drain: Drain
) -> None:
    visit = log.visit()
    seqs = log.events(visit, 4)
    peer.script = [Reply(400), Reply(503)]
    for _ in range(2):
        delivery.deliver(sink, EVENTS, Pace(1))
    with database.connected(events_db):
        batches.retry(sink.name)
    delivery.deliver(sink, VISITS, Pace(1))
    assert positions(EventRows()) == {EVENTS: seqs[0], VISITS: visit}

    go_back(settings)

    assert positions(EventRows()) == {EVENTS: seqs[0] - 1, VISITS: visit}
    assert EventRows().query("SELECT * FROM sink_batches WHERE body IS NOT NULL") == []
    migrations.migrate(settings)
    drain(sink)
    assert peer.ids() == seqs
