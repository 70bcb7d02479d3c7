"""`alice sinks` says what waits and why, and what can be done about it."""

import json
from collections.abc import Iterator

import pytest

from alice import clock, database
from alice.clock import minutes
from alice.config import Settings
from alice.tracking.sinks import delivery
from alice.tracking.sinks.delivery import Pace
from alice.tracking.sinks.sink import EVENTS
from alice.tracking.sinks.tinybird import Tinybird
from tests import bystander
from tests.cli.running import Alice
from tests.tracking.sinks.making import Log
from tests.tracking.sinks.peer import Peer, Reply, listening


@pytest.fixture
def peer() -> Iterator[Peer]:
    with listening() as peer:
        yield peer


@pytest.fixture
def alice(alice: Alice, peer: Peer) -> Alice:
    """Where Tinybird is set."""
    tinybird = {"ALICE_TINYBIRD_URL": peer.url, "ALICE_TINYBIRD_TOKEN": "p.token"}
    return Alice(alice.environ | tinybird)


@pytest.fixture
def log(settings: Settings, frozen_clock: int) -> Log:
    return Log()


@pytest.fixture
def never_served(settings: Settings) -> None:
    """Take the bystander's sink away: none has ever been served."""
    with database.connected(database.events_db), database.transaction(database.events_db):
        for table in ("sink_cursors", "sink_batches"):
            database.events.execute(f"DELETE FROM {table}")


def send(peer: Peer, *replies: Reply, rows: int = 10) -> None:
    """Send a batch of so many events for each of the replies that it meets."""
    peer.script = [*replies]
    for _ in replies:
        delivery.deliver(Tinybird(peer.url, "p.token"), EVENTS, Pace(rows, minutes(1)))


def status(alice: Alice) -> dict:
    """What `alice sinks status` says, not of the bystander's sink."""
    shown = json.loads(alice("sinks", "status", "--json").stdout)
    return shown | {
        name: [one for one in shown[name] if one["sink"] != bystander.SINK] for name in ("streams", "letters")
    }


def lines(alice: Alice, **environ: str) -> list[str]:
    """What it says to a person: how its tables begin, and its lines about Tinybird."""
    shown = alice("sinks", "status", **environ).stdout.splitlines()
    return [line for line in shown if line.startswith(("sink", "batch")) or "tinybird" in line]


def test_a_batch_that_waits_is_listed_so_that_it_can_be_skipped(alice: Alice, log: Log, peer: Peer) -> None:
    log.events(log.visit(), 25)
    send(peer, Reply(503))

    ((letter),) = status(alice)["letters"]
    assert (letter["stream"], letter["rows"], letter["attempts"]) == (EVENTS, 10, 1)
    assert letter["state"] == "waiting" and "503" in letter["error"]
    assert letter["next_attempt_at"] > clock.rfc3339(clock.now())
    plain = alice("sinks", "status").stdout
    assert letter["id"] in plain and letter["next_attempt_at"] in plain
    skipped = alice("sinks", "skip", "tinybird", "--batch", letter["id"], "--yes")
    assert (skipped.exit_code, skipped.stdout) == (0, "1 batch of tinybird deleted.\n")
    assert status(alice)["letters"] == []


def test_rows_that_wait_in_batches_have_a_column_of_their_own(alice: Alice, log: Log, peer: Peer) -> None:
    log.events(log.visit(), 25)
    send(peer, Reply(503))

    ((stream),) = status(alice)["streams"]
    assert (stream["behind"], stream["held"]) == (15, 10)
    heads, row = lines(alice)[:2]
    assert "behind  in batches" in heads
    assert row.split()[2:5] == ["waiting", "15", "10"]


@pytest.mark.touches_bystander("sink_cursors", "sink_batches")
def test_while_all_is_well_a_line_a_stream_is_all(
    alice: Alice, never_served: None, log: Log, peer: Peer
) -> None:
    log.events(log.visit(), 10)
    delivery.deliver(Tinybird(peer.url, "p.token"), EVENTS, Pace(10, minutes(1)))

    _, row = alice("sinks", "status").stdout.splitlines()
    assert row.split() == ["tinybird", "events", "ok", "0", "0", "0", "-", "-"]


@pytest.mark.touches_bystander("sink_cursors", "sink_batches")
def test_a_sink_that_was_never_served_is_named(alice: Alice, never_served: None) -> None:
    assert status(alice) == {"configured": ["tinybird"], "streams": [], "letters": []}
    done = alice("sinks", "status")
    assert done.stdout == "Nothing has been sent to tinybird yet: `alice serve` does that.\n"


