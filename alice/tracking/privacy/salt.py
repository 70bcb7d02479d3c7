"""Salts: the secrets in visitors' hashes, each in a file of its own that only Alice can read.

A site has a random salt for each day (UTC). It is destroyed when the last visit that used it has closed; from
then on its hashes cannot be traced to a visitor, because they cannot be computed again. For visitors who
consented there is a lasting salt, which stays as long as the site.
"""

import errno
import secrets
from contextlib import suppress
from pathlib import Path

from alice import clock
from alice.clock import DAY, seconds
from alice.config import create_private

KNOWN = "known"  # the file of the lasting salt
LENGTH = 32  # bytes
TRIES = 100  # to read or make a salt
LOOK_AGAIN_AFTER = seconds(10)  # how long a missing salt of a past day is not looked for again


class Salts:
    """The salts of all sites, in a folder that the processes of one machine share."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "salts"
        self._of_today: dict[tuple[str, int], bytes] = {}
        self._lasting: dict[str, bytes] = {}
        self._missing: dict[tuple[str, int], int] = {}  # salts of past days: when to look for them again (ms)

    def get(self, site_id: str, day: int) -> bytes:
        """The site's salt of a day (since the epoch), made if it does not exist. Only today's is cached."""
        salt = self._of_today.get((site_id, day))
        if salt is None:
            salt = _read_or_make(self._folder / site_id / str(day))
            if day == clock.now() // DAY:
                self._of_today = {key: s for key, s in self._of_today.items() if key[1] == day}
                self._of_today[site_id, day] = salt
        return salt

    def known(self, site_id: str) -> bytes:
        """The site's salt for visitors who consented, or are signed in."""
        if site_id not in self._lasting:
            self._lasting[site_id] = _read_or_make(self._folder / site_id / KNOWN)
        return self._lasting[site_id]

    def exists(self, site_id: str, day: int) -> bool:
        """Whether a past day's salt still exists. It is never made again, so "no" is cached for 10 s."""
        now, key = clock.now(), (site_id, day)
        until = self._missing.get(key)
        if until is not None and now < until:
            return False
        if (self._folder / site_id / str(day)).exists():
            return True
        self._missing = {k: at for k, at in self._missing.items() if at > now} | {key: now + LOOK_AGAIN_AFTER}
        return False

    def days(self) -> list[tuple[str, int]]:
        """All daily salts: the site's id and the day of each."""
        return [
            (path.parent.name, int(path.name)) for path in self._folder.glob("*/*") if path.name.isdigit()
        ]

    def destroy(self, site_id: str, day: int) -> None:
        """Delete a day's salt for ever."""
        (self._folder / site_id / str(day)).unlink(missing_ok=True)
        self._of_today.pop((site_id, day), None)

    def sites(self) -> list[str]:
        """The ids of all sites that have salts."""
        return [path.name for path in self._folder.glob("*") if path.is_dir()]

    def destroy_all(self, site_id: str) -> int:
        """Delete all salts of a removed site for ever; return the number of files.

        A salt that another process makes at this moment, for a late event, may remain.
        """
        destroyed, folder = 0, self._folder / site_id
        self._of_today = {key: salt for key, salt in self._of_today.items() if key[0] != site_id}
        self._lasting.pop(site_id, None)
        for path in folder.glob("*"):  # also drafts of processes that were killed
            path.unlink(missing_ok=True)
            destroyed += 1
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass  # another process was faster
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        return destroyed


def _read_or_make(path: Path) -> bytes:
    for _ in range(TRIES):
        # The folder may disappear between two steps, if its site was just removed.
        with suppress(FileNotFoundError):
            return path.read_bytes()
        with suppress(FileNotFoundError, FileExistsError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            salt = secrets.token_bytes(LENGTH)
            create_private(path, salt)
            return salt
    return path.read_bytes()
