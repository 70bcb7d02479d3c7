"""The Tinybird sink: every response that Tinybird documents, and others."""

import pytest

from alice import clock, database
from alice.clock import minutes
from alice.tracking.sinks import batches, delivery
from alice.tracking.sinks.sink import EVENTS, Later, Refused, Stopped, Taken, Undelivered
from alice.tracking.sinks.status import StreamStatus
from alice.tracking.sinks.tinybird import Tinybird
from tests.tracking.sinks.conftest import PACE, ROW, Drain, letters, streams
from tests.tracking.sinks.making import Log
from tests.tracking.sinks.peer import SILENCE, TRICKLE, Peer, Reply, Request, success


def stream() -> StreamStatus:
    return next(stream for stream in streams() if stream.stream == EVENTS)


def test_a_batch_is_posted_as_the_events_api_wants_it(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int
) -> None:
    log.events(log.visit(), 10)
    assert delivery.deliver(sink, EVENTS, PACE)

    request = peer.requests[0]
    assert request.path == "/v0/events"
    assert request.query == {"name": "events_v1", "wait": "true"}
    assert request.headers["Authorization"] == "Bearer p.token"
    assert request.headers["Content-Type"] == "application/x-ndjson"
    assert request.headers["Content-Encoding"] == "gzip"
    assert request.body.endswith(b"}\n")
    assert request.body.count(b"\n") == 10
    assert int(request.headers["Content-Length"]) < len(request.body) // 2


@pytest.mark.parametrize("status", [200, 202])
def test_what_is_taken_is_not_sent_again(
    log: Log, peer: Peer, sink: Tinybird, drain: Drain, status: int
) -> None:
    peer.otherwise = lambda request: Reply(
        status, {"successful_rows": len(request.rows), "quarantined_rows": 0}, takes=True
    )
    seqs = log.events(log.visit(), 10)
    drain(sink)

    assert peer.ids() == seqs
    assert letters("dead", "taken") == []


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (
            Reply(200, {"successful_rows": 7, "quarantined_rows": 3}),
            "3 of 10 rows are in events_v1_quarantine",
        ),
        (
            Reply(202, {"successful_rows": 7, "quarantined_rows": 3}),
            "3 of 10 rows are in events_v1_quarantine",
        ),
        (Reply(200, {"successful_rows": 7, "quarantined_rows": 0}), "7 of 10 rows were written"),
        (Reply(422, {"error": "view failed"}), "a materialized view failed"),
    ],
)
def test_what_is_taken_with_a_but_is_kept_and_never_sent_again_by_itself(
    log: Log, peer: Peer, sink: Tinybird, drain: Drain, reply: Reply, reason: str
) -> None:
    peer.script = [reply]
    visit = log.visit()
    log.events(visit, 10)
    assert delivery.deliver(sink, EVENTS, PACE)
    more = log.events(visit, 10)
    drain(sink)
    with database.connected(database.events_db):
        batches.retry(sink.name)
    drain(sink)

    assert peer.ids() == more
    ((letter),) = letters("dead", "taken")
    assert (letter.state, letter.rows) == ("taken", 10)
    assert reason in letter.error


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"<html>hello</html>"),
        Reply(202, b"<html>hello</html>"),
        Reply(200, b""),
        Reply(200, b"[" * 60_000),
        Reply(200, {"successful_rows": float("inf"), "quarantined_rows": 0}),
        Reply(200, {"successful_rows": "10", "quarantined_rows": 0}),
        Reply(200, {"successful_rows": 10, "quarantined_rows": None}),
        Reply(200, {"result": "ok"}),
        Reply(200, {"successful_rows": 10, "quarantined_rows": 0}, cut=1),
    ],
)
def test_a_peer_that_counts_no_rows_is_no_tinybird_and_has_taken_nothing(
    log: Log, peer: Peer, sink: Tinybird, drain: Drain, reply: Reply
) -> None:
    peer.otherwise = reply
    seqs = log.events(log.visit(), 30)
    drain(sink, tries=5)
    sent = {request.body for request in peer.requests if request.query["name"] == "events_v1"}

    assert len(sent) == 1  # the same, again and again
    assert (stream().state, stream().position) in (("waiting", 0), ("open", 0))
    assert letters("dead", "taken") == []
    peer.otherwise = success
    drain(sink)
    assert peer.ids() == seqs


def test_an_answer_that_says_nothing_yet_will_do(log: Log, peer: Peer, sink: Tinybird, drain: Drain) -> None:
    peer.otherwise = Reply(202, b"")
    log.events(log.visit(), 10)
    drain(sink)

    assert len(peer.requests) == 2
    assert letters("dead", "taken") == []


def test_a_malformed_row_is_a_dead_letter_and_all_others_arrive(
    log: Log, peer: Peer, sink: Tinybird, drain: Drain
) -> None:
    def without_the_fifth(request: Request) -> Reply:
        malformed = any(row["seq"] == seqs[4] for row in request.rows)
        return Reply(400, {"error": "no name"}) if malformed else success(request)

    peer.otherwise = without_the_fifth
    seqs = log.events(log.visit(), 20)
    drain(sink)

    assert peer.ids() == [seq for seq in seqs if seq != seqs[4]]
    assert [(letter.state, letter.first, letter.last) for letter in letters("dead", "taken")] == [
        ("dead", seqs[4], seqs[4])
    ]
    assert '400 {"error": "no name"}' in letters("dead", "taken")[0].error


