"""Salts: what makes a visitor's hash one that nobody can compute again.

A site has a random salt for each day (UTC), in a file of its own that only Alice can read. It is destroyed
when the last visit that used it has closed; from then on nobody can tell whose hashes those were. For those
who consented there is one that stays for as long as the site does.
"""

import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path

from alice import clock
from alice.clock import DAY, seconds

KNOWN = "known"  # the file of the salt that stays
LENGTH = 32  # bytes
TRIES = 100  # to make a salt
LOOK_AGAIN = seconds(10)  # after this long a salt of a past day is looked for anew


class Salts:
    """The salts of all sites, below a folder; the processes of one machine share them."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "salts"
        self._of_today: dict[tuple[str, int], bytes] = {}
        self._kept: dict[str, bytes] = {}
        self._missing: dict[tuple[str, int], int] = {}  # past days' salts that are not there, and until when

    def get(self, site_id: str, day: int) -> bytes:
        """The site's salt of a day (since the epoch); a new one is made. Only today's is remembered."""
        salt = self._of_today.get((site_id, day))
        if salt is None:
            salt = _read_or_make(self._folder / site_id / str(day))
            if day == clock.now() // DAY:
                self._of_today = {known: s for known, s in self._of_today.items() if known[1] == day}
                self._of_today[site_id, day] = salt
        return salt

    def known(self, site_id: str) -> bytes:
        """The site's salt for visitors who consented, or are signed in."""
        if site_id not in self._kept:
            self._kept[site_id] = _read_or_make(self._folder / site_id / KNOWN)
        return self._kept[site_id]

    def exists(self, site_id: str, day: int) -> bool:
        """Whether a past day's salt is still there. It never comes back, so that is asked for rarely."""
        now, key = clock.now(), (site_id, day)
        until = self._missing.get(key)
        if until is not None and now < until:
            return False
        if (self._folder / site_id / str(day)).exists():
            return True
        self._missing = {k: at for k, at in self._missing.items() if at > now} | {key: now + LOOK_AGAIN}
        return False

    def days(self) -> list[tuple[str, int]]:
        """Every daily salt there is: the site's id and the day."""
        return [
            (path.parent.name, int(path.name)) for path in self._folder.glob("*/*") if path.name.isdigit()
        ]

    def destroy(self, site_id: str, day: int) -> None:
        """Forget a day's salt for good."""
        (self._folder / site_id / str(day)).unlink(missing_ok=True)
        self._of_today.pop((site_id, day), None)

    def sites(self) -> list[str]:
        """The ids of all sites that have salts."""
        return [path.name for path in self._folder.glob("*") if path.is_dir()]

    def destroy_all(self, site_id: str) -> int:
        """Forget every salt of a site that is gone, for good; answer how many files that were.

        One that another process makes at this moment, for an event that came too late, may be left.
        """
        destroyed, folder = 0, self._folder / site_id
        self._of_today = {key: salt for key, salt in self._of_today.items() if key[0] != site_id}
        self._kept.pop(site_id, None)
        for path in folder.glob("*"):  # drafts too, of processes that were killed
            path.unlink(missing_ok=True)
            destroyed += 1
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass  # somebody else has done it
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        return destroyed


def _read_or_make(path: Path) -> bytes:
    for _ in range(TRIES):
        # The folder may go while it is used: that of a site that was removed a moment ago.
        with suppress(FileNotFoundError):
            return path.read_bytes()
        with suppress(FileNotFoundError, FileExistsError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return _make(path)
    return path.read_bytes()


def _make(path: Path) -> bytes:
    """A new salt; raises FileExistsError if another process was quicker.

    Written aside and linked into place: of two processes that start the day together one wins.
    """
    salt = secrets.token_bytes(LENGTH)
    draft = path.with_name(f".{path.name}-{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(salt)
    try:
        os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return salt
