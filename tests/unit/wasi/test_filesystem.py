"""Files of granted directories, as guests work with them: real files, real links."""

import asyncio
import os
import stat
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any

import pytest

from obelisk_runtime.core.deployment import Access, DirectoryGrant
from obelisk_runtime.ports.engine import GuestTrap
from obelisk_runtime.testing.world import ScriptedWorld
from obelisk_runtime.wasi import OpenFiles, WasiState, filesystem, io
from obelisk_runtime.wasi.files import open_file
from obelisk_runtime.wasi.filesystem import DESCRIPTORS_MAX
from obelisk_runtime.wasi.state import RESOURCES_MAX, Resource
from obelisk_runtime.wasi.streams import READ_BYTES_MAX

OK = {"ok": None}
CREATE = ["create"]
READ, WRITE, BOTH = ["read"], ["write"], ["read", "write"]
FOLLOW = ["symlink_follow"]


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    (folder / "file").write_bytes(b"0123456789")
    (tmp_path / "secret").write_text("outside")
    (folder / "out").symlink_to("../secret")
    (folder / "link").symlink_to("file")
    return folder


def names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


class Guest:
    """Calls functions of wasi:filesystem; each method is one call of a guest."""

    def __init__(self, folder: Path, access: Access) -> None:
        self.state = WasiState(ScriptedWorld(directories=[DirectoryGrant(str(folder), "/data", access)]))

    async def __call__(self, function: Any, *arguments: Any) -> Any:
        answer = function(self.state, *arguments)
        return await answer if isinstance(answer, Awaitable) else answer

    async def root(self) -> int:
        ((root, name),) = await self(filesystem.get_directories)
        assert name == "/data"
        return root

    async def open(self, base: int, path: str, flags: list[str] = READ, *, how: list[str] | None = None) -> Any:
        return await self(filesystem.open_at, base, FOLLOW, path, how or [], flags)

    async def opened(self, base: int, path: str, flags: list[str] = READ, *, how: list[str] | None = None) -> int:
        answer = await self.open(base, path, flags, how=how)
        assert "ok" in answer, answer
        return answer["ok"]

    async def names(self, directory: int) -> dict[str, str]:
        stream = (await self(filesystem.read_directory, directory))["ok"]
        found: dict[str, str] = {}
        while entry := (await self(filesystem.read_directory_entry, stream))["ok"]:
            found[entry["name"]] = entry["type"]
        return found


@pytest.fixture
def guest(folder: Path) -> Iterator[Guest]:
    before = open_descriptors()
    guest = Guest(folder, Access.READ_WRITE)
    yield guest
    guest.state.close()
    assert open_descriptors() == before


@pytest.fixture
def reader(folder: Path) -> Iterator[Guest]:
    reader = Guest(folder, Access.READ_ONLY)
    yield reader
    reader.state.close()


# Opening


async def test_nothing_is_granted_unless_it_is_configured() -> None:
    assert await filesystem.get_directories(WasiState(ScriptedWorld())) == []


async def test_a_granted_directory_that_is_gone_traps_with_its_name(folder: Path) -> None:
    guest = Guest(folder / "gone", Access.READ_ONLY)
    with pytest.raises(GuestTrap, match="the directory /data that the guest may use cannot be opened"):
        await guest.root()


async def test_a_file_is_read_at_any_place(guest: Guest) -> None:
    file = await guest.opened(await guest.root(), "file")
    assert await guest(filesystem.read, file, 4, 3) == {"ok": [b"3456", False]}
    assert await guest(filesystem.read, file, 2**63, 8) == {"ok": [b"89", False]}
    assert await guest(filesystem.read, file, 4, 10) == {"ok": [b"", True]}
    assert await guest(filesystem.read, file, 4, 2**63) == {"err": "invalid"}


