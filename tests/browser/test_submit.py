"""The page that submits: forms of every WIT type, JSON beside, and the same as a command."""

import json
import os
import re
import shlex
import subprocess
import sys
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from browser_server import Open, Server
from server_process import OBELISK

ECHO = "testing:shapes/shapes.echo"
FIBO = "testing:fibo/fibo.fibo"
VALUE: dict[str, Any] = {
    "truth": True,
    "tiny_signed": -128,
    "tiny": 255,
    "short_signed": -1,
    "short": 2,
    "whole_signed": -3,
    "whole": 4,
    "long_signed": -9223372036854775808,
    "long": 18446744073709551615,
    "single": 1.5,
    "double": -2.25,
    "letter": "å",
    "text": 'it\'s "quoted"\nand long',
    "bytes": [0, 255],
    "maybe": {"some": 7},
    "colour": "deep_blue",
    "permissions": ["read", "run_as_root"],
    "shape": {"polygon": [{"x": 1, "y": -2}]},
    "pair": [9, "nine"],
    "outcome": {"err": "no"},
    "rows": [[1, 2], []],
}


def form(page: Page) -> Any:
    return page.locator("form.submit")


def submit(page: Page) -> str:
    """The id of what was submitted."""
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page).to_have_url(re.compile("/executions/E_"))
    return page.url.rpartition("/")[2]


def test_a_form_is_made_for_every_type_and_loses_nothing(server: Server, open_page: Open) -> None:
    page = open_page("/submit")
    page.get_by_label("Which function").fill("echo")
    page.locator(".choices a", has_text="shapes.echo").click()
    texts = {
        "tiny-signed": "-128", "tiny": "255", "short-signed": "-1", "short": "2", "whole-signed": "-3", "whole": "4",
        "long-signed": "-9223372036854775808", "long": "18446744073709551615", "single": "1.5", "double": "-2.25",
        "letter": "å", "text": VALUE["text"], "bytes": "0x00ff",
    }  # fmt: skip
    page.get_by_label(re.compile("^truth")).check()
    for name, text in texts.items():
        page.get_by_label(re.compile(f"^{name} ")).fill(text)
    group = lambda name: page.get_by_role("group", name=re.compile(f"^{name} "))  # noqa: E731 - two lines would hide it
    group("maybe").get_by_label("give a value").check()
    group("maybe").get_by_label("give a value").nth(1).check()
    group("maybe").get_by_role("textbox").fill("7")
    page.get_by_label(re.compile("^colour ")).select_option("deep_blue")
    group("permissions").get_by_label("run_as_root").check()
    group("permissions").get_by_label("read").check()
    page.get_by_label("case of shape").select_option("polygon")
    page.get_by_role("button", name="add to polygon").click()
    page.get_by_label(re.compile("^x ")).fill("1")
    page.get_by_label(re.compile("^y ")).fill("-2")
    page.get_by_label(re.compile("^0 ")).fill("9")
    page.get_by_label(re.compile("^1 ")).fill("nine")
    page.get_by_label("case of outcome").select_option("err")
    page.get_by_label(re.compile("^err ")).fill("no")
    page.get_by_role("button", name="add to rows", exact=True).click()
    page.get_by_role("button", name="add to rows 0", exact=True).click()
    page.get_by_role("button", name="add to rows 0", exact=True).click()
    page.get_by_label(re.compile("^rows 0 0 ")).fill("1")
    page.get_by_label(re.compile("^rows 0 1 ")).fill("2")
    page.get_by_role("button", name="add to rows", exact=True).click()
    assert json.loads(page.get_by_label("parameters as JSON").input_value()) == [VALUE]
    execution_id = submit(page)
    expect(page.locator(".overview")).to_contain_text("18446744073709551615")
    assert server.get(execution_id)["params"] == [VALUE]


def test_json_fills_the_form_and_says_what_does_not_fit(server: Server, open_page: Open) -> None:
    page = open_page(f"/submit?function={ECHO}")
    view = page.get_by_label("parameters as JSON")
    view.fill(json.dumps([VALUE]))
    expect(page.get_by_label(re.compile("^long "))).to_have_value("18446744073709551615")
    view.fill(json.dumps([{**VALUE, "tiny": 256}]))
    expect(form(page)).to_contain_text("value.tiny: expected u8, an integer from 0 to 255, found 256")
    view.fill("[{]")
    expect(form(page)).to_contain_text("expected a key in quotes")
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page).to_have_url(re.compile("/submit"))


