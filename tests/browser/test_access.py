"""Signing in with real tokens: what each of them sees and may do."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from browser_server import Open, Server
from obelisk_server.access.tokens import new_token

FIBO = "testing:fibo/fibo.fibo"
SLEEP = "testing:sleeper/sleeper.sleep"
LONG = 3_600_000
RIGHTS = {
    "root": 'scopes = ["admin"]',
    "guest": 'scopes = ["read"]\nfunctions = ["testing:sleeper/sleeper.sleep"]',
    "sleeper": 'scopes = ["submit", "operate"]\nfunctions = ["testing:sleeper/*"]',
}
TOKENS = {name: new_token(name.encode().ljust(32)) for name in RIGHTS}


@pytest.fixture(scope="module")
def executions(server: Server) -> Iterator[tuple[str, str]]:
    """(one that guest and sleeper see, one that only root sees) of a server that wants tokens."""
    mine, theirs = server.submit(SLEEP, LONG), server.finish(FIBO, 3)
    server.let_in(
        "".join(f'[[token]]\nname = "{name}"\nhash = "{TOKENS[name][1]}"\n{RIGHTS[name]}\n' for name in RIGHTS)
    )
    yield mine, theirs
    server.let_in("", by=TOKENS["root"][0])


def sign_in(page: Page, token: str) -> None:
    dialog = page.get_by_role("dialog", name="Sign in")
    dialog.get_by_label("Token").fill(token)
    dialog.get_by_role("button", name="Sign in").click()


def pages(page: Page) -> list[str]:
    return page.get_by_role("navigation", name="Pages").get_by_role("link").all_inner_texts()


def test_a_server_with_tokens_asks_for_one_and_says_what_to_do_about_a_wrong_one(
    executions: tuple[str, str], open_page: Open
) -> None:
    page = open_page("/executions")
    dialog = page.get_by_role("dialog", name="Sign in")
    expect(dialog).to_contain_text("This server wants a token")
    sign_in(page, "obelisk_of-nobody")
    expect(dialog.get_by_role("alert")).to_contain_text("obelisk token new")
    sign_in(page, TOKENS["root"][0])
    expect(page.locator(".row", has_text=executions[1])).to_be_visible()
    expect(page.locator(".connection")).to_have_text("live")
    page.reload()
    expect(page.locator(".row", has_text=executions[0])).to_be_visible()
    page.get_by_role("button", name="sign out").click()
    expect(dialog).to_contain_text("This server wants a token")
    expect(page.locator(".row")).to_have_count(0)


def test_who_may_only_look_at_some_functions_is_offered_nothing_else(
    server: Server, executions: tuple[str, str], open_page: Open
) -> None:
    mine, theirs = executions
    page = open_page("/executions")
    sign_in(page, TOKENS["guest"][0])
    expect(page.locator(".row", has_text=mine)).to_be_visible()
    expect(page.locator(".row", has_text=theirs)).to_have_count(0)
    expect(page.get_by_role("checkbox", name=re.compile("^choose"))).to_have_count(0)
    assert pages(page) == ["Executions", "Components"]
    page.locator(".row", has_text=mine).get_by_role("link").click()
    expect(page.locator(".execution-title")).to_contain_text("waiting")
    expect(page.get_by_role("toolbar", name="Actions").locator("button, a")).to_have_count(0)
    page.get_by_role("link", name="Tree").click()
    expect(page.get_by_role("treeitem")).to_have_count(1)
    page.goto(f"{server.url}/executions/{theirs}")
    expect(page.get_by_role("alert")).to_contain_text("No such execution")
    for path, heading in (
        ("submit", "may not submit"),
        ("health", "may not see the whole server"),
        ("components", "sees no component"),
    ):
        page.goto(f"{server.url}/{path}")
        expect(page.get_by_role("heading", name=re.compile(heading))).to_be_visible()


def test_who_may_submit_and_steer_some_functions_does_so(
    server: Server, executions: tuple[str, str], open_page: Open
) -> None:
    page = open_page("/submit")
    sign_in(page, TOKENS["sleeper"][0])
    expect(page.locator(".choices a")).to_have_count(2)
    assert pages(page) == ["Executions", "Submit", "Components"]
    page.locator(".choices a", has_text="sleep-cancellable").click()
    page.get_by_label(re.compile("^milliseconds ")).fill(str(LONG))
    page.get_by_role("button", name="Submit", exact=True).click()
    page.get_by_role("button", name="cancel…").click()
    page.get_by_role("dialog").get_by_role("button", name="cancel").click()
    expect(page.locator(".execution-title")).to_contain_text("cancelled")
    expect(page.locator(".overview")).to_contain_text("cancelled by sleeper")
    page.goto(f"{server.url}/executions")
    expect(page.get_by_label(f"choose {executions[0]}")).to_be_visible()
