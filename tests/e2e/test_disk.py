"""A real server whose disk is full or cannot be written: it says so, writes nothing by halves, and goes on after it."""

import http.client
import json
import resource
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from server_process import ASK_SECONDS, OBELISK, ServerProcess, eventually

SLEEP = "testing:sleeper/sleeper.sleep"
FULL = 512
"""Bytes that a file may have: nothing can be appended to what is larger."""
CONFIG = """
[server]
listen = "127.0.0.1:0"
[webhooks]
listen = "127.0.0.1:0"
[limits]
shutdown = "0s"
heartbeat = "100ms"
[[workflow]]
name = "sleeper"
location = "sleeper.wasm"
[[webhook]]
name = "hook"
function = "testing:sleeper/sleeper.sleep"
routes = [{{ path = "/sleep/:milliseconds" }}]
params = {{ milliseconds = "path.milliseconds" }}
"""


@dataclass
class Site(ServerProcess):
    hooks: str = ""

    def start(self, *command: str) -> None:
        super().start(*command)
        assert self.process is not None
        assert self.process.stdout is not None
        self.hooks = self.process.stdout.readline().split()[-1].removeprefix("http://")

    def hook(self, path: str) -> tuple[int, str | None]:
        """The status of a webhook's answer, and when to come again."""
        connection = http.client.HTTPConnection(self.hooks, timeout=ASK_SECONDS)
        connection.request("POST", path)
        answer = connection.getresponse()
        connection.close()
        return answer.status, answer.headers["Retry-After"]

    def try_submit(self, milliseconds: int, **more: Any) -> tuple[int, Any]:
        return self.request("POST", "/v1/executions", {"function": SLEEP, "params": [milliseconds], **more})

    def status(self, path: str) -> int:
        return self.request("GET", path)[0]

    def fill_disk(self) -> None:
        self._limit_files(FULL)

    def make_room(self) -> None:
        self._limit_files(resource.RLIM_INFINITY)

    def _limit_files(self, size: int) -> None:
        assert self.process is not None
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def check(self) -> str:
        """What `obelisk db check` says of the store, which nobody has open."""
        return self.said("db", "check", ".obelisk/obelisk.db")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path / "site")
    site.folder.mkdir()
    site.configure(CONFIG)
    site.put("sleeper")
    yield site
    site.kill()


def test_on_a_full_disk_submits_are_refused_clearly_and_the_server_goes_on_when_there_is_room(site: Site) -> None:
    site.configure(CONFIG.replace("[webhooks]", 'audit = "audit.log"\n[webhooks]'))
    site.start()
    sleeping = site.submit(SLEEP, 3_600_000)
    site.until(sleeping, status="blocked")
    site.fill_disk()
    status, problem = site.try_submit(1, id="E_01J0000000000000000000000A")
    assert (status, problem["type"]) == (503, "urn:obelisk:problem:store-unavailable")
    assert "nothing was written" in problem["detail"]
    assert site.hook("/sleep/1") == (503, "1")
    assert [site.try_submit(1)[0] for _ in range(3)] == [503] * 3
    assert "the audit log cannot be written; its line is here" in site.log()
    assert eventually(lambda: site.status("/readyz") == 503)
    assert site.status("/v1/executions/E_01J0000000000000000000000A") == 404
    assert site.get(sleeping)["status"] == "blocked"
    site.make_room()
    assert site.result(site.submit(SLEEP, 1, id="E_01J0000000000000000000000A", wait=30)) == {"ok": None}
    lines = (site.folder / "audit.log").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["outcome"] for line in (lines[0], lines[-1])] == ["201", "200"]
    assert site.hook("/sleep/1")[0] == 202
    assert eventually(lambda: site.status("/readyz") == 200)
    site.ask("POST", f"/v1/executions/Delay_{sleeping[2:]}.o:1_1/cancel", {})
    assert site.result(sleeping) == {"err": None}
    assert site.end() == 0
    assert "3 executions" in site.check()


def test_a_server_that_is_killed_on_a_full_disk_leaves_all_that_was_acknowledged_and_nothing_else(site: Site) -> None:
    site.start()
    ended = [site.submit(SLEEP, 1, wait=30) for _ in range(3)]
    site.fill_disk()
    assert site.try_submit(1)[0] == 503
    site.kill()
    assert "3 executions" in site.check()
    site.start()
    assert [site.get(id_)["status"] for id_ in ended] == ["finished"] * 3
    assert site.result(site.submit(SLEEP, 1)) == {"ok": None}
    assert site.end() == 0


def test_a_server_stops_cleanly_on_a_full_disk(site: Site) -> None:
    site.start()
    site.submit(SLEEP, 3_600_000)
    site.fill_disk()
    assert site.end() == 0
    assert "1 executions" in site.check()


def test_a_server_does_not_start_on_a_full_disk_and_does_when_there_is_room(site: Site) -> None:
    site.start()
    site.end()
    shutil.rmtree(site.folder / ".obelisk")
    site.begin(preexec_fn=_nearly_full)
    assert site.wait() != 0
    assert "obelisk.db" in site.log()
    assert "Traceback" not in site.log()
    site.start()
    assert site.result(site.submit(SLEEP, 1)) == {"ok": None}


def _nearly_full() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (FULL, resource.RLIM_INFINITY))


def test_a_store_that_cannot_be_written_is_refused_at_the_start_and_left_as_it_was(site: Site) -> None:
    site.start()
    site.submit(SLEEP, 1, wait=30)
    site.end()
    before = contents(site.folder)
    site.begin(*_read_only(site.folder), *OBELISK, "server", "run")
    assert site.wait() != 0
    assert "cannot open" in site.log()
    assert "obelisk.db" in site.log()
    assert "Traceback" not in site.log()
    assert contents(site.folder) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _read_only(folder: Path) -> list[str]:
    """A command that runs another one which cannot write this folder, not even as the superuser."""
    script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && cd "$0" && exec "$@"'
    prefix = ["unshare", "--mount", "--map-root-user", "sh", "-c", script, str(folder)]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespaces here")
    return prefix
