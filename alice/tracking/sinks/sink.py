"""What a sink is: somewhere events and visits are copied to, and what may become of a batch there."""

from pathlib import Path
from typing import NamedTuple, Protocol

EVENTS, VISITS = "events", "visits"
STREAMS = (VISITS, EVENTS)  # in the order in which they are sent: an event's visit goes first
TABLES = {EVENTS: "events_v1", VISITS: "session_v1"}
SCHEMA = Path(__file__).parent / "schema"  # what makes these tables over there


class Batch(NamedTuple):
    """Rows on their way; the bytes and the id are the same at every attempt."""

    id: str  # a UUIDv7
    stream: str
    first: int  # seq of the first event, or number of the first visit
    last: int
    rows: int
    body: bytes  # a JSON object a line
    attempts: int  # this one included


class Sink(Protocol):
    name: str

    def send(self, batch: Batch) -> None:
        """Hand the batch over; when this returns, the other side has all of it, durably.

        Raises one of the outcomes below otherwise. Makes two requests at most, each with its deadline (see
        transport), and touches no database of ours.
        """


class Undelivered(Exception):
    """Why the other side did not simply take a batch; the message is for an admin.

    It may repeat what the other side said, so only what can be stored and shown stays of it.
    """

    def __init__(self, reason: str) -> None:
        shown = "".join(character if character.isprintable() else " " for character in reason)
        super().__init__(" ".join(shown.split()))


class Later(Undelivered):
    """An outage or a limit: the same bytes are tried again, after `wait` ms if the other side said so."""

    def __init__(self, reason: str, wait: int | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class Stopped(Undelivered):
    """The settings or the tables are at fault: nothing is sent until an admin has looked."""


class TooLarge(Undelivered):
    """Half as much may do; of a single row nothing is to be had."""


class Unreadable(Undelivered):
    """Some row in it does not fit: the halves are tried, until it is found."""


class Unwanted(Undelivered):
    """Refused as it is, with nothing taken: a dead letter."""


class Taken(Undelivered):
    """It has arrived, but the other side says that not all is well: never sent again by itself."""
