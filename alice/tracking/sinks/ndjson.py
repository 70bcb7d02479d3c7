"""The file sink: one JSON object per line, appended to one file per table and day.

Beside the files, a note per table names the last batch and where in its file it begins and ends. If that
batch is sent again, because its confirmation was lost, it overwrites itself.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from uuid import UUID

from alice import clock
from alice.tracking.sinks.sink import TABLES, Batch, Later

NOTE = {"batch": str, "file": str, "start": int, "end": int, "written": bool}


class NdjsonFiles:
    name = "ndjson"

    def __init__(self, folder: Path) -> None:
        """`folder` is made when it is needed; only its owner can read it."""
        self._folder = folder

    def send(self, batch: Batch) -> None:
        table = TABLES[batch.stream]
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _alone(self._folder / f".{table}.lock"):
                self._append(self._folder / f".{table}.last", table, batch)
        except OSError as error:
            raise Later(f"cannot write in {self._folder}: {error.strerror}") from error

    def _append(self, note: Path, table: str, batch: Batch) -> None:
        path = self._folder / f"{table}-{_day(batch.id)}.ndjson"
        last = _read(note)
        with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            start = end
            if last and last["file"] == path.name and (last["batch"] == batch.id or not last["written"]):
                if last["written"] and end < last["end"]:
                    return  # it was written, and the file has been moved away since
                start = min(last["start"], end)
            about = {"batch": batch.id, "file": path.name, "start": start, "end": start + len(batch.body)}
            _write(note, about | {"written": False})
            try:
                _put(file, start, batch.body)
                _write(note, about | {"written": True})
            except OSError:
                file.truncate(start)  # leave no part of the batch in a file that may be moved away now
                os.fsync(file.fileno())
                raise


def _put(file: FileIO, start: int, body: bytes) -> None:
    """Replace what is in the file from `start` on by the body, durably."""
    file.truncate(start)
    file.seek(start)
    rest = memoryview(body)
    while rest:
        rest = rest[file.write(rest) :]
    os.fsync(file.fileno())


def _day(id: str) -> str:
    """Return the UTC date on which the batch was made, from its id (UUIDv7): the same at every attempt."""
    return clock.rfc3339(UUID(id).int >> 80)[:10]


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold a lock that excludes other processes and threads."""
    with open(os.open(lock, os.O_RDWR | os.O_CREAT, 0o600), "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _read(note: Path) -> dict:
    """Return the note; an empty one if it is missing or not valid."""
    try:
        fields = json.loads(note.read_bytes())
    except (FileNotFoundError, RecursionError, ValueError):
        return {}
    if not isinstance(fields, dict):
        return {}
    fields.setdefault("end", 0)  # a note of an earlier version has none
    if any(type(fields.get(name)) is not kind for name, kind in NOTE.items()):
        return {}
    return fields if fields["start"] >= 0 else {}


def _write(note: Path, fields: dict) -> None:
    """Replace the note in one step, so that no process reads half of it."""
    draft = note.with_suffix(".draft")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(fields, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(note)
