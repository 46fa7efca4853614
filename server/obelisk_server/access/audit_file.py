"""A file of lines that is bounded, only for its owner to read, and may be moved away while it is written."""

import contextlib
import os
from pathlib import Path

FILE_BYTES_MAX = 16 * 1024 * 1024
"""Before it would become larger the file is renamed to `NAME.1` and a new one begun."""
FILES_KEPT = 4
"""`NAME.1`, the youngest, to `NAME.4`; the one that would be next is deleted."""
PRIVATE = 0o600
"""Of new files; one that is there keeps its mode."""


class AuditFile:
    """Lines reach the operating system before `append` returns; they are not forced to the disk."""

    def __init__(self, path: Path, bytes_max: int = FILE_BYTES_MAX) -> None:
        """Raises: OSError."""
        self._path = path
        self._bytes_max = bytes_max
        self._descriptor = self._open()

    def append(self, line: bytes) -> None:
        """All of it or nothing. Raises: OSError, and later lines are tried again."""
        written = os.fstat(self._descriptor).st_size
        if written and written + len(line) > self._bytes_max:
            self._rotate()
            written = 0
        if (count := os.write(self._descriptor, line)) < len(line):
            os.ftruncate(self._descriptor, written)
            raise OSError(f"only {count} of {len(line)} bytes could be written")

    def reopen(self) -> None:
        """Go on in the file of this name, which may be another one since somebody moved the old one away.

        Raises: OSError, and then the old one is still written.
        """
        descriptor = self._open()
        os.close(self._descriptor)
        self._descriptor = descriptor

    def close(self) -> None:
        os.close(self._descriptor)

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, PRIVATE)

    def _rotate(self) -> None:
        names = [self._path, *(self._path.with_name(f"{self._path.name}.{n + 1}") for n in range(FILES_KEPT))]
        for older, younger in zip(names[:0:-1], names[-2::-1], strict=True):
            with contextlib.suppress(FileNotFoundError):  # fewer were there before, or somebody moved it away
                younger.replace(older)
        self.reopen()