def test_a_peer_that_refuses_everything_gets_no_more_and_nothing_is_lost(
    log: Log, peer: Peer, sink: Tinybird, drain: Drain
) -> None:
    peer.otherwise = Reply(400)
    seqs = log.events(log.visit(), 150)
    drain(sink)

    assert stream().state == "stopped"
    assert "refused" in stream().reason
    assert len([letter for letter in letters("dead", "taken") if letter.stream == EVENTS]) == 10
    peer.otherwise = success
    with database.connected(database.events_db):
        batches.retry(sink.name)
    drain(sink)
    assert peer.ids() == seqs


@pytest.mark.parametrize("status", [401, 403, 404, 302, 405])
def test_a_wrong_token_or_region_stops_the_sink_until_an_admin_has_looked(
    log: Log, peer: Peer, sink: Tinybird, drain: Drain, status: int
) -> None:
    peer.otherwise = Reply(status, {"error": "invalid token"}, {"Location": "/elsewhere"})
    seqs = log.events(log.visit(), 20)
    drain(sink, tries=5)
    sent = len([request for request in peer.requests if request.query["name"] == "events_v1"])

    assert sent == 1
    assert stream().state == "stopped"
    assert f"{status} " in stream().reason
    assert letters("dead", "taken") == []
    peer.otherwise = success
    with database.connected(database.events_db):
        batches.retry(sink.name)
    drain(sink)
    assert peer.ids() == seqs


def test_a_batch_too_large_goes_in_halves(log: Log, peer: Peer, sink: Tinybird, drain: Drain) -> None:
    def at_most_three(request: Request) -> Reply:
        return success(request) if len(request.rows) <= 3 else Reply(413)

    peer.otherwise = at_most_three
    seqs = log.events(log.visit(), 20)
    drain(sink)

    assert peer.ids() == seqs
    assert letters("dead", "taken") == []


def test_a_single_row_too_large_is_a_dead_letter(log: Log, peer: Peer, sink: Tinybird, drain: Drain) -> None:
    def without_the_third(request: Request) -> Reply:
        return Reply(413) if any(row["seq"] == seqs[2] for row in request.rows) else success(request)

    seqs = log.events(log.visit(), 10)
    peer.otherwise = without_the_third
    drain(sink)

    assert peer.ids() == [seq for seq in seqs if seq != seqs[2]]
    assert [(letter.first, letter.last, letter.rows) for letter in letters("dead", "taken")] == [
        (seqs[2], seqs[2], 1)
    ]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (201, Later), (299, Later), (300, Stopped), (399, Stopped), (400, Refused), (401, Stopped),
        (402, Stopped), (403, Stopped), (404, Stopped), (405, Stopped), (407, Stopped), (408, Later),
        (409, Stopped), (412, Stopped), (413, Refused), (414, Stopped), (421, Stopped), (422, Taken),
        (423, Stopped), (428, Stopped), (429, Later), (430, Stopped), (499, Stopped), (500, Later),
    ],
)  # fmt: skip
def test_every_status_has_its_meaning(
    peer: Peer, sink: Tinybird, status: int, outcome: type[Undelivered]
) -> None:
    peer.script = [Reply(status, {"successful_rows": 1, "quarantined_rows": 0})]

    with pytest.raises(Undelivered, match=str(status)) as raised:
        sink.send(ROW)
    assert type(raised.value) is outcome


@pytest.mark.parametrize(("reply", "why"), [(SILENCE, ""), (TRICKLE, " after 0.3 s")])
def test_a_peer_that_never_finishes_its_answer_is_given_up_on(
    log: Log, peer: Peer, frozen_clock: int, reply: Reply, why: str
) -> None:
    peer.script = [reply]
    log.events(log.visit(), 10)
    assert not delivery.deliver(Tinybird(peer.url, "token", timeout=0.3), EVENTS, PACE)

    assert f"no answer: TimeoutError{why}" in stream().reason
    clock.advance(minutes(1))
    assert delivery.deliver(Tinybird(peer.url, "token"), EVENTS, PACE)


@pytest.mark.parametrize("token", ["p.token\r", "p.token\n", "p.token\u20ac"])
def test_a_token_that_no_header_holds_stops_the_sink_and_is_not_shown(
    log: Log, peer: Peer, frozen_clock: int, caplog: pytest.LogCaptureFixture, token: str
) -> None:
    log.events(log.visit(), 10)
    assert not delivery.deliver(Tinybird(peer.url, token), EVENTS, PACE)

    assert stream().state == "stopped"
    assert "is stopped" in caplog.text
    assert "p.token" not in caplog.text + str(stream())


def test_the_token_is_in_no_log_line_and_no_reason(
    log: Log, peer: Peer, sink: Tinybird, frozen_clock: int, caplog: pytest.LogCaptureFixture
) -> None:
    peer.script = [Reply(503), Reply(403)]
    log.events(log.visit(), 10)
    for _ in range(2):
        delivery.deliver(sink, EVENTS, PACE)
        clock.advance(minutes(1))

    assert "is stopped" in caplog.text
    assert "p.token" not in caplog.text + str(stream())
