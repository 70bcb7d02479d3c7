"""The ClickHouse sink: JSONEachRow over HTTP, into the tables of schema/clickhouse.sql.

A batch that is sent again is not stored twice: the server knows it by its deduplication token, or, if it has
no such setting, the tables replace rows with the same key.
"""

import re
from base64 import b64encode
from urllib.parse import unquote

from alice.tracking.sinks.sink import TABLES, Batch, Later, Refused, Stopped, Undelivered
from alice.tracking.sinks.transport import TIMEOUT, Server, SinkResponse

# Settings to send if the server knows them: an old server responds 404 to one that it does not know.
WANTED = (
    "async_insert",
    "date_time_input_format",
    "input_format_skip_unknown_fields",
    "insert_deduplication_token",
)
SETTINGS_SQL = (
    "SELECT version(), name FROM system.settings WHERE name IN "
    f"({', '.join(repr(name) for name in WANTED)}) FORMAT TabSeparated"
)
SETTINGS_LINES = re.compile(rf"(?:\d[\w.-]*\t(?:{'|'.join(WANTED)})\n)+")
HEADER = "x-clickhouse-"  # every response of ClickHouse has a header that begins with this
CODE = re.compile(r"\bCode: (\d+)")

# Error codes, by what to do. The status alone does not tell (18.16 responds 500 to bad rows).
UNKNOWN_TABLE, UNKNOWN_SETTING = 60, 115
UNREADABLE = frozenset(
    # cannot parse text, quoted string, input, date, date and time, number, UUID, boolean, addresses
    (6, 26, 27, 38, 41, 72, 376, 441, 467, 675, 676,
    # type mismatch, out of bounds, no conversion, incorrect data, too large, forbidden NULL, no such value
    53, 69, 70, 117, 131, 321, 349, 691)
)  # fmt: skip
AT_FAULT = frozenset(
    # no such column, wrong argument, unknown identifier, database or format, syntax, not implemented
    (16, 36, 47, 81, 73, 62, 48,
    # read-only, user, password, address, database access, access, authentication
    164, 192, 193, 194, 195, 291, 497, 516)
)  # fmt: skip
FILES = "alice/tracking/sinks/schema/clickhouse.sql, or before 22.2 by clickhouse-18.sql"


class ClickHouse:
    name = "clickhouse"

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        """`url`: http(s)://user:password@host:port/database."""
        self._server = Server(url, timeout)
        self._database = unquote(self._server.path.strip("/")) or "default"
        self._known: frozenset[str] | None = None  # settings

    def send(self, batch: Batch) -> None:
        if self._known is None:
            self._known = self._find_known()
        answer = self._server.request("POST", "/", self._parameters(batch), batch.body, self._sign_in())
        try:
            _judge(answer)
            if answer.text.strip():
                raise Later(f"an unexpected answer to an insert: {answer.summary}")
        except Undelivered:
            self._known = None  # another server, or another version, may respond now
            raise

    def _find_known(self) -> frozenset[str]:
        """Return which of WANTED the server knows. Raises only Later or Stopped: no row has been sent yet."""
        answer = self._server.request("GET", "/", {"query": SETTINGS_SQL}, None, self._sign_in())
        try:
            _judge(answer)
        except Refused as error:
            raise Later(str(error)) from None
        if not SETTINGS_LINES.fullmatch(answer.text):
            raise Later(f"not what ClickHouse answers when asked for its settings: {answer.summary}")
        return frozenset(line.partition("\t")[2] for line in answer.text.splitlines())

    def _parameters(self, batch: Batch) -> dict[str, str]:
        settings = {
            "async_insert": "0",  # respond after the rows are stored
            "date_time_input_format": "best_effort",  # 2025-01-20T10:30:00.123Z
            "input_format_skip_unknown_fields": "1",
            "insert_deduplication_token": batch.id,
        }
        return {
            "query": f"INSERT INTO {TABLES[batch.stream]} FORMAT JSONEachRow",
            "database": self._database,
            "query_id": batch.id,  # the server refuses it while an earlier attempt still runs
            "wait_end_of_query": "1",
        } | {name: value for name, value in settings.items() if name in self._known}

    def _sign_in(self) -> dict[str, str]:
        if not self._server.user:
            return {}
        credentials = f"{self._server.user}:{self._server.password}".encode()
        return {"Authorization": f"Basic {b64encode(credentials).decode()}"}


def _judge(answer: SinkResponse) -> None:
    """Raise what the response means. Its status, a header or its text can hold an error."""
    code = _code(answer)
    if answer.status == 200 and code is None:
        if not any(name.startswith(HEADER) for name in answer.headers):
            raise Later(f"not an answer of ClickHouse: {answer.summary}")
        return
    if code == UNKNOWN_SETTING:
        raise Later(answer.summary)
    if code in UNREADABLE:
        raise Refused(answer.summary)
    if code == UNKNOWN_TABLE:
        raise Stopped(f"{answer.summary} (the tables are made by {FILES})")
    if code in AT_FAULT:
        raise Stopped(answer.summary)
    if answer.status in (400, 413):
        raise Refused(answer.summary)
    if 300 <= answer.status < 500 and answer.status not in (408, 429):
        raise Stopped(answer.summary)
    raise Later(answer.summary)


def _code(answer: SinkResponse) -> int | None:
    header = answer.headers.get("x-clickhouse-exception-code", "")
    if header.isdigit():
        return int(header) or None
    found = CODE.search(answer.text)
    return int(found[1]) if found else None
