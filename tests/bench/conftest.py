"""The sites that are measured, their servers, and the rows at the end."""

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from alice.config import Settings
from tests import servers
from tests.bench import seeding
from tests.bench.measuring import Line
from tests.bench.seeding import Site
from tests.servers import Server

SMALL, LARGE = 1_000, 1_000_000  # rows of the log


class Row(NamedTuple):
    """A measured row. `unit` says what value and bound are counted in, `detail` what was measured."""

    name: str
    value: float
    bound: float
    unit: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.value:.2f} of {self.bound:g}"


class Report(list[Row]):
    def check(self, *rows: Row) -> None:
        """Note rows for the summary; fail if one misses its bound."""
        self += rows
        missed = [f"{row} {row.unit}: {row.detail}".rstrip(": ") for row in rows if row.value > row.bound]
        if missed:
            pytest.fail("too much: " + "; ".join(missed), pytrace=False)


RESULTS = pytest.StashKey[Report]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bench-seconds", type=float, default=60, help="how long each row is measured (60)")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RESULTS] = Report()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print each row as `name value of bound`, so that a program can read it."""
    for row in config.stash[RESULTS]:
        terminalreporter.line(str(row))


@pytest.fixture(scope="session")
def report(pytestconfig: pytest.Config) -> Report:
    return pytestconfig.stash[RESULTS]


@pytest.fixture(scope="session")
def seconds(pytestconfig: pytest.Config) -> float:
    return pytestconfig.getoption("--bench-seconds")


@pytest.fixture(scope="session")
def large_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """10,000 readers, 200 of them active, and 1,000,000 rows of the log."""
    return seeding.site(Settings(data_dir=tmp_path_factory.mktemp("large")), LARGE)


@pytest.fixture(scope="session")
def small_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The same readers, and 1,000 rows."""
    return seeding.site(Settings(data_dir=tmp_path_factory.mktemp("small")), SMALL)


@pytest.fixture(scope="module")
def large(large_site: Site) -> Iterator[Server]:
    with servers.serving(large_site.settings) as server:
        yield server


@pytest.fixture(scope="module")
def small(small_site: Site) -> Iterator[Server]:
    with servers.serving(small_site.settings) as server:
        yield server


@pytest.fixture(scope="module")
def ceiling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of the constant view."""
    port = servers.free_port()
    settings = Settings(data_dir=tmp_path_factory.mktemp("ceiling"))
    with open(settings.data_dir / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.ceiling", str(port)],
            cwd=servers.CHECKOUT,
            env=servers.environment(settings),
            stdout=log,
            stderr=log,
        )
    try:
        _await(port)
        yield port
    finally:
        process.terminate()
        process.wait(60)


def _await(port: int) -> None:
    deadline = time.monotonic() + servers.STARTS_WITHIN
    while True:
        try:
            Line(port).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
