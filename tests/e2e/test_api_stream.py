"""A stream of changes over the life of several processes."""

import json
from pathlib import Path
from typing import Any

from server_process import ServerProcess, build

CONFIG = """
[server]
listen = "127.0.0.1:0"
[[workflow]]
name = "sleeper"
location = "{components}/sleeper.wasm"
"""
SLEEP = ("testing:sleeper/sleeper.sleep", 3_600_000)


class Source:
    """An open stream; `last_id` is what a browser would send when it comes back."""

    def __init__(self, server: ServerProcess, last_id: str | None = None) -> None:
        self._connection = server.connect()
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
    build("sleeper")
    server = ServerProcess(tmp_path)
    server.configure(CONFIG)
    server.start()
    source = Source(server)
    seen = server.submit(*SLEEP)
    source.until(seen)
    while source.data() is not None:
        pass
    source.close()
    missed = server.submit(*SLEEP)
    server.kill()
    server.start()
    later = server.submit(*SLEEP)
    again = Source(server, source.last_id)
    again.until(missed, later)
    again.close()
    server.kill()