async def test_a_new_file_is_written_and_is_there_for_everybody(guest: Guest, folder: Path) -> None:
    file = await guest.opened(await guest.root(), "sub/new", BOTH, how=CREATE)
    assert await guest(filesystem.write, file, b"hello", 2) == {"ok": 5}
    assert (folder / "sub" / "new").read_bytes() == b"\0\0hello"
    assert await guest(filesystem.read, file, 9, 2) == {"ok": [b"hello", False]}


@pytest.mark.parametrize(
    ("path", "flags", "how", "answer"),
    [
        ("nothing", READ, [], "no_entry"),
        ("", READ, [], "no_entry"),
        ("file", READ, ["create", "exclusive"], "exist"),
        ("link", READ, ["create", "exclusive"], "exist"),
        ("file", READ, ["directory"], "not_directory"),
        ("file/", READ, [], "not_directory"),
        ("sub", WRITE, [], "is_directory"),
        ("sub", READ, ["truncate"], "is_directory"),
        ("new/", WRITE, CREATE, "is_directory"),
        ("new", WRITE, ["create", "directory"], "invalid"),
        ("file", ["read", "requested_write_sync"], [], "unsupported"),
        ("fifo", READ, [], "not_permitted"),
        ("fifo", WRITE, CREATE, "not_permitted"),
        ("out", READ, [], "not_permitted"),
        ("out", WRITE, CREATE, "not_permitted"),
        ("../secret", READ, [], "not_permitted"),
        ("/etc/passwd", READ, [], "not_permitted"),
        ("sub/../../secret", WRITE, CREATE, "not_permitted"),
    ],
)
async def test_what_cannot_be_opened_has_an_error_code(
    guest: Guest, folder: Path, path: str, flags: list[str], how: list[str], answer: str
) -> None:
    os.mkfifo(folder / "fifo")
    assert await guest.open(await guest.root(), path, flags, how=how) == {"err": answer}
    assert (folder.parent / "secret").read_text() == "outside"


async def test_a_dangling_link_is_no_way_to_make_a_file_outside(guest: Guest, folder: Path) -> None:
    (folder / "evil").symlink_to("../made")
    assert await guest.open(await guest.root(), "evil", WRITE, how=CREATE) == {"err": "not_permitted"}
    assert not (folder.parent / "made").exists()


async def test_links_inside_are_followed_if_asked(guest: Guest) -> None:
    root = await guest.root()
    assert await guest(filesystem.open_at, root, [], "link", [], READ) == {"err": "loop"}
    file = await guest.opened(root, "link")
    assert await guest(filesystem.read, file, 2, 0) == {"ok": [b"01", False]}


async def test_truncating_empties_a_file(guest: Guest, folder: Path) -> None:
    await guest.opened(await guest.root(), "file", WRITE, how=["truncate"])
    assert (folder / "file").read_bytes() == b""


async def test_open_descriptors_are_bounded(guest: Guest) -> None:
    root = await guest.root()
    for _ in range(DESCRIPTORS_MAX - 1):
        last = await guest.opened(root, "file", WRITE)
    assert await guest.open(root, "file") == {"err": "quota"}
    assert await guest(filesystem.read_directory, root) == {"err": "quota"}
    assert await guest(filesystem.append_via_stream, last) == {"err": "quota"}
    assert await guest(filesystem.write_via_stream, last, 0) == {"err": "quota"}
    guest.state.drop(last)
    await guest.opened(root, "file")


async def test_the_guests_of_a_process_have_a_bound_together(folder: Path) -> None:
    files = OpenFiles(3)
    grants = [DirectoryGrant(str(folder), "/data", Access.READ_WRITE)]
    first, second = (WasiState(ScriptedWorld(directories=grants), files=files) for _ in range(2))
    for state in (first, second):
        ((root, _),) = await filesystem.get_directories(state)
        assert root == 1
    opening = (1, FOLLOW, "file", [], READ)
    assert "ok" in await filesystem.open_at(first, *opening)
    assert await filesystem.open_at(second, *opening) == {"err": "quota"}
    first.close()
    assert "ok" in await filesystem.open_at(second, *opening)
    second.close()
    assert not files.full


