"""Every page by eye and by axe: in light and dark, on a desktop and on a phone."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from browser_server import DESKTOP, PHONE, UI, Open, Server

AXE = UI / "app" / "node_modules" / "axe-core" / "axe.min.js"
STORY = "log.info('hello')\nfibo.fibo(1)\ndesk_ext.decide_submit(support.join_set_create_named('approvals'), 1)\n"
SERIOUS = ("serious", "critical")
SIZES = {"desktop": DESKTOP, "phone": PHONE}
RULES: dict[Any, str] = {
    "light": "axe.run({ resultTypes: ['violations'] })",
    "dark": "axe.run({ runOnly: ['color-contrast'], resultTypes: ['violations'] })",
}
"""By colour scheme, which nothing but the contrast depends on."""
WALK = """
() => {
  const used = "a[href], button, input, select, textarea, summary, [tabindex='0']";
  window.walked = [...document.querySelectorAll(used)].filter(
    (each) => each.tabIndex >= 0 && !each.disabled && each.checkVisibility({ visibilityProperty: true })
  );
  document.body.tabIndex = -1; // Tab goes on behind what had the focus last, also when that lost it
  document.body.focus();
  document.body.removeAttribute("tabindex");
  return window.walked.map((each, place) => `${place} ${each.outerHTML.slice(0, 90)}`);
}
"""
REACHED = """
() => {
  const at = document.activeElement;
  return [window.walked.indexOf(at), getComputedStyle(at).outlineStyle !== "none"];
}
"""
WALKS_MAX = 10
ELSEWHERE = "elsewhere"
"""The browser itself, the first of all again, or something that came after the walk began."""
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


def serious(page: Page, run: str) -> list[Any]:
    found = page.evaluate(run)
    return [
        (each["id"], [node["html"][:200] for node in each["nodes"]])
        for each in found["violations"]
        if each["impact"] in SERIOUS
    ]


@pytest.mark.parametrize("size", SIZES)
def test_pages_are_fit_for_everybody_and_no_wider_than_the_screen(
    paths: dict[str, str], open_page: Open, shoot: Callable[[Page, str], None], size: str
) -> None:
    page = open_page("/executions", size=SIZES[size])
    origin = page.url.removesuffix("/executions")
    found: dict[str, Any] = {}
    for name, path in paths.items():
        page.goto(origin + path)
        settled(page)
        page.evaluate(AXE.read_text())
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        problems = [("wider than the screen", wider)] if wider > 0 else []
        for scheme, run in RULES.items():
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            shoot(page, f"{size}-{scheme}-{name}")
            problems += [(scheme, problem) for problem in serious(page, run)]
        if problems:
            found[name] = problems
    assert found == {}


@pytest.mark.parametrize(
    "name", ["executions", "execution-overview", "execution-debug", "submit-form", "components", "health"]
)
def test_every_page_is_walked_by_keyboard_alone(paths: dict[str, str], open_page: Open, name: str) -> None:
    """All that can be used is reached in the order in which it is read, can be seen to be, and lets go again."""
    page = open_page(paths[name])
    settled(page)
    for _ in range(WALKS_MAX):
        labels, reached, unseen = walk(page)
        if [*labels, ELSEWHERE] == reached:
            break  # nothing came while it was walked
    assert reached == [*labels, ELSEWHERE]
    assert unseen == []


def walk(page: Page) -> tuple[list[str], list[str], list[str]]:
    """(what can be used, what Tab reached, what of this does not look so)."""
    labels = page.evaluate(WALK)
    reached: list[str] = []
    unseen: list[str] = []
    for _ in range(len(labels) + 1):
        page.keyboard.press("Tab")
        place, outline = page.evaluate(REACHED)
        around = place == 0 and len(reached) == len(labels)
        reached.append(ELSEWHERE if place < 0 or around else labels[place])
        if place >= 0 and not outline:
            unseen.append(labels[place])
    return labels, reached, unseen


def test_escape_closes_a_dialog_and_the_focus_goes_back(paths: dict[str, str], open_page: Open) -> None:
    page = open_page(paths["execution-overview"])
    for name in ("pause…", "terminate…", "fork…"):
        page.get_by_role("button", name=name).focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog").locator("input")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.get_by_role("button", name=name)).to_be_focused()


def test_the_focus_is_never_lost_with_a_dialog(server: Server, paths: dict[str, str], open_page: Open) -> None:
    page = open_page(paths["execution-overview"])
    page.get_by_role("button", name="fork…").click()
    page.get_by_role("dialog").get_by_role("button", name="Back").click()
    expect(page.get_by_role("button", name="fork…")).to_be_focused()
    execution_id = server.submit("testing:sleeper/sleeper.sleep", 3_600_000)
    page.goto(f"{server.url}/executions?id={execution_id}")
    page.get_by_label(f"choose {execution_id}").check()
    page.get_by_role("button", name="pause…").click()
    page.get_by_role("dialog").get_by_role("button", name="pause 1").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("#main")).to_be_focused()  # what opened it is gone too
    other_id = server.submit("testing:sleeper/sleeper.sleep", 3_600_000)
    page.goto(f"{server.url}/executions/{other_id}")
    page.get_by_role("button", name="pause…").click()
    page.get_by_role("dialog").get_by_role("button", name="pause").click()
    expect(page.get_by_role("button", name="resume")).to_be_focused()  # what opened it, by another name


def test_a_page_begins_at_its_top(open_page: Open) -> None:
    page = open_page("/submit", size={"width": 900, "height": 240})
    link = page.locator(".choices a", has_text="shapes.echo")
    link.scroll_into_view_if_needed()
    main = page.locator("#main")
    assert main.evaluate("main => main.scrollTop") > 100
    link.click()
    expect(page.get_by_role("button", name="Submit", exact=True)).to_be_attached()
    assert main.evaluate("main => main.scrollTop") == 0


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
