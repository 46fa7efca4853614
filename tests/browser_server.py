"""A real server process with real workflows, that tests of the browser look at."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page

from server_process import NOBODY, REPOSITORY, ServerProcess

UI = REPOSITORY / "server" / "obelisk_server" / "ui"
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
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
retries = {{ max = 30, backoff = "50ms", factor = 1.0, jitter = 0.0 }}
[[activity]]
name = "fetcher"
location = "{components}/fetcher.wasm"
allowed_hosts = [{{ pattern = "http://127.0.0.1:*" }}]
retries = {{ max = 0 }}
[[activity]]
name = "shapes"
location = "{components}/shapes.wasm"
[webhooks]
listen = "127.0.0.1:0"
[[webhook]]
name = "hook"
location = "{components}/hook_python.wasm"
routes = [{{ path = "/*" }}]
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


class Server(ServerProcess):
    """At the same address when it is started again; that of its webhooks changes."""

    webhooks: str = ""

    def start(self, *, components: bool = True) -> None:
        self.write(SERVER + (COMPONENTS if components else ""))
        super().start()
        if components:
            assert self.process is not None
            assert self.process.stdout is not None
            self.webhooks = self.process.stdout.readline().strip().removeprefix("webhooks on http://")

    def write(self, config: str) -> None:
        self.configure(config, port="0" if self.url == NOBODY else self.address.rpartition(":")[2])

    def let_in(self, tokens: str, by: str = "") -> None:
        """From now on whom these tables of obelisk.toml name; `by`: a token with the scope admin, if there are any."""
        self.write(SERVER + COMPONENTS + tokens)
        connection = self.connect()
        connection.request(
            "POST", "/v1/server/reload", "{}", {"Content-Type": "application/json", "Authorization": f"Bearer {by}"}
        )
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        connection.close()

    def finish(self, function: str, *params: Any, **more: Any) -> str:
        """The id of an execution that has ended."""
        execution_id = self.submit(function, *params, **more)
        self.result(execution_id)
        return execution_id


Open = Callable[..., Page]
"""Opens a path in a new window."""
