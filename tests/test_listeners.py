"""create_app() and the commands connect every listener to its signal."""

from collections.abc import Callable, Iterator

import pytest

from alice import listeners
from alice.accounts import signals as accounts
from alice.activity import listeners as activity
from alice.activity import progress
from alice.app import create_app
from alice.cli.shared import open_database
from alice.config import Settings
from alice.library import signals as library

LISTENERS = {
    accounts.signed_in: activity.log_login,
    accounts.signed_out: activity.log_logout,
    library.book_unlocked: activity.log_book_verified,
    library.book_recut: progress.move,
}


@pytest.fixture
def deaf() -> Iterator[None]:
    """Nobody listens until the test starts something that connects listeners."""
    for signal, listener in LISTENERS.items():
        signal.disconnect(listener)
    yield
    listeners.connect()


@pytest.mark.parametrize("start", [create_app, open_database])
def test_what_starts_alice_connects_every_listener_once(
    deaf: None, settings: Settings, start: Callable[[Settings], object]
) -> None:
    start(settings)
    start(settings)

    heard_by = {signal: [*signal.receivers_for(None)] for signal in LISTENERS}
    assert heard_by == {signal: [listener] for signal, listener in LISTENERS.items()}
