"""strings: repeated text (paths, names, browsers, hosts) is kept once and referred to by a number."""

from collections.abc import Collection, Mapping

from peewee import TextField

from alice import database
from alice.database import EventsModel, Sequence, events
from alice.recorder import Recorder

CACHED = 50_000  # strings a process remembers


class Text(EventsModel):
    number = Sequence()
    text = TextField(unique=True)

    class Meta:
        table_name = "strings"


class Numbers:
    """The numbers of texts, remembered.

    What is unknown is inserted and committed before anything refers to it: a number that is remembered
    outlives every transaction that is rolled back. Strings are never deleted.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._known: dict[str | None, int | None] = {None: None}

    def of(self, texts: set[str | None]) -> Mapping[str | None, int | None]:
        """The number of each text, and perhaps of others; None for None."""
        known = self._known
        missing = texts.difference(known)
        if not missing:
            return known
        return {text: known.get(text) for text in texts} | self._learn(sorted(missing))

    def _learn(self, texts: list[str]) -> dict[str, int]:
        with database.connected(database.events_db):
            found = _find(texts)
        new = [text for text in texts if text not in found]
        if new:
            found |= self._recorder.submit(lambda: _insert(new))
        if len(self._known) + len(found) > CACHED:
            self._known = {None: None}
        self._known |= found
        return found


def _insert(texts: list[str]) -> dict[str, int]:
    events.execute_many("INSERT INTO strings (text) VALUES (?) ON CONFLICT DO NOTHING", [(t,) for t in texts])
    return _find(texts)


def _find(texts: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for start in range(0, len(texts), 500):
        part = texts[start : start + 500]
        marks = ", ".join("?" * len(part))
        found |= dict(events.query(f"SELECT text, number FROM strings WHERE text IN ({marks})", *part))
    return found


def texts(numbers: Collection[int | None]) -> dict[int | None, str | None]:
    """The strings back, by their numbers."""
    wanted = sorted({number for number in numbers if number is not None})
    found: dict[int | None, str | None] = {None: None}
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        marks = ", ".join("?" * len(part))
        found |= dict(events.query(f"SELECT number, text FROM strings WHERE number IN ({marks})", *part))
    return found
