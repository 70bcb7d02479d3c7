"""Make and restore backups: archives in a folder, of which the newest are kept."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from alice import clock, database, erased, migrations
from alice.accounts import user
from alice.backup import archive, snapshot
from alice.backup.archive import BadArchive, Manifest
from alice.config import Settings, load_secret_key
from alice.errors import NotFound
from alice.tracking import site
from alice.tracking.privacy import person

KEPT = 7  # archives that the job and migrations keep
PREFIX, SUFFIX = "alice-", ".tar.gz"
SECRET_KEY, SALTS, LASTING = "secret_key", "salts", "known"


def make(settings: Settings, folder: Path, keep: int | None = None) -> Path:
    """Write an archive into the folder while Alice runs; return its path.

    With `keep`, delete the oldest archives beyond that number, once the new one is complete. Raises
    ConfigError, and OSError if the folder cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made_at = clock.now()
    path = folder / f"{PREFIX}{_stamp(made_at)}{SUFFIX}"
    with (
        _alone(folder),
        tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as aside,
        database.connected(),
        database.connected(database.events_db),
    ):
        _remove_leftovers(folder, Path(aside))
        manifest = Manifest(made_at, version("alice"), _engine(), _applied())
        copies = snapshot.take(settings, Path(aside))
        manifest = replace(manifest, rows=snapshot.count(copies))
        archive.write(path, manifest, copies | _secrets(settings, Path(aside)))
    erased.merge(settings.data_dir, folder)
    if keep is not None:
        for old in archives(folder)[:-keep]:
            old.unlink()
    return path


def make_before_migrating(settings: Settings) -> Path | None:
    """Make an archive if there are data and a migration is pending; return its path, or None."""
    with migrations.connections():
        steps = migrations.status()
    if not any(step.applied for step in steps) or not any(step.applied is None for step in steps):
        return None
    return make(settings, settings.backup_dir or settings.data_dir / "backups", KEPT)


def archives(folder: Path) -> list[Path]:
    """The complete archives in a folder, the oldest first."""
    return sorted(folder.glob(f"{PREFIX}*{SUFFIX}"))


def _engine() -> str:
    return "postgresql" if database.is_postgresql() else "sqlite"


def _stamp(at: int) -> str:
    return clock.rfc3339(at)[:19].replace(":", "").replace("-", "").replace("T", "-")


def _applied() -> dict[str, list[str]]:
    """The names of the applied migrations of each database."""
    steps = [step for step in migrations.status() if step.applied]
    return {name: [step.name for step in steps if step.database == name] for name in ("alice", "events")}


def _secrets(settings: Settings, aside: Path) -> dict[str, Path]:
    """The secret key, and the lasting salt of each site, by their names in the archive."""
    key = aside / SECRET_KEY
    key.write_text(load_secret_key(settings))
    salts = (settings.data_dir / SALTS).glob(f"*/{LASTING}")
    return {SECRET_KEY: key} | {f"{SALTS}/{path.parent.name}/{LASTING}": path for path in salts}


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process makes a backup in this folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove_leftovers(folder: Path, mine: Path) -> None:
    """Remove what a backup that was killed left behind."""
    for path in folder.glob(".making-*"):
        if path != mine:
            shutil.rmtree(path, ignore_errors=True)
    for path in folder.glob(f".{PREFIX}*{SUFFIX}.draft"):
        path.unlink(missing_ok=True)


class Restored(NamedTuple):
    manifest: Manifest
    migrated: int  # migrations that were applied after it
    erased: int  # people who were erased again
    replaced: Path | None  # where the data that were there before are now


def restore(settings: Settings, path: Path) -> Restored:
    """Put the data of an archive in the place of those in the data folder. Alice must not run.

    What is there already is moved to a folder beside it; on PostgreSQL the tables are replaced. The archive
    is migrated to this checkout, and people who were erased after it was made are erased again. Raises
    BadArchive and ConfigError.
    """
    manifest = archive.verify(path)
    _require_fitting(settings, path, manifest)
    with tempfile.TemporaryDirectory(dir=settings.data_dir, prefix=".restoring-") as aside:
        folder = Path(aside)
        archive.extract(path, folder)
        replaced = _move_away(settings)
        for name in manifest.files:
            if name in snapshot.NAMES:
                snapshot.put_back(settings, name, folder / name)
            else:
                target = settings.data_dir / name
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                (folder / name).replace(target)
    erased.merge(path.parent, settings.data_dir)
    database.bind(settings)
    migrated = migrations.migrate(settings)
    return Restored(manifest, len(migrated), _erase_again(settings, manifest.made_at), replaced)


def _require_fitting(settings: Settings, path: Path, manifest: Manifest) -> None:
    if manifest.engine != _engine():
        raise BadArchive(f"{path} holds a backup of {manifest.engine}; Alice is set up for {_engine()}.")
    newer = [
        name
        for of, names in manifest.migrations.items()
        for name in names
        if name not in migrations.known(of)
    ]
    if newer:
        raise BadArchive(f"{path} was made by a newer Alice: it holds {newer[-1]}. Update the checkout.")


def _move_away(settings: Settings) -> Path | None:
    """Move the SQLite databases, key and salts that are there to a folder of their own; return it."""
    names = [SECRET_KEY, SALTS]
    paths = [settings.data_dir / name for name in names]
    if not database.is_postgresql():
        for name in snapshot.HANDLES:
            main = snapshot.database_path(settings, name)
            paths += [main, *(Path(f"{main}{suffix}") for suffix in snapshot.ASIDE)]
    there = [path for path in paths if path.exists() and (path.is_dir() or path.stat().st_size)]
    if not there:
        return None
    replaced = settings.data_dir / f"replaced-{_stamp(clock.now())}"
    replaced.mkdir(mode=0o700)
    for path in there:
        path.rename(replaced / path.name)
    return replaced


def _erase_again(settings: Settings, made_at: int) -> int:
    """Erase the people who were erased after the archive was made; return how many."""
    later = {entry[1:] for entry in erased.read(settings.data_dir) if entry.at >= made_at}
    with migrations.connections():
        for user_id, site_id, account in sorted(later, key=str):
            if account:
                try:
                    user.delete(user_id)
                except NotFound:
                    pass  # the account was made after the backup
            if site_id is None:
                person.erase(user_id)
            elif (found := site.find(site_id)) is not None:
                person.erase(user_id, found.number)
    return len(later)
