"""2,000 visits at once on two processes, one of which is killed: nothing lost, no gap, nothing twice."""

import http.client
import os
import signal
import threading
from collections import defaultdict

from flask import Flask

from alice import database
from alice.config import Settings
from alice.ids import new_id
from alice.tracking import site as sites
from alice.tracking.log.event import id_bytes
from tests.conftest import EventRows, Eventually
from tests.servers import Server, ask, serving

VISITS = 2_000
EVENTS = 3  # of each visit
THREADS = 24
PLENTY = "10000000"


class Visitors:
    """Each visitor sends three events, and each event again until it is acknowledged, as tracker.js does."""

    def __init__(self, server: Server, site_id: str) -> None:
        self._server, self._path = server, f"/api/v2/track/{site_id}"
        self.events = [(visitor, new_id()) for _ in range(EVENTS) for visitor in range(VISITS)]
        self.acknowledged: set[str] = set()
        self.refused: list[int] = []
        self._waiting = iter(self.events)
        self._taking = threading.Lock()
        self._threads = [threading.Thread(target=self._send_all, daemon=True) for _ in range(THREADS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        for thread in self._threads:
            thread.join(120)
            assert not thread.is_alive(), "an event was neither answered nor refused within 120 s"

    def _send_all(self) -> None:
        connection = self._server.connect()
        while (event := self._next()) is not None:
            while not self._send(connection, *event):
                connection.close()  # no answer came; the next try opens another connection
        connection.close()

    def _send(self, connection: http.client.HTTPConnection, visitor: int, id: str) -> bool:
        payload = {
            "eventId": id,
            "url": f"/{visitor}",
            "consent": "granted",
            "visitorId": f"visitor-{visitor}",
        }
        try:
            status = ask(connection, "POST", self._path, payload).status
        except (OSError, http.client.HTTPException):
            return False
        if status == 200:
            self.acknowledged.add(id)
        else:
            self.refused.append(status)
        return True

    def _next(self) -> tuple[int, str] | None:
        with self._taking:
            return next(self._waiting, None)


def test_two_thousand_visits_survive_the_death_of_a_process(
    app: Flask, settings: Settings, events_db: EventRows, eventually: Eventually
) -> None:
    with database.connected(database.events_db):
        site = sites.create("wonderland.example", "Wonderland", owner_id=None)
    options = ("--workers", "2")
    with serving(settings, *options, ALICE_TRACK_PER_ADDRESS=PLENTY, ALICE_TRACK_PER_SITE=PLENTY) as server:
        eventually(lambda: len(server.workers) == 2)
        visitors = Visitors(server, site.id)
        visitors.start()
        eventually(lambda: len(visitors.acknowledged) > VISITS)
        os.kill(server.workers[0], signal.SIGKILL)
        visitors.finish()

    assert visitors.refused == []
    assert len(visitors.acknowledged) == VISITS * EVENTS
    kept = dict(events_db.query("SELECT id, seq FROM event_ids"))
    assert {bytes(id) for id in kept} == {id_bytes(id) for _, id in visitors.events}
    assert events_db.one("SELECT COUNT(*) FROM events") == VISITS * EVENTS

    sequences = defaultdict(list)
    for visit, sequence in events_db.query("SELECT visit_number, sequence FROM events ORDER BY seq"):
        sequences[visit].append(sequence)
    assert len(sequences) == VISITS
    assert all(numbers == [*range(1, EVENTS + 1)] for numbers in sequences.values())
    assert events_db.query("SELECT DISTINCT sequence, page_views FROM visits") == [(EVENTS, EVENTS)]