async def test_a_guest_that_holds_too_many_handles_leaves_no_file_open(guest: Guest, folder: Path) -> None:
    root = await guest.root()
    file = await guest.opened(root, "file", BOTH)
    before = open_descriptors()
    for _ in range(RESOURCES_MAX - 2):
        guest.state.add(Resource())
    for call in (
        (filesystem.open_at, root, [], "file", [], READ),
        (filesystem.read_via_stream, file, 0),
        (filesystem.write_via_stream, file, 0),
        (filesystem.append_via_stream, file),
    ):
        with pytest.raises(GuestTrap, match=str(RESOURCES_MAX)):
            await guest(*call)
    await asyncio.wait(guest.state.close())
    assert open_descriptors() == before - 2


async def test_a_call_that_is_dropped_while_it_opens_leaves_no_file_open(guest: Guest) -> None:
    root = await guest.root()
    before = open_descriptors()
    opening = asyncio.ensure_future(guest.open(root, "file"))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await asyncio.get_running_loop().shutdown_default_executor()
    await asyncio.sleep(0)
    assert open_descriptors() == before


# What a descriptor may do


async def test_a_read_only_directory_is_only_read(reader: Guest, folder: Path) -> None:
    root = await reader.root()
    sub = await reader.opened(root, "sub")
    for base in (root, sub):
        for flags, how in ((WRITE, []), (["mutate_directory"], []), (READ, CREATE), (READ, ["truncate"])):
            assert await reader.open(base, "file", flags, how=how) == {"err": "read_only"}
        for call in (
            (filesystem.create_directory_at, base, "new"),
            (filesystem.remove_directory_at, base, "sub"),
            (filesystem.unlink_file_at, base, "file"),
            (filesystem.symlink_at, base, "file", "new"),
            (filesystem.link_at, base, [], "file", base, "new"),
            (filesystem.rename_at, base, "file", base, "new"),
            (filesystem.set_times_at, base, [], "file", "now", "now"),
            (filesystem.set_times, base, "now", "now"),
        ):
            assert await reader(*call) == {"err": "read_only"}, call
    file = await reader.opened(root, "file")
    assert await reader(filesystem.set_times, file, "now", "now") == {"err": "read_only"}
    assert await reader(filesystem.get_flags, root) == {"ok": ["read"]}
    assert names_in(folder) == ["file", "link", "out", "sub"]


async def test_a_descriptor_does_what_it_was_opened_for(guest: Guest) -> None:
    root = await guest.root()
    reading, writing = await guest.opened(root, "file"), await guest.opened(root, "file", WRITE)
    bad = {"err": "bad_descriptor"}
    assert await guest(filesystem.write, reading, b"x", 0) == bad
    assert await guest(filesystem.set_size, reading, 0) == bad
    assert await guest(filesystem.write_via_stream, reading, 0) == bad
    assert await guest(filesystem.append_via_stream, reading) == bad
    assert await guest(filesystem.read, writing, 1, 0) == bad
    assert await guest(filesystem.read_via_stream, writing, 0) == bad
    assert await guest(filesystem.read, root, 1, 0) == bad
    assert await guest(filesystem.advise, root, 0, 0, "normal") == bad
    for call in (
        (filesystem.read_directory, reading),
        (filesystem.stat_at, reading, [], "x"),
        (filesystem.open_at, reading, [], "x", [], READ),
    ):
        assert await guest(*call) == {"err": "not_directory"}
    assert await guest(filesystem.get_flags, root) == {"ok": ["read", "mutate_directory"]}
    assert await guest(filesystem.get_flags, writing) == {"ok": ["write"]}
    assert await guest(filesystem.get_type, root) == {"ok": "directory"}
    assert await guest(filesystem.get_type, reading) == {"ok": "regular_file"}


