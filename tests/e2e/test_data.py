"""Forks, exports, retention and backups through the command line, against real servers that are killed."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from wasmtime import wat2wasm

from server_process import OBELISK

COMPONENTS = Path(__file__).parents[2] / "components"
DEADLINE_SECONDS = 60
FIBOA = "testing:fibo-workflow/workflow.fiboa"
STEPS = 500
CONFIG = """
[server]
listen = "127.0.0.1:0"
[limits]
shutdown = "0s"
[[activity]]
name = "fibo"
location = "fibo_tiny.wasm"
[[workflow]]
name = "fibo-workflow"
location = "fibo_workflow_tiny.wasm"
[[workflow]]
name = "sleeper"
location = "sleeper.wasm"
"""


@dataclass
class Site:
    """A folder with a server, and commands that talk to it."""

    folder: Path
    url: str = "http://127.0.0.1:1"
    processes: "list[subprocess.Popen[str]]" = field(default_factory=list)

    @property
    def environ(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(self.folder), "OBELISK_SERVER": self.url}

    def start(self) -> None:
        process = subprocess.Popen(
            [*OBELISK, "server", "run"], cwd=self.folder, env=self.environ, stdout=subprocess.PIPE, text=True,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.processes.append(process)
        assert process.stdout is not None
        self.url = process.stdout.readline().split()[-1]

    def kill(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        self.processes.clear()

    def run(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [*OBELISK, *arguments], cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False,
            timeout=DEADLINE_SECONDS,
        )  # fmt: skip
        assert done.returncode == code, done
        return done.stdout.strip()

    def events(self, execution_id: str) -> list[str]:
        return self.run("execution", "events", execution_id, "--json").splitlines()

    def check(self, file: str = ".obelisk/obelisk.db") -> int:
        return json.loads(self.run("db", "check", file, "--json"))["executions"]


def site(folder: Path) -> Site:
    folder.mkdir()
    for name in ("fibo_tiny", "fibo_workflow_tiny", "sleeper"):
        (folder / f"{name}.wasm").write_bytes(wat2wasm((COMPONENTS / name / "component.wat").read_text()))
    (folder / "obelisk.toml").write_text(CONFIG)
    return Site(folder)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Site]:
    found = site(tmp_path / "here")
    found.start()
    yield found
    found.kill()


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Site]:
    found = site(tmp_path / "there")
    found.start()
    yield found
    found.kill()


def submit(site: Site, steps: int) -> str:
    id_ = site.run("execution", "submit", FIBOA, f"[10, {steps}]")
    assert site.run("execution", "follow", id_) == '{"ok":89}'
    return id_


def test_a_fork_of_a_long_run_reuses_half_of_it_and_leaves_the_original_alone(here: Site) -> None:
    origin = submit(here, STEPS)
    before = here.events(origin)
    version = 2 + STEPS // 2
    forked = here.run("execution", "fork", origin, "--at", str(version))
    assert here.run("execution", "follow", forked) == '{"ok":89}'
    children = json.loads(here.run("execution", "list", "--parent", forked, "--limit", "1000", "--json"))["items"]
    assert len(children) == STEPS - STEPS // 2
    assert here.events(origin) == before
    assert here.events(forked)[1:version] == before[1:version]
    here.run("execution", "fork", origin, "--at", "100000", code=4)
    here.kill()
    assert here.check() == 2 + STEPS + STEPS - STEPS // 2


def test_an_export_of_one_server_is_imported_by_another_with_the_same_history(here: Site, there: Site) -> None:
    done = submit(here, 20)
    asleep = here.run("execution", "submit", "testing:sleeper/sleeper.sleep", "[600000]")
    while '"delay-submitted"' not in "".join(here.events(asleep)):
        time.sleep(0.02)
    file = here.folder / "trees.jsonl"
    here.run("execution", "export", done, asleep, "-o", str(file))
    assert there.run("execution", "import", str(file)).splitlines() == [f"{done}  imported", f"{asleep}  imported"]
    assert there.run("execution", "import", str(file)).splitlines() == [f"{done}  existed", f"{asleep}  existed"]
    assert there.events(done) == here.events(done)
    assert there.run("execution", "replay", done).startswith("matches")
    assert json.loads(there.run("execution", "get", asleep, "--json"))["lifecycle"] == "paused"
    file.write_text(file.read_text().replace("[10,20]", "[10,21]"))
    there.run("execution", "import", str(file), code=4)
    there.kill()
    assert there.check() == 22


def test_pruning_deletes_what_is_old_and_not_held(here: Site) -> None:
    gone, kept = submit(here, 5), submit(here, 5)
    assert here.run("execution", "hold", kept) == "held"
    assert here.run("execution", "hold", kept) == "already held"
    assert here.run("db", "prune", "--older-than", "30d") == "0 deleted"
    assert here.run("db", "prune", "--older-than", "0s") == "1 deleted"
    here.run("execution", "get", gone, code=3)
    here.run("execution", "get", kept)
    assert here.run("execution", "release", kept) == "released"
    assert here.run("db", "prune", "--older-than", "0s") == "1 deleted"
    here.kill()
    assert here.check() == 0


def test_a_backup_of_a_running_server_is_a_store_that_serves(here: Site, there: Site) -> None:
    id_ = submit(here, 50)
    there.kill()
    (there.folder / ".obelisk" / "obelisk.db").unlink()
    for left in (there.folder / ".obelisk").glob("obelisk.db-*"):
        left.unlink()
    here.run("db", "backup", str(there.folder / ".obelisk" / "obelisk.db"))
    here.run("db", "backup", str(there.folder / ".obelisk" / "obelisk.db"), code=6)
    assert there.check() == 51
    there.start()
    assert there.events(id_) == here.events(id_)


def test_a_server_killed_while_it_prunes_imports_and_forks_leaves_nothing_half_done(here: Site, there: Site) -> None:
    ids = [submit(here, 60) for _ in range(4)]
    file = here.folder / "trees.jsonl"
    there.run("execution", "list")
    here.run("execution", "export", *ids, "-o", str(file))
    for command in (
        (here, "db", "prune", "--older-than", "0s"),
        (there, "execution", "import", str(file)),
        (there, "execution", "import", str(file)),
    ):
        killed(*command)
    there.start()
    there.run("execution", "import", str(file))
    killed(there, "execution", "fork", ids[0], "--at", "30")
    there.start()
    for item in json.loads(there.run("execution", "list", "--json"))["items"]:
        assert there.run("execution", "follow", item["id"]) == '{"ok":89}'
    there.kill()
    there.check()


def killed(site: Site, *arguments: str) -> None:
    """The server dies in the middle of a command; its store is right, whatever it did."""
    if not site.processes:
        site.start()
    command = subprocess.Popen(
        [*OBELISK, *arguments], cwd=site.folder, env=site.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wal = site.folder / ".obelisk" / "obelisk.db-wal"
    size, deadline = wal.stat().st_size, time.monotonic() + DEADLINE_SECONDS
    while wal.stat().st_size == size and command.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    site.kill()
    command.wait(DEADLINE_SECONDS)
    site.check()


def test_a_backup_that_is_killed_leaves_no_file_that_looks_like_one(here: Site) -> None:
    submit(here, STEPS)
    target = here.folder / "copy.db"
    for _ in range(3):
        command = subprocess.Popen([*OBELISK, "db", "backup", str(target)], cwd=here.folder, env=here.environ)
        part = here.folder / "copy.db.part"
        while not part.exists() and command.poll() is None:
            time.sleep(0.0005)
        command.kill()
        command.wait(DEADLINE_SECONDS)
        if target.exists():
            assert here.check(str(target)) == STEPS + 1
            target.unlink()
    here.run("db", "backup", str(target))
    assert here.check(str(target)) == STEPS + 1
