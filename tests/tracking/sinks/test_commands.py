"""`alice sinks`: what has not arrived, and what to do about it."""

import json
from collections.abc import Callable

import pytest
from click.testing import Result

from alice.config import Settings
from alice.tracking.sinks.sink import EVENTS
from alice.tracking.sinks.tinybird import Tinybird
from tests import bystander
from tests.cli.running import Alice
from tests.tracking.sinks.conftest import ONE, letters, send
from tests.tracking.sinks.making import Log, kept, touched
from tests.tracking.sinks.peer import Peer, Reply

Sinks = Callable[..., Result]


@pytest.fixture
def alice(settings: Settings) -> Alice:
    where = {"ALICE_DATABASE_URL": settings.database_url} if settings.database_url else {}
    return Alice({"ALICE_DATA_DIR": str(settings.data_dir)} | where)


@pytest.fixture
def sinks(alice: Alice, peer: Peer) -> Sinks:
    """Run `alice sinks ...` where Tinybird is set."""
    tinybird = {"ALICE_TINYBIRD_URL": peer.url, "ALICE_TINYBIRD_TOKEN": "p.token"}
    return lambda *arguments, **given: alice("sinks", *arguments, **given, **tinybird)


def status(sinks: Sinks) -> dict:
    """What `alice sinks status` says, not of the bystander's sink."""
    shown = json.loads(sinks("status", "--json").stdout)
    return shown | {
        name: [one for one in shown[name] if one["sink"] != bystander.SINK] for name in ("streams", "letters")
    }


def test_status_shows_each_stream_and_what_is_kept(
    log: Log, peer: Peer, sink: Tinybird, sinks: Sinks, frozen_clock: int
) -> None:
    peer.script = [Reply(400), Reply(403)]
    seqs = log.events(log.visit(), 7)
    send(sink, 2, ONE)

    shown = status(sinks)
    assert shown["configured"] == ["tinybird"]
    ((stream),) = shown["streams"]
    assert (stream["stream"], stream["state"], stream["behind"]) == (EVENTS, "stopped", 5)
    letter, waiting = shown["letters"]
    assert waiting["state"] == "waiting"
    assert (letter["state"], letter["first"], letter["last"], letter["rows"]) == (
        "dead",
        seqs[0],
        seqs[0],
        1,
    )
    assert letter["bytes"] == len(peer.requests[0].body)
    plain = sinks("status")
    assert letter["id"] in plain.stdout
    assert "p.token" not in plain.stdout + plain.stderr


def test_retry_and_skip_say_what_they_did(
    log: Log, peer: Peer, sink: Tinybird, sinks: Sinks, frozen_clock: int
) -> None:
    peer.script = [Reply(400), Reply(400)]
    log.events(log.visit(), 2)
    send(sink, 2, ONE)

    letter = status(sinks)["letters"][0]["id"]
    assert sinks("retry", "tinybird", "--batch", letter).stdout.endswith("is tried again in its turn.\n")
    send(sink, 1, ONE)
    assert len(peer.ids()) == 1
    assert json.loads(sinks("skip", "tinybird", "--yes", "--json").stdout)["batches"] == 1
    assert status(sinks)["letters"] == []


@pytest.mark.usefixtures("crowd")
def test_a_command_says_and_does_nothing_of_another_sinks_batches(sinks: Sinks) -> None:
    mine, others = (
        [letter for letter in letters("dead") if letter.sink == name] for name in ("tinybird", "other")
    )
    before = kept()

    for command in ("retry", "skip"):
        refused = sinks(command, "tinybird", "--batch", others[0].id, input="y\n")
        assert refused.stderr.startswith(f"Error: tinybird has no batch {others[0].id}.")
    assert touched(before) == set()
    for letter in mine:
        done = sinks("retry", "tinybird", "--batch", letter.id)
        assert done.stdout == f"Batch {letter.id} of tinybird is tried again in its turn.\n"
    assert json.loads(sinks("skip", "tinybird", "--yes", "--json").stdout) == {
        "sink": "tinybird",
        "batches": 2,
    }
    assert {before[key][1] for key in touched(before)} == {"tinybird"}


@pytest.mark.usefixtures("crowd")
def test_status_shows_what_is_not_set_without_a_next_attempt(sinks: Sinks) -> None:
    shown = status(sinks)
    plain = sinks("status").stdout.splitlines()

    assert {(stream["sink"], stream["configured"]) for stream in shown["streams"]} == {
        ("tinybird", True),
        ("other", False),
    }
    assert len(shown["letters"]) == 16
    rows = [line.split() for line in plain if line.startswith("other ")]
    assert [row[1:4] for row in rows] == [["events", "not", "set"], ["visits", "not", "set"]]
    ids = {letter["id"] for letter in shown["letters"] if letter["sink"] == "other"}
    assert all(line.split()[6] == "-" for line in plain if line.split(" ")[0] in ids)


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("retry", "kafka"), "There is no sink kafka. The sinks are: bystander, tinybird."),
        (("skip", "tinybird", "--batch", "42", "--yes"), "`alice sinks status` lists them."),
    ],
)
def test_a_mistake_ends_with_one_line(sinks: Sinks, arguments: tuple[str, ...], remedy: str) -> None:
    ended = sinks(*arguments)

    assert ended.exit_code == 1
    assert ended.stderr.strip().endswith(remedy)
    assert len(ended.stderr.splitlines()) == 1


def test_without_a_sink_status_says_how_to_set_one(alice: Alice) -> None:
    assert "ALICE_CLICKHOUSE_URL" in alice("sinks", "status").stdout


@pytest.mark.parametrize(
    "variables",
    [
        {"ALICE_CLICKHOUSE_URL": "clickhouse://secret@127.0.0.1"},
        {"ALICE_CLICKHOUSE_URL": "http://:secret@"},
        {"ALICE_TINYBIRD_URL": "api.tinybird.co"},
        {"ALICE_NDJSON": "perhaps"},
        {"ALICE_SINK_BATCH": "0"},
        {"ALICE_SINK_SECONDS": "soon"},
    ],
)
def test_a_setting_that_cannot_be_used_is_named(alice: Alice, variables: dict[str, str]) -> None:
    ended = alice("sinks", "status", **variables)

    assert ended.exit_code == 1
    assert next(iter(variables)) in ended.stderr
    assert "secret" not in ended.stderr
