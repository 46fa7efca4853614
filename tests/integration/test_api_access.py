"""Tokens over a real listener: who may do what, who sees what, and what is written down about it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from api_server import CANCELLABLE, FIBOA, LONG, SLEEP, Api
from obelisk_server.access.tokens import new_token
from obelisk_server.api.listener import OPERATIONS
from obelisk_server.config.access import AccessSettings, TokenSettings
from obelisk_server.endpoints import Repeat, Scope

FIBO = "testing:fibo/fibo.fibo"
TOKENS = {name: new_token(name.encode().ljust(32)) for name in ("reader", "submitter", "operator", "root", "sleepy")}
RIGHTS: dict[str, tuple[set[Scope], tuple[str, ...] | None]] = {
    "reader": ({Scope.READ}, None),
    "submitter": ({Scope.SUBMIT}, None),
    "operator": ({Scope.OPERATE}, None),
    "root": ({Scope.ADMIN}, None),
    "sleepy": ({Scope.SUBMIT, Scope.OPERATE}, ("testing:sleeper/*",)),
}


def settings(*names: str) -> AccessSettings:
    tokens: list[TokenSettings] = []
    for name in names:
        scopes, functions = RIGHTS[name]
        included = frozenset[Scope]().union(*(scope.included for scope in scopes))
        hash_ = bytes.fromhex(TOKENS[name][1].removeprefix("sha256:"))
        tokens.append(TokenSettings(name, hash_, included, functions, None))
    return AccessSettings(tokens=tuple(tokens))


@pytest.fixture(autouse=True)
def _guarded(api: Api) -> None:
    api.context.guard.replace(settings(*TOKENS))


def by(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[name][0]}"}


async def submit(api: Api, name: str, function: str, params: str) -> str:
    body = f'{{"function": "{function}", "params": {params}}}'
    answer = await api.post("/v1/executions", body, **by(name))
    assert answer.status == 201, answer
    return answer.body["id"]


def path_of(operation: Any, execution_id: str) -> str:
    return operation.endpoint.path.format(id=execution_id, function=FIBO.replace("/", "%2F"), name="fibo_tiny")


async def ask(api: Api, operation: Any, execution_id: str, **headers: str) -> int:
    """The status alone: a stream has no end."""
    method, path = operation.endpoint.method, path_of(operation, execution_id)
    sent = {"json": {}} if method == "POST" else {}
    async with api.session.request(method, api.url + path, headers=headers, **sent) as answer:
        return answer.status


async def test_every_operation_but_the_probes_wants_a_token(api: Api) -> None:
    for operation in OPERATIONS:
        status = await ask(api, operation, "E_01J00000000000000000000000")
        if operation.endpoint.scope is None:
            assert (operation.name, status) in (("alive", 200), ("ready", 200))
        else:
            assert status == 401, operation.name
    answer = await api.get("/v1/functions")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="obelisk"'
    assert answer.body["type"] == "urn:obelisk:problem:token-refused"


@pytest.mark.parametrize("name", ["reader", "submitter", "operator"])
async def test_every_operation_wants_the_scope_that_the_registry_says(api: Api, name: str) -> None:
    execution_id = await submit(api, "submitter", FIBO, "[1]")
    allowed = frozenset[Scope]().union(*(scope.included for scope in RIGHTS[name][0]))
    for operation in OPERATIONS:
        if (scope := operation.endpoint.scope) is not None and scope not in allowed:
            assert await ask(api, operation, execution_id, **by(name)) == 403, operation.name
        elif operation.endpoint.method == "GET":
            assert await ask(api, operation, execution_id, **by(name)) not in (401, 403), operation.name
    answer = await api.post("/v1/prune", {"older_than": "1d"}, **by(name))
    assert (answer.status, answer.body["scope"]) == (403, "admin")
    assert 'scope="admin"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("name", ["reader", "operator", "root", "sleepy"])
async def test_callers_are_told_exactly_what_is_open_to_them(api: Api, name: str) -> None:
    execution_id = await submit(api, "sleepy", SLEEP, LONG)
    told = (await api.get("/v1/caller", **by(name))).body
    assert told["name"] == name
    assert told["functions"] == (None if RIGHTS[name][1] is None else list(RIGHTS[name][1] or ()))
    for operation in OPERATIONS:
        if operation.name not in told["operations"]:
            assert await ask(api, operation, execution_id, **by(name)) == 403, operation.name
        elif operation.endpoint.method == "GET" and "{function}" not in operation.endpoint.path:
            assert await ask(api, operation, execution_id, **by(name)) != 403, operation.name


async def test_code_that_a_request_brings_needs_the_scope_admin(api: Api) -> None:
    execution_id = await submit(api, "submitter", SLEEP, LONG)
    fork = {"version": 1, "component": "AGFzbQ=="}
    answer = await api.post(f"/v1/executions/{execution_id}/fork", fork, **by("submitter"))
    assert (answer.status, answer.body["scope"]) == (403, "admin")
    assert (await api.post(f"/v1/executions/{execution_id}/fork", {"version": 1}, **by("submitter"))).status == 201


async def test_executions_of_others_are_as_if_they_did_not_exist(api: Api) -> None:
    theirs = await submit(api, "root", FIBOA, "[10, 1]")
    for operation in OPERATIONS:
        scope = operation.endpoint.scope
        if scope is None or scope is Scope.ADMIN or "{id}" not in operation.endpoint.path:
            continue
        hidden = await ask(api, operation, theirs, **by("sleepy"))
        missing = await ask(api, operation, "E_01J00000000000000000000000", **by("sleepy"))
        assert hidden == missing == 404, operation.name


async def test_a_tree_of_ones_own_is_seen_with_children_that_run_other_functions(api: Api) -> None:
    limited = replace(settings("sleepy").tokens[0], functions=("testing:fibo-workflow/*",))
    api.context.guard.replace(AccessSettings(tokens=(limited, *settings("root").tokens)))
    parent = await submit(api, "root", FIBOA, "[10, 2]")
    await api.get(f"/v1/executions/{parent}/result?wait=20s", **by("root"))
    children = (await api.get(f"/v1/executions/{parent}/children", **by("sleepy"))).body["items"]
    assert [child["function"] for child in children] == [FIBO, FIBO]
    assert (await api.get(f"/v1/executions/{children[0]['id']}", **by("sleepy"))).status == 200
    alone = await submit(api, "root", FIBO, "[1]")
    everything = (await api.get("/v1/executions?children=true", **by("sleepy"))).body["items"]
    assert alone not in [item["id"] for item in everything]
    assert len(everything) == 3


async def test_who_sees_only_a_child_does_not_hold_the_tree_above_it(api: Api) -> None:
    limited = replace(settings("sleepy").tokens[0], functions=("testing:fibo/*",))
    api.context.guard.replace(AccessSettings(tokens=(limited, *settings("root").tokens)))
    parent = await submit(api, "root", FIBOA, "[10, 1]")
    await api.get(f"/v1/executions/{parent}/result?wait=20s", **by("root"))
    (child,) = (await api.get(f"/v1/executions/{parent}/children", **by("root"))).body["items"]
    assert (await api.get(f"/v1/executions/{child['id']}", **by("sleepy"))).status == 200
    assert (await api.get(f"/v1/executions/{parent}", **by("sleepy"))).status == 404
    assert (await api.post(f"/v1/executions/{child['id']}/hold", {}, **by("sleepy"))).status == 404


async def test_lists_tell_of_ones_own_only(api: Api) -> None:
    mine = await submit(api, "sleepy", SLEEP, LONG)
    await submit(api, "root", FIBO, "[1]")
    for query in ("", "?children=true", "?status=pending&status=blocked&status=locked"):
        items = (await api.get("/v1/executions" + query, **by("sleepy"))).body["items"]
        assert [item["id"] for item in items] == [mine], query
    assert (await api.get(f"/v1/executions?function={FIBO}", **by("sleepy"))).body["items"] == []
    functions = (await api.get("/v1/functions", **by("sleepy"))).body["items"]
    assert {item["function"] for item in functions} == {SLEEP, CANCELLABLE}
    components = (await api.get("/v1/components", **by("sleepy"))).body["items"]
    assert [item["name"] for item in components] == ["sleeper"]
    assert (await api.get("/v1/components/fibo_tiny", **by("sleepy"))).status == 404
    assert (await api.post("/v1/components/fibo_tiny/upgrade", {}, **by("sleepy"))).status == 404
    document = (await api.get("/openapi.json", **by("sleepy"))).body
    assert "fibo" not in str(document["paths"])


async def test_cursors_tell_nothing_of_what_others_have(api: Api) -> None:
    mine = await submit(api, "sleepy", SLEEP, LONG)
    for number in range(3):
        await submit(api, "root", FIBO, f"[{number + 90}]")
    await submit(api, "root", FIBOA, "[10, 2]")
    for query in ("", "children=true", "children=true&text=91", "text=91", "oldest_first=true", "status=finished"):
        page = (await api.get(f"/v1/executions?limit=1&{query}", **by("sleepy"))).body
        assert ([item["id"] for item in page["items"]], page["next_cursor"]) in (([mine], None), ([], None)), query
    dry = await api.post("/v1/bulk/pause", {"filter": {"text": "91"}, "dry_run": True}, **by("sleepy"))
    assert dry.body["matches"] == 0


async def test_counts_and_throughput_are_of_ones_own(api: Api) -> None:
    limited = replace(settings("sleepy").tokens[0], functions=("testing:fibo-workflow/*",))
    api.context.guard.replace(AccessSettings(tokens=(limited, *settings("root").tokens)))
    parent = await submit(api, "root", FIBOA, "[10, 2]")
    alone = await submit(api, "root", FIBO, "[1]")
    for execution_id in (parent, alone):
        await api.get(f"/v1/executions/{execution_id}/result?wait=20s", **by("root"))
    assert (await api.get("/v1/executions/counts", **by("sleepy"))).body["results"] == {"ok": 1}
    assert (await api.get("/v1/executions/counts?children=true", **by("sleepy"))).body["results"] == {"ok": 3}
    assert (await api.get("/v1/executions/counts?children=true", **by("root"))).body["results"] == {"ok": 4}
    ended = [(await api.get("/v1/throughput", **by(name))).body["items"] for name in ("sleepy", "root")]
    assert [sum(item["ok"] for item in items) for items in ended] == [1, 4]


async def test_an_id_that_is_taken_does_not_tell_by_what(api: Api) -> None:
    theirs = await submit(api, "root", FIBO, "[1]")
    order = {"function": SLEEP, "params": [1], "id": theirs}
    for path, body in (("/v1/executions", order), ("/v1/executions/batch", {"items": [order]})):
        answer = await api.post(path, body, **by("sleepy"))
        assert (answer.status, answer.body["type"]) == (409, "urn:obelisk:problem:id-conflict")
        assert "fibo" not in str(answer.body)


@pytest.mark.parametrize("path", ["/metrics", "/v1/health"])
async def test_what_concerns_all_is_refused_to_who_is_limited(api: Api, path: str) -> None:
    answer = await api.get(path, **by("sleepy"))
    assert (answer.status, answer.body["type"]) == (403, "urn:obelisk:problem:beyond-token")
    assert "limited to testing:sleeper/*" in answer.body["detail"]
    assert "is about the whole server" in answer.body["detail"]


async def test_other_functions_are_not_submitted_by_any_way(api: Api) -> None:
    for path, body in [
        ("/v1/executions", {"function": FIBO, "params": [1]}),
        (f"/v1/functions/{FIBO}/submit", {"params": [1]}),
        ("/v1/executions/batch", {"items": [{"function": SLEEP, "params": [1]}, {"function": FIBO, "params": [1]}]}),
    ]:
        answer = await api.post(path, body, **by("sleepy"))
        assert (answer.status, answer.body["type"]) == (403, "urn:obelisk:problem:beyond-token"), path
    short = await api.post("/v1/executions", {"function": "fibo", "params": [1]}, **by("sleepy"))
    assert (short.status, short.body["closest"]) == (404, [])
    assert (await api.get("/v1/executions", **by("root"))).body["items"] == []


async def test_bulk_actions_take_ones_own_only(api: Api) -> None:
    mine = await submit(api, "sleepy", CANCELLABLE, LONG)
    theirs = await submit(api, "root", FIBOA, "[10, 1]")
    for children in (False, True):
        dry = await api.post("/v1/bulk/pause", {"filter": {"children": children}, "dry_run": True}, **by("sleepy"))
        assert (dry.body["matches"], [item["id"] for item in dry.body["samples"]]) == (1, [mine])
    dry = await api.post("/v1/bulk/pause", {"filter": {}, "dry_run": True}, **by("sleepy"))
    done = await api.post("/v1/bulk/pause", {"filter": {}, "token": dry.body["token"]}, **by("sleepy"))
    assert [item["id"] for item in done.body["items"]] == [mine]
    log = (await api.get(f"/v1/executions/{theirs}/events", **by("root"))).body["items"]
    assert "paused" not in str(log)
    assert "paused by sleepy" in str((await api.get(f"/v1/executions/{mine}/events", **by("root"))).body)


async def test_event_logs_name_who_did_it(api: Api) -> None:
    execution_id = await submit(api, "root", CANCELLABLE, LONG)
    await api.post(f"/v1/executions/{execution_id}/pause", {}, **by("operator"))
    await api.post(f"/v1/executions/{execution_id}/cancel", {"reason": "too late"}, **by("root"))
    log = str((await api.get(f"/v1/executions/{execution_id}/events", **by("reader"))).body)
    assert "paused by operator" in log
    assert "cancelled by root: too late" in log


@asynccontextmanager
async def stream(api: Api, name: str) -> AsyncIterator[asyncio.StreamReader | Any]:
    async with api.session.get(api.url + "/v1/stream", headers=by(name)) as answer:
        assert answer.status == 200
        while not len(api.context.followers):  # noqa: ASYNC110 - each turn of the loop brings it nearer
            await asyncio.sleep(0)
        await answer.content.readline()
        yield answer.content


async def test_a_stream_tells_of_ones_own_only(api: Api) -> None:
    async with stream(api, "sleepy") as told, asyncio.timeout(120):
        theirs = await submit(api, "root", FIBO, "[1]")
        mine = await submit(api, "sleepy", SLEEP, LONG)
        seen = b""
        while mine.encode() not in seen:
            seen += await told.readline()
        assert theirs.encode() not in seen


async def test_a_stream_ends_when_its_token_is_taken_away(api: Api) -> None:
    async with stream(api, "reader") as told, asyncio.timeout(120):
        api.context.guard.replace(settings("root"))
        hidden = await submit(api, "root", SLEEP, LONG)
        assert hidden.encode() not in await told.read()


async def test_guesses_are_slowed_down_with_the_time_to_wait(api: Api) -> None:
    for _ in range(10):
        assert (await api.get("/v1/functions", Authorization="Bearer guess")).status == 401
    answer = await api.get("/v1/functions", Authorization="Bearer guess")
    assert (answer.status, answer.body["type"]) == (429, "urn:obelisk:problem:too-many-failures")
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert (await api.get("/healthz")).status == 200


def audited(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if record.msg == "audit"]


async def test_each_change_is_written_down_with_who_did_it(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "obelisk_server.access.audit")
    execution_id = await submit(api, "submitter", CANCELLABLE, LONG)
    path = f"/v1/executions/{execution_id}"
    await api.get(path, **by("reader"))
    given = await api.post(path + "/cancel", {}, **by("operator"), **{"X-Request-Id": "mine-1"})
    await api.post(path + "/pause", {}, **by("reader"))
    await api.get(path, Authorization="Bearer guess")
    await api.get(path)
    await api.get(path + "?token=in-the-query", **by("reader"), Host="evil.example")
    await api.get("/metrics", **by("sleepy"))
    lines = [(it["who"], it["operation"], it["target"], it["outcome"], it["address"]) for it in audited(caplog)]
    assert lines == [
        ("submitter", "submit", "/v1/executions", "201", "127.0.0.1"),
        ("operator", "cancel", path + "/cancel", "200", "127.0.0.1"),
        ("reader", "pause", path + "/pause", "403 scope-needed", "127.0.0.1"),
        ("-", "get-execution", path, "401 token-refused", "127.0.0.1"),
        ("-", "-", path, "403 foreign-request", "127.0.0.1"),
        ("sleepy", "metrics", "/metrics", "403 beyond-token", "127.0.0.1"),
    ]
    assert given.headers["X-Request-Id"] == "mine-1"
    assert audited(caplog)[0]["executions"] == [execution_id]
    assert audited(caplog)[1]["request_id"] == "mine-1"
    for token, _ in TOKENS.values():
        assert token not in caplog.text


async def test_every_operation_that_may_change_something_leaves_one_line(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    execution_id = await submit(api, "submitter", CANCELLABLE, LONG)
    caplog.set_level(logging.INFO, "obelisk_server.access.audit")
    for operation in OPERATIONS:
        caplog.clear()
        status = await ask(api, operation, execution_id, **by("root"))
        lines = [(it["who"], it["operation"], it["outcome"].split()[0]) for it in audited(caplog)]
        changes = operation.endpoint.repeat is not Repeat.READS or operation.endpoint.scope is Scope.ADMIN
        assert lines == ([("root", operation.name, str(status))] if changes else [])


async def test_lines_name_the_executions_and_the_filter_but_never_a_parameter(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "obelisk_server.access.audit")
    items = [{"function": SLEEP, "params": [987654321], "tags": {"batch": "one"}}] * 2
    batch = await api.post("/v1/executions/batch", {"items": items}, **by("submitter"))
    created = [item["id"] for item in batch.body["items"]]
    where = {"filter": {"tag": ["batch=one"]}}
    dry = await api.post("/v1/bulk/pause", {**where, "dry_run": True}, **by("operator"))
    await api.post("/v1/bulk/pause", {**where, "token": dry.body["token"]}, **by("operator"))
    forked = await api.post(f"/v1/executions/{created[0]}/fork", {"version": 1}, **by("submitter"))
    await api.post("/v1/prune", {"older_than": "1d"}, **by("root"))
    asked = [
        (it["operation"], it.get("asked"), sorted(it.get("executions", ())), it["target"]) for it in audited(caplog)
    ]
    assert asked == [
        ("submit-batch", None, sorted(created), "/v1/executions/batch"),
        ("bulk-pause", {**where, "dry_run": True}, [], "/v1/bulk/pause"),
        ("bulk-pause", where, sorted(created), "/v1/bulk/pause"),
        ("fork", {"version": 1}, [forked.body["id"]], f"/v1/executions/{created[0]}/fork"),
        ("prune", {"older_than": "1d"}, [], "/v1/prune"),
    ]
    assert "987654321" not in str(audited(caplog))


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "ä"])
async def test_a_request_id_that_cannot_be_written_down_is_replaced(api: Api, given: str) -> None:
    answer = await api.post("/v1/prune", {"older_than": "1d"}, **by("root"), **{"X-Request-Id": given})
    assert answer.headers["X-Request-Id"] not in ("", given)


@pytest.mark.parametrize(
    "foreign",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "localhost:1:2"},
        {"Host": "localhost."},
        {"Host": "evil@localhost"},
        {"Host": "2130706433"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
    ],
)
async def test_every_operation_but_the_probes_minds_under_which_name_and_from_which_page_it_is_asked(
    api: Api, foreign: dict[str, str]
) -> None:
    execution_id = await submit(api, "root", CANCELLABLE, LONG)
    for operation in OPERATIONS:
        status = await ask(api, operation, execution_id, **by("root"), **foreign)
        assert status == (200 if operation.endpoint.scope is None else 403), operation.name
    assert (await api.get(f"/v1/executions/{execution_id}", **by("root"))).body["lifecycle"] == "active"


async def test_a_page_elsewhere_is_not_told_that_it_may(api: Api) -> None:
    for origin, status in (("http://evil.example", 403), (api.url, 405)):
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST", **by("root")}
        async with api.session.options(api.url + "/v1/executions", headers=asked) as answer:
            assert answer.status == status
            assert not [name for name in answer.headers if name.lower().startswith("access-control")]


async def test_no_answer_can_be_taken_for_a_page_or_kept(api: Api) -> None:
    for path in ("/healthz", "/v1/functions", "/nothing", "/openapi.json", "/metrics"):
        for headers in ({}, by("root")):
            answer = await api.session.get(api.url + path, headers=headers)
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'"), path
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Cache-Control"] == "no-store"
            answer.release()


def test_what_is_written_down_is_what_may_change_something() -> None:
    assert {
        item.name for item in OPERATIONS if item.endpoint.repeat is Repeat.READS and item.endpoint.method == "POST"
    } == {"replay", "bulk-replay"}
