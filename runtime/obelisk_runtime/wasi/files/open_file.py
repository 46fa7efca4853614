"""Open files and directories of guests, and what can be done with them. Everything here may block: run it in a thread.

Every function raises OSError or Refused.
"""

import os
import resource
import stat
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Flag, auto
from hashlib import blake2b
from itertools import islice

from obelisk_runtime.wasi.files.errors import ErrorCode, Refused
from obelisk_runtime.wasi.files.paths import Place, resolved

_COMMON = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
ENTRIES_MAX = 65_536
"""What a directory that is listed may hold."""
_NEW_FILE_MODE = 0o666
_NEW_DIRECTORY_MODE = 0o777


class OpenFlags(Flag):
    """How to open: the flags of `open-at`."""

    CREATE = auto()
    DIRECTORY = auto()
    EXCLUSIVE = auto()
    TRUNCATE = auto()


class OpenFiles:
    """How many files the guests of a process hold open together: the process needs descriptors for other things too."""

    __slots__ = ("_count", "_lock", "_most")

    def __init__(self, most: int | None = None) -> None:
        """By default half of what the process may open."""
        self._most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2 if most is None else most
        self._count = 0
        self._lock = threading.Lock()

    @property
    def full(self) -> bool:
        return self._count >= self._most

    def add(self, change: int) -> None:
        with self._lock:
            self._count += change


class OpenFile:
    """An open file or directory. It is closed when the guest is done with it and no thread is using it any more."""

    __slots__ = ("_fd", "_lock", "_users", "is_directory", "may_change", "readable", "together", "writable")

    def __init__(
        self, fd: int, together: OpenFiles, *, is_directory: bool, readable: bool, writable: bool, may_change: bool
    ) -> None:
        self.together = together
        """What it is counted in."""
        together.add(1)
        self.is_directory = is_directory
        self.readable = readable
        self.writable = writable
        """A file that was opened for writing."""
        self.may_change = may_change
        """It lies in a directory that is granted read-write."""
        self._fd = fd
        self._users = 1
        self._lock = threading.Lock()

    @contextmanager
    def fd(self) -> Generator[int]:
        with self._lock:
            if self._users == 0:
                raise Refused(ErrorCode.BAD_DESCRIPTOR)
            self._users += 1
        try:
            yield self._fd
        finally:
            self.close()

    def share(self) -> "OpenFile":
        """One more user, such as a stream; each closes it once."""
        with self._lock:
            assert self._users > 0
            self._users += 1
        return self

    def close(self) -> None:
        with self._lock:
            self._users -= 1
            last = self._users == 0
        if last:
            os.close(self._fd)
            self.together.add(-1)


def open_granted(path: str, together: OpenFiles, *, may_change: bool) -> OpenFile:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    return OpenFile(fd, together, is_directory=True, readable=True, writable=False, may_change=may_change)


@dataclass(frozen=True, slots=True)
class Opening:
    """What `open-at` is asked for."""

    path: str
    follow: bool
    flags: OpenFlags
    read: bool
    write: bool
    change: bool

    @property
    def changes(self) -> bool:
        return self.write or self.change or bool(self.flags & (OpenFlags.CREATE | OpenFlags.TRUNCATE))


def open_at(base: OpenFile, opening: Opening) -> OpenFile:
    if opening.changes and not base.may_change:
        raise Refused(ErrorCode.READ_ONLY)
    exclusive = OpenFlags.CREATE | OpenFlags.EXCLUSIVE in opening.flags
    with _place(base, opening.path, follow=opening.follow and not exclusive) as place:
        fd, is_directory = _open_place(place, opening)
    try:
        if OpenFlags.TRUNCATE in opening.flags:
            os.ftruncate(fd, 0)
    except BaseException:
        os.close(fd)
        raise
    return OpenFile(
        fd,
        base.together,
        is_directory=is_directory,
        readable=opening.read,
        writable=opening.write and not is_directory,
        may_change=base.may_change,
    )


def _open_place(place: Place, opening: Opening) -> tuple[int, bool]:
    """A descriptor, and whether it is a directory's."""
    created = _create(place, opening) if OpenFlags.CREATE in opening.flags else None
    return _open_existing(place, opening) if created is None else (created, False)


