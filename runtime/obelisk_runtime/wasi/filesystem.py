"""wasi:filesystem: the directories that are granted to the guest, and nothing else."""

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial

from obelisk_runtime.core.deployment import Access, DirectoryGrant
from obelisk_runtime.ports.engine import GuestTrap, Value
from obelisk_runtime.wasi.file_streams import FileInputStream, FileOutputStream, in_thread
from obelisk_runtime.wasi.files import open_file
from obelisk_runtime.wasi.files.errors import ErrorCode, Refused, code_of
from obelisk_runtime.wasi.files.open_file import Entry, OpenFile, OpenFlags, Opening, Times
from obelisk_runtime.wasi.state import Interfaces, Resource, WasiCall, WasiState
from obelisk_runtime.wasi.streams import READ_BYTES_MAX, IoError

DESCRIPTORS_MAX = 128
"""Descriptors, listings and streams to files that one guest call may hold; one more is refused as `quota`."""
_SECOND = 1_000_000_000
_FOLLOW = "symlink_follow"
_SYNC_FLAGS = frozenset({"file_integrity_sync", "data_integrity_sync", "requested_write_sync"})
_ADVICE = {
    "normal": os.POSIX_FADV_NORMAL,
    "sequential": os.POSIX_FADV_SEQUENTIAL,
    "random": os.POSIX_FADV_RANDOM,
    "will_need": os.POSIX_FADV_WILLNEED,
    "dont_need": os.POSIX_FADV_DONTNEED,
    "no_reuse": os.POSIX_FADV_NOREUSE,
}
_TYPES = {
    stat.S_IFBLK: "block_device",
    stat.S_IFCHR: "character_device",
    stat.S_IFDIR: "directory",
    stat.S_IFIFO: "fifo",
    stat.S_IFLNK: "symbolic_link",
    stat.S_IFREG: "regular_file",
    stat.S_IFSOCK: "socket",
}


class Descriptor(Resource):
    __slots__ = ("file",)

    def __init__(self, file: OpenFile) -> None:
        self.file = file

    def close(self) -> None:
        self.file.close()


class DirectoryEntryStream(Resource):
    __slots__ = ("_left",)

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._left: Iterator[Entry] = iter(entries)

    def next(self) -> Value:
        """Raises: Refused, for a name that is not UTF-8; the next call goes on after it."""
        entry = next(self._left, None)
        if entry is None:
            return None
        kind, name = entry
        return {"type": kind, "name": _text(name)}


_COUNTED = (Descriptor, DirectoryEntryStream, FileOutputStream)


async def _answer(work: Callable[[], Value], shape: Callable[[Value], Value] = lambda value: value) -> Value:
    """What a system call answers, as the guest gets it."""
    try:
        return {"ok": shape(await in_thread(work))}
    except (OSError, Refused) as error:
        return {"err": code_of(error)}


async def _open(work: Callable[[], OpenFile]) -> OpenFile:
    """A file that a cancelled guest call does not leave open. Raises: OSError, Refused."""
    opening = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_unwanted)
        raise


def _close_unwanted(opened: "asyncio.Future[OpenFile]") -> None:
    if not opened.cancelled() and opened.exception() is None:
        opened.result().close()


def _file(state: WasiState, descriptor: int) -> OpenFile:
    return state.get(descriptor, Descriptor).file


def _has_room(state: WasiState) -> bool:
    return not state.files.full and state.count(*_COUNTED) < DESCRIPTORS_MAX


def _added(state: WasiState, resource: Resource) -> int:
    """Raises: GuestTrap, and then nothing is left open."""
    try:
        return state.add(resource)
    except GuestTrap:
        resource.close()
        raise


_FULL: Value = {"err": ErrorCode.QUOTA}


# Preopens


async def get_directories(state: WasiState) -> list[Value]:
    return [[await _preopened(state, grant), grant.guest] for grant in state.world.directories()]


async def _preopened(state: WasiState, grant: DirectoryGrant) -> int:
    may_change = grant.access is Access.READ_WRITE
    try:
        file = await _open(partial(open_file.open_granted, grant.host, state.files, may_change=may_change))
    except OSError as error:
        raise GuestTrap(f"the directory {grant.guest} that the guest may use cannot be opened: {error}") from error
    return _added(state, Descriptor(file))


# Streams


def read_via_stream(state: WasiState, descriptor: int, offset: int) -> Value:
    try:
        file = open_file.for_streaming(_file(state, descriptor), read=True)
    except Refused as error:
        return {"err": error.code}
    return {"ok": _added(state, FileInputStream(file, offset))}


