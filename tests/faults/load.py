"""Many readers at once who report activities, each on a connection that is kept."""

import http.client
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from alice.ids import new_id
from tests.cast import BOOK, PAGES
from tests.servers import Server, ask

TRACK = "/api/activity/track"


def view(id: str, page_number: int = 1) -> dict[str, object]:
    return {"id": id, "activity_type": "PAGE_VIEW", "book_id": BOOK, "page_number": page_number}


class Load:
    """Posts each activity once, from many threads.

    `statuses` holds the answer to each id that was answered; an id whose answer never came is not in it.
    """

    def __init__(self, server: Server, token: str, count: int, threads: int = 24) -> None:
        self.ids = [new_id() for _ in range(count)]
        self.statuses: dict[str, int] = {}
        self._server, self._token = server, token
        self._waiting = iter(list(enumerate(self.ids)))
        self._taking = threading.Lock()
        self._threads = [threading.Thread(target=self._post_all, daemon=True) for _ in range(threads)]

    @contextmanager
    def running(self) -> Iterator["Load"]:
        """Post while the block runs, and until all is posted or the server is gone."""
        for thread in self._threads:
            thread.start()
        yield self
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a request was neither answered nor refused within 60 s"

    @property
    def acknowledged(self) -> set[str]:
        return {id for id, status in dict(self.statuses).items() if status in (200, 201)}

    @property
    def unanswered(self) -> list[str]:
        return [id for id in self.ids if id not in self.statuses]

    def _post_all(self) -> None:
        connection = self._server.connect()
        while (item := self._next()) is not None:
            number, id = item
            try:
                activity = view(id, 1 + number % PAGES)
                self.statuses[id] = ask(connection, "POST", TRACK, activity, self._token).status
            except ConnectionRefusedError:
                break
            except (OSError, http.client.HTTPException):
                connection.close()  # the answer was lost; the next request opens another connection
        connection.close()

    def _next(self) -> tuple[int, str] | None:
        with self._taking:
            return next(self._waiting, None)


def post_again(server: Server, token: str, ids: Sequence[str]) -> set[int]:
    """Post activities again, as a client does that got no response; return the statuses."""
    connection = server.connect()
    statuses = {ask(connection, "POST", TRACK, view(id), token).status for id in ids}
    connection.close()
    return statuses
