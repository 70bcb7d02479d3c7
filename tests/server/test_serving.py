"""`alice serve`: connections, the log, start and stop."""

import os
import re
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER

from tests.cast import Cast
from tests.conftest import Eventually
from tests.servers import Server, ask, children, serving

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [A-Z-]+ \S+ \d{3} \d+ \d+\.\d+ms")


# Keeping connections


def test_a_connection_is_kept_longer_than_two_seconds(server: Server) -> None:
    with closing(server.connect()) as connection:
        ask(connection, "GET", "/health")
        kept = connection.sock
        time.sleep(2.5)

        assert ask(connection, "GET", "/health").status == 200
        assert connection.sock is kept


def test_many_clients_at_once_are_all_answered(server: Server, cast: Cast) -> None:
    def client(_: int) -> set[int]:
        connection = server.connect()
        statuses = {ask(connection, "GET", "/api/auth/me", token=cast.reader.token).status for _ in range(25)}
        connection.close()
        return statuses

    with ThreadPoolExecutor(48) as pool:
        assert set.union(*pool.map(client, range(48))) == {200}
    assert server.errors == ""


# The log


def test_each_request_is_one_line_without_anything_private(
    server: Server, cast: Cast, eventually: Eventually
) -> None:
    before = len(server.log)
    server.get("/api/auth/me?token=in-the-query", cast.reader.token, Referer="http://from.example/")
    server.post("/api/books/verify", {"code": "2222-3333-4444"}, cast.newcomer.token)
    server.get("/nothing%0A2020-01-01T00:00:00.000Z%20forged")

    eventually(lambda: len(server.log) == before + 3)
    lines = server.log[before:]
    assert all(LINE.fullmatch(line) for line in lines), lines
    assert " GET /api/auth/me 200 " in lines[0]
    for private in ("in-the-query", cast.reader.token, "2222", "from.example", "127.0.0.1", "reader@"):
        assert private not in "".join(lines) + server.errors


def test_a_quiet_life_leaves_no_errors(server: Server) -> None:
    server.get("/")
    server.stop()

    assert server.errors == ""


# The beginning and the end


def test_nothing_is_written_outside_the_data_folder(server: Server) -> None:
    open_files = set()
    for pid in [server.process.pid, *server.workers]:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            open_files.add(os.readlink(descriptor).removesuffix(" (deleted)"))
    ours = (str(server.data_dir), str(server.folder), "/dev/", "socket:", "pipe:", "anon_inode:")

    assert [name for name in open_files if not name.startswith(ours)] == []


def test_sigterm_ends_it_quickly_and_well(server: Server, eventually: Eventually) -> None:
    server.get("/health")
    workers = server.workers

    assert server.stop(within=10) == 0
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def test_an_open_connection_that_says_nothing_does_not_hold_up_the_end(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)):
        assert server.stop(within=10) == 0


def test_sigterm_loses_no_request_that_was_accepted(server: Server, cast: Cast) -> None:
    """What is sent on a connection that stands is answered, up to the last, within the 2 s that a stopping
    worker waits for more."""
    body = {"activity_type": "PAGE_VIEW", "book_id": "tea-party", "page_number": 1}

    def client(_: int) -> list[int]:
        statuses = []
        while True:
            with closing(server.connect()) as connection:
                try:
                    connection.connect()
                except OSError:
                    return statuses  # the door is closed
                for number in range(20):
                    since = time.monotonic()
                    try:
                        answer = ask(connection, "POST", "/api/activity/track", body, cast.reader.token)
                    except ConnectionError as error:
                        took = time.monotonic() - since
                        if took < STOP_KEEPALIVE_LINGER:  # else this machine stalled
                            raise AssertionError(f"request {number} was lost after {took:.3f} s") from error
                        break
                    statuses.append(answer.status)
                    if answer.headers.get("Connection") == "close":
                        break

    with ThreadPoolExecutor(16) as pool:
        clients = pool.map(client, range(16))
        time.sleep(1)
        assert server.stop(within=30) == 0
        statuses = [status for answered in clients for status in answered]

    assert set(statuses) == {201}
    assert len(statuses) > 100


def test_workers_do_not_outlive_a_master_that_was_killed(server: Server, eventually: Eventually) -> None:
    eventually(lambda: len(server.workers) == 2)
    workers = server.workers
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait(10)

    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def test_a_worker_that_was_killed_is_replaced(server: Server, eventually: Eventually) -> None:
    eventually(lambda: len(server.workers) == 2)
    before = server.workers
    os.kill(before[0], signal.SIGKILL)

    eventually(lambda: len(children(server.process.pid)) == 2 and server.workers != before)
    assert server.get("/health").status == 200


def test_hosts_and_numbers_come_from_options(settings: object) -> None:
    with serving(settings, "--workers", "1", "--threads", "3", "--host", "127.0.0.1") as server:
        assert len(server.workers) == 1
        assert "workers: 1, threads in each: 3" in server.log[0]