def write_via_stream(state: WasiState, descriptor: int, offset: int) -> Value:
    if not _has_room(state):
        return _FULL
    try:
        return _writing(state, open_file.for_streaming(_file(state, descriptor), write=True), offset)
    except Refused as error:
        return {"err": error.code}


def _writing(state: WasiState, file: OpenFile, offset: int) -> Value:
    stream = FileOutputStream(file, offset)
    state.finish(stream.write_out())
    return {"ok": _added(state, stream)}


async def append_via_stream(state: WasiState, descriptor: int) -> Value:
    if not _has_room(state):
        return _FULL
    try:
        file = await _open(partial(open_file.for_appending, _file(state, descriptor)))
    except (OSError, Refused) as error:
        return {"err": code_of(error)}
    return _writing(state, file, 0)


# Files


def advise(state: WasiState, descriptor: int, offset: int, length: int, advice: str) -> Awaitable[Value]:
    return _answer(partial(open_file.advise, _file(state, descriptor), offset, length, _ADVICE[advice]))


def sync_data(state: WasiState, descriptor: int) -> Awaitable[Value]:
    return _answer(partial(open_file.sync, _file(state, descriptor), data_only=True))


def sync(state: WasiState, descriptor: int) -> Awaitable[Value]:
    return _answer(partial(open_file.sync, _file(state, descriptor), data_only=False))


def get_flags(state: WasiState, descriptor: int) -> Value:
    file = _file(state, descriptor)
    held = {"read": file.readable, "write": file.writable, "mutate_directory": file.is_directory and file.may_change}
    return {"ok": [name for name, is_held in held.items() if is_held]}


def get_type(state: WasiState, descriptor: int) -> Value:
    return {"ok": "directory" if _file(state, descriptor).is_directory else "regular_file"}


def set_size(state: WasiState, descriptor: int, size: int) -> Awaitable[Value]:
    return _answer(partial(open_file.set_size, _file(state, descriptor), size))


def set_times(state: WasiState, descriptor: int, access: Value, modification: Value) -> Awaitable[Value]:
    times = _times(state, access, modification)
    return _answer(partial(open_file.set_times, _file(state, descriptor), times))


def read(state: WasiState, descriptor: int, length: int, offset: int) -> Awaitable[Value]:
    work = partial(open_file.read, _file(state, descriptor), min(length, READ_BYTES_MAX), offset)
    return _answer(work, lambda contents: [contents, not contents])


def write(state: WasiState, descriptor: int, contents: bytes, offset: int) -> Awaitable[Value]:
    return _answer(partial(open_file.write, _file(state, descriptor), contents, offset))


def stat_(state: WasiState, descriptor: int) -> Awaitable[Value]:
    return _answer(partial(open_file.stat_of, _file(state, descriptor)), _stat_record)


async def is_same_object(state: WasiState, descriptor: int, other: int) -> bool:
    first, second = (partial(open_file.stat_of, _file(state, rep)) for rep in (descriptor, other))
    return os.path.samestat(await in_thread(first), await in_thread(second))


def metadata_hash(state: WasiState, descriptor: int) -> Awaitable[Value]:
    return _answer(partial(open_file.stat_of, _file(state, descriptor)), _hash_record)


# Directories


async def read_directory(state: WasiState, descriptor: int) -> Value:
    if not _has_room(state):
        return _FULL
    work = partial(open_file.listing, _file(state, descriptor))
    return await _answer(work, lambda entries: state.add(DirectoryEntryStream(entries)))


def read_directory_entry(state: WasiState, stream: int) -> Value:
    try:
        return {"ok": state.get(stream, DirectoryEntryStream).next()}
    except Refused as error:
        return {"err": error.code}


async def open_at(
    state: WasiState,
    descriptor: int,
    path_flags: Sequence[str],
    path: str,
    open_flags: Sequence[str],
    flags: Sequence[str],
) -> Value:
    if not _has_room(state):
        return _FULL
    if not _SYNC_FLAGS.isdisjoint(flags):
        return {"err": ErrorCode.UNSUPPORTED}
    opening = Opening(
        path=path,
        follow=_FOLLOW in path_flags,
        flags=OpenFlags(sum(OpenFlags[flag.upper()].value for flag in open_flags)),
        read="read" in flags,
        write="write" in flags,
        change="mutate_directory" in flags,
    )
    try:
        file = await _open(partial(open_file.open_at, _file(state, descriptor), opening))
    except (OSError, Refused) as error:
        return {"err": code_of(error)}
    return {"ok": _added(state, Descriptor(file))}


