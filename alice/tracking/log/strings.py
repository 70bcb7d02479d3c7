"""strings: the paths and names of events and the keys of properties, each stored once under a number."""

from collections.abc import Collection, Mapping

from alice.database import Log, Queries, events

CACHED = 50_000  # strings in each process's cache


class Strings:
    """A cache of the numbers of strings. Strings are never deleted, so a number stays valid."""

    def __init__(self) -> None:
        self._numbers: dict[str | None, int | None] = {None: None}

    def numbers(self, db: Log, texts: set[str | None]) -> Mapping[str | None, int | None]:
        """The number of each text, inserted if it is new; None for None. The result may hold others, too.

        Call keep() with it after the transaction is committed: a cached number must not outlive a rollback.
        """
        missing = texts.difference(self._numbers)
        if not missing:
            return self._numbers
        return {text: self._numbers.get(text) for text in texts} | _insert(db, sorted(missing))

    def keep(self, numbers: Mapping[str | None, int | None]) -> None:
        """Cache the numbers of a committed transaction."""
        if numbers is self._numbers:
            return
        if len(self._numbers) + len(numbers) > CACHED:
            self._numbers = {None: None}
        self._numbers |= numbers


def _insert(db: Log, texts: list[str]) -> dict[str, int]:
    """Insert the strings that are new; return the number of each."""
    found: dict[str, int] = {}
    for start in range(0, len(texts), 500):
        part = texts[start : start + 500]
        rows = ", ".join(["(?)"] * len(part))
        insert = f"INSERT INTO strings (text) VALUES {rows} ON CONFLICT DO NOTHING RETURNING text, number"
        found |= dict(db.query(insert, *part))
    old = [text for text in texts if text not in found]
    return found | dict(_select(db, "text, number", "text", old))


def texts(numbers: Collection[int | None]) -> dict[int | None, str | None]:
    """The strings by their numbers; None for None."""
    wanted = sorted({number for number in numbers if number is not None})
    return {None: None, **dict(_select(events, "number, text", "number", wanted))}


def _select(db: Queries, columns: str, column: str, values: list[str] | list[int]) -> list[tuple]:
    """Rows of the table in which the column has one of the values."""
    rows: list[tuple] = []
    for start in range(0, len(values), 500):
        part = values[start : start + 500]
        marks = ", ".join("?" * len(part))
        rows += db.query(f"SELECT {columns} FROM strings WHERE {column} IN ({marks})", *part)
    return rows
