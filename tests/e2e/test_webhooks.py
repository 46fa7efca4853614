"""Webhooks of a real server that is killed and stopped: keys, executions of requests, and the end."""

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from server_process import OBELISK, REPOSITORY

DELIVERIES = 40
CONFIG = """
[server]
listen = "127.0.0.1:0"
[webhooks]
listen = "127.0.0.1:0"
[limits]
shutdown = "20s"
[[activity]]
name = "fibo"
location = "{components}/fibo_tiny.wasm"
[[stub]]
function = "testing:approval/desk.decide"
params = "func(order: u64) -> result<bool, string>"
[[webhook]]
name = "fibo-hook"
function = "testing:fibo/fibo.fibo"
routes = [{{ methods = ["POST"], path = "/fibo/:n" }}]
params = {{ n = "path.n" }}
idempotency_key = "header.Delivery"
[[webhook]]
name = "desk-hook"
function = "testing:approval/desk.decide"
routes = [{{ methods = ["POST"], path = "/desk" }}]
params = {{ order = "body.order" }}
idempotency_key = "body.id"
respond = {{ wait = "1m" }}
"""
COMPONENT = """
[[webhook]]
name = "hook"
location = "{components}/hook_python.wasm"
routes = [{{ path = "/hook/*" }}]
"""


@dataclass
class Answer:
    status: int
    body: Any
    headers: Mapping[str, str]


