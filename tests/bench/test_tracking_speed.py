"""What telemetry may cost: a beacon beside a constant view, a batch beside bare inserts, and the disk."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from itertools import count
from pathlib import Path

import orjson
import pytest

from alice import clock, database, engines
from alice.clock import days
from alice.config import Settings
from alice.ids import new_id
from tests import servers
from tests.bench.conftest import Report, Row
from tests.bench.measuring import Contender, Line, asking, percentiles
from tests.servers import Server
from tests.tracking.calling import site as sites

PLENTY = "10000000"
AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/141.0.0.0 Safari/537.36"
)
# What browsers send along with a beacon.
HEADERS = [
    "Host: 127.0.0.1",
    f"User-Agent: {AGENT}",
    "Accept: */*",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-GB,en;q=0.9",
    "Origin: https://wonderland.example",
    "Referer: https://wonderland.example/",
    "Sec-Fetch-Dest: empty",
    "Sec-Fetch-Mode: no-cors",
    "Sec-Fetch-Site: cross-site",
    'Sec-CH-UA: "Chromium";v="141", "Not?A_Brand";v="8"',
    "Sec-CH-UA-Mobile: ?0",
    'Sec-CH-UA-Platform: "Windows"',
]
BATCH = 50
MANY = 10_000_000  # events that are there already
PAGES = 500  # of a site
OF_A_VISIT = 6  # events
BYTES_OF_AN_EVENT, BYTES_OF_A_VISIT = 160, 450


class Tracked:
    """A site, and what its visitors send."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(data_dir=folder)
        assert servers.run(self.settings, "db", "migrate").returncode == 0
        database.bind(self.settings)
        with database.connected(database.events_db):
            self.site = sites.create("wonderland.example", "Wonderland", owner_id=None)
        database.disconnect()

    @property
    def path(self) -> Path:
        return engines.sqlite_path(self.settings).with_name("events.db")

    def message(self, body: bytes, *headers: str) -> bytes:
        lines = [
            f"POST /api/v2/track/{self.site.id} HTTP/1.1",
            *HEADERS,
            *headers,
            "Content-Type: text/plain",
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def beacon(self, *headers: str) -> bytes:
        """A page view as tracker.js sends it."""
        return self.message(orjson.dumps(COMMON | _view(7)), *headers)

    def batch(self) -> bytes:
        return self.message(orjson.dumps(COMMON | {"events": [_view(n) for n in range(BATCH)]}))


COMMON = {"screen": "1280x800", "language": "en-GB", "timezone": "Europe/London", "consent": "denied"}


def _view(number: int) -> dict[str, object]:
    return {
        "type": "pageview",
        "eventId": new_id(),
        "url": f"/chapter/{number % PAGES}",
        "timestamp": clock.now(),
    }


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Tracked:
    return Tracked(tmp_path_factory.mktemp("tracked"))


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Tracked:
    """The same with ten million events of three months."""
    made = Tracked(tmp_path_factory.mktemp("crowded"))
    with closing(sqlite3.connect(made.path, isolation_level=None)) as db:
        fill(db, made.site.number, MANY, days(90))
    return made


@pytest.fixture(scope="module")
def server(tracked: Tracked) -> Iterator[Server]:
    with _serving(tracked) as server:
        yield server


def _serving(tracked: Tracked, **variables: str) -> AbstractContextManager[Server]:
    return servers.serving(
        tracked.settings, ALICE_TRACK_PER_ADDRESS=PLENTY, ALICE_TRACK_PER_SITE=PLENTY, **variables
    )


@pytest.fixture
def constant(ceiling: int) -> Iterator[Contender]:
    """The unit: a view that answers a constant, with the same headers."""
    line = Line(ceiling)
    request = "\r\n".join(["GET / HTTP/1.1", *HEADERS, "", ""]).encode()
    yield asking(line, lambda: request)
    line.close()


@pytest.fixture
def connect() -> Iterator[Callable[[Server], Line]]:
    lines: list[Line] = []

    def connecting(server: Server) -> Line:
        lines.append(Line(server.port))
        return lines[-1]

    yield connecting
    for line in lines:
        line.close()


def test_one_beacon(
    tracked: Tracked,
    server: Server,
    constant: Contender,
    connect: Callable[[Server], Line],
    seconds: float,
    report: Report,
) -> None:
    taken, counted = percentiles([asking(connect(server), tracked.beacon), constant], seconds)

    detail = f"{taken:.2f} / {counted:.2f} ms"
    report.check(Row("beacon_live", taken / counted, 1.5, "constant views", detail))


def test_a_beacon_that_opens_a_visit(
    tracked: Tracked,
    constant: Contender,
    connect: Callable[[Server], Line],
    seconds: float,
    report: Report,
) -> None:
    visitors = (f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in count())
    with _serving(tracked, ALICE_TRUSTED_PROXIES="1") as server:
        opening = asking(connect(server), lambda: tracked.beacon(f"X-Forwarded-For: {next(visitors)}"))
        taken, counted = percentiles([opening, constant], seconds)

    detail = f"{taken:.2f} / {counted:.2f} ms"
    report.check(Row("beacon_opens_visit", taken / counted, 2.5, "constant views", detail))


def test_a_beacon_while_a_sink_is_down(
    tracked: Tracked,
    server: Server,
    connect: Callable[[Server], Line],
    seconds: float,
    report: Report,
    tmp_path: Path,
) -> None:
    other = Tracked(tmp_path)
    with _serving(other, ALICE_CLICKHOUSE_URL=f"http://127.0.0.1:{servers.free_port()}/default") as cut_off:
        taken, usual = percentiles(
            [asking(connect(cut_off), other.beacon), asking(connect(server), tracked.beacon)], seconds
        )

    detail = f"{taken:.2f} / {usual:.2f} ms"
    report.check(Row("beacon_sink_down", taken / usual, 1.1, "times without", detail))


def test_a_batch_with_few_events_and_with_many(
    tracked: Tracked,
    crowded: Tracked,
    server: Server,
    constant: Contender,
    connect: Callable[[Server], Line],
    seconds: float,
    report: Report,
    tmp_path: Path,
) -> None:
    with closing(_bare_copy(tracked, tmp_path)) as bare, _serving(crowded) as full:
        inserting = Contender(lambda: _rows(bare), lambda rows: _insert(bare, rows))
        few, many, view, inserted = percentiles(
            [
                asking(connect(server), tracked.batch),
                asking(connect(full), crowded.batch),
                constant,
                inserting,
            ],
            seconds,
        )

    unit = view + 2.5 * inserted
    detail = f"{few:.2f} ms / ({view:.2f} + 2.5 x {inserted:.2f} ms)"
    report.check(
        Row(f"events_{BATCH}", few / unit, 1, "x (constant view + 2.5 x bare inserts)", detail),
        Row(f"events_{BATCH}_long_log", many / few, 1.2, "times few", f"{many:.2f} / {few:.2f} ms"),
    )


def test_what_an_event_takes_on_disk(tracked: Tracked, report: Report, tmp_path: Path) -> None:
    with closing(_bare_copy(tracked, tmp_path)) as db:
        fill(db, tracked.site.number, 600_000, days(7))
        per_event, per_visit = _bytes(db)

    report.check(
        Row("disk_event", per_event, BYTES_OF_AN_EVENT, "bytes, with its indexes and its id"),
        Row("disk_visit", per_visit, BYTES_OF_A_VISIT, "bytes, with its indexes"),
    )


# The same rows, without Alice


def _bare_copy(tracked: Tracked, folder: Path) -> sqlite3.Connection:
    """The same tables and indexes with the same PRAGMAs, in a file of their own."""
    bare = sqlite3.connect(folder / "bare.db", isolation_level=None)
    with closing(sqlite3.connect(tracked.path)) as origin:
        origin.backup(bare)
    for name, value in engines.PRAGMAS:
        bare.execute(f"PRAGMA {name} = {value}")
    bare.execute("DELETE FROM visits")
    bare.execute("DELETE FROM visitors")
    bare.execute(
        "INSERT INTO visitors (number, site_number, hash, day) VALUES (1, ?, x'00', 1)", [tracked.site.number]
    )
    bare.execute(
        "INSERT INTO visits (number, site_number, visitor_number, dialect, started_at, last_at, due_at, "
        "sequence, page_views, interactions, engaged_ms, is_bot) VALUES (1, ?, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0)",
        [tracked.site.number],
    )
    return bare


_numbers = count(1)


def _rows(bare: sqlite3.Connection) -> list[tuple]:
    now = clock.now()
    (site,) = bare.execute("SELECT number FROM sites").fetchone()
    return [
        (site, 1, next(_numbers), 1, n % PAGES, now, now, bytes.fromhex(new_id().replace("-", "")))
        for n in range(BATCH)
    ]


def _insert(bare: sqlite3.Connection, rows: list[tuple]) -> None:
    bare.execute("BEGIN IMMEDIATE")
    bare.executemany(
        "INSERT INTO events (site_number, visit_number, sequence, kind, path, occurred_at, received_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        [row[:7] for row in rows],
    )
    (last,) = bare.execute("SELECT MAX(seq) FROM events").fetchone()
    bare.executemany(
        "INSERT INTO event_ids (site_number, id, seq) VALUES (?, ?, ?)",
        [(row[0], row[7], last - BATCH + n) for n, row in enumerate(rows, 1)],
    )
    bare.execute("UPDATE visits SET last_at = ?, due_at = ?, sequence = ? WHERE number = 1", [rows[0][5]] * 3)
    bare.execute("COMMIT")


# Many rows, quickly


def fill(db: sqlite3.Connection, site: int, events: int, span: int) -> None:
    """Add so many events of visits with six each, spread over `span` ms until now; ids for the last 7 days.

    Visits overlap: the events of one lie as far apart as they do on a busy site.
    """
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA cache_size = -400000")
    visits, end = events // OF_A_VISIT, clock.now()
    step = span / events
    db.execute("BEGIN")
    numbers = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {} - 1)"
    db.execute(
        f"{numbers.format(PAGES)} INSERT INTO strings (text) SELECT '/filled/' || i FROM n WHERE true "
        "ON CONFLICT DO NOTHING"
    )
    (first,) = db.execute("SELECT COALESCE(MAX(number), 0) + 1 FROM visits").fetchone()
    db.execute(
        f"{numbers.format(visits)} INSERT INTO visitors (number, site_number, hash, day) "
        "SELECT ? + i, ?, randomblob(16), 20000 FROM n",
        [first, site],
    )
    db.execute(
        f"{numbers.format(visits)} INSERT INTO visits (number, site_number, visitor_number, dialect, "
        "started_at, last_at, due_at, closed_at, sequence, page_views, interactions, engaged_ms, is_bot, "
        "landing_path, exit_path, referrer_host, bucket, device, browser, os, language, timezone, screen, "
        "country, country_source) "
        "SELECT ? + i, ?, ? + i, 3, at, at + 60000, at + 1860000, at + 1860000, 6, 4, 1, 30000, 0, "
        f"'/filled/' || i % {PAGES}, '/filled/' || i * 7 % {PAGES}, 'www.site-' || i % 40 || '.example', "
        "'Organic Search', 'desktop', 'Chrome', 'Windows', 'en-GB', 'Europe/London', '1280x800', 'GB', "
        "'timezone' "
        "FROM (SELECT i, CAST(? + i * ? AS INTEGER) AS at FROM n)",
        [first, site, first, end - span, step * OF_A_VISIT],
    )
    # Of each thousand visits the first events come first, then the second ones, and so on.
    block = 1000 * OF_A_VISIT
    db.execute(
        f"{numbers.format(events)} INSERT INTO events (site_number, visit_number, sequence, kind, name, "
        "path, occurred_at, received_at, engaged_ms) "
        f"SELECT ?, ? + min(i / {block} * 1000 + i % 1000, ?), i % {block} / 1000 + 1, "
        "CASE WHEN i % 10 < 6 THEN 1 ELSE 2 END, CASE WHEN i % 10 < 6 THEN NULL ELSE i % 20 + 1 END, "
        f"abs(random()) % {PAGES} + 1, at - 200, at, CASE WHEN i % 3 = 0 THEN 5000 END "
        "FROM (SELECT i, CAST(? + i * ? AS INTEGER) AS at FROM n WHERE i < ?)",
        [site, first, visits - 1, end - span, step, events // block * block],
    )
    # A UUIDv7 begins with its time: give SQLite the function that writes it.
    db.create_function("time_bytes", 1, lambda at: at.to_bytes(6, "big"), deterministic=True)
    db.execute(
        "INSERT INTO event_ids (site_number, id, seq) SELECT site_number, "
        "CAST(time_bytes(received_at) || randomblob(10) AS BLOB), seq FROM events WHERE received_at > ?",
        [end - days(7)],
    )
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _bytes(db: sqlite3.Connection) -> tuple[float, float]:
    """How many bytes of the file an event and a visit take, by the pages of their tables and indexes."""
    (page,) = db.execute("PRAGMA page_size").fetchone()
    size = dict(db.execute("SELECT name, SUM(pgsize) FROM dbstat GROUP BY name"))
    (events,) = db.execute("SELECT COUNT(*) FROM events").fetchone()
    (visits,) = db.execute("SELECT COUNT(*) FROM visits").fetchone()

    def of(*tables: str) -> int:
        names = {
            name
            for name, table in db.execute(
                "SELECT name, tbl_name FROM sqlite_master WHERE type IN ('table', 'index')"
            )
            if table in tables
        }
        return sum(taken for name, taken in size.items() if name in names)

    assert page * events  # both are there
    return of("events", "event_ids") / events, of("visits", "visitors") / visits
