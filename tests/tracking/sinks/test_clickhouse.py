"""The ClickHouse sink, on a real server; responses of other versions come from the peer."""

from base64 import b64decode

import pytest

from alice import clock, database
from alice.clock import minutes
from alice.tracking.log.event import Kind
from alice.tracking.sinks import batches, delivery
from alice.tracking.sinks.clickhouse import ClickHouse
from alice.tracking.sinks.sink import (
    EVENTS,
    VISITS,
    Later,
    Refused,
    Stopped,
    Undelivered,
)
from alice.tracking.sinks.status import StreamStatus
from tests.servers import free_port
from tests.tracking.sinks.conftest import PACE, ROW, ClickHouseServer, Drain, letters, streams
from tests.tracking.sinks.making import Log
from tests.tracking.sinks.peer import DROP, Peer, Reply, Request


@pytest.fixture
def sink(clickhouse: ClickHouseServer) -> ClickHouse:
    return ClickHouse(clickhouse.url)


def stream(name: str = EVENTS) -> StreamStatus:
    return next(stream for stream in streams() if stream.stream == name)


def numbers(clickhouse: ClickHouseServer, table: str = "events_v1") -> list[int]:
    """The seq of each row as a report sees them."""
    return [int(seq) for (seq,) in clickhouse.ask(f"SELECT seq FROM {table} FINAL ORDER BY seq")]


def test_events_and_visits_arrive_whole(
    log: Log, clickhouse: ClickHouseServer, sink: ClickHouse, drain: Drain, frozen_clock: int
) -> None:
    visit = log.visit({"campaign_id": "c'1"}, country="FR", is_bot=1, utm_source='"quoted"\n\t\\')
    seqs = log.events(
        visit, 25, kind=Kind.CONVERSION, name="order ☕", event_value=12.5, cups={"hare": [1, None]}
    )
    drain(sink)

    assert numbers(clickhouse) == seqs
    assert numbers(clickhouse, "session_v1") == [visit]
    assert clickhouse.ask(
        "SELECT event_id, event_value, metadata, campaign_id, toUnixTimestamp(timestamp), time_on_page "
        f"FROM events_v1 WHERE seq = {seqs[0]}"
    ) == [["order ☕", "12.5", '{"cups":{"hare":[1,null]}}', "c\\'1", str(frozen_clock // 1000), "\\N"]]
    assert clickhouse.ask("SELECT country, is_bot, is_eu_country, utm_source FROM session_v1") == [
        ["FR", "1", "1", '"quoted"\\n\\t\\\\']
    ]


def test_a_batch_that_is_sent_again_is_there_once(
    log: Log, clickhouse: ClickHouseServer, sink: ClickHouse, drain: Drain
) -> None:
    class Deaf(ClickHouse):
        """Never hears the answer."""

        def send(self, batch: delivery.Batch) -> None:
            super().send(batch)
            raise delivery.Later("no answer")

    seqs = log.events(log.visit(), 10)
    deaf = Deaf(clickhouse.url)
    for _ in range(3):
        delivery.deliver(deaf, EVENTS, PACE)
        clock.advance(minutes(1))
    drain(sink)

    assert numbers(clickhouse) == seqs


def test_a_row_that_does_not_fit_is_found_and_the_others_arrive(
    log: Log, clickhouse: ClickHouseServer, sink: ClickHouse, drain: Drain
) -> None:
    clickhouse.ask("DROP TABLE events_v1")
    clickhouse.ask(
        "CREATE TABLE events_v1 (timestamp DateTime('UTC'), seq UInt64, metadata Nullable(UInt8)) "
        "ENGINE = ReplacingMergeTree() PARTITION BY toYYYYMM(timestamp) ORDER BY seq"
    )
    good = log.events(log.visit(), 6)
    bad = log.events(log.visit(), 1, cups=2)
    good += log.events(log.visit(), 3)
    drain(sink)

    assert numbers(clickhouse) == good
    assert [(letter.state, letter.first, letter.rows) for letter in letters("dead", "taken")] == [
        ("dead", bad[0], 1)
    ]
    assert "Code: 27" in letters("dead", "taken")[0].error


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"path": "/nowhere"}, "nowhere"),
        ({"user": "stranger:secret@"}, "stranger"),
    ],
)
def test_a_wrong_address_stops_the_sink_until_an_admin_has_looked(
    log: Log, clickhouse: ClickHouseServer, drain: Drain, change: dict[str, str], reason: str
) -> None:
    seqs = log.events(log.visit(), 10)
    address = clickhouse.url.replace("://", f"://{change.get('user', '')}")
    wrong = ClickHouse(
        address.replace(f"/{clickhouse.database}", change.get("path", f"/{clickhouse.database}"))
    )
    drain(wrong, tries=3)

    assert stream().state == "stopped"
    assert reason in stream().reason
    assert "secret" not in stream().reason
    with database.connected(database.events_db):
        batches.retry("clickhouse")
    drain(ClickHouse(clickhouse.url))
    assert numbers(clickhouse) == seqs


