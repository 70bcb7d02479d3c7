"""The ledger of erasures: who was erased and when, kept outside the databases.

A backup holds people who are erased later. Restoring it erases them again, by this list of ids. It lies in
the data folder, and each backup copies it beside the archive. Each line is a JSON list, because ids of other
sites' users may hold any character.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from alice import clock

NAME = "erased.txt"


class Entry(NamedTuple):
    at: int  # ms
    user_id: str
    site_id: str | None  # the site on which the events were erased; None: all
    account: bool  # a user of Alice was deleted, too


def note(folder: Path, user_id: str, site_id: str | None = None, *, account: bool) -> None:
    """Append an erasure, durably."""
    _append(folder, [Entry(clock.now(), user_id, site_id, account)])


def read(folder: Path) -> list[Entry]:
    """All erasures noted in this folder; none if there is no ledger. A line that was cut off is left out."""
    path = folder / NAME
    if not path.exists():
        return []
    entries = []
    for line in path.read_text("ascii").split("\n"):
        try:
            entries.append(Entry(*json.loads(line)))
        except (TypeError, ValueError):
            continue  # the last line is empty, or Alice was killed while it wrote it
    return entries


def merge(source: Path, target: Path) -> None:
    """Add to the ledger of the target folder what only that of the source folder has."""
    known = {*read(target)}
    new = [entry for entry in read(source) if entry not in known]
    if new:
        _append(target, new)


def _append(folder: Path, entries: Iterable[Entry]) -> None:
    # A line end comes first, too: the last line may have been cut off.
    text = "".join(f"\n{json.dumps(entry)}\n" for entry in entries)
    descriptor = os.open(folder / NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