async def test_a_hard_link_does_not_make_a_read_only_file_writable(guest: Guest, folder: Path) -> None:
    grants = [
        DirectoryGrant(str(folder), "/data", Access.READ_ONLY),
        DirectoryGrant(str(folder / "sub"), "/sub", Access.READ_WRITE),
    ]
    both = WasiState(ScriptedWorld(directories=grants))
    (read_only, _), (writable, _) = await filesystem.get_directories(both)
    assert await filesystem.link_at(both, read_only, [], "file", writable, "mine") == {"err": "read_only"}
    assert await filesystem.rename_at(both, read_only, "file", writable, "mine") == {"err": "read_only"}
    both.close()


# Streams


async def test_a_file_is_streamed_from_an_offset_to_its_end(guest: Guest, folder: Path) -> None:
    (folder / "large").write_bytes(bytes(READ_BYTES_MAX) + b"the end")
    file = await guest.opened(await guest.root(), "large")
    stream = (await guest(filesystem.read_via_stream, file, 1))["ok"]
    guest.state.drop(file)
    read = b""
    while "ok" in (answer := await guest(io.blocking_read, stream, 2**63)):
        read += answer["ok"]
    assert answer == {"err": "closed"}
    assert read == bytes(READ_BYTES_MAX - 1) + b"the end"


async def test_what_is_streamed_to_a_file_is_there_after_a_flush(guest: Guest, folder: Path) -> None:
    file = await guest.opened(await guest.root(), "file", WRITE)
    stream = (await guest(filesystem.write_via_stream, file, 8))["ok"]
    assert await guest(io.write_and_flush, stream, b"abc") == OK
    assert (folder / "file").read_bytes() == b"01234567abc"
    assert await guest(io.write_and_flush, stream, b"d" * 200_000) == OK
    assert (folder / "file").read_bytes() == b"01234567abc" + b"d" * 200_000


async def test_an_appending_stream_writes_at_the_end_whoever_writes_between(guest: Guest, folder: Path) -> None:
    file = await guest.opened(await guest.root(), "file", WRITE)
    first, second = [(await guest(filesystem.append_via_stream, file))["ok"] for _ in range(2)]
    assert await guest(io.write_and_flush, first, b"a") == OK
    assert await guest(io.write_and_flush, second, b"b") == OK
    assert await guest(io.write_and_flush, first, b"c") == OK
    assert (folder / "file").read_bytes() == b"0123456789abc"


async def test_what_was_written_before_the_end_of_the_guest_is_written_out(guest: Guest, folder: Path) -> None:
    file = await guest.opened(await guest.root(), "file", WRITE)
    stream = (await guest(filesystem.write_via_stream, file, 0))["ok"]
    await guest(io.check_write, stream)
    assert await guest(io.write, stream, b"last words") == OK
    unfinished = guest.state.close()
    await asyncio.wait(unfinished)
    assert (folder / "file").read_bytes() == b"last words"


async def test_a_stream_that_fails_tells_the_code_of_the_file_system(guest: Guest, folder: Path) -> None:
    file = await guest.opened(await guest.root(), "file", WRITE)
    stream = (await guest(filesystem.write_via_stream, file, 2**63))["ok"]
    answer = await guest(io.write_and_flush, stream, b"x")
    error = answer["err"]["last_operation_failed"]
    assert filesystem.filesystem_error_code(guest.state, error) == "invalid"
    assert io.to_debug_string(guest.state, error) == "a file: invalid"
    other = guest.state.add(io.IoError("not of a file"))
    assert filesystem.filesystem_error_code(guest.state, other) is None


async def test_a_file_can_be_copied_by_splicing(guest: Guest, folder: Path) -> None:
    root = await guest.root()
    source = (await guest(filesystem.read_via_stream, await guest.opened(root, "file"), 0))["ok"]
    copy = await guest.opened(root, "copy", WRITE, how=CREATE)
    target = (await guest(filesystem.write_via_stream, copy, 0))["ok"]
    assert await guest(io.blocking_splice, target, source, 100) == {"ok": 10}
    assert await guest(io.blocking_flush, target) == OK
    assert (folder / "copy").read_bytes() == b"0123456789"


# About files


