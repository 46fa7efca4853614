"""README.md tells the truth: its files are in the repository, its commands exist, its example runs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import click

from obelisk_server.cli import root
from server_process import OBELISK, REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
FILE_BLOCK = re.compile(r"^`([\w./-]+)`:\n\n```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLE_TABLES = re.compile(r'```toml\n(\[\[activity\]\]\nname = "greeting".*?)```', re.DOTALL)
COMMAND = re.compile(r"\bobelisk ((?:server|execution|function|component|config) [a-z]+)")
TARGET = re.compile(r"\bmake ([a-z]+)")


def test_files_shown_are_those_of_the_repository() -> None:
    shown = dict(FILE_BLOCK.findall(README))
    assert len(shown) >= 6
    assert shown == {name: (REPOSITORY / name).read_text(encoding="utf-8") for name in shown}


def test_commands_named_exist() -> None:
    named = {tuple(command.split()) for command in COMMAND.findall(README)}
    assert named
    assert [pair for pair in sorted(named) if not command_exists(*pair)] == []


def command_exists(group: str, name: str) -> bool:
    found = root.get_command(click.Context(root), group)
    return isinstance(found, click.Group) and name in found.list_commands(click.Context(found))


def test_make_targets_named_exist() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert set(TARGET.findall(README)) <= targets


def test_example_runs(tmp_path: Path) -> None:
    names = ("greeting", "welcome")
    subprocess.run([sys.executable, "components/build.py", *names], cwd=REPOSITORY, check=True, capture_output=True)
    (tables,) = EXAMPLE_TABLES.findall(README)
    absolute = tables.replace('location = "', f'location = "{REPOSITORY}/')
    (tmp_path / "obelisk.toml").write_text(f'[server]\nlisten = "127.0.0.1:0"\n{absolute}', encoding="utf-8")
    with subprocess.Popen([*OBELISK, "server", "run"], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().split()[-1]
            submit = [*OBELISK, "execution", "submit", "welcome", '[["Ann", "Ben"], 0]', "--follow", "--server", url]
            done = subprocess.run(submit, stdout=subprocess.PIPE, text=True, check=True)
        finally:
            server.terminate()
    assert json.loads(done.stdout) == {"ok": ["Hello, Ann!", "Hello, Ben!"]}
    assert server.returncode == 0