def test_nothing_is_sent_that_does_not_fit(server: Server, open_page: Open) -> None:
    page = open_page(f"/submit?function={FIBO}")
    field = page.get_by_label(re.compile("^n "))
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
    field.fill("256")
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(form(page)).to_contain_text("expected u8, an integer from 0 to 255")
    page.get_by_label("parameters as JSON").fill("[10]")
    expect(form(page).get_by_role("alert")).to_have_count(0)
    submit(page)
    expect(page.locator(".overview")).to_contain_text("89")


def test_id_tags_and_times_are_sent_too(server: Server, open_page: Open) -> None:
    page = open_page(f"/submit?function={FIBO}")
    page.get_by_label(re.compile("^n ")).fill("3")
    page.get_by_text("Id, tags, when").click()
    page.get_by_label("Tags").fill("user=ann team=blue")
    page.get_by_label("Begin").fill("1h")
    page.get_by_label("Deadline").fill("2h")
    page.get_by_label("it waits until it is resumed").check()
    found = server.get(submit(page))
    assert found["tags"] == {"user": "ann", "team": "blue"}
    assert (found["lifecycle"], found["status"], "deadline" in found) == ("paused", "pending", True)


@pytest.mark.parametrize("tool", ["obelisk", "curl"])
def test_the_command_that_is_shown_does_the_same(server: Server, open_page: Open, tool: str) -> None:
    page = open_page(f"/submit?function={ECHO}")
    page.get_by_label("parameters as JSON").fill(json.dumps([VALUE]))
    page.get_by_role("group", name="Tool").get_by_role("button", name=tool).click()
    command = page.get_by_label(f"{tool} command", exact=True).inner_text()
    words = shlex.split(command.replace("\\\n", " "))
    assert words[0] == tool
    run = [*OBELISK, *words[1:]] if tool == "obelisk" else ["curl", "-s", *words[1:]]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(run, check=True, capture_output=True, text=True, env=environ)
    execution_id = done.stdout.strip() if tool == "obelisk" else json.loads(done.stdout)["id"]
    assert server.get(execution_id)["params"] == [VALUE]


def test_two_enters_are_one_submit(server: Server, open_page: Open) -> None:
    page = open_page(f"/submit?function={FIBO}")
    page.get_by_label(re.compile("^n ")).fill("21")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/executions/E_"))
    found = server.ask("GET", f"/v1/executions?function={FIBO}&text=21")["items"]
    assert len([item for item in found if server.get(item["id"])["params"] == [21]]) == 1


def test_parameters_that_cannot_be_read_are_missed_aloud(open_page: Open) -> None:
    page = open_page(f"/submit?function={FIBO}&from=E_01J00000000000000000000000")
    expect(page.get_by_role("alert")).to_contain_text("No such execution")
    expect(form(page)).to_be_visible()


def test_an_option_within_an_option_tells_which_of_them_is_empty(server: Server, open_page: Open) -> None:
    execution_id = server.finish(ECHO, {**VALUE, "maybe": {"some": None}, "double": -0.0})
    overview = open_page(f"/executions/{execution_id}").locator(".overview")
    expect(overview.locator("div:has(> dt:text-is('maybe')) dd").first).to_have_text("some none")
    expect(overview.locator("div:has(> dt:text-is('double')) dd").first).to_have_text("-0.0")


def test_a_function_whose_type_cannot_be_read_has_no_form_and_says_so(server: Server, open_page: Open) -> None:
    item = {"function": FIBO, "kind": "activity", "component": "fibo", "type": "func(n: stream<u8>)"}
    page = open_page("/health")
    page.route("**/v1/functions", lambda route: route.fulfill(json={"items": [item], "next_cursor": None}))
    page.goto(f"{server.url}/submit?function={FIBO}")
    expect(page.get_by_role("heading", name="There is no form for this function")).to_be_visible()
    expect(page.locator(".empty")).to_contain_text("func(n: stream<u8>)")
