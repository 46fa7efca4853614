"""Code that changes under running executions, and deaths in the middle of control: black-box, through the CLI."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from wasmtime import wat2wasm

from server_process import OBELISK

COMPONENTS = Path(__file__).parents[2] / "components"
CRASHING = [sys.executable, str(Path(__file__).with_name("crashing_server.py")), "obelisk.toml", "notes"]
DEADLINE_SECONDS = 60
SLEEP = "testing:sleeper/sleeper.sleep"
RESULT = "(i32.load8_u (i32.const 0))))"
SLEEPS_TWICE = (
    RESULT,
    """(call $sleep (i32.const 2) (i64.const 0) (i64.const 1)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 1)))""",
)
"""Compatible: one more sleep, and then err."""
SLEEPS_SECONDS = ("(i64.const 0 (; milliseconds ;))", "(i64.const 1 (; seconds ;))")
"""Incompatible: asks for another delay."""
CONFIG = """
[server]
listen = "127.0.0.1:0"
[limits]
shutdown = "0s"
[[workflow]]
name = "sleeper"
location = "sleeper.wasm"
"""


@dataclass
class Site:
    """A folder with obelisk.toml and a store; the command `obelisk` runs there."""

    folder: Path
    servers: "list[subprocess.Popen[str]]" = field(default_factory=list["subprocess.Popen[str]"])
    url: str = "http://127.0.0.1:1"

    @property
    def environ(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(self.folder), "OBELISK_SERVER": self.url}

    def deploy(self, *changes: tuple[str, str], name: str = "sleeper") -> None:
        """Put another version of a component where obelisk.toml expects it."""
        text = (COMPONENTS / name / "component.wat").read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (self.folder / f"{name}.wasm").write_bytes(wat2wasm(text))

    def configure(self, text: str) -> None:
        (self.folder / "obelisk.toml").write_text(text, encoding="utf-8")

    def start(self, *crash: str) -> "subprocess.Popen[str]":
        """`crash`: at which commit the server kills itself, and before or after it."""
        with (self.folder / "server.log").open("a") as log:
            process = subprocess.Popen(
                [*CRASHING, *crash] if crash else [*OBELISK, "server", "run"],
                cwd=self.folder,
                env=self.environ,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.servers.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("serving on "), self.log()
        self.url = line.split()[-1]
        return process

    def log(self) -> str:
        return (self.folder / "server.log").read_text()

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [*OBELISK, *arguments]
        return subprocess.run(command, cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False)

    def json(self, *arguments: str, code: int = 0) -> Any:
        ended = self.run(*arguments, "--json")
        assert ended.returncode == code, ended
        return json.loads(ended.stdout)

    def submit(self, milliseconds: int, function: str = SLEEP) -> str:
        return self.json("execution", "submit", function, f"[{milliseconds}]")["id"]

    def get(self, execution_id: str) -> Any:
        return self.json("execution", "get", execution_id)

    def events(self, execution_id: str) -> list[Any]:
        ended = self.run("execution", "events", execution_id, "--json")
        return [json.loads(line) for line in ended.stdout.splitlines()]

    def asleep(self, execution_id: str) -> bool:
        return self.get(execution_id)["status"] == "blocked"

    def wake(self, execution_id: str) -> None:
        assert self.run("execution", "cancel", f"Delay_{execution_id[2:]}.o:1_1").returncode == 0


def until(happened: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        seen = happened()
        if seen:
            return seen
        time.sleep(0.02)
    raise AssertionError("it never happened")


def end(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    process.send_signal(number)
    process.wait(DEADLINE_SECONDS)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    site.configure(CONFIG)
    site.deploy()
    yield site
    for process in site.servers:
        if process.poll() is None:
            end(process, signal.SIGKILL)
        assert process.stdout is not None
        process.stdout.close()


# Scenario 8


def test_a_sleeping_workflow_is_upgraded_by_replay_and_finishes_on_the_new_code(site: Site) -> None:
    site.start()
    id_ = site.submit(3_600_000)
    until(lambda: site.asleep(id_))
    old = site.get(id_)["digest"]
    site.deploy(SLEEPS_TWICE)
    assert site.json("server", "reload")["changed"] == ["sleeper"]
    assert site.get(id_)["digest"] == old
    upgraded = site.json("execution", "upgrade", id_)
    assert upgraded["outcome"] == "upgraded"
    assert upgraded["digest"] != old
    assert site.get(id_)["digest"] == upgraded["digest"]
    assert "upgraded" in [event["event"] for event in site.events(id_)]
    site.wake(id_)
    until(lambda: site.get(id_)["status"] == "finished")
    assert site.get(id_)["result"] == {"err": None}
    assert [event["event"] for event in site.events(id_)].count("delay-submitted") == 2


def test_an_incompatible_change_leaves_it_on_its_digest_listed_with_the_first_difference_and_it_finishes_there(
    site: Site,
) -> None:
    site.start()
    id_ = site.submit(3_600_000)
    until(lambda: site.asleep(id_))
    old = site.get(id_)["digest"]
    site.deploy(SLEEPS_SECONDS)
    assert site.run("server", "reload").returncode == 0
    ended = site.run("component", "upgrade", "sleeper", "--json")
    assert ended.returncode == 4
    (item,) = map(json.loads, ended.stdout.splitlines())
    assert (item["id"], item["outcome"], item["digest"]) == (id_, "stays", old)
    assert item["difference"]["version"] == 2
    assert "asked=3600000000," in item["difference"]["recorded"]
    assert "asked=3600000000000," in item["difference"]["asked"]
    assert item["difference"]["position"]
    site.wake(id_)
    until(lambda: site.get(id_)["status"] == "finished")
    assert site.get(id_)["digest"] == old


def test_a_replay_on_a_file_prints_a_diff_and_writes_nothing(site: Site) -> None:
    site.start()
    id_ = site.submit(3_600_000)
    until(lambda: site.asleep(id_))
    before = site.events(id_)
    assert site.run("execution", "replay", id_).stdout.startswith("matches: 1 entries, sha256:")
    site.deploy(SLEEPS_SECONDS)
    ended = site.run("execution", "replay", id_, "--component", "sleeper.wasm")
    assert ended.returncode == 4
    assert "version   2" in ended.stdout
    assert "- recorded  delay-submitted(" in ended.stdout
    assert "+ asked     delay-submitted(" in ended.stdout
    assert "at        " in ended.stdout
    assert site.events(id_) == before


def test_a_workflow_whose_component_is_gone_from_the_configuration_finishes_after_a_restart(site: Site) -> None:
    server = site.start()
    id_ = site.submit(3_600_000)
    until(lambda: site.asleep(id_))
    end(server, signal.SIGKILL)
    site.configure(CONFIG.partition("[[workflow]]")[0])
    site.start()
    site.wake(id_)
    until(lambda: site.get(id_)["status"] == "finished")
    assert site.get(id_)["result"] == {"err": None}
    refused = site.run("execution", "submit", SLEEP, "[1]")
    assert refused.returncode != 0


# Reload


def test_a_reload_takes_new_components_without_a_restart_and_loses_and_pauses_nothing(site: Site) -> None:
    process = site.start()
    ids = [site.submit(milliseconds) for milliseconds in (1_500, 3_600_000)]
    site.deploy(name="fibo_tiny")
    site.configure(CONFIG + '[[activity]]\nname = "fibo"\nlocation = "fibo_tiny.wasm"\n')
    reloaded = site.json("server", "reload")
    assert reloaded == {"components": 2, "functions": 3, "changed": ["fibo"], "restart_needed": []}
    fibo = site.json("execution", "submit", "fibo", "[10]", "--follow")
    assert fibo["result"] == {"ok": 89}
    until(lambda: site.get(ids[0])["status"] == "finished")
    assert site.get(ids[0])["result"] == {"ok": None}
    assert site.asleep(ids[1])
    assert "paused" not in [event["event"] for id_ in ids for event in site.events(id_)]
    assert process.poll() is None


def test_a_broken_reload_leaves_the_old_serving_and_says_why(site: Site) -> None:
    site.start()
    site.configure(CONFIG + "[nonsense]\n")
    ended = site.run("server", "reload")
    assert ended.returncode == 8
    assert "nonsense" in ended.stderr
    site.configure(CONFIG)
    (site.folder / "sleeper.wasm").write_bytes(b"no component")
    ended = site.run("server", "reload")
    assert ended.returncode == 8
    assert "sleeper" in ended.stderr
    id_ = site.submit(1)
    until(lambda: site.get(id_)["status"] == "finished")


def test_settings_that_need_a_restart_are_told_and_the_others_taken(site: Site) -> None:
    site.start()
    site.configure(CONFIG.replace(":0", ":1").replace('shutdown = "0s"', 'shutdown = "1s"\nworker_threads = 7'))
    reloaded = site.json("server", "reload")
    assert reloaded["restart_needed"] == ["[server] listen", "[limits] worker_threads"]
    assert site.get(site.submit(1))


def test_sighup_reloads(site: Site) -> None:
    process = site.start()
    id_ = site.submit(3_600_000)
    until(lambda: site.asleep(id_))
    site.deploy(SLEEPS_TWICE)
    process.send_signal(signal.SIGHUP)
    until(lambda: "reloaded" in site.log())
    assert site.json("execution", "upgrade", id_)["outcome"] == "upgraded"
    (site.folder / "sleeper.wasm").write_bytes(b"no component")
    process.send_signal(signal.SIGHUP)
    until(lambda: "nothing was reloaded" in site.log())
    assert process.poll() is None
    assert site.asleep(id_)


# Crashes


def killed_during(site: Site, where: str, *command: str) -> None:
    """Give the command to servers that die at a later and later commit, until one outlives it."""
    deaths = 0
    for commits in range(4, 20):
        process = site.start(str(commits), where)
        try:
            site.run(*command)
        finally:
            died = process.poll() is not None
            end(process, signal.SIGKILL)
        if not died:
            break
        deaths += 1
    assert deaths, "it was never killed at a commit"
    site.start()


@pytest.mark.parametrize("where", ["before", "after"])
def test_killed_during_a_cancel_it_is_cancelled_once_and_nothing_stays_open(site: Site, where: str) -> None:
    process = site.start()
    id_ = site.submit(3_600_000, SLEEP + "-cancellable")
    until(lambda: site.asleep(id_))
    end(process, signal.SIGKILL)
    killed_during(site, where, "execution", "cancel", id_)
    site.run("execution", "cancel", id_)
    until(lambda: site.get(id_)["status"] == "finished")
    assert site.get(id_)["result"]["failure"]["kind"] == "cancelled"
    names = [event["event"] for event in site.events(id_)]
    assert (names.count("cancel-requested"), names.count("finished")) == (1, 1)
    responses = site.run("execution", "responses", id_, "--json").stdout.splitlines()
    assert [json.loads(line)["response"] for line in responses] == ["delay-cancelled"]


@pytest.mark.parametrize("where", ["before", "after"])
def test_killed_during_a_pause_it_is_paused_or_not_and_finishes_either_way(site: Site, where: str) -> None:
    process = site.start()
    id_ = site.submit(3_600_000)
    until(lambda: site.asleep(id_))
    end(process, signal.SIGKILL)
    killed_during(site, where, "execution", "pause", id_)
    names = [event["event"] for event in site.events(id_)]
    assert names.count("paused") <= 1
    assert ("paused" in names) == (site.get(id_)["lifecycle"] == "paused")
    site.run("execution", "resume", id_)
    site.wake(id_)
    until(lambda: site.get(id_)["status"] == "finished")
    assert site.get(id_)["result"] == {"err": None}


@pytest.mark.parametrize("where", ["before", "after"])
def test_killed_during_an_upgrade_it_is_upgraded_or_not_and_finishes_either_way(site: Site, where: str) -> None:
    process = site.start()
    id_ = site.submit(3_600_000)
    until(lambda: site.asleep(id_))
    old = site.get(id_)["digest"]
    end(process, signal.SIGKILL)
    site.deploy(SLEEPS_TWICE)
    killed_during(site, where, "execution", "upgrade", id_)
    found = site.get(id_)
    names = [event["event"] for event in site.events(id_)]
    assert names.count("upgraded") <= 1
    assert ("upgraded" in names) == (found["digest"] != old)
    assert found["lifecycle"] == "active"
    site.json("execution", "upgrade", id_)
    until(lambda: site.asleep(id_))
    site.wake(id_)
    until(lambda: site.get(id_)["status"] == "finished")
    assert site.get(id_)["result"] == {"err": None}


def test_killed_during_a_reload_it_has_the_old_component_or_the_new_one_and_loses_nothing(site: Site) -> None:
    process = site.start()
    id_ = site.submit(3_600_000)
    until(lambda: site.asleep(id_))
    old = site.get(id_)["digest"]
    end(process, signal.SIGKILL)
    deaths = 0
    for number, where in enumerate(("before", "after")):
        site.deploy()
        process = site.start("4", where)
        site.deploy((RESULT, f"(i32.const {number}) drop {RESULT}"))
        site.run("server", "reload")
        deaths += process.poll() is not None
        end(process, signal.SIGKILL)
    assert deaths, "it was never killed at a commit"
    site.start()
    assert (site.get(id_)["digest"], site.get(id_)["lifecycle"]) == (old, "active")
    new = site.submit(3_600_000)
    until(lambda: site.asleep(new))
    assert site.get(new)["digest"] != old
    for sleeping in (id_, new):
        site.wake(sleeping)
        until(lambda sleeping=sleeping: site.get(sleeping)["status"] == "finished")
        assert site.get(sleeping)["result"] == {"err": None}
