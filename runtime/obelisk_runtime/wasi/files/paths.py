"""Where a path of a guest leads, without ever leaving the directory that it starts from.

A path is walked component by component with the directory of each step held open, and nothing is followed by the
kernel: links are read and walked here. So neither "..", nor an absolute path, nor a link, nor a directory that
somebody replaces by a link meanwhile leads outside. What is done at the end must not follow links either (O_NOFOLLOW
and the like): the last name may have become one.
"""

import errno
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from obelisk_runtime.wasi.files.errors import ErrorCode, Refused

LINKS_MAX = 40
"""In one path, as in Linux."""
PATH_BYTES_MAX = 4096
DEPTH_MAX = 100
"""Directories below the granted one that a path goes through: each is held open."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


@dataclass(frozen=True, slots=True)
class Place:
    """A name in a directory. The name is one component, "." for the directory itself; it may not exist."""

    directory: int
    """Open for as long as the place is used."""
    name: str
    must_be_directory: bool
    """The path ended in a slash."""

    def stat(self) -> os.stat_result:
        """Of the name itself, not of what it may link to. Raises: OSError, Refused."""
        found = os.stat(self.name, dir_fd=self.directory, follow_symlinks=False)
        if self.must_be_directory and not stat.S_ISDIR(found.st_mode):
            raise Refused(ErrorCode.NOT_DIRECTORY)
        return found

    def check(self) -> None:
        """That nothing is there, or what the path says. Raises: OSError, Refused."""
        if self.must_be_directory:
            with suppress(FileNotFoundError):
                self.stat()


@contextmanager
def resolved(root: int, path: str, *, follow: bool = False) -> Generator[Place]:
    """`follow`: a link at the end is followed as well. Raises: OSError, Refused."""
    walk = _Walk(root)
    try:
        yield walk.to(path, follow=follow)
    finally:
        walk.close()


class _Walk:
    def __init__(self, root: int) -> None:
        self._root = root
        self._opened: list[int] = []
        """The directories below the root that lead to where the walk is, the last one is there."""
        self._links = 0

    @property
    def _here(self) -> int:
        return self._opened[-1] if self._opened else self._root

    def close(self) -> None:
        for directory in self._opened:
            os.close(directory)

    def to(self, path: str, *, follow: bool) -> Place:
        must_be_directory = path.endswith(("/", "/.", "/..")) or path in (".", "..")
        ahead = _components(path)
        while ahead:
            name = ahead.pop()
            if name == "..":
                self._up()
            elif ahead:
                self._enter(name, ahead)
            elif (follow or must_be_directory) and (target := self._link(name)) is not None:
                must_be_directory = must_be_directory or target.endswith("/")
                ahead = _components(target)
            else:
                return Place(self._here, name, must_be_directory)
        return Place(self._here, ".", must_be_directory)

    def _up(self) -> None:
        if not self._opened:
            raise Refused(ErrorCode.NOT_PERMITTED)
        os.close(self._opened.pop())

    def _enter(self, name: str, ahead: list[str]) -> None:
        """Go into a directory, or continue where a link leads."""
        target = self._link(name)
        if target is None:
            if len(self._opened) >= DEPTH_MAX:
                raise Refused(ErrorCode.NAME_TOO_LONG)
            self._opened.append(os.open(name, _DIRECTORY, dir_fd=self._here))
        else:
            ahead += _components(target)

    def _link(self, name: str) -> str | None:
        """Where a name links to; None if it is no link, or is not there. Raises: OSError, Refused."""
        try:
            target = os.readlink(name, dir_fd=self._here)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOENT):
                return None
            raise
        self._links += 1
        if self._links > LINKS_MAX:
            raise Refused(ErrorCode.LOOP)
        return target


def _components(path: str) -> list[str]:
    """The last one first, without those that lead nowhere. Raises: Refused."""
    if path.startswith("/"):
        raise Refused(ErrorCode.NOT_PERMITTED)
    if not path:
        raise Refused(ErrorCode.NO_ENTRY)
    if "\0" in path:
        raise Refused(ErrorCode.ILLEGAL_BYTE_SEQUENCE)
    if len(os.fsencode(path)) > PATH_BYTES_MAX:
        raise Refused(ErrorCode.NAME_TOO_LONG)
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]
