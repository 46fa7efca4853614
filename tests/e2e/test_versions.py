"""Code that changes under running executions, and deaths in the middle of control: black-box, through the CLI."""

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from server_process import SOAK, ServerProcess, eventually

CRASHING = [sys.executable, str(Path(__file__).with_name("crashing_server.py")), "obelisk.toml", "notes"]
SLEEP = "testing:sleeper/sleeper.sleep"
UNREACHABLE = 5
"""The exit code of a command whose server is gone."""
TURNS = (0, 1) if SOAK else (0,)
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


class Site(ServerProcess):
    def sleeping(self, function: str = SLEEP) -> str:
        """The id of an execution that is asleep."""
        id_ = self.submit(function, 3_600_000)
        self.until(id_, status="blocked")
        return id_

    def wake(self, execution_id: str) -> None:
        self.ask("POST", f"/v1/executions/Delay_{execution_id[2:]}.o:1_1/cancel", {})

    def names(self, execution_id: str) -> list[str]:
        """Of its events."""
        return [event["event"] for event in self.events(execution_id)]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    site.configure(CONFIG)
    site.put("sleeper")
    yield site
    site.kill()


# Scenario 8


def test_a_sleeping_workflow_is_upgraded_by_replay_and_finishes_on_the_new_code(site: Site) -> None:
    site.start()
    id_ = site.sleeping()
    old = site.get(id_)["digest"]
    site.put("sleeper", SLEEPS_TWICE)
    assert site.json("server", "reload")["changed"] == ["sleeper"]
    assert site.get(id_)["digest"] == old
    upgraded = site.json("execution", "upgrade", id_)
    assert upgraded["outcome"] == "upgraded"
    assert upgraded["digest"] != old
    assert site.get(id_)["digest"] == upgraded["digest"]
    assert "upgraded" in site.names(id_)
    site.wake(id_)
    assert site.result(id_) == {"err": None}
    assert site.names(id_).count("delay-submitted") == 2


def test_an_incompatible_change_leaves_it_on_its_digest_listed_with_the_first_difference_and_it_finishes_there(
    site: Site,
) -> None:
    site.start()
    id_ = site.sleeping()
    old = site.get(id_)["digest"]
    site.put("sleeper", SLEEPS_SECONDS)
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
    site.result(id_)
    assert site.get(id_)["digest"] == old


def test_a_replay_on_a_file_prints_a_diff_and_writes_nothing(site: Site) -> None:
    site.start()
    id_ = site.sleeping()
    before = site.events(id_)
    assert site.run("execution", "replay", id_).stdout.startswith("matches: 1 entries, sha256:")
    site.put("sleeper", SLEEPS_SECONDS)
    ended = site.run("execution", "replay", id_, "--component", "sleeper.wasm")
    assert ended.returncode == 4
    assert "version   2" in ended.stdout
    assert "- recorded  delay-submitted(" in ended.stdout
    assert "+ asked     delay-submitted(" in ended.stdout
    assert "at        " in ended.stdout
    assert site.events(id_) == before


def test_many_histories_are_replayed_on_a_file_before_it_is_deployed(site: Site) -> None:
    site.start()
    ids = {site.sleeping() for _ in range(12)}
    chosen = ("execution", "bulk", "replay", "--function", "sleep", "--status", "blocked")
    same = site.run(*chosen)
    assert (same.returncode, same.stdout) == (0, "")
    assert same.stderr.splitlines() == ["replaying", "replaying, 10 of 12 done", "12 match, 0 differ"]
    site.put("sleeper", SLEEPS_SECONDS)
    differ = site.run(*chosen, "--component", "sleeper.wasm", "--json")
    assert differ.returncode == 4
    answers = [json.loads(line) for line in differ.stdout.splitlines()]
    assert {answer["id"] for answer in answers} == ids
    assert {answer["difference"]["version"] for answer in answers} == {2}
    listed = site.run(*chosen, "--component", "sleeper.wasm")
    assert listed.returncode == 4
    assert listed.stdout.count("- recorded  delay-submitted(") == len(ids)
    assert listed.stderr.endswith("0 match, 12 differ\n")
    assert site.run("execution", "bulk", "replay").returncode == 2


def test_a_workflow_whose_component_is_gone_from_the_configuration_finishes_after_a_restart(site: Site) -> None:
    site.start()
    id_ = site.sleeping()
    site.kill()
    site.configure(CONFIG.partition("[[workflow]]")[0])
    site.start()
    site.wake(id_)
    assert site.result(id_) == {"err": None}
    refused = site.run("execution", "submit", SLEEP, "[1]")
    assert refused.returncode != 0


# Reload


