"""A stream of changes over the life of several processes."""

import http.client
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
OBELISK = [sys.executable, "-c", "from obelisk_server.cli import main; main()"]
CONFIG = """
[server]
listen = "127.0.0.1:0"
[[workflow]]
name = "sleeper"
location = "{components}/sleeper.wasm"
"""
SECONDS = 30


class Site:
    """One folder, whose server is killed and started again."""

    def __init__(self, folder: Path) -> None:
        components = REPOSITORY / "build" / "components"
        (folder / "obelisk.toml").write_text(CONFIG.format(components=components), encoding="utf-8")
        self._folder = folder
        self.start()

    def start(self) -> None:
        command = [*OBELISK, "server", "run"]
        self._process = subprocess.Popen(command, cwd=self._folder, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._address = self._process.stdout.readline().split()[-1].removeprefix("http://")

    def kill(self) -> None:
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._address, timeout=SECONDS)

    def sleep(self) -> str:
        connection = self.connect()
        body = json.dumps({"function": "sleep", "params": [3_600_000], "wait": "10ms"})
        connection.request("POST", "/v1/executions", body, {"Content-Type": "application/json"})
        execution_id = json.loads(connection.getresponse().read())["id"]
        connection.close()
        return execution_id


class Source:
    """An open stream; `last_id` is what a browser would send when it comes back."""

    def __init__(self, site: Site, last_id: str | None = None) -> None:
        self._connection = site.connect()
        self._connection.request("GET", "/v1/stream", headers={} if last_id is None else {"Last-Event-ID": last_id})
        self._answer = self._connection.getresponse()
        self.last_id = ""
        self.data()

    def data(self) -> Any:
        """Of the next event; None of one that only carries the cursor."""
        found: Any = None
        while line := self._answer.readline().decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            self.last_id = value if name == "id" else self.last_id
            found = json.loads(value) if name == "data" else found
        return found

    def until(self, *execution_ids: str) -> None:
        """Until all of these were told of, in whatever order."""
        left = set(execution_ids)
        while left:
            data = self.data()
            left -= {data["id"]} if data else set()

    def close(self) -> None:
        self._connection.close()


def test_a_client_goes_on_after_the_server_was_killed(tmp_path: Path) -> None:
    site = Site(tmp_path)
    source = Source(site)
    seen = site.sleep()
    source.until(seen)
    while source.data() is not None:
        pass
    source.close()
    missed = site.sleep()
    site.kill()
    site.start()
    later = site.sleep()
    again = Source(site, source.last_id)
    again.until(missed, later)
    again.close()
    site.kill()
