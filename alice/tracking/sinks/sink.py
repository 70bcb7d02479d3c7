"""What a sink is: a system that events and visits are copied to; and how sending a batch to it can fail."""

from pathlib import Path
from typing import NamedTuple, Protocol

EVENTS, VISITS = "events", "visits"
STREAMS = (VISITS, EVENTS)  # in the order in which they are sent: visits before events
TABLES = {EVENTS: "events_v1", VISITS: "session_v1"}
SCHEMA = Path(__file__).parent / "schema"  # files that create these tables on the other server


class Batch(NamedTuple):
    """A range of the log to send. The id is the same at every attempt, and each row has an id that stays."""

    id: str  # a UUIDv7
    stream: str
    first: int  # seq of the first event, or number of the first visit
    last: int
    rows: int  # of the range that are in the log
    attempts: int  # including the present one
    body: bytes = b""  # one JSON object per line, as the rows are at this attempt


class Sink(Protocol):
    name: str

    def send(self, batch: Batch) -> None:
        """Send the batch; return when the other side has stored all of it durably.

        Otherwise raise one of the exceptions below. Makes at most two requests, each with its own deadline
        (see transport), and does not use Alice's databases.
        """


class Undelivered(Exception):
    """The other side did not accept a batch without an error; the message is for an admin.

    The message may quote the response: unprintable characters are replaced, so it can be stored and shown.
    """

    def __init__(self, reason: str) -> None:
        shown = "".join(character if character.isprintable() else " " for character in reason)
        super().__init__(" ".join(shown.split()))


class Later(Undelivered):
    """An outage or a rate limit: the same batch is sent again. `wait`: ms that the other side asks for."""

    def __init__(self, reason: str, wait: int | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class Stopped(Undelivered):
    """The settings or the tables are wrong: the stream stops until an admin runs `alice sinks retry`."""


class Refused(Undelivered):
    """Some row was refused, and none stored: the batch is divided until that row alone is a dead letter."""


class Taken(Undelivered):
    """Accepted, but with an error: the batch is kept, and sent again only if an admin names it."""