def test_retry_of_a_batch_speaks_of_this_batch_only(alice: Alice, log: Log, peer: Peer) -> None:
    log.events(log.visit(), 2)
    send(peer, Reply(400), Reply(503), rows=1)
    dead, waiting = status(alice)["letters"]

    done = alice("sinks", "retry", "tinybird", "--batch", dead["id"])

    assert done.stdout == f"Batch {dead['id']} of tinybird is tried again in its turn.\n"
    again, still = status(alice)["letters"]
    assert (again["id"], again["state"], again["next_attempt_at"]) == (
        dead["id"],
        "waiting",
        clock.rfc3339(clock.now()),
    )
    assert still == waiting


@pytest.mark.parametrize(
    ("replies", "says"),
    [
        ((Reply(400), Reply(403)), "is stopped; `alice sinks retry tinybird` starts it again."),
        ((Reply(400), *[Reply(503, headers={"Retry-After": "0"})] * 5), "waits until "),
    ],
    ids=["stopped", "open"],
)
def test_retry_of_a_batch_says_what_keeps_it_from_going(
    alice: Alice, log: Log, peer: Peer, replies: tuple[Reply, ...], says: str
) -> None:
    log.events(log.visit(), 2)
    for reply in replies:
        send(peer, reply, rows=1)
        clock.advance(minutes(5))
    clock.advance(-minutes(5))
    dead = next(letter for letter in status(alice)["letters"] if letter["state"] == "dead")

    done = alice("sinks", "retry", "tinybird", "--batch", dead["id"])

    assert done.stdout.startswith(f"Batch {dead['id']} of tinybird is tried again in its turn. Its stream ")
    assert says in done.stdout


def test_a_batch_that_is_being_sent_is_left_alone(alice: Alice, log: Log, peer: Peer) -> None:
    class Looking(Tinybird):
        def send(self, batch: delivery.Batch) -> None:
            output.append(alice("sinks", "retry", "tinybird", "--batch", batch.id).stdout)
            super().send(batch)

    output: list[str] = []
    log.events(log.visit(), 10)
    delivery.deliver(Looking(peer.url, "p.token"), EVENTS, Pace(10, minutes(1)))

    assert [text.partition(" of ")[2] for text in output] == ["tinybird is being sent already.\n"]


@pytest.mark.touches_bystander("sink_cursors", "sink_batches")
@pytest.mark.parametrize("command", ["retry", "skip", "restart"])
@pytest.mark.parametrize("name", ["kafka", "ndjson", ""])
def test_a_sink_that_there_is_not_is_refused(
    alice: Alice, never_served: None, command: str, name: str
) -> None:
    done = alice("sinks", command, name, input="y\n")

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"Error: There is no sink {name}. The sinks are: tinybird.\n"
    nothing_set = {"ALICE_TINYBIRD_TOKEN": "", "ALICE_TINYBIRD_URL": ""}
    assert "No sink is set." in alice("sinks", command, name, input="y\n", **nothing_set).stderr


def test_a_sink_that_is_set_no_longer_is_not_tried_and_can_be_cleared(
    alice: Alice, log: Log, peer: Peer
) -> None:
    log.events(log.visit(), 10)
    send(peer, Reply(503))
    unset = {"ALICE_TINYBIRD_TOKEN": "", "ALICE_TINYBIRD_URL": ""}

    done = alice("sinks", "retry", "tinybird", **unset)
    assert (done.exit_code, done.stdout) == (1, "")
    assert (
        done.stderr
        == "Error: tinybird is not set, so nothing goes there. `alice config` shows the settings.\n"
    )
    _, row, *_ = lines(alice, **unset)
    assert "not set" in row and clock.rfc3339(clock.now())[:4] not in row
    ((letter),) = status(alice)["letters"]
    assert alice("sinks", "skip", "tinybird", "--batch", letter["id"], "--yes", **unset).exit_code == 0


def test_a_sink_starts_over_when_that_is_confirmed(alice: Alice, log: Log, peer: Peer) -> None:
    seqs = log.events(log.visit(), 2)
    send(peer, Reply(400), Reply(503), rows=1)

    declined = alice("sinks", "restart", "tinybird", input="n\n")
    assert declined.exit_code == 1 and "whole log" in declined.stderr
    assert len(status(alice)["letters"]) == 2
    done = alice("sinks", "restart", "tinybird", "--yes")
    assert done.stdout == "tinybird starts over from the first event; 2 batches deleted.\n"
    shown = status(alice)
    assert ([stream["behind"] for stream in shown["streams"]], shown["letters"]) == ([seqs[-1]], [])
    assert json.loads(alice("sinks", "restart", "tinybird", "--yes", "--json").stdout) == {
        "sink": "tinybird",
        "batches": 0,
    }
