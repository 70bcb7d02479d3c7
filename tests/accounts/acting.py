"""Requests, threads and signals for the tests of accounts."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from blinker import Signal
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from alice import database
from alice.accounts import password as passwords
from alice.accounts import signals
from alice.errors import Refusal
from tests.cast import PASSWORD
from tests.conftest import Eventually

NEW_PASSWORD = "through the looking-glass"


def register(
    client: FlaskClient, email: str = "ada@example.com", password: str = PASSWORD, **names: Any
) -> TestResponse:
    return client.post("/api/auth/register", json={"email": email, "password": password, **names})


def login(client: FlaskClient, email: str, password: str = PASSWORD, **more: Any) -> TestResponse:
    return client.post("/api/auth/login", json={"email": email, "password": password, **more})


def me(client: FlaskClient, token: str) -> TestResponse:
    return client.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"})


def verify(client: FlaskClient, code: str) -> TestResponse:
    return client.post("/api/books/verify", json={"code": code})


def fill(client: FlaskClient, path: str, **fields: str) -> TestResponse:
    return client.post(path, data=fields)


def went_to(answer: TestResponse) -> str:
    assert answer.status_code == 303
    return answer.headers["Location"]


def error(answer: TestResponse) -> tuple[int, str, str | None]:
    """Status, code and field of a refusal."""
    refusal = answer.json["error"]
    return answer.status_code, refusal["code"], refusal.get("field")


def together(*actions: Callable[[], Any]) -> list[Any]:
    """Run the actions at the same moment, each in its own thread; return their results or exceptions."""
    barrier = threading.Barrier(len(actions))
    results: list[Any] = [None] * len(actions)

    def run(index: int, action: Callable[[], Any]) -> None:
        barrier.wait(10)
        try:
            results[index] = action()
        except Refusal as refusal:
            results[index] = refusal

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def before_they_hash(
    eventually: Eventually, meanwhile: Callable[[], Any], *actions: Callable[[], Any]
) -> list[Any]:
    """Run the actions, and `meanwhile` when all of them wait for their turn to hash; return their results."""
    turns = passwords._turns
    with ThreadPoolExecutor(len(actions)) as pool:
        with ExitStack() as taken:
            for _ in range(2):  # all there are
                assert turns.acquire(timeout=30)
                taken.callback(turns.release)
            running = [pool.submit(action) for action in actions]
            eventually(lambda: len(turns._cond._waiters) == len(actions))
            meanwhile()
        return [action.result(30) for action in running]


def connected(action: Callable[[], Any]) -> Callable[[], Any]:
    """Wrap the action so that its thread has a connection, for calls without HTTP."""

    def run() -> Any:
        with database.connected():
            return action()

    return run


class SentSignals:
    """Listens to all signals of accounts; `sent` holds (name, arguments, whether a transaction was open)."""

    NAMES = ("signed_in", "signed_out")

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any], bool]] = []
        self._receivers: list[tuple[Signal, Callable]] = []
        for name in self.NAMES:
            self._listen(name, getattr(signals, name))

    def _listen(self, name: str, signal: Signal) -> None:
        def receive(sender: object, *, db: database.Log, **arguments: Any) -> None:
            self.sent.append((name, arguments, database.alice_db.in_transaction()))

        signal.connect(receive)
        self._receivers.append((signal, receive))

    def disconnect(self) -> None:
        for signal, receiver in self._receivers:
            signal.disconnect(receiver)

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.sent]
