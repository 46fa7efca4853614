"""`obelisk new` and `obelisk component build`. That a new folder runs is a test of the wheel."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from obelisk_server.cli.new import LANGUAGES, STARTERS

OBELISK = [sys.executable, "-c", "from obelisk_server.cli import main; main()"]


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*OBELISK, *arguments], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_new_folder_has_all_that_its_readme_speaks_of(tmp_path: Path, language: str) -> None:
    assert run(tmp_path, "new", "shop", "--language", language).returncode == 0
    found = {path.relative_to(tmp_path / "shop").as_posix() for path in (tmp_path / "shop").rglob("*")}
    assert {"obelisk.toml", "README.md", ".gitignore", "wit/deps/obelisk_workflow@6.0.0/workflow.wit"} <= found
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


def test_every_language_has_a_starter() -> None:
    assert {path.name for path in STARTERS.iterdir()} == {*LANGUAGES, "shared"}


def test_a_new_folder_builds_what_its_obelisk_toml_names(tmp_path: Path) -> None:
    run(tmp_path, "new", ".", "--language", "wat")
    built = run(tmp_path, "component", "build", "greeting", "welcome")
    assert [line.split()[0] for line in built.stdout.splitlines()] == ["build/greeting.wasm", "build/welcome.wasm"]
    assert run(tmp_path, "server", "verify").stdout == "obelisk.toml is right: 2 components, 2 functions\n"


def test_a_folder_that_has_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    ended = run(tmp_path, "new", ".")
    assert (ended.returncode, "not empty" in ended.stderr) == (4, True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_what_cannot_be_built_is_said_and_what_was_built_stays(tmp_path: Path) -> None:
    run(tmp_path, "new", ".", "--language", "wat")
    run(tmp_path, "component", "build", "greeting")
    before = (tmp_path / "build/greeting.wasm").read_bytes()
    (tmp_path / "greeting/component.wat").write_text("(component (nonsense))")
    ended = run(tmp_path, "component", "build", "greeting")
    assert (ended.returncode, "greeting cannot be built" in ended.stderr) == (8, True)
    assert "Traceback" not in ended.stderr
    assert [path.name for path in (tmp_path / "build").iterdir()] == ["greeting.wasm"]
    assert (tmp_path / "build/greeting.wasm").read_bytes() == before
    shutil.rmtree(tmp_path / "greeting")
    (tmp_path / "greeting").mkdir()
    ended = run(tmp_path, "component", "build", "greeting")
    assert (ended.returncode, "expected app.py, app.js or component.wat" in ended.stderr) == (2, True)


def test_a_missing_tool_is_named_with_how_to_get_it(tmp_path: Path) -> None:
    run(tmp_path, "new", ".", "--language", "javascript")
    ended = run(tmp_path, "component", "build", "greeting")
    assert (ended.returncode, "npm install" in ended.stderr) == (8, True)
