"""How soon a browser shows the list of a full store, and how smoothly a long log scrolls: PAGE."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager

from client import FIBOA_CONCURRENT, post, submit
from measuring import Scale
from playwright.sync_api import BrowserContext, sync_playwright
from report import Figure, median, percentile
from serving import Servers

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
BATCH = 1_000
SHOWN = """
window.shown = new Promise((resolve) => {
  const look = () => document.querySelector(".rows .row, .entry") && resolve(performance.now());
  new MutationObserver(look).observe(document, { childList: true, subtree: true });
});
"""
"""When the first row is in the document, in milliseconds since the navigation began."""
SCROLL = """
() => new Promise((resolve) => {
  const box = document.querySelector(".entries");
  const frames = [];
  let before = performance.now();
  const step = (now) => {
    frames.push(now - before);
    before = now;
    box.scrollTop += 400;
    if (frames.length < 120) requestAnimationFrame(step);
    else resolve(frames.slice(1));
  };
  requestAnimationFrame(step);
})
"""


def shown(servers: Servers, scale: Scale) -> list[Figure]:
    """PAGE: the list of executions in a store of 100,000; the log of a workflow with 10,000 events."""
    if CHROMIUM is None:
        return []
    with servers.run(limits={"backlog_max": 200_000}) as server, _browser() as browser:
        connection = server.connect()
        workflow = connection.ask(submit(FIBOA_CONCURRENT, 1, scale.count(3_400)))["id"]
        for _ in range(max(1, scale.count(100_000) // BATCH)):
            items = [{"function": "fibo", "params": [1], "paused": True}] * BATCH
            connection.ask(post("/v1/executions/batch", {"items": items}))
        connection.close()
        origin = f"http://127.0.0.1:{server.port}/executions"
        seen = [_seen(browser, origin) for _ in range(scale.runs(9))]
        frames = _frames(browser, f"{origin}/{workflow}/events")
    return [median("PAGE", seen, "ms", 200), Figure("PAGE frame p95", percentile(frames, 95), "ms")]


@contextmanager
def _browser() -> Generator[BrowserContext]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        context.add_init_script(SHOWN)
        yield context
        browser.close()


def _seen(browser: BrowserContext, address: str) -> float:
    page = browser.new_page()
    page.goto(address)
    seen = page.evaluate("window.shown")
    page.close()
    return seen


def _frames(browser: BrowserContext, address: str) -> list[float]:
    page = browser.new_page()
    page.goto(address)
    page.evaluate("window.shown")
    frames = page.evaluate(SCROLL)
    page.close()
    return frames