def stat_at(state: WasiState, descriptor: int, path_flags: Sequence[str], path: str) -> Awaitable[Value]:
    follow = _FOLLOW in path_flags
    return _answer(partial(open_file.stat_at, _file(state, descriptor), path, follow=follow), _stat_record)


def metadata_hash_at(state: WasiState, descriptor: int, path_flags: Sequence[str], path: str) -> Awaitable[Value]:
    follow = _FOLLOW in path_flags
    return _answer(partial(open_file.stat_at, _file(state, descriptor), path, follow=follow), _hash_record)


def set_times_at(
    state: WasiState, descriptor: int, path_flags: Sequence[str], path: str, access: Value, modification: Value
) -> Awaitable[Value]:
    times, follow = _times(state, access, modification), _FOLLOW in path_flags
    return _answer(partial(open_file.set_times_at, _file(state, descriptor), path, times, follow=follow))


def create_directory_at(state: WasiState, descriptor: int, path: str) -> Awaitable[Value]:
    return _answer(partial(open_file.make_directory, _file(state, descriptor), path))


def remove_directory_at(state: WasiState, descriptor: int, path: str) -> Awaitable[Value]:
    return _answer(partial(open_file.remove_directory, _file(state, descriptor), path))


def unlink_file_at(state: WasiState, descriptor: int, path: str) -> Awaitable[Value]:
    return _answer(partial(open_file.unlink, _file(state, descriptor), path))


def readlink_at(state: WasiState, descriptor: int, path: str) -> Awaitable[Value]:
    return _answer(partial(open_file.read_link, _file(state, descriptor), path), _text)


def symlink_at(state: WasiState, descriptor: int, target: str, path: str) -> Awaitable[Value]:
    return _answer(partial(open_file.make_link, _file(state, descriptor), target, path))


def link_at(
    state: WasiState, descriptor: int, path_flags: Sequence[str], path: str, new_descriptor: int, new_path: str
) -> Awaitable[Value]:
    old, new, follow = _file(state, descriptor), _file(state, new_descriptor), _FOLLOW in path_flags
    return _answer(partial(open_file.make_hard_link, old, path, new, new_path, follow=follow))


def rename_at(state: WasiState, descriptor: int, path: str, new_descriptor: int, new_path: str) -> Awaitable[Value]:
    old, new = _file(state, descriptor), _file(state, new_descriptor)
    return _answer(partial(open_file.rename, old, path, new, new_path))


def filesystem_error_code(state: WasiState, error: int) -> Value:
    """Of an error of a stream to or from a file; no other error has one."""
    code = state.get(error, IoError).code
    return code if isinstance(code, ErrorCode) else None


# Values


