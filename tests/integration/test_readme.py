"""README.md, and the pages that it leads to, tell the truth: files are in the repository, the example runs."""

import json
import re
import subprocess
import sys
from pathlib import Path

from obelisk_server.cli.new import STARTERS
from server_process import OBELISK, REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PAGES = sorted((REPOSITORY / "docs").glob("*.md"))
FILE_BLOCK = re.compile(r"^`([\w./-]+)`:\n\n```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TABLES = re.compile(r"```toml\n(.*?)```", re.DOTALL)
EXAMPLE = ("greeting", "welcome")


def test_programs_shown_are_those_that_new_writes() -> None:
    shown = dict(FILE_BLOCK.findall(README))
    assert shown == {f"{name}/app.py": starter(f"python/{name}/app.py") for name in EXAMPLE}
    (tables,) = TABLES.findall(README)
    assert tables in starter("shared/obelisk.toml")


def test_the_components_of_the_example_are_those_that_new_writes() -> None:
    """So that these, which are built once for all tests, say whether those run."""
    for name in EXAMPLE:
        app = (REPOSITORY / "components" / name / "app.py").read_text(encoding="utf-8")
        wit = (REPOSITORY / f"components/wit/app_{name}/{name}.wit").read_text(encoding="utf-8")
        assert app == starter(f"python/{name}/app.py")
        assert wit == starter(f"shared/wit/deps/app_{name}/{name}.wit")


def starter(path: str) -> str:
    return (STARTERS / f"{path}.txt").read_text(encoding="utf-8")


def test_files_that_pages_show_are_those_of_the_repository() -> None:
    shown = [file for page in PAGES for file in FILE_BLOCK.findall(page.read_text(encoding="utf-8"))]
    assert shown
    assert shown == [(name, (REPOSITORY / name).read_text(encoding="utf-8")) for name, _ in shown]


def test_example_runs(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "components/build.py", *EXAMPLE], cwd=REPOSITORY, check=True, capture_output=True)
    tables = "".join(TABLES.findall(README)).replace('"build/', f'"{REPOSITORY}/build/components/')
    (tmp_path / "obelisk.toml").write_text(f'[server]\nlisten = "127.0.0.1:0"\n{tables}', encoding="utf-8")
    with subprocess.Popen([*OBELISK, "server", "run"], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().split()[-1]
            submit = [*OBELISK, "execution", "submit", "welcome", '["Ann"]', "--follow", "--server", url]
            done = subprocess.run(submit, stdout=subprocess.PIPE, text=True, check=True)
        finally:
            server.terminate()
    assert json.loads(done.stdout) == {"ok": "Hello, Ann!"}
    assert done.stdout in README
    assert server.returncode == 0
