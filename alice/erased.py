"""The ledger of erasures: who was erased and when, kept outside the databases.

A backup holds people who are erased later. Restoring it erases them again, by this list of ids. It lies in
the data folder, and each backup copies it beside the archive.
"""

import os
from pathlib import Path
from typing import NamedTuple

from alice import clock

NAME = "erased.txt"


class Entry(NamedTuple):
    at: int  # ms
    user_id: str
    site_id: str | None  # None: on all sites, and the account


def note(folder: Path, user_id: str, site_id: str | None = None) -> None:
    """Append an erasure, durably. Ids hold no line end, and a site's id no space."""
    line = f"{clock.now()} {site_id or '*'} {user_id}\n"
    descriptor = os.open(folder / NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, line.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(folder: Path) -> list[Entry]:
    """All erasures noted in this folder; none if there is no ledger. A line that was cut off is left out."""
    path = folder / NAME
    if not path.exists():
        return []
    entries = []
    for line in path.read_text().splitlines():
        at, _, rest = line.partition(" ")
        site_id, _, user_id = rest.partition(" ")
        if at.isdigit() and user_id:
            entries.append(Entry(int(at), user_id, None if site_id == "*" else site_id))
    return entries


def merge(source: Path, target: Path) -> None:
    """Add to the ledger of the target folder what only that of the source folder has."""
    known = {*read(target)}
    new = [entry for entry in read(source) if entry not in known]
    if new:
        lines = "".join(f"{at} {site_id or '*'} {user_id}\n" for at, user_id, site_id in new)
        descriptor = os.open(target / NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(lines)
            file.flush()
            os.fsync(descriptor)
