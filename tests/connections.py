"""The connections of a pool, all in use."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from alice import database, engines


@contextmanager
def every_connection_lent() -> Iterator[None]:
    """Other threads hold every connection to alice.db."""
    taken, give_back = threading.Barrier(engines.CONNECTIONS + 1), threading.Event()

    def hold() -> None:
        with database.connected():
            taken.wait(30)
            give_back.wait(60)

    threads = [threading.Thread(target=hold) for _ in range(engines.CONNECTIONS)]
    for thread in threads:
        thread.start()
    taken.wait(30)
    try:
        yield
    finally:
        give_back.set()
        for thread in threads:
            thread.join()
