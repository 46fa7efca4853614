"""The pages of components and of health."""

import re

from playwright.sync_api import Route, expect

from browser_server import Open, Server

FLAKY = "testing:flaky/flaky.run"


def test_a_component_shows_what_it_is_and_whom_it_calls(server: Server, open_page: Open) -> None:
    server.finish("testing:fibo-workflow/workflow.fiboa", 3, 1)
    page = open_page("/components")
    page.get_by_role("navigation", name="Components").get_by_role("link", name=re.compile("^fibo-workflow")).click()
    details = page.locator(".component")
    expect(details).to_contain_text("fibo_workflow_tiny.wasm")
    expect(details).to_contain_text("2.0 kB")
    (digest,) = [
        item["digest"] for item in server.ask("GET", "/v1/components")["items"] if item["name"] == "fibo-workflow"
    ]
    expect(details).to_contain_text(digest.removeprefix("sha256:")[:12])
    expect(details.locator("tr", has_text="deployed")).to_be_visible()
    expect(page.locator(".graph figcaption")).to_contain_text("fibo-workflow calls fibo")
    details.get_by_role("link", name="fibo", exact=True).first.click()
    expect(page.get_by_role("heading", name="fibo", exact=True)).to_be_visible()
    expect(details).to_contain_text("called by")


def test_what_the_server_could_not_answer_at_first_is_asked_for_again(open_page: Open) -> None:
    page = open_page("/health")
    refused: list[Route] = []

    def refuse_twice(route: Route) -> None:
        refused.append(route)
        if len(refused) == 1:
            route.abort()
        elif len(refused) == 2:
            route.fulfill(status=503, json={"title": "Not now"})
        else:
            route.continue_()

    page.route("**/v1/components", refuse_twice)
    page.get_by_role("link", name="Components").click()
    expect(page.get_by_role("heading", name="Components")).to_be_visible()
    assert len(refused) == 3


def test_wit_leads_from_a_use_of_a_type_to_its_declaration_and_from_a_function_to_its_form(
    server: Server, open_page: Open
) -> None:
    page = open_page("/components/shapes")
    wit = page.get_by_label("WIT of the component")
    expect(wit.locator("[id='type-testing:shapes/shapes.point']")).to_have_text("point")
    wit.locator("a.wit-link", has_text="point").first.click()
    expect(page).to_have_url(re.compile("#type-testing:shapes/shapes.point$"))
    wit.get_by_role("link", name="echo").click()
    expect(page).to_have_url(re.compile("/submit"))


def test_every_link_in_wit_leads_to_one_declaration(open_page: Open) -> None:
    page = open_page("/components/fetcher")
    wit = page.get_by_label("WIT of the component")
    expect(wit.locator("a.wit-link").first).to_be_visible()
    declared = wit.locator("[id]").evaluate_all("all => all.map(each => each.id)")
    linked = wit.locator("a.wit-link").evaluate_all("all => all.map(each => each.hash.slice(1))")
    assert len(declared) == len(set(declared))
    assert {"type-wasi:http/types@0.2.9.error-code", "type-wasi:filesystem/types@0.2.9.error-code"} <= set(linked)
    assert {"type-wasi:io/error@0.2.9.error", "type-wasi:http/types@0.2.9.DNS-error-payload"} <= set(linked)
    assert set(linked) <= set(declared)


def test_exports_lead_to_their_executions(server: Server, open_page: Open) -> None:
    execution_id = server.finish(FLAKY, "ok", 0)
    page = open_page("/components/flaky")
    page.locator(".component").get_by_role("link", name="executions").click()
    expect(page.locator(".row", has_text=execution_id)).to_be_visible()


def test_health_has_figures_and_groups_failures_by_reason(server: Server, open_page: Open) -> None:
    failed = [server.finish(FLAKY, "trap", 0) for _ in range(2)]
    page = open_page("/health")
    expect(page.locator(".page-head")).to_contain_text("ready")
    for name in ("Queue", "Workflows in memory", "Attempts now", "Store", "Latencies since the start"):
        expect(page.get_by_role("heading", name=name)).to_be_visible()
    group = page.locator(".failures li", has_text="trapped").first
    expect(group).to_contain_text("flaky.run")
    expect(group).to_contain_text(failed[1][-8:])
    group.locator("a.number").click()
    expect(page).to_have_url(re.compile("state=failed"))
    expect(page.locator(".row", has_text=failed[1])).to_be_visible()
