from pathlib import Path

import pytest

from obelisk_runtime.registry import ComponentUnavailable, files, find_component, read_component


def test_a_relative_location_is_relative_to_the_folder(tmp_path: Path) -> None:
    (tmp_path / "a.wasm").write_bytes(b"bytes")
    assert find_component("a.wasm", tmp_path) == tmp_path / "a.wasm"
    assert find_component(str(tmp_path / "a.wasm"), Path("/elsewhere")) == tmp_path / "a.wasm"
    assert read_component(tmp_path / "a.wasm") == b"bytes"


@pytest.mark.parametrize(
    ("location", "said"),
    [("missing.wasm", "does not exist"), (".", "is a folder"), ("/dev/zero", "is not a file")],
)
def test_a_location_without_a_component_is_refused(tmp_path: Path, location: str, said: str) -> None:
    with pytest.raises(ComponentUnavailable, match=said):
        find_component(location, tmp_path)


def test_a_file_that_vanished_is_said(tmp_path: Path) -> None:
    with pytest.raises(ComponentUnavailable, match="cannot be read: No such file"):
        read_component(tmp_path / "a.wasm")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "COMPONENT_BYTES_MAX", 3)
    (tmp_path / "a.wasm").write_bytes(b"1234")
    with pytest.raises(ComponentUnavailable, match="4 bytes; the limit is 3"):
        read_component(tmp_path / "a.wasm")
