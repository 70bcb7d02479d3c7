"""Which sinks there are, and the threads that serve them while Alice runs."""

import threading
from dataclasses import replace

import pytest

from alice.clock import seconds
from alice.config import Settings
from alice.tracking.sinks import registry
from alice.tracking.sinks.registry import Couriers
from tests.conftest import Eventually
from tests.tracking.sinks.conftest import letters
from tests.tracking.sinks.making import Log
from tests.tracking.sinks.peer import SILENCE, Peer, Reply, Request, success


@pytest.fixture
def tinybird(settings: Settings, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Tinybird is set, and is looked after many times a second."""
    monkeypatch.setattr(registry, "EVERY", 50)
    monkeypatch.setattr(registry, "LOOK_EVERY", 0.02)
    return replace(settings, tinybird_url=peer.url, tinybird_token="p.token", sink_batch=2)


def serve(settings: Settings) -> Couriers:
    couriers = Couriers(settings)
    couriers.start()
    return couriers


def threads() -> int:
    return sum(thread.name == "jobs" for thread in threading.enumerate())


@pytest.mark.parametrize(
    ("set_", "names"),
    [
        ({}, []),
        ({"clickhouse_url": "http://127.0.0.1:8123"}, ["clickhouse"]),
        ({"tinybird_token": "p.token"}, ["tinybird"]),
        ({"ndjson": True}, ["ndjson"]),
        (
            {"clickhouse_url": "http://127.0.0.1:8123", "tinybird_token": "p.token", "ndjson": True},
            ["clickhouse", "tinybird", "ndjson"],
        ),
    ],
)
def test_each_sink_that_is_set_has_a_job_of_its_own(settings: Settings, set_: dict, names: list[str]) -> None:
    there = replace(settings, **set_)

    assert [sink.name for sink in registry.configured(there)] == names
    jobs = registry.jobs(there, threading.Event())
    assert [(job.name, job.every) for job in jobs] == [(f"sink {name}", seconds(4)) for name in names]


def test_couriers_serve_until_they_are_stopped_and_again_when_they_are_started_again(
    tinybird: Settings, log: Log, peer: Peer, eventually: Eventually
) -> None:
    seqs = log.events(log.visit(), 2)
    couriers = serve(tinybird)
    eventually(lambda: peer.ids() == seqs)
    couriers.stop()
    assert threads() == 0

    seqs += log.events(log.visit(), 2)
    couriers.start()
    eventually(lambda: peer.ids() == seqs)
    couriers.stop()
    assert threads() == 0


def test_a_batch_that_is_being_sent_is_waited_for(
    tinybird: Settings, log: Log, peer: Peer, eventually: Eventually
) -> None:
    def take_time(request: Request) -> Reply:
        peer.ending.wait(0.3)
        return success(request)

    seqs = log.events(log.visit(), 2)
    peer.script = [take_time]
    couriers = serve(tinybird)
    eventually(lambda: bool(peer.requests))
    couriers.stop()

    assert peer.ids() == seqs
    assert letters() == []


def test_who_is_stopped_while_sending_a_batch_sends_no_other(
    tinybird: Settings, log: Log, peer: Peer, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(request: Request) -> Reply:
        couriers.stop()
        return success(request)

    monkeypatch.setattr(registry, "STOPS_WITHIN", 0.1)
    seqs = log.events(log.visit(), 6)
    peer.script = [stop]
    couriers = Couriers(tinybird)
    couriers.start()
    eventually(lambda: bool(peer.taken) and threads() == 0)

    assert peer.ids() == seqs[:2]


def test_a_sink_that_is_silent_is_not_waited_for_long(
    tinybird: Settings, log: Log, peer: Peer, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "STOPS_WITHIN", 0.1)
    peer.otherwise = SILENCE
    log.events(log.visit(), 2)
    couriers = serve(tinybird)
    eventually(lambda: bool(peer.requests))
    couriers.stop()

    assert threads() == 1
    assert [(letter.state, letter.error) for letter in letters()] == [("waiting", None)]
    peer.ending.set()
    eventually(lambda: threads() == 0)
