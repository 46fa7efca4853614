"""Paths of guests against directories with links, and with those who change them meanwhile."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obelisk_runtime.wasi.files.errors import ErrorCode, Refused, code_of
from obelisk_runtime.wasi.files.paths import DEPTH_MAX, LINKS_MAX, PATH_BYTES_MAX, resolved

SECRET = "what the guest may not read"


@pytest.fixture(scope="module")
def granted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with links of every kind; `secret` and the folder it is in are outside."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret").write_text(SECRET)
    granted = outside / "granted"
    (granted / "a" / "b" / "c").mkdir(parents=True)
    (granted / "file").write_text("inside")
    (granted / "a" / "file").write_text("inside a")
    for name, target in {
        "up": "..",
        "far": "../../../../../../../../../../etc",
        "absolute": str(outside / "secret"),
        "root": "/",
        "loop": "loop",
        "ping": "pong",
        "pong": "ping",
        "inside": "a/b",
        "deep": "a/b/../../a/b/c",
        "back": "a/../file",
        "dangling": "nothing",
        "slashed": "a/",
        "tricky": "a/b/c/../../../../secret",
    }.items():
        (granted / name).symlink_to(target)
    (granted / "a" / "up").symlink_to("..")
    (granted / "a" / "b" / "out").symlink_to("../../..")
    return granted


@pytest.fixture
def root(granted: Path) -> Iterator[int]:
    fd = os.open(granted, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def contents(root: int, path: str) -> str:
    """What a guest reads at a path, links followed; the error code if it may not."""
    try:
        with resolved(root, path, follow=True) as place:
            place.stat()
            fd = os.open(place.name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=place.directory)
    except (OSError, Refused) as error:
        return code_of(error).value
    try:
        return os.read(fd, 100).decode()
    except IsADirectoryError:
        return "directory"
    finally:
        os.close(fd)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("file", "inside"),
        ("./a/./file", "inside a"),
        ("a//file", "inside a"),
        ("a/b/../file", "inside a"),
        (".", "directory"),
        ("a/..", "directory"),
        ("a/", "directory"),
        ("inside", "directory"),
        ("inside/../file", "inside a"),
        ("inside/c", "directory"),
        ("deep", "directory"),
        ("back", "inside"),
        ("a/up/file", "inside"),
        ("slashed/file", "inside a"),
        ("nothing", "no_entry"),
        ("nothing/file", "no_entry"),
        ("dangling", "no_entry"),
        ("file/", "not_directory"),
        ("file/x", "not_directory"),
        ("file/..", "not_directory"),
        ("", "no_entry"),
        ("loop", "loop"),
        ("ping", "loop"),
        ("a\0b", "illegal_byte_sequence"),
        ("x" * 300, "name_too_long"),
        ("x/" * PATH_BYTES_MAX, "name_too_long"),
    ],
)
def test_a_path_inside_leads_where_it_does_for_everybody(root: int, path: str, found: str) -> None:
    assert contents(root, path) == found


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../secret",
        "../granted/file",
        "a/../..",
        "a/../../secret",
        "/",
        "/etc/passwd",
        "//etc/passwd",
        "up",
        "up/secret",
        "up/granted/file",
        "far/passwd",
        "absolute",
        "root/etc/passwd",
        "a/b/out",
        "a/b/out/secret",
        "a/up/../secret",
        "tricky",
        "inside/out/secret",
        "./././../secret",
    ],
)
def test_no_path_leads_outside(root: int, path: str) -> None:
    assert contents(root, path) == "not_permitted"


def test_a_link_at_the_end_is_followed_only_if_asked(root: int) -> None:
    for path in ("absolute", "up", "loop", "dangling"):
        with resolved(root, path) as place:
            assert place.name == path
            os.readlink(place.name, dir_fd=place.directory)
    for path in ("up/", "absolute/."):
        with pytest.raises(Refused) as caught, resolved(root, path):
            pass
        assert caught.value.code is ErrorCode.NOT_PERMITTED


def test_a_chain_of_links_has_a_bound(tmp_path: Path) -> None:
    (tmp_path / "0").write_text("the end")
    for number in range(LINKS_MAX + 1):
        (tmp_path / str(number + 1)).symlink_to(str(number))
    fd = os.open(tmp_path, os.O_RDONLY)
    assert contents(fd, str(LINKS_MAX)) == "the end"
    assert contents(fd, str(LINKS_MAX + 1)) == "loop"
    os.close(fd)


def test_the_depth_of_a_path_has_a_bound(tmp_path: Path) -> None:
    (tmp_path / "/".join(["d"] * (DEPTH_MAX + 1))).mkdir(parents=True)
    fd = os.open(tmp_path, os.O_RDONLY)
    assert contents(fd, "/".join(["d"] * DEPTH_MAX)) == "directory"
    assert contents(fd, "/".join(["d"] * (DEPTH_MAX + 2))) == "name_too_long"
    os.close(fd)


NAMES = st.sampled_from(
    [".", "..", "", "a", "b", "c", "file", "up", "far", "absolute", "root", "inside", "deep", "out", "loop", "tricky"]
)


@settings(deadline=None, max_examples=300)
@given(parts=st.lists(NAMES, max_size=8), slash=st.booleans(), follow=st.booleans())
def test_wherever_any_path_leads_is_below_the_granted_directory(
    granted: Path, parts: list[str], slash: bool, follow: bool
) -> None:
    root = os.open(granted, os.O_RDONLY | os.O_DIRECTORY)
    before = open_descriptors()
    try:
        with resolved(root, "/".join(parts) + "/" * slash, follow=follow) as place:
            where = Path(f"/proc/self/fd/{place.directory}").readlink()
            assert where == granted or granted in where.parents
            assert "/" not in place.name
            assert place.name != ".."
            assert not follow or not (where / place.name).is_symlink()
    except (OSError, Refused):
        pass
    finally:
        assert open_descriptors() == before
        os.close(root)


def test_a_directory_that_becomes_a_link_meanwhile_does_not_lead_outside(tmp_path: Path) -> None:
    """Somebody swaps a directory for a link to the outside, as fast as they can."""
    outside, granted = tmp_path / "outside", tmp_path / "granted"
    for folder, text in ((outside, SECRET), (granted / "real", "inside")):
        folder.mkdir(parents=True)
        (folder / "secret").write_text(text)
    (granted / "evil").symlink_to(outside)
    root = os.open(granted, os.O_RDONLY)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for old, new in (("real", "kept"), ("evil", "real"), ("real", "evil"), ("kept", "real")):
                (granted / old).rename(granted / new)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        seen = {contents(root, "real/secret") for _ in range(2_000)}
    finally:
        stop.set()
        swapping.join()
        os.close(root)
    assert SECRET not in seen
    assert seen <= {"inside", "no_entry", "not_permitted", "not_directory", "loop"}