def test_missing_tables_stop_the_sink_and_say_where_they_are(
    log: Log, clickhouse: ClickHouseServer, sink: ClickHouse, drain: Drain
) -> None:
    visit = log.visit()
    clickhouse.ask("DROP TABLE session_v1")
    drain(sink, tries=3)

    assert stream(VISITS).state == "stopped"
    assert "schema/clickhouse.sql" in stream(VISITS).reason
    assert letters("dead", "taken") == []
    assert visit


def test_a_user_and_password_sign_in(clickhouse: ClickHouseServer, log: Log, drain: Drain) -> None:
    seqs = log.events(log.visit(), 10)
    drain(ClickHouse(clickhouse.url.replace("://", "://default:@")))

    assert numbers(clickhouse) == seqs


def test_an_outage_of_a_day_loses_nothing(
    log: Log, clickhouse: ClickHouseServer, sink: ClickHouse, drain: Drain
) -> None:
    away = ClickHouse(f"http://127.0.0.1:{free_port()}/{clickhouse.database}")
    visit = log.visit()
    seqs = log.events(visit, 25)
    for _ in range(24):
        drain(away, tries=12)
    seqs += log.events(visit, 25)
    drain(sink)

    assert numbers(clickhouse) == seqs


# A newer server

MODERN = b"".join(
    b"26.9.2.1\t%s\n" % name
    for name in (
        b"async_insert",
        b"date_time_input_format",
        b"input_format_skip_unknown_fields",
        b"insert_deduplication_token",
    )
)
SIGNED = {"X-ClickHouse-Server-Display-Name": "modern"}
KNOWN = Reply(200, MODERN, SIGNED)
WRITTEN = Reply(200, b"", SIGNED)


def asks(request: Request) -> bool:
    return request.query["query"].startswith("SELECT")


def test_a_server_that_knows_tokens_gets_the_same_one_at_every_attempt(
    log: Log, peer: Peer, frozen_clock: int
) -> None:
    peer.script = [KNOWN, DROP, WRITTEN]
    sink = ClickHouse(f"{peer.url}/alice")
    log.events(log.visit(), 10)
    delivery.deliver(sink, EVENTS, PACE)
    clock.advance(minutes(1))
    assert delivery.deliver(sink, EVENTS, PACE)

    question, first, again = peer.requests
    assert "version()" in question.query["query"]
    assert (first.query, first.body) == (again.query, again.body)
    assert first.query["insert_deduplication_token"] == first.query["query_id"]
    assert first.query["async_insert"] == "0"
    assert first.query["database"] == "alice"


