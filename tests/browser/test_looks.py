"""Every page by eye and by axe: in light and dark, on a desktop and on a phone."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from browser_server import DESKTOP, PHONE, UI, Open, Server

AXE = UI / "app" / "node_modules" / "axe-core" / "axe.min.js"
STORY = "log.info('hello')\nfibo.fibo(1)\ndesk_ext.decide_submit(support.join_set_create_named('approvals'), 1)\n"
SERIOUS = ("serious", "critical")
VIEWS = ("", "timeline", "tree", "events", "logs", "debug")


@pytest.fixture(scope="module")
def paths(server: Server) -> dict[str, str]:
    story = server.submit(
        "testing:script-workflow/script.run", STORY + "support.sleep(time.ScheduleAt_In(time.Duration_Days(1)), None)"
    )
    server.until(story, status="blocked")
    trapped = server.finish("testing:flaky/flaky.run", "trap", 0)
    server.finish("testing:recovering/recovering.run", 1)
    fetched = server.finish("testing:fetcher/fetcher.fetch", "get", f"{server.url}/healthz", "")
    return {
        "executions": "/executions",
        **{f"execution-{view or 'overview'}": f"/executions/{story}/{view}".rstrip("/") for view in VIEWS},
        "execution-trapped": f"/executions/{trapped}",
        "execution-requests": f"/executions/{fetched}/requests",
        "submit": "/submit",
        "submit-form": "/submit?function=testing:shapes/shapes.echo",
        "components": "/components/script",
        "health": "/health",
    }


def settled(page: Page) -> None:
    expect(page.locator(".loading")).to_have_count(0)
    expect(page.locator("h1").first).to_be_visible()


def serious(page: Page) -> list[Any]:
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return [
        (each["id"], [node["html"][:200] for node in each["nodes"]])
        for each in found["violations"]
        if each["impact"] in SERIOUS
    ]


@pytest.mark.parametrize(
    ("size", "scheme", "examined"),
    [("desktop", "light", True), ("desktop", "dark", True), ("phone", "light", False), ("phone", "dark", False)],
)
def test_pages_are_fit_for_everybody_and_no_wider_than_the_screen(
    paths: dict[str, str],
    open_page: Open,
    shoot: Callable[[Page, str], None],
    size: str,
    scheme: str,
    examined: bool,
) -> None:
    page = open_page("/executions", scheme=scheme, size=PHONE if size == "phone" else DESKTOP)
    origin = page.url.removesuffix("/executions")
    found: dict[str, Any] = {}
    for name, path in paths.items():
        page.goto(origin + path)
        settled(page)
        shoot(page, f"{size}-{scheme}-{name}")
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        problems = [*(serious(page) if examined else []), *([("wider than the screen", wider)] if wider > 0 else [])]
        if problems:
            found[name] = problems
    assert found == {}


def test_the_theme_is_chosen_and_kept(open_page: Open) -> None:
    page = open_page("/executions", scheme="light")
    background = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(background)
    page.get_by_role("button", name="theme: auto; change to light").click()
    page.get_by_role("button", name="theme: light; change to dark").click()
    assert page.evaluate(background) != light
    page.reload()
    expect(page.get_by_role("button", name="theme: dark; change to auto")).to_be_visible()
    assert page.evaluate(background) != light
