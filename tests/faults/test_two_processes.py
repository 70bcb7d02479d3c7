"""Two server processes on one database: a change made by one takes effect in the other at once."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from alice.config import Settings
from alice.ids import new_id
from tests.cast import BOOK, Cast
from tests.conftest import Rows
from tests.faults.conftest import Start
from tests.faults.load import TRACK, view
from tests.servers import Server, ask, run

AT_ONCE = 8


@pytest.fixture
def servers(start: Start) -> list[Server]:
    return [start("--workers", "1"), start("--workers", "1")]


def status(server: Server, path: str, body: dict, token: str | None = None) -> int:
    return server.post(path, body, token).status


def at_once(*requests: Callable[[], int]) -> list[int]:
    """Make all the requests at the same moment; their statuses in order."""
    together = threading.Barrier(len(requests))

    def make(request: Callable[[], int]) -> int:
        together.wait(30)
        return request()

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(make, requests))


def test_of_two_readers_who_race_for_a_code_exactly_one_gets_it(
    servers: list[Server], settings: Settings, cast: Cast, db: Rows
) -> None:
    codes = run(settings, "codes", "create", "--book", BOOK, "--count", str(AT_ONCE)).stdout.split()
    tokens = [cast.reader.token, cast.newcomer.token]
    outcomes = []
    for code in codes:
        requests = [
            partial(status, server, "/api/books/verify", {"code": code}, token)
            for server, token in zip(servers, tokens, strict=True)
        ]
        outcomes.append(sorted(at_once(*requests)))

    assert outcomes == [[200, 409]] * AT_ONCE
    unlocked = db.one("SELECT COUNT(*) FROM activity_logs WHERE activity_type = 'BOOK_VERIFIED'")
    assert unlocked == AT_ONCE == db.one("SELECT COUNT(*) FROM verification_codes WHERE used_at IS NOT NULL")


def test_a_reader_who_sends_a_code_twice_at_once_gets_it_once(
    servers: list[Server], cast: Cast, db: Rows
) -> None:
    body, token = {"code": "2222-3333-4444"}, cast.newcomer.token

    requests = [
        lambda server=server: server.post("/api/books/verify", body, token).status for server in servers
    ]

    assert at_once(*requests * 3) == [200] * 6
    assert db.one("SELECT COUNT(*) FROM activity_logs WHERE activity_type = 'BOOK_VERIFIED'") == 1


def test_the_same_activity_sent_everywhere_at_once_is_created_once(
    servers: list[Server], cast: Cast, db: Rows
) -> None:
    for _ in range(10):
        activity = view(new_id())
        requests = [partial(status, server, TRACK, activity, cast.reader.token) for server in servers]
        assert Counter(at_once(*requests * 3)) == {201: 1, 200: 5}
    assert db.one("SELECT COUNT(*) FROM activity_logs") == 10


def test_the_same_address_registered_everywhere_at_once_is_one_account(
    servers: list[Server], db: Rows
) -> None:
    spellings = ["hatter@example.com", "Hatter@Example.com "] * 2
    requests = [
        partial(status, server, "/api/auth/register", {"email": email, "password": "why is a raven"})
        for server, email in zip(servers * 2, spellings, strict=True)
    ]

    assert Counter(at_once(*requests)) == {201: 1, 409: 3}
    assert db.one("SELECT COUNT(*) FROM users WHERE email = 'hatter@example.com'") == 1


def test_a_token_that_was_signed_out_is_refused_by_every_process_at_once(
    servers: list[Server], cast: Cast
) -> None:
    connections = [server.connect() for server in servers for _ in range(4)]
    credentials = {"email": cast.reader.email, "password": cast.reader.password}
    for here, there in (servers, servers[::-1]) * 5:
        token = there.post("/api/auth/login", credentials).json["access_token"]
        assert {ask(c, "GET", "/api/auth/me", token=token).status for c in connections} == {200}

        assert here.post("/api/auth/logout", token=token).status == 204

        assert {ask(c, "GET", "/api/auth/me", token=token).status for c in connections} == {401}
    for connection in connections:
        connection.close()


def test_a_signed_out_token_is_refused_by_the_other_worker(start: Start, cast: Cast) -> None:
    """Two workers of one server, and so many connections that both have some."""
    server = start("--workers", "2")
    connections = [server.connect() for _ in range(24)]
    credentials = {"email": cast.reader.email, "password": cast.reader.password}
    token = server.post("/api/auth/login", credentials).json["access_token"]
    with ThreadPoolExecutor(24) as pool:
        statuses = list(pool.map(lambda c: ask(c, "GET", "/api/auth/me", token=token).status, connections))
    assert statuses == [200] * 24

    assert ask(connections[0], "POST", "/api/auth/logout", token=token).status == 204

    assert [ask(c, "GET", "/api/auth/me", token=token).status for c in connections] == [401] * 24
    for connection in connections:
        connection.close()


def test_a_role_that_changes_and_a_user_who_is_deleted_change_at_once(
    servers: list[Server], settings: Settings, cast: Cast
) -> None:
    def statuses(path: str) -> set[int]:
        return {server.get(path, cast.newcomer.token).status for server in servers}

    assert statuses("/api/consultant/online-readers") == {403}
    run(settings, "users", "set-role", cast.newcomer.email, "consultant")
    assert statuses("/api/consultant/online-readers") == {200}
    run(settings, "users", "set-role", cast.newcomer.email, "reader")
    assert statuses("/api/consultant/online-readers") == {403}
    run(settings, "users", "delete", "--yes", cast.newcomer.email)
    assert statuses("/api/auth/me") == {401}
