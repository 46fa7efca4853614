"""Debian's Chromium, looking at a real server."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from browser_server import DESKTOP, UI, Open, Server
from server_process import REPOSITORY, build

SCREENSHOTS = REPOSITORY / "build" / "screenshots"
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
COMPONENTS = (
    "fetcher", "fibo_tiny", "fibo_workflow_tiny", "flaky", "hook_python", "racer", "recovering", "script_workflow",
    "shapes", "sleeper",
)  # fmt: skip
WAIT_MS = 60_000
expect.set_options(timeout=WAIT_MS)


@pytest.fixture(scope="session", autouse=True)
def _needed() -> None:
    """Chromium and the built pages."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium: apt-get install chromium fonts-dejavu-core")
    if not (UI / "built" / "index.html").exists():
        pytest.skip("the user interface is not built: make ui")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    build(*COMPONENTS)
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ended with each module: its event loop runs in this thread, where other tests have theirs."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


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