def test_a_reload_takes_new_components_without_a_restart_and_loses_and_pauses_nothing(site: Site) -> None:
    site.start()
    ids = [site.submit(SLEEP, milliseconds) for milliseconds in (1_500, 3_600_000)]
    site.put("fibo_tiny")
    site.configure(CONFIG + '[[activity]]\nname = "fibo"\nlocation = "fibo_tiny.wasm"\n')
    reloaded = site.json("server", "reload")
    assert reloaded == {"components": 2, "functions": 3, "changed": ["fibo"], "restart_needed": []}
    fibo = site.json("execution", "submit", "fibo", "[10]", "--follow")
    assert fibo["result"] == {"ok": 89}
    assert site.result(ids[0]) == {"ok": None}
    assert site.get(ids[1])["status"] == "blocked"
    assert "paused" not in site.names(ids[0]) + site.names(ids[1])
    assert site.running


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
    id_ = site.submit(SLEEP, 1)
    site.result(id_)


def test_settings_that_need_a_restart_are_told_and_the_others_taken(site: Site) -> None:
    site.start()
    site.configure(CONFIG.replace(":0", ":1").replace('shutdown = "0s"', 'shutdown = "1s"\nworker_threads = 7'))
    reloaded = site.json("server", "reload")
    assert reloaded["restart_needed"] == ["[server] listen", "[limits] worker_threads"]
    assert site.get(site.submit(SLEEP, 1))


def test_sighup_reloads(site: Site) -> None:
    site.start()
    id_ = site.sleeping()
    site.put("sleeper", SLEEPS_TWICE)
    site.send(signal.SIGHUP)
    eventually(lambda: "reloaded" in site.log())
    assert site.json("execution", "upgrade", id_)["outcome"] == "upgraded"
    (site.folder / "sleeper.wasm").write_bytes(b"no component")
    site.send(signal.SIGHUP)
    eventually(lambda: "nothing was reloaded" in site.log())
    assert site.running
    assert site.get(id_)["status"] == "blocked"


# Crashes


def killed_during(site: Site, first: int, *command: str) -> None:
    """Give the command to servers that die at a later and later commit, until one outlives it.

    In turn before and after the commit; `first` is with which of these it begins.
    """
    deaths = 0
    for commits in range(4, 20):
        site.start(*CRASHING, str(commits), ("before", "after")[(commits + first) % 2])
        lost = site.run(*command).returncode == UNREACHABLE
        died = lost or not site.running
        site.kill()
        if not died:
            break
        deaths += 1
    assert deaths, "it was never killed at a commit"
    site.start()


@pytest.mark.parametrize("first", TURNS)
def test_killed_during_a_cancel_it_is_cancelled_once_and_nothing_stays_open(site: Site, first: int) -> None:
    site.start()
    id_ = site.sleeping(SLEEP + "-cancellable")
    site.kill()
    killed_during(site, first, "execution", "cancel", id_)
    site.run("execution", "cancel", id_)
    assert site.result(id_)["failure"]["kind"] == "cancelled"
    names = site.names(id_)
    assert (names.count("cancel-requested"), names.count("finished")) == (1, 1)
    responses = site.run("execution", "responses", id_, "--json").stdout.splitlines()
    assert [json.loads(line)["response"] for line in responses] == ["delay-cancelled"]


@pytest.mark.parametrize("first", TURNS)
def test_killed_during_a_pause_it_is_paused_or_not_and_finishes_either_way(site: Site, first: int) -> None:
    site.start()
    id_ = site.sleeping()
    site.kill()
    killed_during(site, first, "execution", "pause", id_)
    names = site.names(id_)
    assert names.count("paused") <= 1
    assert ("paused" in names) == (site.get(id_)["lifecycle"] == "paused")
    site.run("execution", "resume", id_)
    site.wake(id_)
    assert site.result(id_) == {"err": None}


@pytest.mark.parametrize("first", TURNS)
def test_killed_during_an_upgrade_it_is_upgraded_or_not_and_finishes_either_way(site: Site, first: int) -> None:
    site.start()
    id_ = site.sleeping()
    old = site.get(id_)["digest"]
    site.kill()
    site.put("sleeper", SLEEPS_TWICE)
    killed_during(site, first, "execution", "upgrade", id_)
    found = site.get(id_)
    names = site.names(id_)
    assert names.count("upgraded") <= 1
    assert ("upgraded" in names) == (found["digest"] != old)
    assert found["lifecycle"] == "active"
    site.json("execution", "upgrade", id_)
    eventually(lambda: site.get(id_)["status"] == "blocked")
    site.wake(id_)
    assert site.result(id_) == {"err": None}


def test_killed_during_a_reload_it_has_the_old_component_or_the_new_one_and_loses_nothing(site: Site) -> None:
    site.start()
    id_ = site.sleeping()
    old = site.get(id_)["digest"]
    site.kill()
    deaths = 0
    for number, where in enumerate(("before", "after")):
        site.put("sleeper")
        site.start(*CRASHING, "4", where)
        site.put("sleeper", (RESULT, f"(i32.const {number}) drop {RESULT}"))
        site.run("server", "reload")
        deaths += not site.running
        site.kill()
    assert deaths, "it was never killed at a commit"
    site.start()
    assert (site.get(id_)["digest"], site.get(id_)["lifecycle"]) == (old, "active")
    new = site.sleeping()
    assert site.get(new)["digest"] != old
    for sleeping in (id_, new):
        site.wake(sleeping)
        assert site.result(sleeping) == {"err": None}