async def test_what_is_told_of_a_file_is_true(guest: Guest, folder: Path) -> None:
    root = await guest.root()
    found = (folder / "file").stat()
    file = await guest.opened(root, "file")
    told = (await guest(filesystem.stat_, file))["ok"]
    assert told == (await guest(filesystem.stat_at, root, [], "file"))["ok"]
    assert (told["type"], told["size"], told["link_count"]) == ("regular_file", 10, 1)
    moment = told["data_modification_timestamp"]
    assert moment["seconds"] * 10**9 + moment["nanoseconds"] == found.st_mtime_ns
    assert (await guest(filesystem.stat_at, root, [], "out"))["ok"]["type"] == "symbolic_link"
    assert (await guest(filesystem.stat_at, root, FOLLOW, "link"))["ok"]["type"] == "regular_file"
    assert await guest(filesystem.stat_at, root, FOLLOW, "out") == {"err": "not_permitted"}
    assert (await guest(filesystem.stat_at, root, [], "."))["ok"]["type"] == "directory"


async def test_times_can_be_set_one_by_one(guest: Guest, folder: Path) -> None:
    root = await guest.root()
    file = await guest.opened(root, "file", WRITE)
    moment = {"timestamp": {"seconds": 1_000, "nanoseconds": 5}}
    assert await guest(filesystem.set_times, file, "no_change", moment) == OK
    found = (folder / "file").stat()
    assert found.st_mtime_ns == 1_000_000_000_005
    assert await guest(filesystem.set_times_at, root, [], "file", moment, "now") == OK
    changed = (folder / "file").stat()
    assert changed.st_atime_ns == 1_000_000_000_005
    assert changed.st_mtime_ns == guest.state.world.wall_clock() * 1_000
    before = (folder / "file").stat().st_mtime_ns
    assert await guest(filesystem.set_times_at, root, [], "link", moment, moment) == OK
    assert (folder / "file").stat().st_mtime_ns == before


async def test_size_sync_and_advice(guest: Guest, folder: Path) -> None:
    file = await guest.opened(await guest.root(), "file", WRITE)
    assert await guest(filesystem.set_size, file, 3) == OK
    assert (folder / "file").read_bytes() == b"012"
    assert await guest(filesystem.set_size, file, 2**63) == {"err": "invalid"}
    assert await guest(filesystem.sync, file) == OK
    assert await guest(filesystem.sync_data, file) == OK
    for advice in ("normal", "sequential", "random", "will_need", "dont_need", "no_reuse"):
        assert await guest(filesystem.advise, file, 0, 3, advice) == OK


async def test_the_same_object_is_known_by_any_name(guest: Guest) -> None:
    root = await guest.root()
    file, same, other = [await guest.opened(root, path) for path in ("file", "link", "sub")]
    assert await guest(filesystem.is_same_object, file, same) is True
    assert await guest(filesystem.is_same_object, file, other) is False
    known = (await guest(filesystem.metadata_hash, file))["ok"]
    assert (await guest(filesystem.metadata_hash_at, root, FOLLOW, "link"))["ok"] == known
    assert (await guest(filesystem.metadata_hash_at, root, [], "link"))["ok"] != known
    assert (await guest(filesystem.metadata_hash, other))["ok"] != known


# Directories