def _create(place: Place, opening: Opening) -> int | None:
    """A new file; None if there is something of this name, and that will do."""
    if OpenFlags.DIRECTORY in opening.flags:
        raise Refused(ErrorCode.INVALID)
    if place.must_be_directory:
        raise Refused(ErrorCode.IS_DIRECTORY)
    flags = _mode(opening) | os.O_CREAT | os.O_EXCL | _COMMON
    try:
        return os.open(place.name, flags, _NEW_FILE_MODE, dir_fd=place.directory)
    except FileExistsError:
        if OpenFlags.EXCLUSIVE in opening.flags:
            raise
        return None


def _open_existing(place: Place, opening: Opening) -> tuple[int, bool]:
    """What is neither file nor directory is not even opened."""
    found = place.stat().st_mode
    if stat.S_ISLNK(found):
        raise Refused(ErrorCode.LOOP)
    if stat.S_ISDIR(found):
        if opening.write or OpenFlags.TRUNCATE in opening.flags:
            raise Refused(ErrorCode.IS_DIRECTORY)
        return os.open(place.name, os.O_RDONLY | os.O_DIRECTORY | _COMMON, dir_fd=place.directory), True
    if OpenFlags.DIRECTORY in opening.flags:
        raise Refused(ErrorCode.NOT_DIRECTORY)
    if not stat.S_ISREG(found):
        raise Refused(ErrorCode.NOT_PERMITTED)
    return _regular(os.open(place.name, _mode(opening) | _COMMON, dir_fd=place.directory)), False


def _mode(opening: Opening) -> int:
    """Truncating needs a file that can be written, also where the guest may only read it."""
    if opening.write or OpenFlags.TRUNCATE in opening.flags:
        return os.O_RDWR if opening.read else os.O_WRONLY
    return os.O_RDONLY


def _regular(fd: int) -> int:
    """It may have been replaced between the look at it and the opening, by a fifo or a device."""
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise Refused(ErrorCode.NOT_PERMITTED)


# Files


def _need_file(file: OpenFile, *, read: bool = False, write: bool = False) -> None:
    if file.is_directory or (read and not file.readable) or (write and not file.writable):
        raise Refused(ErrorCode.BAD_DESCRIPTOR)


def for_appending(file: OpenFile) -> OpenFile:
    """The same file, opened so that every write goes to its end."""
    _need_file(file, write=True)
    with file.fd() as fd:
        appending = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    return OpenFile(appending, file.together, is_directory=False, readable=False, writable=True, may_change=True)


def for_streaming(file: OpenFile, *, read: bool = False, write: bool = False) -> OpenFile:
    """One more user of a file that may be read, or written."""
    _need_file(file, read=read, write=write)
    return file.share()


def read(file: OpenFile, length: int, offset: int) -> bytes:
    _need_file(file, read=True)
    with file.fd() as fd:
        return os.pread(fd, length, _position(offset))


def write(file: OpenFile, contents: bytes, offset: int) -> int:
    _need_file(file, write=True)
    with file.fd() as fd:
        return os.pwrite(fd, contents, _position(offset))


def write_all(file: OpenFile, contents: bytes, offset: int) -> None:
    rest = memoryview(contents)
    with file.fd() as fd:
        while rest:
            written = os.pwrite(fd, rest, _position(offset))
            rest, offset = rest[written:], offset + written


def _position(offset: int) -> int:
    """The kernel's offsets are signed."""
    if offset >= 1 << 63:
        raise Refused(ErrorCode.INVALID)
    return offset


def set_size(file: OpenFile, size: int) -> None:
    _need_file(file, write=True)
    with file.fd() as fd:
        os.ftruncate(fd, _position(size))


def advise(file: OpenFile, offset: int, length: int, advice: int) -> None:
    _need_file(file)
    with file.fd() as fd:
        os.posix_fadvise(fd, _position(offset), _position(length), advice)


def sync(file: OpenFile, *, data_only: bool) -> None:
    with file.fd() as fd:
        if data_only:
            os.fdatasync(fd)
        else:
            os.fsync(fd)


def stat_of(file: OpenFile) -> os.stat_result:
    with file.fd() as fd:
        return os.fstat(fd)


Times = tuple[int | None, int | None]
"""Of access and of modification, in nanoseconds since 1970; None leaves the one that it has."""


def set_times(file: OpenFile, times: Times) -> None:
    if not file.may_change:
        raise Refused(ErrorCode.READ_ONLY)
    with file.fd() as fd:
        os.utime(fd, ns=_complete(times, os.fstat(fd)))


