"""The page of one execution: every view of it and every action."""

import http.client
import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from browser_server import Open, Server

SCRIPT = "testing:script-workflow/script.run"
SLEEP = "testing:sleeper/sleeper.sleep"
CANCELLABLE = "testing:sleeper/sleeper.sleep-cancellable"
FIBOA = "testing:fibo-workflow/workflow.fiboa"
CONCURRENT = "testing:fibo-workflow/workflow.fiboa-concurrent"
FLAKY = "testing:flaky/flaky.run"
RECOVER = "testing:recovering/recovering.run"
FETCH = "testing:fetcher/fetcher.fetch"
DECIDE = "testing:approval/desk.decide"
LONG = 3_600_000
STORY = """
log.info("it begins")
for n in range(3):
    fibo.fibo(10 + n)
log.warn("it waits for a decision")
approvals = support.join_set_create_named("approvals")
desk_ext.decide_submit(approvals, 42)
support.submit_delay(approvals, time.ScheduleAt_In(time.Duration_Milliseconds(300)))
support.join_next(approvals)
support.join_next(approvals)
answer = "decided"
"""
LINES = """
for part in range(3):
    for n in range(100):
        log.info(f"line {part}-{n}")
    if part < 2:
        desk = support.join_set_create_named(f"desk-{part}")
        desk_ext.decide_submit(desk, 1)
        support.join_next(desk)
"""


@pytest.fixture(scope="module")
def story(server: Server) -> str:
    """A workflow with calls, a delay and a stub that nobody has answered yet."""
    execution_id = server.submit(SCRIPT, STORY)
    server.until(execution_id, events=10, responses=4)
    return execution_id


def at(execution_id: str, view: str = "") -> str:
    return f"/executions/{execution_id}" + (f"/{view}" if view else "")


def title(page: Page) -> Any:
    return page.locator(".execution-title")


