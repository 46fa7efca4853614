"""A folder of compiled components. Machine code is loaded from it, so nobody else may be able to write to it."""

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

_MAGIC = b"obelisk-artifact-1\n"
_DIGEST_BYTES = 32
_FOREIGN_WRITE = stat.S_IWGRP | stat.S_IWOTH


class ArtifactCache:
    """Artifacts by key. All of it is best effort: what cannot be read, trusted or written is compiled again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, key: str) -> bytes | None:
        """The artifact, if there is one that is ours alone and unchanged since it was stored."""
        try:
            if not self._folder_is_ours():
                return None
            descriptor = os.open(self._path(key), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                if not _is_ours(os.fstat(descriptor), stat.S_ISREG):
                    return None
                content = memoryview(file.read())
        except OSError:
            return None
        start = len(_MAGIC) + _DIGEST_BYTES
        payload = content[start:]
        if bytes(content[:start]) != _MAGIC + hashlib.sha256(payload).digest():
            return None
        return bytes(payload)

    def store(self, key: str, artifact: bytes) -> None:
        """Atomically; a reader sees all of it or nothing."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._folder_is_ours():
                return
            descriptor, temporary = tempfile.mkstemp(dir=self._folder, prefix=".")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(_MAGIC + hashlib.sha256(artifact).digest())
                    file.write(artifact)
                Path(temporary).replace(self._path(key))
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError:
            return

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.cwasm"

    def _folder_is_ours(self) -> bool:
        return _is_ours(self._folder.lstat(), stat.S_ISDIR)


def _is_ours(status: os.stat_result, is_kind: Callable[[int], bool]) -> bool:
    return is_kind(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & _FOREIGN_WRITE


def artifact_key(*parts: str) -> str:
    """The name of what is determined by all of these."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
