"""Forks, exports, retention and backups through the command line, against real servers that are killed."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from obelisk_runtime.storage.sqlite.schema import MIGRATIONS
from server_process import ASK_SECONDS, OBELISK, ServerProcess

FIBOA = "testing:fibo-workflow/workflow.fiboa"
STEPS = 500


class Site(ServerProcess):
    def lines(self, execution_id: str) -> list[str]:
        """Of its events."""
        return self.said("execution", "events", execution_id, "--json").splitlines()

    def check(self, file: str = ".obelisk/obelisk.db") -> int:
        return self.json("db", "check", file)["executions"]


def site(folder: Path) -> Site:
    folder.mkdir()
    site = Site(folder)
    site.put_tiny()
    return site


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
    id_ = site.said("execution", "submit", FIBOA, f"[10, {steps}]")
    assert site.said("execution", "follow", id_) == '{"ok":89}'
    return id_


def test_a_fork_of_a_long_run_reuses_half_of_it_and_leaves_the_original_alone(here: Site) -> None:
    origin = submit(here, STEPS)
    before = here.lines(origin)
    version = 2 + STEPS // 2
    forked = here.said("execution", "fork", origin, "--at", str(version))
    assert here.said("execution", "follow", forked) == '{"ok":89}'
    children = json.loads(here.said("execution", "list", "--parent", forked, "--limit", "1000", "--json"))["items"]
    assert len(children) == STEPS - STEPS // 2
    assert here.lines(origin) == before
    assert here.lines(forked)[1:version] == before[1:version]
    here.said("execution", "fork", origin, "--at", "100000", code=4)
    here.kill()
    assert here.check() == 2 + STEPS + STEPS - STEPS // 2


def test_an_export_of_one_server_is_imported_by_another_with_the_same_history(here: Site, there: Site) -> None:
    done = submit(here, 20)
    asleep = here.said("execution", "submit", "testing:sleeper/sleeper.sleep", "[600000]")
    while '"delay-submitted"' not in "".join(here.lines(asleep)):
        time.sleep(0.02)
    file = here.folder / "trees.jsonl"
    here.said("execution", "export", done, asleep, "-o", str(file))
    assert there.said("execution", "import", str(file)).splitlines() == [f"{done}  imported", f"{asleep}  imported"]
    assert there.said("execution", "import", str(file)).splitlines() == [f"{done}  existed", f"{asleep}  existed"]
    assert there.lines(done) == here.lines(done)
    assert there.said("execution", "replay", done).startswith("matches")
    assert json.loads(there.said("execution", "get", asleep, "--json"))["lifecycle"] == "paused"
    file.write_text(file.read_text().replace("[10,20]", "[10,21]"))
    there.said("execution", "import", str(file), code=4)
    there.kill()
    assert there.check() == 22


def test_pruning_deletes_what_is_old_and_not_held(here: Site) -> None:
    gone, kept = submit(here, 5), submit(here, 5)
    assert here.said("execution", "hold", kept) == "held"
    assert here.said("execution", "hold", kept) == "already held"
    assert here.said("db", "prune", "--older-than", "30d") == "0 deleted"
    assert here.said("db", "prune", "--older-than", "0s") == "1 deleted"
    here.said("execution", "get", gone, code=3)
    here.said("execution", "get", kept)
    assert here.said("execution", "release", kept) == "released"
    assert here.said("db", "prune", "--older-than", "0s") == "1 deleted"
    here.kill()
    assert here.check() == 0


def test_a_backup_of_a_running_server_is_a_store_that_serves(here: Site, there: Site) -> None:
    id_ = submit(here, 50)
    there.kill()
    (there.folder / ".obelisk" / "obelisk.db").unlink()
    for left in (there.folder / ".obelisk").glob("obelisk.db-*"):
        left.unlink()
    here.said("db", "backup", str(there.folder / ".obelisk" / "obelisk.db"))
    here.said("db", "backup", str(there.folder / ".obelisk" / "obelisk.db"), code=6)
    assert there.check() == 51
    there.start()
    assert there.lines(id_) == here.lines(id_)


def test_a_server_killed_while_it_prunes_imports_and_forks_leaves_nothing_half_done(here: Site, there: Site) -> None:
    ids = [submit(here, 60) for _ in range(4)]
    file = here.folder / "trees.jsonl"
    there.said("execution", "list")
    here.said("execution", "export", *ids, "-o", str(file))
    for command in (
        (here, "db", "prune", "--older-than", "0s"),
        (there, "execution", "import", str(file)),
        (there, "execution", "import", str(file)),
    ):
        killed(*command)
    there.start()
    there.said("execution", "import", str(file))
    killed(there, "execution", "fork", ids[0], "--at", "30")
    there.start()
    for item in json.loads(there.said("execution", "list", "--json"))["items"]:
        assert there.said("execution", "follow", item["id"]) == '{"ok":89}'
    there.kill()
    there.check()


def killed(site: Site, *arguments: str) -> None:
    """The server dies in the middle of a command; its store is right, whatever it did."""
    if not site.running:
        site.start()
    command = subprocess.Popen(
        [*OBELISK, *arguments], cwd=site.folder, env=site.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wal = site.folder / ".obelisk" / "obelisk.db-wal"
    size, deadline = wal.stat().st_size, time.monotonic() + ASK_SECONDS
    while wal.stat().st_size == size and command.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    site.kill()
    command.wait(ASK_SECONDS)
    site.check()


def test_a_store_is_migrated_by_hand_while_no_server_runs_on_it(here: Site) -> None:
    submit(here, 2)
    here.said("db", "migrate", code=6)
    here.kill()
    schema = len(MIGRATIONS)
    assert here.said("db", "migrate") == f"schema {schema} already; nothing to do"
    assert json.loads(here.said("db", "migrate", "--json")) == {"before": schema, "after": schema, "copy": None}
    assert here.check() == 3


def test_a_backup_that_is_killed_leaves_no_file_that_looks_like_one(here: Site) -> None:
    submit(here, STEPS)
    target = here.folder / "copy.db"
    for _ in range(3):
        command = subprocess.Popen([*OBELISK, "db", "backup", str(target)], cwd=here.folder, env=here.environ)
        part = here.folder / "copy.db.part"
        while not part.exists() and command.poll() is None:
            time.sleep(0.0005)
        command.kill()
        command.wait(ASK_SECONDS)
        if target.exists():
            assert here.check(str(target)) == STEPS + 1
            target.unlink()
    here.said("db", "backup", str(target))
    assert here.check(str(target)) == STEPS + 1
