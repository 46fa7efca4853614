"""The page of executions: what it lists, how it is narrowed, how it stays up to date."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from browser_server import Open, Server

SLEEP = "testing:sleeper/sleeper.sleep"
CANCELLABLE = "testing:sleeper/sleeper.sleep-cancellable"
FIBO = "testing:fibo/fibo.fibo"
FLAKY = "testing:flaky/flaky.run"
LONG = 3_600_000


def test_a_newcomer_is_told_what_to_type(open_page: Open, tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start(components=False)
    try:
        page = open_page("/", address=server.url)
        expect(page.get_by_role("heading", name="Nothing has run yet")).to_be_visible()
        expect(page.locator(".command")).to_contain_text("obelisk execution submit")
        page.get_by_role("link", name="submit an execution").click()
        expect(page.get_by_role("heading", name="No function is deployed")).to_be_visible()
        page.goto(server.url + "/components")
        expect(page.get_by_role("heading", name="No component is deployed")).to_be_visible()
    finally:
        server.kill()


def test_what_is_submitted_elsewhere_appears_and_changes_by_itself(server: Server, open_page: Open) -> None:
    page = open_page("/executions")
    expect(page.locator(".connection")).to_have_text("live")
    execution_id = server.submit(CANCELLABLE, LONG)
    found = page.locator(".row", has_text=execution_id)
    expect(found).to_contain_text("waiting")
    server.ask("POST", f"/v1/executions/{execution_id}/cancel", {})
    expect(found).to_contain_text("cancelled")


@pytest.mark.parametrize("one", [False, True], ids=["list", "one"])
def test_what_a_page_shows_is_asked_for_once_before_the_application_runs(
    server: Server, open_page: Open, one: bool
) -> None:
    execution_id = server.finish(FIBO, 6)
    page = open_page("/submit")
    page.goto("about:blank")  # what the page before asked for is over
    seen: list[str] = []
    page.on("request", lambda request: seen.append(f"asked {request.url}"))
    page.on("requestfinished", lambda request: seen.append(f"there {request.url}"))
    page.goto(f"{server.url}/executions" + (f"/{execution_id}" if one else ""))
    if one:
        expect(page.locator("h1")).to_contain_text("fibo")
    else:
        expect(page.locator(".row", has_text=execution_id)).to_be_visible()
    first = f"{server.url}/v1/executions" + (f"/{execution_id}" if one else "?limit=100")
    script = next(place for place, each in enumerate(seen) if each.startswith("there ") and each.endswith(".js"))
    assert [each for each in seen[:script] if "/v1/" in each][:1] == [f"asked {first}"]
    assert [each for each in seen if "/v1/" in each][:2] == [f"asked {first}", f"there {first}"]


def test_a_page_whose_code_is_gone_says_so_and_can_be_loaded_again(server: Server, open_page: Open) -> None:
    page = open_page("/health")
    page.route(re.compile(r"/assets/others-.*\.js"), lambda route: route.abort())
    page.goto(f"{server.url}/health")
    expect(page.get_by_role("heading", name="This page could not be loaded")).to_be_visible()
    page.unroute_all()
    page.get_by_role("button", name="Load it again").click()
    expect(page.get_by_role("heading", name="Health")).to_be_visible()


def test_filters_are_in_the_address_and_come_back_from_it(server: Server, open_page: Open) -> None:
    mine = server.finish(FIBO, 7, tags={"team": "blue"})
    other = server.finish(FIBO, 8)
    failed = server.finish(FLAKY, "err", 0)
    page = open_page("/executions")
    page.get_by_role("button", name="more filters").click()
    page.get_by_label("Tags").fill("team=blue")
    expect(page).to_have_url(re.compile(r"tag=team%3Dblue"))
    expect(page.locator(".row", has_text=mine)).to_be_visible()
    expect(page.locator(".row", has_text=other)).to_have_count(0)
    page.get_by_label("Tags").fill("")
    page.get_by_label("Created before").fill("2099-01-01T00:00")
    expect(page).to_have_url(re.compile(r"before=[-0-9]+T[0-9A-F%]+00\.000Z"))
    page.get_by_label("Text in parameters or result").fill("no ")
    expect(page).to_have_url(re.compile(r"text=no$"))
    expect(page.get_by_label("Text in parameters or result")).to_have_value("no ")
    page.get_by_role("button", name="clear", exact=True).click()
    page.get_by_label("Function begins with").fill("testing:flaky")
    page.get_by_role("button", name=re.compile("^err")).click()
    expect(page).to_have_url(re.compile(r"state=err.*function=|function=.*state=err"))
    expect(page.locator(".row", has_text=failed)).to_be_visible()
    page.reload()
    expect(page.get_by_label("Function begins with")).to_have_value("testing:flaky")
    expect(page.locator(".row", has_text=failed)).to_be_visible()
    page.goto(f"{server.url}/executions?state=bogus")
    expect(page.get_by_text(re.compile("bogus.*expected"))).to_be_visible()
    page.goto(f"{server.url}/executions?text=nothing-has-this-text")
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()


@pytest.mark.parametrize("query", ["since=2020-01-01T00:00", "before=2099-01-01T00:00", "id=E_0", "children=yes"])
def test_every_filter_is_understood_by_the_server(server: Server, open_page: Open, query: str) -> None:
    execution_id = server.finish(FIBO, 3)
    page = open_page(f"/executions?{query}")
    expect(page.locator(".row", has_text=execution_id)).to_be_visible()


def test_states_are_counted_and_throughput_is_drawn(server: Server, open_page: Open) -> None:
    server.finish(FIBO, 5)
    page = open_page("/executions")
    chip = page.get_by_role("button", name=re.compile(r"^ok [\d,]+"))
    counts = server.ask("GET", "/v1/executions/counts")
    expect(chip).to_contain_text(f"{counts['results']['ok']:,}")
    expect(page.locator(".spark svg")).to_have_attribute("aria-label", re.compile("finished a second"))


def test_many_are_paused_resumed_and_cancelled_at_once(server: Server, open_page: Open) -> None:
    ids = [server.submit(CANCELLABLE, LONG) for _ in range(3)]
    page = open_page("/executions")
    for verb, word in (("pause", "paused"), ("resume", "waiting"), ("cancel", "cancelled")):
        for execution_id in ids:
            page.get_by_label(f"choose {execution_id}").check()
        page.get_by_role("button", name=f"{verb}…").click()
        page.get_by_role("dialog").get_by_role("button", name=f"{verb} 3").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        for execution_id in ids:
            expect(page.locator(".row", has_text=execution_id)).to_contain_text(word)


def test_all_that_match_are_done_after_a_dry_run_and_deleted_in_the_end(server: Server, open_page: Open) -> None:
    ids = [server.submit(CANCELLABLE, LONG, tags={"batch": "one"}) for _ in range(3)]
    page = open_page("/executions?tag=batch%3Done")
    for verb, word in (("cancel", "cancelled"), ("delete", "")):
        page.get_by_label(f"choose {ids[0]}").check()
        page.get_by_role("button", name=f"{verb}…").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("all that match the filter").check()
        expect(dialog).to_contain_text("It would be 3")
        dialog.get_by_role("button", name=f"{verb} 3").click()
        if word:
            expect(page.locator(".state", has_text=word)).to_have_count(3)
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()


def test_an_id_that_is_typed_in_leads_to_its_execution(server: Server, open_page: Open) -> None:
    execution_id = server.finish(FIBO, 9)
    page = open_page("/executions")
    expect(page.locator(".row", has_text=execution_id)).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type(execution_id)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/executions/{execution_id}$"))
    expect(page.locator(".execution-title")).to_contain_text("ok")


def test_the_keyboard_alone_reaches_an_execution_and_steers_it(server: Server, open_page: Open) -> None:
    execution_id = server.submit(SLEEP, LONG)
    page = open_page(f"/executions?id={execution_id}")
    expect(page.locator(".row", has_text=execution_id)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('row-main')"):
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(execution_id))
    page.get_by_role("button", name="pause…").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("by keyboard")
    page.keyboard.press("Enter")
    expect(page.locator(".execution-title")).to_contain_text("paused")
    expect(page.get_by_text("by keyboard")).to_be_visible()


def test_pages_survive_a_restart_of_the_server_and_show_what_they_missed(server: Server, open_page: Open) -> None:
    before = server.submit(CANCELLABLE, LONG)
    health, one, page = open_page("/health"), open_page(f"/executions/{before}/events"), open_page("/executions")
    expect(page.locator(".row", has_text=before)).to_contain_text("waiting")
    expect(one.locator(".entry")).not_to_have_count(0)
    server.kill()
    for each in (page, one):
        expect(each.locator(".connection")).to_have_text("reconnecting")
    expect(health.locator(".page-head")).to_contain_text("does not answer")
    server.start()
    after = server.submit(SLEEP, LONG)
    server.ask("POST", f"/v1/executions/{before}/cancel", {"reason": "while nobody looked"})
    expect(page.locator(".row", has_text=after)).to_be_visible()
    expect(page.locator(".row", has_text=before)).to_contain_text("cancelled")
    expect(page.locator(".connection")).to_have_text("live")
    expect(one.locator(".execution-title")).to_contain_text("cancelled")
    expect(one.locator(".entry").last).to_contain_text("while nobody looked")
    expect(health.locator(".page-head")).to_contain_text("ready")