def answer(page: Page, case: str, value: str = "") -> None:
    """A stub, through the form."""
    page.get_by_role("button", name="answer…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("case of result").select_option(case)
    if value:
        dialog.get_by_label(re.compile(f"^{case}")).fill(value)
    dialog.get_by_role("button", name="answer").click()
    expect(dialog).to_have_count(0)


def hold(page: Page, url: re.Pattern[str]) -> list[Route]:
    """Requests that are not sent until they are continued."""
    held: list[Route] = []

    def keep(route: Route) -> None:
        held.append(route)

    page.route(url, keep)
    return held


# What is shown


def test_header_parameters_why_and_parent_are_shown(server: Server, story: str, open_page: Open) -> None:
    page = open_page(at(story))
    expect(title(page)).to_contain_text("waiting")
    expect(page.get_by_text("it waits for join set n:approvals: 1 of 2 have not answered")).to_be_visible()
    expect(page.locator(".fields")).to_contain_text("fibo.fibo(10 + n)")
    digest = server.get(story)["digest"].removeprefix("sha256:")[:12]
    expect(page.locator(".execution-ids")).to_contain_text(f"version {digest}")
    expect(page.locator(".execution-ids").get_by_role("link", name="script")).to_be_visible()
    child = page.locator(".card", has_text="Why").get_by_role("link", name=re.compile("n:approvals_1"))
    child.click()
    expect(title(page)).to_contain_text("to answer")
    expect(page.locator(".execution-ids")).to_contain_text(f"child of {story[:-8]}")


@pytest.mark.parametrize(
    ("mode", "word", "shown"),
    [("ok", "ok", "ok"), ("err", "err", "transient"), ("trap", "trapped", "WebAssembly backtrace")],
)
def test_every_outcome_is_told_by_word_and_value(
    server: Server, open_page: Open, mode: str, word: str, shown: str
) -> None:
    page = open_page(at(server.finish(FLAKY, mode, 0)))
    expect(title(page)).to_contain_text(word)
    expect(page.locator(".overview")).to_contain_text(shown)


def test_timeline_has_a_row_for_everything_that_was_started(story: str, open_page: Open) -> None:
    page = open_page(at(story, "timeline"))
    expect(page.locator(".lane:not(.axis)")).to_have_count(6)
    expect(page.locator(".lane", has_text="delay 300 ms").locator(".phase-delay")).to_be_visible()
    expect(page.locator(".lane", has_text="decide").locator(".phase-queued")).to_be_visible()
    expect(page.locator(".lane", has_text="this execution").locator(".phase-waiting").last).to_be_visible()
    before = page.locator(".toolbar .number").inner_text()
    page.get_by_role("button", name="zoom in").click()
    page.get_by_role("button", name="zoom in").click()
    expect(page.locator(".toolbar .number")).not_to_have_text(before)
    page.get_by_role("button", name="later").click()
    page.get_by_role("button", name="all", exact=True).click()
    expect(page.locator(".live")).to_be_visible()


def test_timeline_goes_on_with_the_present_wherever_its_end_is_seen(server: Server, open_page: Open) -> None:
    page = open_page(at(server.submit(SLEEP, LONG), "timeline"))
    length = page.locator(".toolbar .number")
    for name in ("zoom out", "earlier", "later"):
        page.get_by_role("button", name=name).click()
        before = length.inner_text()
        expect(length).not_to_have_text(before)
        expect(page.locator(".live")).to_be_visible()
    page.get_by_role("button", name="zoom in").click()
    expect(page.locator(".live")).to_have_count(0)
    for _ in range(4):
        page.get_by_role("button", name="later").click()
    expect(page.locator(".live")).to_be_visible()


def test_times_are_told_by_the_clock_of_the_server(server: Server, open_page: Open) -> None:
    execution_id = server.submit(SLEEP, LONG)
    page = open_page("/health")
    page.add_init_script("const right = Date.now; Date.now = () => right() + 36_000_000;")
    page.goto(server.url + at(execution_id))
    expect(page.locator(".execution-duration")).to_have_text(re.compile(r"\d (ms|s|min)\b"))
    expect(page.locator(".execution-duration")).not_to_contain_text("h")


def test_timeline_shows_at_once_what_happens_to_a_child_alone(server: Server, open_page: Open) -> None:
    execution_id = server.submit(SCRIPT, STORY)
    child = server.until(execution_id, events=10, responses=4)["id"] + ".n:approvals_1"
    page = open_page(at(execution_id, "timeline"))
    lane = page.locator(".lane", has_text="decide")
    expect(lane.locator(".phase-queued")).to_be_visible()
    expect(page.locator(".connection")).to_have_text("live")
    server.ask("POST", f"/v1/executions/{child}/pause", {})
    expect(lane.locator(".phase-paused")).to_be_visible()
    assert server.get(execution_id)["events"] == 10


def test_timeline_shows_attempts_and_the_backoff_between(server: Server, open_page: Open) -> None:
    page = open_page(at(server.finish(RECOVER, 2), "timeline"))
    lane = page.locator(".lane", has_text="this execution")
    expect(lane.locator(".phase-backoff")).to_have_count(2)
    expect(lane.locator(".phase-running")).to_have_count(3)
    page.get_by_role("link", name="Overview").click()
    expect(page.locator(".attempts li")).to_have_count(2)


def test_of_many_failed_attempts_the_latest_are_shown(server: Server, open_page: Open) -> None:
    page = open_page(at(server.finish(RECOVER, 22)))
    expect(page.locator(".attempts li")).to_have_count(20)
    card = page.locator(".card", has_text="Failed attempts")
    expect(card).to_contain_text("2 more before these")
    card.get_by_role("link", name="event log").click()
    expect(page.locator(".entry", has_text="attempt-failed").first).to_be_visible()


def test_what_is_open_in_the_tree_stays_while_more_is_read(server: Server, open_page: Open) -> None:
    page = open_page(at(server.finish(CONCURRENT, 1, 150), "tree"))
    rows = page.locator("[role=treeitem]")
    expect(rows).to_have_count(101)
    held = hold(page, re.compile("/children.*limit=600"))
    with page.expect_request(re.compile("limit=600")):
        page.get_by_role("button", name="more").click()
    expect(page.get_by_role("button", name="more")).to_be_visible()
    expect(rows).to_have_count(101)
    held[0].continue_()
    expect(rows).to_have_count(151)


def test_tree_is_walked_with_arrow_keys(story: str, open_page: Open) -> None:
    page = open_page(at(story, "tree"))
    rows = page.locator("[role=treeitem]")
    expect(rows).to_have_count(5)
    rows.first.focus()
    for key in ("ArrowDown", "ArrowDown", "End", "Home", "ArrowLeft"):
        page.keyboard.press(key)
    expect(rows).to_have_count(1)
    page.keyboard.press("ArrowRight")
    expect(rows).to_have_count(5)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(title(page)).to_contain_text("fibo")


def test_a_row_that_is_opened_by_key_keeps_the_focus(story: str, open_page: Open) -> None:
    page = open_page(at(story, "events"))
    row = page.locator(".entry-row").nth(2)
    row.focus()
    for expanded in ("true", "false"):
        page.keyboard.press("Enter")
        expect(row).to_have_attribute("aria-expanded", expanded)
        expect(row).to_be_focused()


def test_event_log_is_searched_and_opened(story: str, open_page: Open) -> None:
    page = open_page(at(story, "events"))
    expect(page.locator(".entry")).to_have_count(14)
    expect(page.locator(".join-set", has_text="n:approvals").first).to_be_visible()
    page.get_by_label("responses").uncheck()
    expect(page.locator(".entry")).to_have_count(10)
    page.get_by_label("Find in the log").fill("delay-submitted")
    expect(page.locator(".entry")).to_have_count(1)
    page.locator(".entry-row").click()
    expect(page.locator(".entry-open")).to_contain_text('"event": "delay-submitted"')


def test_ten_thousand_events_scroll_with_few_rows_in_the_document(server: Server, open_page: Open) -> None:
    execution_id = server.finish(CONCURRENT, 1, 5_000)
    assert server.get(execution_id)["events"] > 10_000
    page = open_page(at(execution_id, "events"))
    expect(page.locator(".count[role=status]")).to_contain_text(re.compile(r"^15,0\d\d entries"))
    for part in (0.5, 1.0, 0.25):
        page.locator(".entries").evaluate("(box, part) => box.scrollTo(0, box.scrollHeight * part)", part)
        expect(page.locator(".entry").nth(10)).to_be_visible()
        assert page.locator(".entry").count() < 80
    page.locator(".entries").evaluate("box => box.scrollTo(0, box.scrollHeight)")
    expect(page.locator(".entry", has_text="finished").last).to_be_visible()
    page.get_by_role("link", name="Timeline").click()
    expect(page.locator(".lane", has_text="g:1_1").first).to_be_visible()
    assert page.locator(".lane").count() < 80


def test_logs_are_filtered_by_level_and_followed(server: Server, open_page: Open) -> None:
    source = "log.debug('first')\nfibo.fibo(1)\nlog.error('second')\n"
    pause = "support.sleep(time.ScheduleAt_In(time.Duration_Milliseconds(700)), None)\n"
    execution_id = server.submit(SCRIPT, source + pause + "log.info('third')\n")
    page = open_page(at(execution_id, "logs"))
    expect(page.locator(".line")).to_have_count(3)
    expect(page.locator(".line").last).to_contain_text("third")
    page.get_by_label("Level at least").select_option("error")
    expect(page.locator(".line")).to_have_count(1)
    expect(page.locator(".line")).to_contain_text("second")


def test_who_scrolled_away_from_the_end_of_the_log_is_left_there(server: Server, open_page: Open) -> None:
    execution_id = server.submit(SCRIPT, LINES)
    page = open_page(at(execution_id, "logs"))
    box = page.get_by_role("region", name="Log lines")
    count = page.locator(".count[role=status]")
    for part, (top, seen) in enumerate((("box.scrollHeight", "1-99"), ("0", "0-0"))):
        expect(count).to_contain_text(f"{part * 100 + 100} lines")
        box.evaluate(f"box => box.scrollTo(0, {top})")
        page.evaluate("new Promise(requestAnimationFrame)")
        child = f"{execution_id}.n:desk-{part}_1"
        server.ask("POST", f"/v1/executions/{child}/stub", {"result": {"ok": True}})
        expect(count).to_contain_text(f"{part * 100 + 200} lines")
        expect(page.locator(".line", has_text=f"line {seen}")).to_be_in_viewport()


def test_requests_of_attempts_are_listed_with_what_came_of_them(server: Server, open_page: Open) -> None:
    execution_id = server.finish(FETCH, "get", f"{server.url}/healthz", "")
    page = open_page(at(execution_id, "requests"))
    request = page.locator(".request")
    expect(request).to_have_count(1)
    expect(request).to_contain_text(f"{server.url}/healthz")
    expect(request).to_contain_text("200")
    request.get_by_role("button").click()
    expect(request).to_contain_text("received")
    denied = server.finish(FETCH, "get", "http://example.com/", "")
    page.goto(server.url + at(denied, "requests"))
    expect(page.locator(".request")).to_contain_text("HTTP-request-denied")
    page.goto(server.url + at(server.finish(FLAKY, "ok", 0), "requests"))
    expect(page.get_by_role("heading", name="No HTTP requests")).to_be_visible()


def test_all_requests_are_listed_however_many_there_are(server: Server, open_page: Open) -> None:
    execution_id = server.finish(FETCH, "get", f"{server.url}/healthz", "")
    [one] = server.ask("GET", f"/v1/executions/{execution_id}/requests")["items"]

    def answer_many(route: Route) -> None:
        """As for an execution of many attempts, each with many requests."""
        query = {name: int(value) for name, [value] in parse_qs(urlsplit(route.request.url).query).items()}
        start = query.get("cursor", 0)
        end = min(2_500, start + query["limit"])
        items = [{**one, "cursor": cursor} for cursor in range(start + 1, end + 1)]
        route.fulfill(json={"items": items, "next_cursor": end, "complete": end - start < query["limit"]})

    page = open_page("/health")
    page.route(re.compile(r"/v1/.*/requests\?"), answer_many)
    page.goto(server.url + at(execution_id, "requests"))
    expect(page.locator(".count[role=status]")).to_have_text("2,500 requests")
    assert page.locator(".request").count() < 80


def test_a_request_to_a_webhook_is_an_execution_that_cannot_be_paused(server: Server, open_page: Open) -> None:
    client = http.client.HTTPConnection(server.webhooks, timeout=240)
    client.request("GET", f"/call-json?{DECIDE}")
    page = open_page("/executions?tag=webhook%3Dhook")
    page.locator(".row").get_by_role("link").click()
    expect(page.locator(".facts")).to_contain_text("webhook")
    actions = page.get_by_role("toolbar", name="Actions").locator("button, a")
    expect(actions).to_have_text(["terminate…"])
    page.get_by_role("link", name="Requests").click()
    expect(page.get_by_role("heading", name="No HTTP requests")).to_be_visible()
    page.get_by_role("link", name="Tree").click()
    expect(page.get_by_role("treeitem")).to_have_count(2)
    page.get_by_role("treeitem", name=re.compile("decide")).get_by_role("link").click()
    answer(page, "ok")
    page.go_back()
    expect(page.get_by_role("treeitem", name=re.compile("decide"))).to_contain_text("ok")
    expect(title(page)).to_contain_text("ok")
    response = client.getresponse()
    assert (response.status, json.loads(response.read())) == (200, {"Ok": "false"})
    client.close()


# What can be done


def test_pause_and_resume_with_a_reason(server: Server, open_page: Open) -> None:
    execution_id = server.submit(SLEEP, LONG)
    page = open_page(at(execution_id))
    page.get_by_role("button", name="pause…").click()
    page.get_by_label("Reason").fill("lunch")
    page.get_by_role("dialog").get_by_role("button", name="pause").click()
    expect(title(page)).to_contain_text("paused")
    expect(page.get_by_text("it is paused: lunch")).to_be_visible()
    page.get_by_role("button", name="resume").click()
    expect(title(page)).to_contain_text("waiting")


def test_upgrade_says_when_there_is_nothing_to_move_to(server: Server, open_page: Open) -> None:
    page = open_page(at(server.submit(SLEEP, LONG)))
    page.get_by_role("button", name="upgrade").click()
    expect(page.locator(".notice")).to_contain_text("upgrade")


@pytest.mark.parametrize(("function", "verb"), [(CANCELLABLE, "cancel"), (SLEEP, "terminate")])
def test_cancel_or_terminate_ends_it(server: Server, open_page: Open, function: str, verb: str) -> None:
    page = open_page(at(server.submit(function, LONG)))
    page.get_by_role("button", name=f"{verb}…").click()
    page.get_by_role("dialog").get_by_role("button", name=verb).click()
    expect(title(page)).to_contain_text("cancelled")
    expect(page.locator(".notice")).to_contain_text(verb)


def test_a_stub_is_answered_through_a_form(server: Server, open_page: Open) -> None:
    execution_id = server.submit(DECIDE, 7)
    page = open_page(at(execution_id))
    answer(page, "err", "no")
    expect(title(page)).to_contain_text("err")
    assert server.get(execution_id)["result"] == {"err": "no"}


def test_a_stub_is_answered_when_its_type_is_known_and_not_before(server: Server, open_page: Open) -> None:
    execution_id = server.submit(DECIDE, 7)
    page = open_page("/health")
    held = hold(page, re.compile("/v1/functions"))
    page.goto(server.url + at(execution_id))
    page.get_by_role("button", name="answer…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("is being read")
    expect(dialog.get_by_role("combobox")).to_have_count(0)
    held[0].continue_()
    dialog.get_by_label("case of result").select_option("err")
    dialog.get_by_label(re.compile("^err")).fill("late")
    dialog.get_by_role("button", name="answer").click()
    expect(title(page)).to_contain_text("err")
    assert server.get(execution_id)["result"] == {"err": "late"}


def test_a_stub_whose_type_nobody_knows_says_so(server: Server, open_page: Open) -> None:
    page = open_page("/health")
    page.route("**/v1/functions", lambda route: route.fulfill(json={"items": [], "next_cursor": None}))
    page.goto(server.url + at(server.submit(DECIDE, 7)))
    page.get_by_role("button", name="answer…").click()
    expect(page.get_by_role("dialog")).to_contain_text(f"{DECIDE} is not deployed any more")
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_replay_says_that_the_history_matches(server: Server, open_page: Open) -> None:
    page = open_page(at(server.finish(FIBOA, 5, 3)))
    page.get_by_role("button", name="replay").click()
    expect(page.get_by_role("dialog")).to_contain_text("All 3 entries of the history were asked for again")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_fork_goes_on_from_a_version(server: Server, open_page: Open) -> None:
    execution_id = server.finish(FIBOA, 5, 3)
    page = open_page(at(execution_id))
    page.get_by_role("button", name="fork…").click()
    page.get_by_label("At version").fill("3")
    page.get_by_role("dialog").get_by_role("button", name="fork").click()
    expect(page).not_to_have_url(re.compile(execution_id))
    expect(title(page)).to_contain_text("ok")


def test_it_is_submitted_again_with_edited_parameters(server: Server, open_page: Open) -> None:
    page = open_page(at(server.finish(FIBOA, 5, 3)))
    page.get_by_role("link", name="submit again…").click()
    expect(page.get_by_label(re.compile("^n "))).to_have_value("5")
    page.get_by_label(re.compile("^iterations ")).fill("2")
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(title(page)).to_contain_text("ok")
    assert server.get(page.url.rpartition("/")[2])["params"] == [5, 2]


def test_an_action_that_is_refused_says_why(server: Server, open_page: Open) -> None:
    execution_id = server.submit(SLEEP, LONG)
    page = open_page(at(execution_id))
    page.get_by_role("button", name="fork…").click()
    page.get_by_label("At version").evaluate("input => input.removeAttribute('max')")
    page.get_by_label("At version").fill("999")
    page.get_by_role("dialog").get_by_role("button", name="fork").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("version")


def test_an_id_that_nobody_has_is_said_to_be_unknown(open_page: Open) -> None:
    page = open_page("/executions/E_01M7Y4K2CF39G7F44A52ZQCSTC")
    expect(page.get_by_role("alert")).to_contain_text("No such execution")
    expect(page.locator(".connection")).to_have_count(0)


def test_an_address_that_is_not_encoded_as_addresses_are_is_a_page_too(open_page: Open) -> None:
    page = open_page("/executions/%ff")
    expect(page.get_by_role("alert")).to_contain_text("'%ff' is not a valid execution id")


# The debugger


def test_the_history_is_stepped_through_with_buttons_and_keys(story: str, open_page: Open) -> None:
    page = open_page(at(story, "debug"))
    current = page.locator(".step[aria-current=step]")
    expect(current).to_contain_text("created")
    page.get_by_role("button", name="forward").click()
    page.keyboard.press("j")
    expect(current).to_contain_text("child-submitted")
    expect(page.locator(".debug-at")).to_contain_text("testing:fibo/fibo.fibo(10)")
    expect(page.locator(".debug-at")).to_contain_text("ok 89")
    expect(page.get_by_label("logs so far")).to_have_text(re.compile("it begins"))
    page.get_by_role("button", name="last event").click()
    expect(page.locator(".debug-at")).to_contain_text("nothing yet: it waits")
    expect(page.locator(".open-set")).to_contain_text("2 submitted")
    expect(page.locator(".open-set")).to_contain_text("(response 4)")
    expect(page.locator(".backtrace").first).to_contain_text(re.compile("join.next"))
    page.keyboard.press("k")
    expect(page).to_have_url(re.compile("version=8"))
    expect(current).to_contain_text("awaited-next")


@pytest.mark.parametrize(("asked", "shown"), [("-1", 0), ("1.5", 1), ("99999", 9), ("x", 0)])
def test_an_address_leads_to_the_nearest_version(story: str, open_page: Open, asked: str, shown: int) -> None:
    page = open_page(at(story, f"debug?version={asked}"))
    expect(page.locator(".step[aria-current=step] .entry-place")).to_have_text(str(shown))
    expect(page.locator(".debug-at")).to_be_visible()


def test_no_step_is_lost_however_fast_they_come(story: str, open_page: Open) -> None:
    page = open_page(at(story, "debug"))
    place = page.locator(".step[aria-current=step] .entry-place")
    expect(place).to_have_text("0")
    press = "document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'j', bubbles: true }))"
    page.evaluate(f"for (let time = 0; time < 5; time += 1) {press}")
    expect(place).to_have_text("5")
    expect(page).to_have_url(re.compile("version=5$"))


def test_only_the_event_that_was_asked_for_is_replayed(server: Server, open_page: Open) -> None:
    execution_id = server.finish(CONCURRENT, 1, 600)
    page = open_page("/health")
    replayed: list[str] = []
    page.on("request", lambda request: replayed.extend(re.findall(r"/v1/.*/debug\?(.*)", request.url)))
    page.goto(server.url + at(execution_id, "debug?version=1100"))
    expect(page.locator(".step[aria-current=step] .entry-place")).to_have_text("1100")
    expect(page.get_by_text("Replaying…")).to_have_count(0)
    assert replayed == ["version=1100"]
