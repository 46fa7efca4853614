"""What was pulled, by digest. Shared by all processes of one user; everything in it is verified when it is used.

blobs/sha256-<hex>         manifests, configs, components, signatures
tags/<hash of a location>  what a tag was when it was last looked up
locks/<hex>                one download of a digest at a time, over all processes
"""

import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from obelisk_runtime.core.ids import Digest
from obelisk_runtime.registry.errors import CacheUnusable
from obelisk_runtime.registry.reference import Reference

PARTIAL = ".partial-"
PARTIAL_SECONDS_MAX = 24 * 3600
"""An unfinished file older than this belongs to a process that died."""
_FOREIGN_WRITE = stat.S_IWGRP | stat.S_IWOTH


class _Tag(msgspec.Struct):
    location: str
    digest: str


@dataclass(frozen=True, slots=True)
class CacheEntry:
    digest: Digest
    size: int
    used_at: float
    """Seconds since the epoch."""
    locations: tuple[str, ...]
    """The tags that led to it, of a manifest."""


class ContentCache:
    """Blocking; safe for threads and processes. Every method raises CacheUnusable."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, digest: str) -> bytes | None:
        """The bytes if they are there and whole; what is not whole is thrown away."""
        path = self._blob(digest)
        with _usable(self.folder):
            try:
                raw = path.read_bytes()
            except FileNotFoundError:
                return None
            if f"sha256:{hashlib.sha256(raw).hexdigest()}" != digest:
                path.unlink(missing_ok=True)
                return None
            os.utime(path)
        return raw

    def store(self, digest: str, write: Callable[[IO[bytes]], None]) -> None:
        """Keep what `write` wrote, all of it or nothing; it has verified it."""
        with self._writing(self._blob(digest)) as file:
            write(file)

    @contextmanager
    def alone(self, digest: str) -> Generator[None]:
        """Nobody else is in here for the same digest, in this process or another."""
        with _usable(self.folder):
            descriptor = os.open(self._folder("locks") / digest[7:], os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            with _usable(self.folder):  # what is unfinished now is of a process that died
                for path in self._folder("blobs").glob(f"{PARTIAL}{self._blob(digest).name}-*"):
                    path.unlink(missing_ok=True)
            yield
        finally:
            os.close(descriptor)

    def remember(self, reference: Reference, digest: Digest) -> None:
        """What a tag is now."""
        path = self._tag(reference)
        with self._writing(path) as file:
            file.write(msgspec.json.encode(_Tag(str(reference), digest)))

    def remembered(self, reference: Reference) -> Digest | None:
        """What a tag was when it was last looked up."""
        with _usable(self.folder):
            try:
                found = msgspec.json.decode(self._tag(reference).read_bytes(), type=_Tag)
            except (FileNotFoundError, msgspec.DecodeError):
                return None
        return Digest(found.digest) if found.location == str(reference) else None

    def entries(self) -> list[CacheEntry]:
        """Most recently used first."""
        tags: dict[str, list[str]] = {}
        with _usable(self.folder):
            for path in self._folder("tags").iterdir():
                if not path.name.startswith(PARTIAL):
                    tag = msgspec.json.decode(path.read_bytes(), type=_Tag)
                    tags.setdefault(tag.digest, []).append(tag.location)
            found = [
                CacheEntry(digest, status.st_size, status.st_mtime, tuple(sorted(tags.get(digest, ()))))
                for path in self._folder("blobs").iterdir()
                if not path.name.startswith(PARTIAL)
                for digest, status in [(Digest(path.name.replace("-", ":", 1)), path.stat())]
            ]
        return sorted(found, key=lambda entry: -entry.used_at)

    def prune(self, unused_since: float, now: float) -> list[CacheEntry]:
        """Remove what was not used since (seconds since the epoch), and left-overs; what was removed."""
        removed = [entry for entry in self.entries() if entry.used_at < unused_since]
        with _usable(self.folder):
            for entry in removed:
                with self.alone(entry.digest):
                    self._blob(entry.digest).unlink(missing_ok=True)
            for name in ("blobs", "tags"):
                for path in self._folder(name).glob(f"{PARTIAL}*"):
                    if path.stat().st_mtime < now - PARTIAL_SECONDS_MAX:
                        path.unlink(missing_ok=True)
            for path in self._folder("tags").iterdir():
                if path.stat().st_mtime < unused_since:
                    path.unlink(missing_ok=True)
        return removed

    @contextmanager
    def _writing(self, path: Path) -> Generator[IO[bytes]]:
        with _usable(self.folder):
            descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f"{PARTIAL}{path.name}-")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise

    def _blob(self, digest: str) -> Path:
        assert digest.startswith("sha256:")
        return self._folder("blobs") / digest.replace(":", "-")

    def _tag(self, reference: Reference) -> Path:
        return self._folder("tags") / hashlib.sha256(str(reference).encode()).hexdigest()

    def _folder(self, name: str) -> Path:
        folder = self.folder / name
        with _usable(self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
            status = self.folder.stat()
        if status.st_uid != os.geteuid() or status.st_mode & _FOREIGN_WRITE:
            raise CacheUnusable(f"others can write to {self.folder}: remove it, or take their right to write")
        return folder


@contextmanager
def _usable(folder: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise CacheUnusable(f"the cache {folder} cannot be used: {error.strerror or error}") from error
