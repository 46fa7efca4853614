"""A server in a process of its own, on a folder with obelisk.toml, that tests kill and start again; and commands."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from wasmtime import wat2wasm

from obelisk_server.sources import cache_folder

REPOSITORY = Path(__file__).resolve().parents[1]
COMPONENTS = REPOSITORY / "build" / "components"
OBELISK = [sys.executable, "-c", "from obelisk_server.cli import main; main()"]
NOBODY = "http://127.0.0.1:1"
ASK_SECONDS = 240
"""After this long something is wrong, also on a machine that does much else."""
WAIT_SECONDS = 120
"""How long the server is asked to wait for a result."""
SOAK = bool(os.environ.get("SOAK"))
"""Servers are killed at twice as many commits: `make soak`."""
T = TypeVar("T")
TINY = """
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


def build(*components: str) -> None:
    """From source, unless they are there."""
    command = [sys.executable, "components/build.py", *components]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)


def eventually(happened: Callable[[], T]) -> T:
    """The first answer that is true."""
    deadline = time.monotonic() + ASK_SECONDS
    while time.monotonic() < deadline:
        if seen := happened():
            return seen
        time.sleep(0.01)
    raise AssertionError("it never happened")


@dataclass
class ServerProcess:
    """The server, a client of its API, and commands in its folder; `url` changes with each start, unless obelisk.toml
    has a port. Programs get no other environment than a search path and the cache of compiled components.
    """

    folder: Path
    url: str = NOBODY
    process: "subprocess.Popen[str] | None" = field(default=None, repr=False)

    @property
    def address(self) -> str:
        return self.url.partition("//")[2]

    @property
    def environ(self) -> dict[str, str]:
        cache = str(cache_folder(os.environ).parent)
        return {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": cache, "OBELISK_SERVER": self.url}

    def configure(self, config: str, **more: Any) -> None:
        """Write obelisk.toml; in `config`, `{components}` is where components are built."""
        text = config.format(components=COMPONENTS, **more)
        (self.folder / "obelisk.toml").write_text(text, encoding="utf-8")

    def put(self, name: str, *changes: tuple[str, str]) -> None:
        """Assemble a component in WebAssembly text, with changes of that, into the folder."""
        text = (REPOSITORY / "components" / name / "component.wat").read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (self.folder / f"{name}.wasm").write_bytes(wat2wasm(text))

    def put_tiny(self) -> None:
        """Three components, and an obelisk.toml of them."""
        for name in ("fibo_tiny", "fibo_workflow_tiny", "sleeper"):
            self.put(name)
        self.configure(TINY)

    def begin(self, *command: str, **more: Any) -> "subprocess.Popen[str]":
        """Start it, or what runs it, and do not wait."""
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                command or [*OBELISK, "server", "run"], cwd=self.folder, env=self.environ, stdout=subprocess.PIPE,
                stderr=log, text=True, **more,
            )  # fmt: skip
        return self.process

    def start(self, *command: str) -> None:
        """Returns when it serves."""
        process = self.begin(*command)
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("serving on "):
            self.kill()
            raise AssertionError(self.log())
        self.url = line.split()[-1]

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """The exit code, also if it has ended before."""
        self.send(number)
        return self.wait()

    def kill(self) -> None:
        if self.process is not None:
            self.end(signal.SIGKILL)

    def wait(self) -> int:
        """For its end; the exit code."""
        assert self.process is not None
        assert self.process.stdout is not None
        code = self.process.wait(ASK_SECONDS)
        self.process.stdout.close()
        self.process = None
        return code

    @property
    def _log(self) -> Path:
        """Beside the folder, in which nothing is but what users have there."""
        return self.folder.with_name(f"{self.folder.name}.log")

    def log(self) -> str:
        """Of the latest server."""
        return self._log.read_text()

    def run(self, *arguments: str, stdin: str = "", **environ: str) -> "subprocess.CompletedProcess[str]":
        """A command of `obelisk`."""
        return subprocess.run(
            [*OBELISK, *arguments], cwd=self.folder, env={**self.environ, **environ}, input=stdin, capture_output=True,
            text=True, check=False, timeout=ASK_SECONDS,
        )  # fmt: skip

    def said(self, *arguments: str, code: int = 0) -> str:
        """What a command wrote that ended with this exit code."""
        ended = self.run(*arguments)
        assert ended.returncode == code, ended
        return ended.stdout.strip()

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.said(*arguments, "--json", code=code))

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.address, timeout=ASK_SECONDS)

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and answer."""
        connection = self.connect()
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        found = json.loads(answer.read())
        connection.close()
        return answer.status, found

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        status, found = self.request(method, path, body)
        assert status < 300, found
        return found

    def submit(self, function: str, *params: Any, **more: Any) -> str:
        """The id. `more`: further fields of the request."""
        return self.ask("POST", "/v1/executions", {"function": function, "params": params, **more})["id"]

    def result(self, execution_id: str) -> Any:
        """When there is one."""
        return self.ask("GET", f"/v1/executions/{execution_id}/result?wait={WAIT_SECONDS}s")["result"]

    def get(self, execution_id: str) -> Any:
        return self.ask("GET", f"/v1/executions/{execution_id}")

    def events(self, execution_id: str, kind: str | None = None) -> list[Any]:
        items = self.ask("GET", f"/v1/executions/{execution_id}/events?limit=1000")["items"]
        return [item for item in items if kind in (None, item["event"])]

    def until(self, execution_id: str, **fields: Any) -> Any:
        """The execution, once it has these fields."""

        def reached() -> Any:
            found = self.get(execution_id)
            return found if all(found.get(name) == value for name, value in fields.items()) else None

        return eventually(reached)
