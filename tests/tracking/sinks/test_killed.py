"""kill -9 while a batch is sent or before it is confirmed: nothing is lost and nothing is stored twice."""

import signal
import subprocess
import sys
import textwrap

import pytest

from alice import clock
from alice.config import Settings
from alice.tracking.sinks.clickhouse import ClickHouse
from alice.tracking.sinks.ndjson import NdjsonFiles
from alice.tracking.sinks.tinybird import Tinybird
from tests.servers import CHECKOUT, environment
from tests.tracking.sinks.conftest import ClickHouseServer, Drain, letters
from tests.tracking.sinks.making import Log
from tests.tracking.sinks.peer import Peer

# A process that serves one sink and dies at once when the other side has its batch, or just before.
DYING = """
    import os, signal
    from alice import database
    from alice.config import Settings
    from alice.tracking.sinks import delivery, sink
    from alice.tracking.sinks.{module} import {name}

    class Dying({name}):
        def send(self, batch):
            if {after}:
                super().send(batch)
            os.kill(os.getpid(), signal.SIGKILL)

    database.bind(Settings.from_env())
    delivery.deliver(Dying({arguments}), sink.EVENTS, delivery.Pace(10))
"""


def die(settings: Settings, module: str, name: str, arguments: str, after: bool) -> None:
    code = textwrap.dedent(DYING).format(module=module, name=name, arguments=arguments, after=after)
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, env=environment(settings), timeout=60, capture_output=True
    )
    assert process.returncode == -signal.SIGKILL, process.stderr.decode()
    assert [letter.state for letter in letters("waiting")] == ["waiting"]


@pytest.mark.parametrize("after", [False, True])
def test_tinybird_has_each_row_and_no_two_that_differ(
    settings: Settings, log: Log, peer: Peer, drain: Drain, after: bool
) -> None:
    seqs = log.events(log.visit(), 10)
    die(settings, "tinybird", "Tinybird", f"'{peer.url}', 'token'", after)
    seqs += log.events(log.visit(), 10)
    drain(Tinybird(peer.url, "token"))

    rows = {row["id"]: row for row in peer.taken if row["table"] == "events_v1"}
    assert sorted(row["seq"] for row in rows.values()) == seqs
    assert len({str(row) for row in peer.taken if row["table"] == "events_v1"}) == len(seqs)


@pytest.mark.parametrize("after", [False, True])
def test_files_have_each_line_once(settings: Settings, log: Log, drain: Drain, after: bool) -> None:
    folder = settings.data_dir / "ndjson"
    seqs = log.events(log.visit(), 10)
    die(settings, "ndjson", "NdjsonFiles", f"__import__('pathlib').Path({str(folder)!r})", after)
    seqs += log.events(log.visit(), 10)
    drain(NdjsonFiles(folder))

    lines = [line for path in folder.glob("events_v1-*") for line in path.read_text().splitlines()]
    assert len(set(lines)) == len(lines) == len(seqs)


@pytest.mark.parametrize("after", [False, True])
def test_clickhouse_shows_each_row_once(
    settings: Settings, log: Log, clickhouse: ClickHouseServer, drain: Drain, after: bool
) -> None:
    seqs = log.events(log.visit(), 10)
    die(settings, "clickhouse", "ClickHouse", f"'{clickhouse.url}'", after)
    seqs += log.events(log.visit(), 10)
    clock.advance(clock.minutes(5))
    drain(ClickHouse(clickhouse.url))

    shown = clickhouse.ask("SELECT seq FROM events_v1 FINAL ORDER BY seq")
    assert [int(seq) for (seq,) in shown] == seqs
