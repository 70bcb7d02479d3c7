"""Archives: one file with both databases and the secrets that belong to them, and a manifest.

An archive is a .tar.gz that only its owner can read. It holds `manifest.json`, the databases (`alice.db` and
`events.db`, or `alice.dump` of PostgreSQL), `secret_key`, and `salts/<site>/known`, the lasting salts. The
salts of single days stay out: a salt must be gone for good when Alice destroys it.
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

FORMAT = 1
MANIFEST = "manifest.json"
COMPRESSION = 1  # databases shrink to a third or less with the fastest; the best takes ten times as long
AT_ONCE = 1 << 20  # bytes


# What reading damaged bytes raises: the libraries' own errors, and those of a broken header or manifest.
DAMAGE = (
    tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, KeyError, TypeError, AttributeError,
    OverflowError,
)  # fmt: skip


class BadArchive(Exception):
    """The file is no archive of Alice's, or is damaged; the message names the file and what is wrong."""


@dataclass(frozen=True)
class Manifest:
    """What an archive holds, and how much of it."""

    made_at: int  # ms; before the first row was copied
    version: str  # of Alice
    engine: str  # "sqlite" or "postgresql"
    migrations: dict[str, list[str]]  # by database: the names of those applied
    rows: dict[str, dict[str, int]] = field(default_factory=dict)  # by database and table
    files: dict[str, str] = field(default_factory=dict)  # SHA-256 by name
    format: int = FORMAT


def write(path: Path, manifest: Manifest, files: dict[str, Path]) -> None:
    """Write an archive of these files by name, with mode 0600. It is complete once `path` exists."""
    hashes = {}
    for name, file in files.items():
        with file.open("rb") as content:
            hashes[name] = _sha256(content)
    document = json.dumps(asdict(manifest) | {"files": hashes}, indent=1).encode()
    draft = path.with_name(f".{path.name}.draft")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as raw:
            with (
                gzip.GzipFile("", "wb", COMPRESSION, raw) as packed,
                tarfile.open(fileobj=packed, mode="w|") as tar,
            ):
                _add(tar, MANIFEST, io.BytesIO(document), len(document), manifest.made_at)
                for name, file in files.items():
                    with file.open("rb") as content:
                        _add(tar, name, content, file.stat().st_size, manifest.made_at)
            raw.flush()
            os.fsync(raw.fileno())
        draft.replace(path)
        _sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _add(tar: tarfile.TarFile, name: str, content: IO[bytes], size: int, at: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, at // 1000
    tar.addfile(member, content)


def _sync_folder(folder: Path) -> None:
    """Make the new name durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sha256(content: IO[bytes]) -> str:
    return hashlib.file_digest(content, "sha256").hexdigest()


# Reading

Take = Callable[[str, IO[bytes]], None]  # gets the name and the content of a file


def read_manifest(path: Path) -> Manifest:
    """The manifest of an archive. Raises BadArchive, and OSError if the file cannot be read."""
    return _read(path, None)


def verify(path: Path) -> Manifest:
    """Read the whole archive and compare each file with its hash. Raises BadArchive and OSError."""
    seen: dict[str, str] = {}

    def take(name: str, content: IO[bytes]) -> None:
        seen[name] = _sha256(content)

    manifest = _read(path, take)
    for name in sorted({*seen, *manifest.files}):
        if seen.get(name) != manifest.files.get(name):
            raise BadArchive(f"{path} is damaged: {name} is not as it was written. Use another archive.")
    return manifest


def extract(path: Path, folder: Path) -> Manifest:
    """Verify an archive and write its files below the folder, with mode 0600. Raises as verify() does."""
    verify(path)

    def take(name: str, content: IO[bytes]) -> None:
        target = folder / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            shutil.copyfileobj(content, file, AT_ONCE)

    return _read(path, take)


def _read(path: Path, take: Take | None) -> Manifest:
    """Read an archive from front to back; without `take` only its manifest."""
    try:
        with gzip.open(path) as packed, tarfile.open(fileobj=packed) as tar:
            manifest = _manifest(path, tar)
            while take and (member := tar.next()):
                name = Path(member.name)
                if not member.isfile() or name.is_absolute() or ".." in name.parts:
                    raise BadArchive(f"{path} is not an archive of Alice's: it holds {member.name!r}.")
                take(member.name, tar.extractfile(member))
            while take and packed.read(AT_ONCE):
                pass  # gzip compares its checksum of the whole when it has read all
            return manifest
    except DAMAGE as error:
        raise BadArchive(f"{path} is not an archive of Alice's, or is damaged: {error}.") from None


def _manifest(path: Path, tar: tarfile.TarFile) -> Manifest:
    first = tar.next()
    if first is None or first.name != MANIFEST:
        raise BadArchive(f"{path} is not an archive of Alice's: it does not begin with a manifest.")
    fields = json.load(tar.extractfile(first))
    if fields["format"] > FORMAT:
        raise BadArchive(f"{path} was made by a newer Alice. Update this one first.")
    return Manifest(**fields)