def _complete(times: Times, found: os.stat_result) -> tuple[int, int]:
    access, modification = times
    return (
        found.st_atime_ns if access is None else access,
        found.st_mtime_ns if modification is None else modification,
    )


# Directories


@contextmanager
def _place(base: OpenFile, path: str, *, change: bool = False, follow: bool = False) -> Generator[Place]:
    if change and not base.may_change:
        raise Refused(ErrorCode.READ_ONLY)
    with _directory(base) as root, resolved(root, path, follow=follow) as place:
        yield place


@contextmanager
def _directory(base: OpenFile) -> Generator[int]:
    if not base.is_directory:
        raise Refused(ErrorCode.NOT_DIRECTORY)
    with base.fd() as fd:
        yield fd


Entry = tuple[str, str]
"""The type of what is there, and its name."""


def listing(base: OpenFile) -> list[Entry]:
    """Without "." and "..". Refused as `overflow` if there are more than ENTRIES_MAX."""
    with _directory(base) as fd, os.scandir(fd) as found:
        entries = list(islice(((_type_of(entry), entry.name) for entry in found), ENTRIES_MAX + 1))
    if len(entries) > ENTRIES_MAX:
        raise Refused(ErrorCode.OVERFLOW)
    return entries


def _type_of(entry: "os.DirEntry[str]") -> str:
    if entry.is_symlink():
        return "symbolic_link"
    if entry.is_dir(follow_symlinks=False):
        return "directory"
    return "regular_file" if entry.is_file(follow_symlinks=False) else "unknown"


def stat_at(base: OpenFile, path: str, *, follow: bool) -> os.stat_result:
    with _place(base, path, follow=follow) as place:
        return place.stat()


def set_times_at(base: OpenFile, path: str, times: Times, *, follow: bool) -> None:
    with _place(base, path, change=True, follow=follow) as place:
        ns = _complete(times, place.stat())
        os.utime(place.name, ns=ns, dir_fd=place.directory, follow_symlinks=False)


def make_directory(base: OpenFile, path: str) -> None:
    with _place(base, path, change=True) as place:
        os.mkdir(place.name, _NEW_DIRECTORY_MODE, dir_fd=place.directory)


def remove_directory(base: OpenFile, path: str) -> None:
    with _place(base, path, change=True) as place:
        os.rmdir(place.name, dir_fd=place.directory)


def unlink(base: OpenFile, path: str) -> None:
    with _place(base, path, change=True) as place:
        place.check()
        os.unlink(place.name, dir_fd=place.directory)


def read_link(base: OpenFile, path: str) -> str:
    """One that leads to an absolute path is not shown: that would tell of the host."""
    with _place(base, path) as place:
        place.check()
        target = os.readlink(place.name, dir_fd=place.directory)
    if target.startswith("/"):
        raise Refused(ErrorCode.NOT_PERMITTED)
    return target


def make_link(base: OpenFile, target: str, path: str) -> None:
    """The target need not exist, nor lie inside: following it is refused then."""
    if target.startswith("/"):
        raise Refused(ErrorCode.NOT_PERMITTED)
    with _place(base, path, change=True) as place:
        if place.must_be_directory:
            raise Refused(ErrorCode.NO_ENTRY)
        os.symlink(target, place.name, dir_fd=place.directory)


def make_hard_link(base: OpenFile, path: str, new_base: OpenFile, new_path: str, *, follow: bool) -> None:
    """Both directories must be read-write: else a file that may only be read could be written by its new name."""
    with _place(base, path, change=True, follow=follow) as old, _place(new_base, new_path, change=True) as new:
        old.check()
        if new.must_be_directory:
            raise Refused(ErrorCode.NO_ENTRY)
        os.link(
            old.name, new.name, src_dir_fd=old.directory, dst_dir_fd=new.directory, follow_symlinks=False
        )  # fmt: skip


def rename(base: OpenFile, path: str, new_base: OpenFile, new_path: str) -> None:
    with _place(base, path, change=True) as old, _place(new_base, new_path, change=True) as new:
        old.check()
        if new.must_be_directory and not stat.S_ISDIR(old.stat().st_mode):
            raise Refused(ErrorCode.NOT_DIRECTORY)
        os.rename(old.name, new.name, src_dir_fd=old.directory, dst_dir_fd=new.directory)


def hash_of(found: os.stat_result) -> tuple[int, int]:
    """Of which object it is, not of its contents: guests take it for the number of the inode."""
    digest = blake2b(f"{found.st_dev}:{found.st_ino}".encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")
