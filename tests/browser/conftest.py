"""A real server, real workflows, and Debian's Chromium looking at them."""

import http.client
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

REPOSITORY = Path(__file__).resolve().parents[2]
UI = REPOSITORY / "server" / "obelisk_server" / "ui"
AXE = UI / "app" / "node_modules" / "axe-core" / "axe.min.js"
SCREENSHOTS = REPOSITORY / "build" / "screenshots"
OBELISK = [sys.executable, "-c", "from obelisk_server.cli import main; main()"]
CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
WAIT_MS = 20_000
CONFIG = """
[server]
listen = "127.0.0.1:{port}"
[limits]
shutdown = "0s"
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

    def start(self) -> None:
        port = self.address.rpartition(":")[2] or "0"
        config = CONFIG.format(port=port, components=REPOSITORY / "build" / "components")
        (self.folder / "obelisk.toml").write_text(config)
        command = [*OBELISK, "server", "run"]
        with (self.folder / "server.log").open("a") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("serving on http://"), (self.folder / "server.log").read_text()
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


@pytest.fixture(scope="session", autouse=True)
def _needed() -> None:
    """Chromium and the built pages."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium: apt-get install chromium fonts-dejavu-core")
    if not (UI / "built" / "index.html").exists():
        pytest.skip("the user interface is not built: make ui")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    names = ["fibo_tiny", "flaky", "recovering", "shapes", "fibo_workflow_tiny", "racer", "sleeper", "script_workflow"]
    subprocess.run([sys.executable, REPOSITORY / "components" / "build.py", *names], check=True, capture_output=True)
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, server: Server) -> Iterator[Open]:
    """Opens a path; at the end of the test nothing was written to the console as an error, and no script failed."""
    troubles: list[str] = []
    contexts: list[Any] = []

    def open_path(path: str, *, scheme: str = "light", size: Any = DESKTOP, address: str | None = None) -> Page:
        context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda message: troubles.append(message.text) if _bad(message) else None)
        page.goto((address or server.url) + path)
        return page

    yield open_path
    for context in contexts:
        context.close()
    assert troubles == []


def _bad(message: Any) -> bool:
    """Answers with an error status and lost connections are shown by the page itself."""
    return message.type == "error" and "Failed to load resource" not in message.text


@pytest.fixture(scope="session")
def shoot() -> Callable[[Page, str], None]:
    """Keeps a picture of a page in build/screenshots."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return lambda page, name: page.screenshot(path=SCREENSHOTS / f"{name}.png")