def test_a_server_that_changed_its_version_is_asked_again(log: Log, peer: Peer, frozen_clock: int) -> None:
    unknown = Reply(404, b"Code: 115, e.displayText() = DB::Exception: Unknown setting async_insert")
    old = Reply(200, b"18.16.1\tdate_time_input_format\n", SIGNED)
    peer.script = [KNOWN, unknown, old, WRITTEN]
    sink = ClickHouse(peer.url)
    log.events(log.visit(), 10)
    delivery.deliver(sink, EVENTS, PACE)
    clock.advance(minutes(1))

    assert delivery.deliver(sink, EVENTS, PACE)
    assert "async_insert" not in peer.requests[-1].query


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        (Reply(200, b"", {"X-ClickHouse-Exception-Code": "241"}), "waiting"),
        (Reply(200, b"Code: 241. DB::Exception: Memory limit exceeded"), "waiting"),
        (Reply(200, b"something else"), "waiting"),
        (Reply(200, b"something else", SIGNED), "waiting"),
        (Reply(200, b""), "waiting"),
        (Reply(200, b"", SIGNED, cut=120), "waiting"),
        (Reply(500, b"Code: 252. DB::Exception: Too many parts"), "waiting"),
        (Reply(500, b"Code: 216. DB::Exception: Query with id = x is already running"), "waiting"),
        (Reply(503, b""), "waiting"),
        (Reply(408, b""), "waiting"),
        (DROP, "waiting"),
        (Reply(403, b"Code: 516. DB::Exception: Authentication failed"), "stopped"),
        (Reply(200, b"Code: 497. DB::Exception: Not enough privileges"), "stopped"),
        (Reply(404, b"Code: 81. DB::Exception: Unknown database"), "stopped"),
        (Reply(404, b"<html>no ClickHouse at all</html>"), "stopped"),
        (Reply(301, b"", {"Location": "https://elsewhere.example/"}), "stopped"),
    ],
)
def test_an_error_is_heard_wherever_it_is_said(
    log: Log, peer: Peer, frozen_clock: int, reply: Reply, state: str
) -> None:
    peer.script = [KNOWN, reply]
    log.events(log.visit(), 10)

    assert not delivery.deliver(ClickHouse(peer.url), EVENTS, PACE)
    assert stream().state == state
    assert letters("dead", "taken") == []


CODES = {
    Refused: {
        6: "CANNOT_PARSE_TEXT", 26: "CANNOT_PARSE_QUOTED_STRING", 27: "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
        38: "CANNOT_PARSE_DATE", 41: "CANNOT_PARSE_DATETIME", 53: "TYPE_MISMATCH",
        69: "ARGUMENT_OUT_OF_BOUND", 70: "CANNOT_CONVERT_TYPE", 72: "CANNOT_PARSE_NUMBER",
        117: "INCORRECT_DATA", 131: "TOO_LARGE_STRING_SIZE", 321: "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
        349: "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN", 376: "CANNOT_PARSE_UUID",
        441: "CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING", 467: "CANNOT_PARSE_BOOL", 675: "CANNOT_PARSE_IPV4",
        676: "CANNOT_PARSE_IPV6", 691: "UNKNOWN_ELEMENT_OF_ENUM",
    },
    Stopped: {
        16: "NO_SUCH_COLUMN_IN_TABLE", 36: "BAD_ARGUMENTS", 47: "UNKNOWN_IDENTIFIER", 48: "NOT_IMPLEMENTED",
        60: "UNKNOWN_TABLE", 62: "SYNTAX_ERROR", 73: "UNKNOWN_FORMAT", 81: "UNKNOWN_DATABASE",
        164: "READONLY", 192: "UNKNOWN_USER", 193: "WRONG_PASSWORD", 194: "REQUIRED_PASSWORD",
        195: "IP_ADDRESS_NOT_ALLOWED", 291: "DATABASE_ACCESS_DENIED", 497: "ACCESS_DENIED",
        516: "AUTHENTICATION_FAILED",
    },
    Later: {115: "UNKNOWN_SETTING", 241: "MEMORY_LIMIT_EXCEEDED", 252: "TOO_MANY_PARTS"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("code", "name", "outcome"),
    [(code, name, outcome) for outcome, codes in CODES.items() for code, name in codes.items()],
)
def test_every_error_code_has_its_meaning(
    peer: Peer, code: int, name: str, outcome: type[Undelivered]
) -> None:
    peer.script = [KNOWN, Reply(500, f"Code: {code}. DB::Exception: why. ({name})".encode())]

    with pytest.raises(Undelivered, match=name) as raised:
        ClickHouse(peer.url).send(ROW)
    assert type(raised.value) is outcome
    assert ("schema/clickhouse.sql" in str(raised.value)) == (name == "UNKNOWN_TABLE")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (201, Later), (299, Later), (300, Stopped), (399, Stopped), (400, Refused), (401, Stopped),
        (402, Stopped), (403, Stopped), (404, Stopped), (405, Stopped), (407, Stopped), (408, Later),
        (409, Stopped), (412, Stopped), (413, Refused), (414, Stopped), (428, Stopped), (429, Later),
        (430, Stopped), (499, Stopped), (500, Later),
    ],
)  # fmt: skip
def test_a_status_without_a_code_has_its_meaning(peer: Peer, status: int, outcome: type[Undelivered]) -> None:
    peer.script = [KNOWN, Reply(status, b"", SIGNED)]

    with pytest.raises(Undelivered, match=str(status)) as raised:
        ClickHouse(peer.url).send(ROW)
    assert type(raised.value) is outcome


