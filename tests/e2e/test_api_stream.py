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
[[workflow]]
name = "fibo_workflow_tiny"
location = "{components}/fibo_workflow_tiny.wasm"
[[activity]]
name = "fibo_tiny"
location = "{components}/fibo_tiny.wasm"
"""
SLEEP = ("testing:sleeper/sleeper.sleep", 3_600_000)
FIBOA = ("testing:fibo-workflow/workflow.fiboa", 1, 40)


class Source:
    """An open stream; `last_id` is what a browser would send when it comes back."""

    def __init__(self, server: ServerProcess, last_id: str | None = None, path: str = "/v1/stream") -> None:
        self._connection = server.connect()
        self._connection.request("GET", path, headers={} if last_id is None else {"Last-Event-ID": last_id})
        self._answer = self._connection.getresponse()
        self.last_id = ""
        self.event = ""
        self.data()

    def data(self) -> Any:
        """Of the next event; None of one that only carries the cursor."""
        found: Any = None
        while line := self._answer.readline().decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            self.last_id = value if name == "id" else self.last_id
            self.event = value if name == "event" else self.event
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


def started(folder: Path) -> ServerProcess:
    build("sleeper", "fibo_tiny", "fibo_workflow_tiny")
    server = ServerProcess(folder)
    server.configure(CONFIG)
    server.start()
    return server


def test_a_client_goes_on_after_the_server_was_killed(tmp_path: Path) -> None:
    server = started(tmp_path)
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


def test_the_logs_of_a_tree_go_on_where_they_were_after_the_server_was_killed(tmp_path: Path) -> None:
    server = started(tmp_path)
    execution_id = server.submit(*FIBOA)
    path = f"/v1/executions/{execution_id}/stream?tree=true"
    source = Source(server, "0.0", path)
    told: list[Any] = []
    while len(told) < 30:
        told += event_of(source)
    source.close()
    server.kill()
    server.start()
    again = Source(server, source.last_id, path)
    while again.event != "end":
        told += event_of(again)
    again.close()
    below = server.ask("GET", f"/v1/executions/{execution_id}/children?limit=1000")["items"]
    for id_ in (execution_id, *(child["id"] for child in below)):
        log = server.ask("GET", f"/v1/executions/{id_}/events?limit=1000")["items"]
        assert [event for event in told if event["execution"] == id_] == [{"execution": id_, **event} for event in log]
    assert {event["execution"] for event in told} == {execution_id, *(child["id"] for child in below)}
    server.kill()


def event_of(source: Source) -> list[Any]:
    """The next event, if it is one of a log."""
    data = source.data()
    return [data] if data is not None and source.event == "event" else []
