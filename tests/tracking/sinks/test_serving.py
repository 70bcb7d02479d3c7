"""`alice serve` sends to the sinks: one of its processes at a time."""

import json
from pathlib import Path

import pytest

from alice import clock
from alice.clock import minutes
from alice.config import Settings
from alice.tracking.sinks.transport import TIMEOUT
from tests.conftest import Eventually
from tests.servers import serving
from tests.tracking.sinks.making import Log
from tests.tracking.sinks.peer import SILENCE, Peer


@pytest.fixture
def log(log: Log, frozen_clock: int) -> Log:
    """The rows are a minute old, so that the sink sends them at once."""
    clock.advance(-minutes(1))
    return log


def numbers(folder: Path, table: str) -> list[int]:
    lines = [line for path in folder.glob(f"{table}-*") for line in path.read_text().splitlines()]
    return [json.loads(line)["seq"] for line in lines]


def test_what_is_tracked_arrives_in_every_sink_once(
    settings: Settings, log: Log, peer: Peer, eventually: Eventually
) -> None:
    folder = settings.data_dir / "ndjson"
    variables = {
        "ALICE_NDJSON": "1",
        "ALICE_TINYBIRD_URL": peer.url,
        "ALICE_TINYBIRD_TOKEN": "token",
        "ALICE_SINK_BATCH": "10",
        "ALICE_SINK_SECONDS": "1",
    }
    visit = log.visit()
    seqs = log.events(visit, 25)
    with serving(settings, "--workers", "2", **variables):
        eventually(lambda: len(numbers(folder, "events_v1")) >= 25 and len(peer.ids()) >= 25)
        eventually(lambda: peer.ids("session_v1") == numbers(folder, "session_v1") == [visit])

    assert numbers(folder, "events_v1") == peer.ids() == seqs


def test_sinks_that_are_silent_hold_up_neither_another_nor_the_end_of_the_server(
    settings: Settings, log: Log, peer: Peer, eventually: Eventually
) -> None:
    peer.otherwise = SILENCE
    folder = settings.data_dir / "ndjson"
    variables = {
        "ALICE_NDJSON": "1",
        "ALICE_TINYBIRD_URL": peer.url,
        "ALICE_TINYBIRD_TOKEN": "token",
        "ALICE_CLICKHOUSE_URL": peer.url,
        "ALICE_SINK_SECONDS": "1",
    }
    seqs = log.events(log.visit(), 10)
    with serving(settings, "--workers", "1", **variables) as server:
        eventually(lambda: numbers(folder, "events_v1") == seqs and len(peer.requests) >= 2)

        assert len(peer.requests) == 2  # each still waits for its first answer
        assert server.stop(within=TIMEOUT - 3) == 0