@pytest.mark.parametrize(
    "text", [b"Code: 27. DB::Exception: Cannot parse input", b"", b"Code: 117. Incorrect data"]
)
def test_a_batch_that_is_refused_row_by_row_is_kept(log: Log, peer: Peer, drain: Drain, text: bytes) -> None:
    peer.otherwise = lambda request: KNOWN if asks(request) else Reply(400, text)
    log.events(log.visit(), 10)
    sink = ClickHouse(peer.url)
    for _ in range(20):
        delivery.deliver(sink, EVENTS, PACE)
    kept = letters("waiting", "dead")

    assert sum(letter.rows for letter in kept) == 10
    assert {letter.state for letter in kept} <= {"dead"}


@pytest.mark.parametrize(
    "junk",
    [
        Reply(200, b""),
        Reply(200, b"<html>\nback\tsoon\n</html>"),
        Reply(200, b"", SIGNED),
        Reply(200, b"hello\n", SIGNED),
        Reply(200, b"26.9.2.1\tasync_insert\n26.9.2.1\n", SIGNED),
        Reply(200, MODERN),
        Reply(200, MODERN, SIGNED, cut=1),
        Reply(400, b"Code: 27. DB::Exception: Cannot parse input"),
        Reply(413, b""),
    ],
)
def test_what_is_no_answer_to_the_question_is_not_remembered(
    log: Log, peer: Peer, frozen_clock: int, junk: Reply
) -> None:
    peer.script = [junk, KNOWN, WRITTEN]
    sink = ClickHouse(peer.url)
    log.events(log.visit(), 10)
    assert not delivery.deliver(sink, EVENTS, PACE)
    assert (stream().state, len(peer.requests), letters("dead", "taken")) == ("waiting", 1, [])
    clock.advance(minutes(1))

    assert delivery.deliver(sink, EVENTS, PACE)
    assert peer.requests[-1].query["date_time_input_format"] == "best_effort"


def test_a_server_that_cannot_read_a_batch_is_asked_again(log: Log, peer: Peer, drain: Drain) -> None:
    unreadable = Reply(500, b"Code: 27. DB::Exception: Cannot parse input")
    old = Reply(200, b"18.16.1\tdate_time_input_format\n", SIGNED)
    peer.script = [old, unreadable, KNOWN]
    peer.otherwise = WRITTEN
    log.events(log.visit(), 10)
    sink = ClickHouse(peer.url)
    for _ in range(3):
        assert delivery.deliver(sink, EVENTS, PACE)

    assert [asks(request) for request in peer.requests] == [True, False, True, False, False]
    assert "async_insert" in peer.requests[-1].query
    assert letters("dead", "taken") == []


def test_a_header_with_the_code_0_is_no_error(peer: Peer) -> None:
    peer.script = [KNOWN, Reply(200, b"", SIGNED | {"X-ClickHouse-Exception-Code": "0"})]
    ClickHouse(peer.url).send(ROW)

    assert peer.requests[-1].query["database"] == "default"
    assert not any("Authorization" in request.headers for request in peer.requests)


def test_user_and_password_are_sent_as_utf_8(log: Log, peer: Peer, frozen_clock: int) -> None:
    peer.script = [KNOWN, WRITTEN]
    log.events(log.visit(), 10)
    address = peer.url.replace("://", "://ali%C3%A7e:\u20ac%3A%0D%0A\u00e4@")

    assert delivery.deliver(ClickHouse(address), EVENTS, PACE)
    for request in peer.requests:
        kind, _, credentials = request.headers["Authorization"].partition(" ")
        assert kind == "Basic"
        assert b64decode(credentials).decode() == "ali\u00e7e:\u20ac:\r\n\u00e4"


def test_a_database_may_have_any_name(log: Log, peer: Peer, frozen_clock: int) -> None:
    peer.script = [KNOWN, WRITTEN]
    log.events(log.visit(), 10)

    assert delivery.deliver(ClickHouse(f"{peer.url}/my%20caf%C3%A9"), EVENTS, PACE)
    assert peer.requests[-1].query["database"] == "my caf\u00e9"
