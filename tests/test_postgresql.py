"""Databases of test runs: those that a crashed run left are dropped by another run, and no others."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from alice.config import CHECKOUT
from tests import postgresql
from tests.conftest import Eventually

CREATE_ONE = """
import sys
from tests import postgresql
server = postgresql.Server(sys.argv[1])
print(server.create(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def url() -> str:
    postgresql.skip_if_missing()
    return postgresql.server_url()


@pytest.fixture
def other_run(url: str) -> Iterator[subprocess.Popen[str]]:
    program = [sys.executable, "-c", CREATE_ONE, url]
    pipe = subprocess.PIPE
    with subprocess.Popen(program, stdin=pipe, stdout=pipe, text=True, cwd=CHECKOUT) as process:
        yield process
        process.kill()


def exists(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def test_a_run_drops_its_databases_in_the_end(url: str) -> None:
    with closing(postgresql.Server(url)) as server:
        created = server.create()
        copied = server.create(created)
        assert exists(created)

    assert not exists(created)
    assert not exists(copied)


def test_databases_of_a_run_that_goes_on_are_left_alone(url: str, other_run: subprocess.Popen[str]) -> None:
    theirs = other_run.stdout.readline().strip()

    postgresql.Server(url).close()

    assert exists(theirs)


def test_databases_of_a_run_that_crashed_are_dropped(
    url: str, other_run: subprocess.Popen[str], eventually: Eventually
) -> None:
    theirs = other_run.stdout.readline().strip()
    os.kill(other_run.pid, signal.SIGKILL)
    other_run.wait()

    def dropped() -> bool:
        postgresql.Server(url).close()
        return not exists(theirs)

    eventually(dropped)
