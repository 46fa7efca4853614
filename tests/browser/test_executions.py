"""The page of executions: what it lists, how it is narrowed, how it stays up to date."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from browser_server import Open, Server

SLEEP = "testing:sleeper/sleeper.sleep"
CANCELLABLE = "testing:sleeper/sleeper.sleep-cancellable"
FIBO = "testing:fibo/fibo.fibo"
FLAKY = "testing:flaky/flaky.run"
LONG = 3_600_000
TYPE_WHILE_SENT = """
field => {
  const type = (text) => {
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const replace = history.replaceState;
  history.replaceState = function (...to) {
    history.replaceState = replace;
    replace.apply(history, to);
    type("abc");
  };
  type("ab");
}
"""
"""The next key comes while what was typed before it goes into the address."""


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


def test_a_list_that_could_not_be_read_is_read_again(open_page: Open, tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start(components=False)
    refused: list[Route] = []

    def refuse_some(route: Route) -> None:
        refused.append(route)
        if len(refused) <= 3:  # the first one, and that for what came before the stream
            route.abort()
        else:
            route.continue_()

    try:
        page = open_page("/health", address=server.url)
        page.route("**/v1/executions?limit=100", refuse_some)
        page.get_by_role("link", name="Executions", exact=True).click()
        expect(page.get_by_role("heading", name="Nothing has run yet")).to_be_visible()
        expect(page.get_by_role("alert")).to_have_count(0)
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


def test_a_key_that_comes_while_a_filter_is_sent_is_not_lost(open_page: Open) -> None:
    page = open_page("/executions")
    field = page.get_by_label("Text in parameters or result")
    field.evaluate(TYPE_WHILE_SENT)
    expect(page).to_have_url(re.compile(r"text=abc$"))
    expect(field).to_have_value("abc")


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


def test_counts_are_hidden_where_they_are_of_more_than_is_listed(server: Server, open_page: Open) -> None:
    server.finish(FIBO, 5)
    page = open_page("/executions")
    counted = page.get_by_role("button", name=re.compile(r"^ok [\d,]+"))
    expect(counted).to_be_visible()
    counted.click()
    expect(page).to_have_url(re.compile("state=ok"))
    expect(counted).to_be_visible()
    width = counted.evaluate("chip => chip.offsetWidth")
    page.get_by_label("Function begins with").fill("testing:fibo")
    alone = page.get_by_role("button", name="ok", exact=True)
    expect(alone).to_be_visible()
    assert alone.evaluate("chip => chip.offsetWidth") >= width


def test_rows_stay_where_they_are_read_when_others_come(server: Server, open_page: Open) -> None:
    for _ in range(40):
        server.submit(SLEEP, LONG, tags={"list": "long"})
    page = open_page("/executions?tag=list%3Dlong")
    expect(page.locator(".connection")).to_have_text("live")
    rows = page.get_by_role("region", name="Executions")
    rows.evaluate("box => box.scrollTo(0, 200)")
    read = page.locator(".rows .row").nth(7)
    text = read.locator(".id").get_attribute("title")
    read = page.locator(".rows .row", has_text=text)
    place = read.bounding_box()
    new = server.submit(SLEEP, LONG, tags={"list": "long"})
    expect(page.locator(".row", has_text=new)).to_have_count(1)
    assert read.bounding_box() == place
    rows.evaluate("box => box.scrollTo(0, 0)")
    newest = server.submit(SLEEP, LONG, tags={"list": "long"})
    expect(page.locator(".rows .row").first).to_contain_text(newest)
    assert rows.evaluate("box => box.scrollTop") == 0


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


def test_a_dry_run_that_answers_too_late_widens_nothing(server: Server, open_page: Open) -> None:
    one, other = [server.submit(CANCELLABLE, LONG, tags={"batch": "two"}) for _ in range(2)]
    page = open_page("/executions?tag=batch%3Dtwo")
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        held.append(route)

    page.route("**/v1/bulk/cancel", hold_the_first)
    page.get_by_label(f"choose {one}").check()
    page.get_by_role("button", name="cancel…").click()
    dialog = page.get_by_role("dialog")
    with page.expect_request("**/v1/bulk/cancel"):
        dialog.get_by_label("all that match the filter").check()
    dialog.get_by_label("the 1 chosen").check()
    with page.expect_response("**/v1/bulk/cancel"):
        held[0].continue_()
    page.wait_for_function("new Promise(done => setTimeout(() => done(true), 100))")
    expect(dialog).not_to_contain_text("It would be")
    dialog.get_by_role("button", name="cancel 1").click()
    expect(dialog).to_have_count(0)
    expect(page.locator(".row", has_text=one)).to_contain_text("cancelled")
    assert server.get(other)["status"] == "blocked"


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


def test_after_a_break_the_list_is_read_again_also_if_nothing_was_missed(open_page: Open, tmp_path: Path) -> None:
    """What was told before the break may have been asked of a server that was gone."""
    server = Server(tmp_path)
    server.start(components=False)
    try:
        page = open_page("/executions", address=server.url)
        expect(page.locator(".connection")).to_have_text("live")
        server.kill()
        expect(page.locator(".connection")).to_have_text("reconnecting")
        with page.expect_response("**/v1/executions?limit=100"):
            server.start(components=False)
        expect(page.locator(".connection")).to_have_text("live")
    finally:
        server.kill()
