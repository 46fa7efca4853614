"""How soon a browser shows the list of a full store, and how smoothly a long log scrolls: PAGE."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager

from client import FIBOA_CONCURRENT, post, submit
from measuring import Scale
from playwright.sync_api import Browser, ViewportSize, sync_playwright
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
DESKTOP: ViewportSize = {"width": 1280, "height": 800}
BATCH = 1_000
QUIET_MS = 1_500
"""Before a load: a window or tab that opens keeps both cores busy itself, for about a second."""
SHOWN = """
window.shown = new Promise((resolve) => {
  const painted = () => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => resolve(performance.now());
    channel.port2.postMessage(null);
  };
  const look = () => {
    if (!document.querySelector(".rows .row, .entry")) return;
    observer.disconnect();
    requestAnimationFrame(painted);
  };
  const observer = new MutationObserver(look);
  observer.observe(document, { childList: true, subtree: true });
});
"""
"""When the frame with the first rows has left the page's thread, in milliseconds since the navigation began."""
PRESENTED = """
() => new Promise((resolve) => {
  new PerformanceObserver((list) => resolve(list.getEntriesByName("first-contentful-paint")[0].startTime))
    .observe({ type: "paint", buffered: true });
})
"""
"""When that frame, the first with anything in it, was on the screen, which the processor draws here: likewise."""
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
        cold, presented = zip(*(_seen(browser, origin, 1)[0] for _ in range(scale.runs(15))), strict=True)
        _, *warm = (shown for shown, _ in _seen(browser, origin, scale.runs(15) + 1))
        frames = _frames(browser, f"{origin}/{workflow}/events")
    return [
        median("PAGE", cold, "ms", 200),
        Figure("PAGE p95", percentile(cold, 95), "ms"),
        median("PAGE on screen", presented, "ms"),
        median("PAGE cached", warm, "ms"),
        Figure("PAGE cached p95", percentile(warm, 95), "ms"),
        Figure("PAGE frame p95", percentile(frames, 95), "ms"),
    ]


@contextmanager
def _browser() -> Generator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def _seen(browser: Browser, address: str, times: int) -> list[tuple[float, float]]:
    """`SHOWN` and `PRESENTED`, each in a new tab of one window, whose cache is empty at first."""
    context = browser.new_context(viewport=DESKTOP)
    context.add_init_script(SHOWN)
    seen: list[tuple[float, float]] = []
    for _ in range(times):
        page = context.new_page()
        page.wait_for_timeout(QUIET_MS)
        page.goto(address, wait_until="commit")
        seen.append((page.evaluate("window.shown"), page.evaluate(PRESENTED)))
        page.close()
    context.close()
    return seen


def _frames(browser: Browser, address: str) -> list[float]:
    page = browser.new_page(viewport=DESKTOP)
    page.add_init_script(SHOWN)
    page.goto(address)
    page.evaluate("window.shown")
    frames = page.evaluate(SCROLL)
    page.close()
    return frames