def _text(name: str) -> str:
    """Raises: Refused, for a name of the host that is not UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise Refused(ErrorCode.ILLEGAL_BYTE_SEQUENCE) from None
    return name


def _times(state: WasiState, access: Value, modification: Value) -> Times:
    return _nanoseconds(state, access), _nanoseconds(state, modification)


def _nanoseconds(state: WasiState, timestamp: Value) -> int | None:
    if timestamp == "no_change":
        return None
    if timestamp == "now":
        return state.world.wall_clock() * 1_000
    moment = timestamp["timestamp"]
    # Beyond that, the kernel's time is at its end, in the year 2262.
    return min(moment["seconds"] * _SECOND + moment["nanoseconds"], 2**63 - 1)


def _moment(nanoseconds: int) -> Value:
    """None before 1970: WASI has no time for that."""
    if nanoseconds < 0:
        return None
    seconds, rest = divmod(nanoseconds, _SECOND)
    return {"seconds": seconds, "nanoseconds": rest}


def _stat_record(found: os.stat_result) -> Value:
    return {
        "type": _TYPES.get(stat.S_IFMT(found.st_mode), "unknown"),
        "link_count": found.st_nlink,
        "size": found.st_size,
        "data_access_timestamp": _moment(found.st_atime_ns),
        "data_modification_timestamp": _moment(found.st_mtime_ns),
        "status_change_timestamp": _moment(found.st_ctime_ns),
    }


def _hash_record(found: os.stat_result) -> Value:
    lower, upper = open_file.hash_of(found)
    return {"lower": lower, "upper": upper}


# Signatures

_SELF = "self: borrow<descriptor>"
_CODE = f"enum {{ {', '.join(code.replace('_', '-') for code in ErrorCode)} }}"
_DATETIME = "record { seconds: u64, nanoseconds: u32 }"
_TIME = f"variant {{ no-change, now, timestamp({_DATETIME}) }}"
_TIMES = f"data-access-timestamp: {_TIME}, data-modification-timestamp: {_TIME}"
_KIND = (
    "enum { unknown, block-device, character-device, directory, fifo, symbolic-link, regular-file, socket }"
)  # fmt: skip
_FLAGS = (
    "flags { read, write, file-integrity-sync, data-integrity-sync, requested-write-sync, mutate-directory }"
)  # fmt: skip
_ADVICES = "enum { normal, sequential, random, will-need, dont-need, no-reuse }"
_OPEN_FLAGS = "flags: flags { create, directory, exclusive, truncate }"
_PATH_FLAGS = "path-flags: flags { symlink-follow }"
_STAT = (
    f"record {{ type: {_KIND}, link-count: u64, size: u64, data-access-timestamp: option<{_DATETIME}>, "
    f"data-modification-timestamp: option<{_DATETIME}>, status-change-timestamp: option<{_DATETIME}> }}"
)
_HASH = "record { lower: u64, upper: u64 }"


def _methods(methods: dict[tuple[str, str, str], WasiCall]) -> dict[str, WasiCall]:
    """By (name, parameters, result if it succeeds)."""
    return {
        f"[method]descriptor.{name}: func({', '.join(filter(None, (_SELF, params)))}) -> result<{ok}, {_CODE}>": call
        for (name, params, ok), call in methods.items()
    }


INTERFACES: Interfaces = {
    "preopens": {"get-directories: func() -> list<tuple<own<descriptor>, string>>": get_directories},
    "types": {
        **_methods(
            {
                ("read-via-stream", "offset: u64", "own<input-stream>"): read_via_stream,
                ("write-via-stream", "offset: u64", "own<output-stream>"): write_via_stream,
                ("append-via-stream", "", "own<output-stream>"): append_via_stream,
                (
                    "advise",
                    f"offset: u64, length: u64, advice: {_ADVICES}",
                    "_",
                ): advise,
                ("sync-data", "", "_"): sync_data,
                ("get-flags", "", _FLAGS): get_flags,
                ("get-type", "", _KIND): get_type,
                ("set-size", "size: u64", "_"): set_size,
                ("set-times", _TIMES, "_"): set_times,
                ("read", "length: u64, offset: u64", "tuple<list<u8>, bool>"): read,
                ("write", "buffer: list<u8>, offset: u64", "u64"): write,
                ("read-directory", "", "own<directory-entry-stream>"): read_directory,
                ("sync", "", "_"): sync,
                ("create-directory-at", "path: string", "_"): create_directory_at,
                ("stat", "", _STAT): stat_,
                ("stat-at", f"{_PATH_FLAGS}, path: string", _STAT): stat_at,
                ("set-times-at", f"{_PATH_FLAGS}, path: string, {_TIMES}", "_"): set_times_at,
                (
                    "link-at",
                    f"old-{_PATH_FLAGS}, old-path: string, new-descriptor: borrow<descriptor>, new-path: string",
                    "_",
                ): link_at,
                (
                    "open-at",
                    f"{_PATH_FLAGS}, path: string, open-{_OPEN_FLAGS}, flags: {_FLAGS}",
                    "own<descriptor>",
                ): open_at,
                ("readlink-at", "path: string", "string"): readlink_at,
                ("remove-directory-at", "path: string", "_"): remove_directory_at,
                (
                    "rename-at",
                    "old-path: string, new-descriptor: borrow<descriptor>, new-path: string",
                    "_",
                ): rename_at,
                ("symlink-at", "old-path: string, new-path: string", "_"): symlink_at,
                ("unlink-file-at", "path: string", "_"): unlink_file_at,
                ("metadata-hash", "", _HASH): metadata_hash,
                ("metadata-hash-at", f"{_PATH_FLAGS}, path: string", _HASH): metadata_hash_at,
            }
        ),
        f"[method]descriptor.is-same-object: func({_SELF}, other: borrow<descriptor>) -> bool": is_same_object,
        "[method]directory-entry-stream.read-directory-entry: func(self: borrow<directory-entry-stream>)"
        f" -> result<option<record {{ type: {_KIND}, name: string }}>, {_CODE}>": read_directory_entry,
        f"filesystem-error-code: func(err: borrow<error>) -> option<{_CODE}>": filesystem_error_code,
    },
}
