"""strings: repeated text (paths, names, browsers, hosts) is stored once and referred to by a number."""

from collections.abc import Collection, Mapping

from peewee import TextField

from alice import database
from alice.database import EventsModel, Sequence, events
from alice.recorder import Recorder

CACHED = 50_000  # strings in each process's cache


class Text(EventsModel):
    number = Sequence()
    text = TextField(unique=True)

    class Meta:
        table_name = "strings"


class Numbers:
    """A cache of the numbers of strings.

    A new string is inserted in a transaction of its own, before anything refers to it: its cached number
    would outlive a rollback. Strings are never deleted.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._cached: dict[str | None, int | None] = {None: None}

    def of(self, texts: set[str | None]) -> Mapping[str | None, int | None]:
        """The number of each text, inserted if new; None for None. The result may hold other texts, too."""
        cached = self._cached
        missing = texts.difference(cached)
        if not missing:
            return cached
        return {text: cached.get(text) for text in texts} | self._find_or_insert(sorted(missing))

    def _find_or_insert(self, texts: list[str]) -> dict[str, int]:
        with database.connected(database.events_db):
            found = _find(texts)
        new = [text for text in texts if text not in found]
        if new:
            found |= self._recorder.submit(lambda: _insert(new))
        if len(self._cached) + len(found) > CACHED:
            self._cached = {None: None}
        self._cached |= found
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
    """The strings by their numbers; None for None."""
    wanted = sorted({number for number in numbers if number is not None})
    found: dict[int | None, str | None] = {None: None}
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        marks = ", ".join("?" * len(part))
        found |= dict(events.query(f"SELECT number, text FROM strings WHERE number IN ({marks})", *part))
    return found
