"""A real server process with real workflows, that tests of the browser look at."""

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

REPOSITORY = Path(__file__).resolve().parents[1]
UI = REPOSITORY / "server" / "obelisk_server" / "ui"
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
OBELISK = [sys.executable, "-c", "from obelisk_server.cli import main; main()"]
SERVER = """
[server]
listen = "127.0.0.1:{port}"
[limits]
shutdown = "0s"
"""
COMPONENTS = """
[[activity]]
name = "fibo"
location = "{components}/fibo_tiny.wasm"
[[activity]]
name = "flaky"
location = "{components}/flaky.wasm"
attempt_timeout = "300ms"
retries = {{ max = 0 }}
[[activity]]
name = "recovering"
location = "{components}/recovering.wasm"
retries = {{ max = 2, backoff = "300ms", factor = 2.0, jitter = 0.0 }}
[[activity]]
name = "fetcher"
location = "{components}/fetcher.wasm"
allowed_hosts = [{{ pattern = "http://127.0.0.1:*" }}]
retries = {{ max = 0 }}
[[activity]]
name = "shapes"
location = "{components}/shapes.wasm"
[[workflow]]
name = "fibo-workflow"
location = "{components}/fibo_workflow_tiny.wasm"
[[workflow]]
name = "racer"
location = "{components}/racer.wasm"
[[workflow]]
name = "sleeper"
location = "{components}/sleeper.wasm"
[[workflow]]
name = "script"
location = "{components}/script_workflow.wasm"
[[stub]]
function = "testing:approval/desk.decide"
params = "func(order: u64) -> result<bool, string>"
"""


@dataclass
class Server:
    """A server process on one folder; it may be killed and started again, at the same address."""

    folder: Path
    address: str = ""
    process: "subprocess.Popen[str] | None" = field(default=None, repr=False)

    def start(self, *, components: bool = True) -> None:
        text = SERVER + (COMPONENTS if components else "")
        port = self.address.rpartition(":")[2] or "0"
        config = text.format(port=port, components=REPOSITORY / "build" / "components")
        (self.folder / "obelisk.toml").write_text(config)
        command = [*OBELISK, "server", "run"]
        with (self.folder / "server.log").open("a") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith("serving on http://"):
            self.kill()
            raise AssertionError((self.folder / "server.log").read_text())
        self.address = line.split()[-1].removeprefix("http://")

    def kill(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection(self.address, timeout=60)
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        assert answer.status < 300, text
        return json.loads(text)

    def submit(self, function: str, *params: Any, **more: Any) -> str:
        return self.ask("POST", "/v1/executions", {"function": function, "params": params, **more})["id"]

    def finish(self, function: str, *params: Any, **more: Any) -> str:
        """The id of an execution that has ended."""
        execution_id = self.submit(function, *params, **more)
        self.ask("GET", f"/v1/executions/{execution_id}/result?wait=60s")
        return execution_id

    def get(self, execution_id: str) -> Any:
        return self.ask("GET", f"/v1/executions/{execution_id}")

    def until(self, execution_id: str, **fields: Any) -> Any:
        for _ in range(4_000):
            found = self.get(execution_id)
            if all(found.get(name) == value for name, value in fields.items()):
                return found
            time.sleep(0.005)
        raise AssertionError(found)


Open = Callable[..., Page]
"""Opens a path in a new window."""
