"""A server in a process of its own, on a folder with obelisk.toml, that tests kill and start again."""

import http.client
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
COMPONENTS = REPOSITORY / "build" / "components"
OBELISK = [sys.executable, "-c", "from obelisk_server.cli import main; main()"]
ASK_SECONDS = 60


def build(*components: str) -> None:
    """From source, unless they are there."""
    command = [sys.executable, "components/build.py", *components]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)


@dataclass
class ServerProcess:
    """The server and a client of its API; `address` changes with each start, unless obelisk.toml has a port."""

    folder: Path
    address: str = ""
    process: "subprocess.Popen[str] | None" = field(default=None, repr=False)

    def configure(self, config: str, **more: Any) -> None:
        """Write obelisk.toml; in `config`, `{components}` is where components are built."""
        text = config.format(components=COMPONENTS, **more)
        (self.folder / "obelisk.toml").write_text(text, encoding="utf-8")

    def start(self) -> None:
        with (self.folder / "server.log").open("a") as log:
            self.process = subprocess.Popen(
                [*OBELISK, "server", "run"], cwd=self.folder, stdout=subprocess.PIPE, stderr=log, text=True
            )
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

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.address, timeout=ASK_SECONDS)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        connection = self.connect()
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        assert answer.status < 300, text
        return json.loads(text)

    def submit(self, function: str, *params: Any, **more: Any) -> str:
        """The id. `more`: further fields of the request."""
        return self.ask("POST", "/v1/executions", {"function": function, "params": params, **more})["id"]

    def result(self, execution_id: str) -> Any:
        """When there is one."""
        return self.ask("GET", f"/v1/executions/{execution_id}/result?wait={ASK_SECONDS - 5}s")["result"]

    def get(self, execution_id: str) -> Any:
        return self.ask("GET", f"/v1/executions/{execution_id}")

    def until(self, execution_id: str, **fields: Any) -> Any:
        """The execution, once it has these fields."""
        found: Any = None
        for _ in range(4_000):
            found = self.get(execution_id)
            if all(found.get(name) == value for name, value in fields.items()):
                return found
            time.sleep(0.005)
        raise AssertionError(found)