async def test_a_directory_is_listed_with_types(guest: Guest, folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    assert await guest.names(await guest.root()) == {
        "file": "regular_file",
        "fifo": "unknown",
        "link": "symbolic_link",
        "out": "symbolic_link",
        "sub": "directory",
    }


async def test_a_name_that_is_not_unicode_is_an_error_and_the_listing_goes_on(guest: Guest, folder: Path) -> None:
    (folder / "sub" / os.fsdecode(b"\xff")).write_bytes(b"")
    (folder / "sub" / "good").write_bytes(b"")
    sub = await guest.opened(await guest.root(), "sub")
    stream = (await guest(filesystem.read_directory, sub))["ok"]
    answers = [await guest(filesystem.read_directory_entry, stream) for _ in range(3)]
    assert {"err": "illegal_byte_sequence"} in answers
    assert {"ok": {"type": "regular_file", "name": "good"}} in answers
    assert answers[-1] == {"ok": None}


async def test_a_directory_that_holds_too_much_is_refused(
    guest: Guest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_file, "ENTRIES_MAX", 3)
    assert await guest(filesystem.read_directory, await guest.root()) == {"err": "overflow"}


async def test_directories_and_files_come_and_go(guest: Guest, folder: Path) -> None:
    root = await guest.root()
    assert await guest(filesystem.create_directory_at, root, "sub/new/") == OK
    assert await guest(filesystem.create_directory_at, root, "sub/new") == {"err": "exist"}
    assert await guest(filesystem.rename_at, root, "file", root, "sub/new/moved") == OK
    assert await guest(filesystem.remove_directory_at, root, "sub/new") == {"err": "not_empty"}
    assert await guest(filesystem.unlink_file_at, root, "sub/new") == {"err": "is_directory"}
    assert await guest(filesystem.unlink_file_at, root, "sub/new/moved") == OK
    assert await guest(filesystem.remove_directory_at, root, "sub/new") == OK
    assert await guest(filesystem.remove_directory_at, root, "link") == {"err": "not_directory"}
    assert await guest(filesystem.unlink_file_at, root, "out") == OK
    assert (folder.parent / "secret").exists()
    assert names_in(folder) == ["link", "sub"]


async def test_links_are_made_and_read_but_do_not_tell_of_the_host(guest: Guest, folder: Path) -> None:
    root = await guest.root()
    assert await guest(filesystem.symlink_at, root, "sub/../file", "new") == OK
    assert await guest(filesystem.readlink_at, root, "new") == {"ok": "sub/../file"}
    assert await guest(filesystem.symlink_at, root, "/etc/passwd", "evil") == {"err": "not_permitted"}
    (folder / "absolute").symlink_to("/etc/passwd")
    assert await guest(filesystem.readlink_at, root, "absolute") == {"err": "not_permitted"}
    assert await guest(filesystem.readlink_at, root, "file") == {"err": "invalid"}
    assert await guest(filesystem.link_at, root, [], "file", root, "sub/hard") == OK
    assert (folder / "sub" / "hard").samefile(folder / "file")
    assert await guest(filesystem.link_at, root, FOLLOW, "link", root, "sub/followed") == OK
    assert (folder / "sub" / "followed").samefile(folder / "file")
    assert await guest(filesystem.link_at, root, FOLLOW, "out", root, "stolen") == {"err": "not_permitted"}


@pytest.mark.parametrize("path", ["../new", "/new", "out/new", "sub/../../new"])
async def test_nothing_is_changed_outside(guest: Guest, folder: Path, path: str) -> None:
    (folder / "out").unlink()
    (folder / "out").symlink_to("..")
    root = await guest.root()
    for call in (
        (filesystem.create_directory_at, root, path),
        (filesystem.remove_directory_at, root, path),
        (filesystem.unlink_file_at, root, path),
        (filesystem.symlink_at, root, "x", path),
        (filesystem.rename_at, root, "file", root, path),
        (filesystem.rename_at, root, path, root, "file"),
        (filesystem.link_at, root, [], "file", root, path),
        (filesystem.link_at, root, [], path, root, "new"),
        (filesystem.set_times_at, root, FOLLOW, path, "now", "now"),
        (filesystem.metadata_hash_at, root, FOLLOW, path),
        (filesystem.readlink_at, root, path),
    ):
        assert await guest(*call) == {"err": "not_permitted"}, call
    assert names_in(folder.parent) == ["data", "secret"]


async def test_new_files_are_not_executable_by_themselves(guest: Guest, folder: Path) -> None:
    await guest.opened(await guest.root(), "new", WRITE, how=CREATE)
    assert not (folder / "new").stat().st_mode & (stat.S_IXUSR | stat.S_ISUID)
