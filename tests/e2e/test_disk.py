"""A real server whose disk is full or cannot be written: it says so, writes nothing by halves, and goes on after it."""

import http.client
import json
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from wasmtime import wat2wasm

from server_process import OBELISK

SLEEPER = Path(__file__).parents[2] / "components" / "sleeper" / "component.wat"
SLEEP = "testing:sleeper/sleeper.sleep"
DEADLINE_SECONDS = 60
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
routes = [{ path = "/sleep/:milliseconds" }]
params = { milliseconds = "path.milliseconds" }
"""


@dataclass
class Site:
    folder: Path
    servers: "list[subprocess.Popen[str]]" = field(default_factory=list["subprocess.Popen[str]"])
    address: str = ""
    hooks: str = ""

    @property
    def environ(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(self.folder.parent / "cache")}

    def begin(self, *prefix: str, **more: Any) -> "subprocess.Popen[str]":
        with (self.folder.parent / "log").open("w") as log:
            process = subprocess.Popen(
                [*prefix, *OBELISK, "server", "run"], cwd=self.folder, env=self.environ, text=True,
                stdout=subprocess.PIPE, stderr=log, **more,
            )  # fmt: skip
        self.servers.append(process)
        return process

    def start(self) -> "subprocess.Popen[str]":
        process = self.begin()
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("serving on http://"), self.log()
        self.address = line.split()[-1].removeprefix("http://")
        self.hooks = process.stdout.readline().split()[-1].removeprefix("http://")
        return process

    def log(self) -> str:
        return (self.folder.parent / "log").read_text()

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(self.address, timeout=DEADLINE_SECONDS)
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        found = answer.status, json.loads(answer.read())
        connection.close()
        return found

    def hook(self, path: str) -> tuple[int, str | None]:
        """The status of a webhook's answer, and when to come again."""
        connection = http.client.HTTPConnection(self.hooks, timeout=DEADLINE_SECONDS)
        connection.request("POST", path)
        answer = connection.getresponse()
        connection.close()
        return answer.status, answer.headers["Retry-After"]

    def submit(self, milliseconds: int, **more: Any) -> tuple[int, Any]:
        return self.ask("POST", "/v1/executions", {"function": SLEEP, "params": [milliseconds], **more})

    def get(self, execution_id: str) -> tuple[int, Any]:
        return self.ask("GET", f"/v1/executions/{execution_id}")

    def check(self) -> str:
        """What `obelisk db check` says of the store, which nobody has open."""
        command = [*OBELISK, "db", "check", ".obelisk/obelisk.db"]
        ended = subprocess.run(command, cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended
        return ended.stdout


def until(happened: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if seen := happened():
            return seen
        time.sleep(0.02)
    raise AssertionError("it never happened")


def fill_disk(process: "subprocess.Popen[str]") -> None:
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (FULL, resource.RLIM_INFINITY))


def make_room(process: "subprocess.Popen[str]") -> None:
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def end(process: "subprocess.Popen[str]", number: signal.Signals) -> int:
    process.send_signal(number)
    return process.wait(DEADLINE_SECONDS)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sleeper.wasm").write_bytes(wat2wasm(SLEEPER.read_text(encoding="utf-8")))
    (folder / "obelisk.toml").write_text(CONFIG, encoding="utf-8")
    site = Site(folder)
    yield site
    for process in site.servers:
        if process.poll() is None:
            end(process, signal.SIGKILL)
        assert process.stdout is not None
        process.stdout.close()


def test_on_a_full_disk_submits_are_refused_clearly_and_the_server_goes_on_when_there_is_room(site: Site) -> None:
    audited = CONFIG.replace("[webhooks]", 'audit = "audit.log"\n[webhooks]')
    (site.folder / "obelisk.toml").write_text(audited, encoding="utf-8")
    server = site.start()
    _, sleeping = site.submit(3_600_000)
    until(lambda: site.get(sleeping["id"])[1]["status"] == "blocked")
    fill_disk(server)
    status, problem = site.submit(1, id="E_01J0000000000000000000000A")
    assert (status, problem["type"]) == (503, "urn:obelisk:problem:store-unavailable")
    assert "nothing was written" in problem["detail"]
    assert site.hook("/sleep/1") == (503, "1")
    assert [site.submit(1)[0] for _ in range(3)] == [503] * 3
    assert "the audit log cannot be written; its line is here" in site.log()
    assert until(lambda: site.ask("GET", "/readyz")[0] == 503)
    assert site.get("E_01J0000000000000000000000A")[0] == 404
    assert site.get(sleeping["id"])[1]["status"] == "blocked"
    make_room(server)
    assert site.submit(1, id="E_01J0000000000000000000000A", wait=30)[1]["result"] == {"ok": None}
    lines = (site.folder / "audit.log").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["outcome"] for line in (lines[0], lines[-1])] == ["201", "200"]
    assert site.hook("/sleep/1")[0] == 202
    assert until(lambda: site.ask("GET", "/readyz")[0] == 200)
    assert site.ask("POST", f"/v1/executions/Delay_{sleeping['id'][2:]}.o:1_1/cancel", {})[0] == 200
    assert site.ask("GET", f"/v1/executions/{sleeping['id']}/result?wait=30s")[1]["result"] == {"err": None}
    assert end(server, signal.SIGTERM) == 0
    assert "3 executions" in site.check()


def test_a_server_that_is_killed_on_a_full_disk_leaves_all_that_was_acknowledged_and_nothing_else(site: Site) -> None:
    server = site.start()
    ended = [site.submit(1, wait=30)[1]["id"] for _ in range(3)]
    fill_disk(server)
    assert site.submit(1)[0] == 503
    end(server, signal.SIGKILL)
    assert "3 executions" in site.check()
    server = site.start()
    assert [site.get(id_)[1]["status"] for id_ in ended] == ["finished"] * 3
    assert site.submit(1, wait=30)[1]["result"] == {"ok": None}
    assert end(server, signal.SIGTERM) == 0


def test_a_server_stops_cleanly_on_a_full_disk(site: Site) -> None:
    server = site.start()
    site.submit(3_600_000)
    fill_disk(server)
    assert end(server, signal.SIGTERM) == 0
    assert "1 executions" in site.check()


def test_a_server_does_not_start_on_a_full_disk_and_does_when_there_is_room(site: Site) -> None:
    site.start()
    end(site.servers[0], signal.SIGTERM)
    shutil.rmtree(site.folder / ".obelisk")
    server = site.begin(preexec_fn=_nearly_full)
    assert server.wait(DEADLINE_SECONDS) != 0
    assert "obelisk.db" in site.log()
    assert "Traceback" not in site.log()
    site.start()
    assert site.submit(1, wait=30)[1]["result"] == {"ok": None}


def _nearly_full() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (FULL, resource.RLIM_INFINITY))


def test_a_store_that_cannot_be_written_is_refused_at_the_start_and_left_as_it_was(site: Site) -> None:
    site.start()
    site.submit(1, wait=30)
    end(site.servers[0], signal.SIGTERM)
    before = contents(site.folder)
    server = site.begin(*_read_only(site.folder))
    assert server.wait(DEADLINE_SECONDS) != 0
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