@dataclass
class Server:
    folder: Path
    processes: "list[subprocess.Popen[str]]" = field(default_factory=list)
    api: str = ""
    hooks: str = ""

    def start(self) -> None:
        process = subprocess.Popen([*OBELISK, "server", "run"], cwd=self.folder, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        self.processes.append(process)
        self.api, self.hooks = (process.stdout.readline().strip().rpartition("http://")[2] for _ in range(2))
        assert self.hooks

    def end(self, number: signal.Signals) -> None:
        process = self.processes.pop()
        process.send_signal(number)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()

    def ask(self, address: str, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        with closing(http.client.HTTPConnection(address, timeout=240)) as connection:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            return Answer(answer.status, json.loads(answer.read()), dict(answer.getheaders()))

    def hook(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        return self.ask(self.hooks, method, path, body, **headers)

    def get(self, path: str) -> Any:
        return self.ask(self.api, "GET", path).body

    def executions(self, query: str = "") -> list[Any]:
        return self.get(f"/v1/executions?limit=1000&{query}")["items"]

    def result(self, execution_id: str) -> Any:
        return self.get(f"/v1/executions/{execution_id}/result?wait=30s")["result"]

    def supply(self, execution_id: str, result: Any) -> None:
        assert self.ask(self.api, "POST", f"/v1/executions/{execution_id}/stub", {"result": result}).status == 200


def serve(folder: Path, config: str, *components: str) -> Iterator[Server]:
    built = subprocess.run([sys.executable, "components/build.py", *components], cwd=REPOSITORY, check=False)
    if built.returncode:
        pytest.skip("a tool that builds these components is missing")
    text = config.format(components=REPOSITORY / "build" / "components")
    (folder / "obelisk.toml").write_text(text, encoding="utf-8")
    server = Server(folder)
    server.start()
    yield server
    while server.processes:
        server.end(signal.SIGKILL)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    yield from serve(tmp_path, CONFIG, "fibo_tiny")


@pytest.fixture
def component_server(tmp_path: Path) -> Iterator[Server]:
    hook = CONFIG.replace('[[activity]]\nname = "fibo"\nlocation = "{components}/fibo_tiny.wasm"\n', "")
    hook = hook.partition("[[webhook]]")[0] + COMPONENT
    stub = '[[stub]]\nfunction = "testing:fibo/fibo.fibo"\nparams = "func(n: u8) -> result<u64>"\n'
    yield from serve(tmp_path, stub + hook, "hook_python")


def test_what_is_delivered_again_after_a_kill_is_the_same_execution(server: Server) -> None:
    first = server.hook("POST", "/fibo/10", Delivery="d-1")
    assert first.status == 202
    server.end(signal.SIGKILL)
    server.start()
    again = server.hook("POST", "/fibo/10", Delivery="d-1")
    assert (again.status, again.body["id"], again.body["existed"]) == (202, first.body["id"], True)
    assert again.headers["Location"] == f"http://{server.api}/v1/executions/{first.body['id']}"
    assert server.get(again.headers["Location"].partition(server.api)[2])["id"] == first.body["id"]
    assert server.result(first.body["id"]) == {"ok": 89}
    assert len(server.executions()) == 1
    assert server.hook("POST", "/fibo/11", Delivery="d-1").status == 409


def test_deliveries_that_are_repeated_until_they_are_answered_run_once_each(server: Server) -> None:
    """The server dies while they come in; whoever got no answer delivers again."""

    def deliver(number: int) -> str:
        try:
            return server.hook("POST", f"/fibo/{number % 20}", Delivery=f"d-{number}").body["id"]
        except (OSError, http.client.HTTPException):
            return ""

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(deliver, number) for number in range(DELIVERIES)]
        answers[DELIVERIES // 4].result()
        server.end(signal.SIGKILL)
        before = [answer.result() for answer in answers]
    server.start()
    after = [deliver(number) for number in range(DELIVERIES)]
    assert "" not in after
    assert all(old in ("", new) for old, new in zip(before, after, strict=True))
    assert sorted(item["id"] for item in server.executions()) == sorted(after)
    assert all("ok" in server.result(execution_id) for execution_id in after)


def test_a_reload_mounts_other_webhooks_and_says_what_needs_a_restart(server: Server) -> None:
    file = server.folder / "obelisk.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("/fibo/:n", "/other/:n"), encoding="utf-8")
    answer = server.ask(server.api, "POST", "/v1/server/reload", {})
    assert (answer.status, answer.body["restart_needed"]) == (200, [])
    assert server.hook("POST", "/fibo/10", Delivery="d").status == 404
    assert server.hook("POST", "/other/10", Delivery="d").status == 202
    file.write_text(text.replace("path.n", "path.m"), encoding="utf-8")
    refused = server.ask(server.api, "POST", "/v1/server/reload", {})
    assert refused.status == 422
    assert "the route /fibo/:n has no such parameter" in json.dumps(refused.body)
    assert server.hook("POST", "/other/10", Delivery="d").body["existed"]
    head, _, tail = text.partition("[webhooks]\n")
    file.write_text(head + '[webhooks]\napi_url = "https://o.example"\n' + tail, encoding="utf-8")
    assert server.ask(server.api, "POST", "/v1/server/reload", {}).body["restart_needed"] == [
        "[webhooks] listen, api_url"
    ]


def test_who_waits_is_answered_by_the_server_that_takes_over(server: Server) -> None:
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(server.hook, "POST", "/desk", {"id": "o-1", "order": 1})
        while not server.executions():
            pass
        (item,) = server.executions()
        server.end(signal.SIGKILL)
        with pytest.raises((OSError, http.client.HTTPException)):
            asked.result()
        server.start()
        again = pool.submit(server.hook, "POST", "/desk", {"order": 1, "id": "o-1"})
        server.supply(item["id"], {"ok": True})
        assert (again.result().status, again.result().body) == (200, True)


def test_a_server_that_is_stopped_answers_who_waits_where_the_result_will_be(server: Server) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.hook, "POST", "/desk", {"id": "o-1", "order": 1})
        while not server.executions():
            pass
        server.end(signal.SIGTERM)
        assert asked.result().status == 202


def test_the_execution_of_a_request_that_was_killed_fails_and_its_children_are_cancelled(
    component_server: Server,
) -> None:
    """What it scheduled stays; it is no child."""
    server = component_server
    scheduled = server.hook("GET", "/hook/schedule").body
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.hook, "GET", "/hook/fibo?5")
        while not (running := server.executions("status=blocked")):
            pass
        (request,) = [item["id"] for item in running]
        server.end(signal.SIGKILL)
        with pytest.raises((OSError, http.client.HTTPException)):
            asked.result()
    server.start()
    failure = server.result(request)["failure"]
    assert (failure["kind"], failure["reason"]) == ("lost", "the server ended while it handled the request")
    assert server.result(f"{request}.o:1_1")["failure"]["kind"] == "cancelled"
    server.supply(scheduled, {"ok": 5})
    assert server.result(scheduled) == {"ok": 5}


def test_a_server_that_is_stopped_lets_requests_end(component_server: Server) -> None:
    server = component_server
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(server.hook, "GET", "/hook/fibo?5")
        while not (running := server.executions("status=blocked")):
            pass
        (request,) = [item["id"] for item in running]
        stopping = pool.submit(server.processes[-1].send_signal, signal.SIGTERM)
        stopping.result()
        server.supply(f"{request}.o:1_1", {"ok": 5})
        assert asked.result().body["value"] == 5
    server.processes[-1].wait()
    assert server.processes[-1].returncode == 0
