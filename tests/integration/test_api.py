"""The HTTP API over the real service, engine and tiny components; the store is in memory."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from api_server import CANCELLABLE, FIBOA, LIMITS, LONG, SLEEP, Api, tiny
from obelisk_runtime.core.deployment import ComponentKind
from obelisk_runtime.service.replay import room
from obelisk_server.api import listener
from obelisk_server.api.listener import REQUESTS_MAX

# Submitting


async def test_a_submit_that_waits_answers_with_the_result(api: Api) -> None:
    answer = await api.post("/v1/executions", {"function": FIBOA, "params": [10, 3], "wait": 30})
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Location"] == f"/v1/executions/{answer.body['id']}"
    assert answer.body == {"id": answer.body["id"], "existed": False, "status": "finished", "result": {"ok": 89}}


async def test_a_submit_that_does_not_wait_answers_once_it_is_created(api: Api) -> None:
    answer = await api.post("/v1/executions", {"function": SLEEP, "params": [3_600_000]})
    assert answer.status == 201
    assert answer.body == {"id": answer.body["id"], "existed": False}


async def test_a_wait_that_ends_early_tells_the_status(api: Api) -> None:
    answer = await api.post("/v1/executions", {"function": SLEEP, "params": [3_600_000], "wait": "50ms"})
    assert answer.status == 201
    assert answer.body["status"] in ("locked", "blocked")
    assert "result" not in answer.body


async def test_the_same_id_and_content_again_is_no_second_run(api: Api) -> None:
    chosen = "E_01J00000000000000000000000"
    body = {"function": FIBOA, "params": [10, 1], "id": chosen, "wait": 30}
    first = await api.post("/v1/executions", body)
    second = await api.post("/v1/executions", {**body, "params": [10.0, 1]})
    assert (first.body["existed"], second.body["existed"]) == (False, True)
    assert second.body["result"] == {"ok": 89}
    assert len((await api.get("/v1/executions")).body["items"]) == 1


async def test_the_same_id_with_other_content_is_a_conflict(api: Api) -> None:
    chosen = "E_01J00000000000000000000000"
    await api.submit(SLEEP, LONG, id=chosen)
    answer = await api.post("/v1/executions", {"function": SLEEP, "params": [1], "id": chosen})
    assert answer.status == 409
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["type"] == "urn:obelisk:problem:id-conflict"
    assert chosen in answer.body["detail"]


@pytest.mark.parametrize("chosen", ["x", "E_1", "E_01J00000000000000000000000.o:1_1"])
async def test_an_id_that_is_not_one_of_a_new_execution_is_refused(api: Api, chosen: str) -> None:
    answer = await api.post("/v1/executions", {"function": SLEEP, "params": [1], "id": chosen})
    assert (answer.status, answer.body["type"]) == (400, "urn:obelisk:problem:invalid-name")


@pytest.mark.parametrize("name", ["fiboa", "workflow.fiboa", "fibo-workflow/workflow.fiboa"])
async def test_the_end_of_a_name_is_enough_where_one_function_has_it(api: Api, name: str) -> None:
    answer = await api.post("/v1/executions", {"function": name, "params": [5, 1], "wait": 30})
    assert answer.body["result"] == {"ok": 8}


async def test_an_unknown_function_names_the_closest(api: Api) -> None:
    answer = await api.post("/v1/executions", {"function": FIBOA + "s", "params": []})
    assert (answer.status, answer.body["type"]) == (404, "urn:obelisk:problem:unknown-function")
    assert FIBOA in answer.body["closest"]


@pytest.mark.parametrize(
    ("params", "part", "said"),
    [
        ('[10, "x"]', "parameter 'iterations'", "expected u32"),
        ("[10, -1]", "parameter 'iterations'", "found -1"),
        ("[256, 1]", "parameter 'n'", "found 256"),
        ("[10]", None, "expected 2 parameters (n: u8, iterations: u32), found 1"),
        ("{}", "parameters", "expected an array"),
    ],
)
async def test_wrong_params_are_named_and_nothing_is_created(
    api: Api, params: str, part: str | None, said: str
) -> None:
    answer = await api.post("/v1/executions", f'{{"function": "{FIBOA}", "params": {params}}}')
    assert (answer.status, answer.body["type"]) == (422, "urn:obelisk:problem:invalid-params")
    assert said in answer.body["detail"]
    assert answer.body.get("part") == part
    assert await api.count() == 0


@pytest.mark.parametrize(
    ("body", "status", "slug", "said"),
    [
        ("", 400, "malformed-body", "truncated"),
        ('{"function": "x", }', 400, "malformed-body", "byte 18"),
        (b'{"function": "\xff"}', 400, "malformed-body", "not valid JSON"),
        ("[]", 400, "invalid-request", "Expected `object`, got `array`"),
        ("{}", 400, "invalid-request", "missing required field `function`"),
        ('{"function": 1}', 400, "invalid-request", "Expected `str`, got `int` - at `$.function`"),
        ('{"function": "x", "parms": []}', 400, "invalid-request", "unknown field `parms`"),
        ('{"function": "x", "tags": {"a": 1}}', 400, "invalid-request", "at `$.tags"),
        ('{"function": "x", "wait": "soon"}', 400, "invalid-wait", "expected seconds"),
        ('{"function": "x", "wait": -1}', 400, "invalid-wait", "expected seconds"),
        ('{"function": "x", "wait": 1e9}', 400, "invalid-wait", "at most 300 s"),
        ('{"function": "x", "params": ' + "[" * 70_000, 400, "malformed-body", ""),
        (f'{{"function": "{FIBOA}", "params": {"[" * 100}{"]" * 100}}}', 422, "invalid-params", "nested too deep"),
        (f'{{"function": "{FIBOA}", "params": [{"1" * 10_001}]}}', 413, "payload-too-large", "10000"),
        ("[" + " " * 100_000, 413, "body-too-large", "larger than"),
    ],
)
async def test_a_body_that_is_wrong_is_refused(api: Api, body: str | bytes, status: int, slug: str, said: str) -> None:
    answer = await api.post("/v1/executions", body)
    assert (answer.status, answer.body["type"]) == (status, f"urn:obelisk:problem:{slug}")
    assert answer.body["status"] == status
    assert said in answer.body["detail"]
    assert await api.count() == 0


async def test_a_large_body_without_a_length_is_refused_too(api: Api) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 10_000

    headers = {"Content-Type": "application/json"}
    async with api.session.post(api.url + "/v1/executions", data=chunks(), headers=headers) as answer:
        assert answer.status == 413


async def test_numbers_of_64_bits_are_exact(api: Api) -> None:
    largest = 2**64 - 1
    execution_id = await api.submit("sleeper.sleep", f"[{largest}]")
    answer = await api.get(f"/v1/executions/{execution_id}")
    assert answer.body["params"] == [largest]


@pytest.mark.parametrize("milliseconds", [2**64 - 1, 2**63 // 1000])
async def test_a_sleep_beyond_all_calendars_is_a_sleep(api: Api, milliseconds: int) -> None:
    answer = await api.post("/v1/executions", {"function": SLEEP, "params": [milliseconds]})
    path = f"/v1/executions/{answer.body['id']}"
    events = await api.get(f"{path}/events?cursor=2&wait=30")
    assert events.body["items"][0]["wakes"] == "9999-12-31T23:59:59.999999Z"
    assert (await api.get(path)).body["status"] != "finished"


@pytest.mark.parametrize("name", ["due", "deadline"])
async def test_a_time_beyond_all_calendars_is_never(api: Api, name: str) -> None:
    answer = await api.post("/v1/executions", {"function": SLEEP, "params": [60_000], name: "99999999999h"})
    assert answer.status == 201
    described = await api.get(f"/v1/executions/{answer.body['id']}")
    assert described.body["status"] != "finished"


async def test_a_client_that_goes_away_does_not_cancel(api: Api) -> None:
    chosen = "E_01J00000000000000000000000"
    body = {"function": SLEEP, "params": [100], "id": chosen, "wait": 30}
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await api.post("/v1/executions", body)
    answer = await api.get(f"/v1/executions/{chosen}/result?wait=30")
    assert answer.body == {"id": chosen, "status": "finished", "result": {"ok": None}}


async def test_a_body_that_is_cut_off_creates_nothing(api: Api) -> None:
    host, _, port = api.url.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST /v1/executions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
    )
    writer.write(head.encode() + b'{"function": "fiboa"')
    await writer.drain()
    while not api.listener.requests:  # noqa: ASYNC110 - each turn of the loop brings the request nearer
        await asyncio.sleep(0)
    writer.close()
    while api.listener.requests:  # noqa: ASYNC110 - see above
        await asyncio.sleep(0)
    assert await api.count() == 0


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity", "unheard-of"])
async def test_a_compressed_body_is_refused_and_not_unpacked(api: Api, encoding: str) -> None:
    bomb = gzip.compress(bytes(1_000_000))
    answer = await api.post("/v1/executions", bomb, **{"Content-Encoding": encoding})
    assert (answer.status, answer.body["type"]) == (415, "urn:obelisk:problem:compressed-body")
    assert encoding in answer.body["detail"]


async def test_more_requests_than_the_limit_are_turned_away(api: Api) -> None:
    api.listener.requests += REQUESTS_MAX
    answer = await api.get("/healthz")
    assert (answer.status, answer.body["type"]) == (429, "urn:obelisk:problem:too-many-requests")
    assert answer.headers["Retry-After"] == "1"
    api.listener.requests -= REQUESTS_MAX
    assert (await api.get("/healthz")).status == 200


# Who may ask


async def test_a_submit_beyond_the_backlog_is_turned_away_with_the_time_to_try_again(api: Api) -> None:
    flaky = "testing:flaky/flaky.run"
    assert not await api.service.deploy([tiny("flaky", ComponentKind.ACTIVITY)])
    api.service.limit(replace(LIMITS, activities_max=1, backlog_max=1))
    submitted = [await api.submit(flaky, f'["endless", {number}]') for number in range(2)]
    answer = await api.post("/v1/executions", {"function": flaky, "params": ["ok", 1]})
    assert (answer.status, answer.body["type"]) == (429, "urn:obelisk:problem:overloaded")
    assert answer.headers["Retry-After"] == "1"
    assert await api.count() == 2
    for execution_id in submitted:
        await api.post(f"/v1/executions/{execution_id}/cancel", {})


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_a_post_that_is_not_json_is_refused(api: Api, content_type: str) -> None:
    answer = await api.post("/v1/executions", {"function": FIBOA}, **{"Content-Type": content_type})
    assert (answer.status, answer.body["type"]) == (415, "urn:obelisk:problem:unsupported-media-type")


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Host": "127.0.0.1.evil.example"}, {"Origin": "null"}])
async def test_a_page_elsewhere_is_refused(api: Api, headers: dict[str, str]) -> None:
    answer = await api.get("/v1/functions", **headers)
    assert (answer.status, answer.body["type"]) == (403, "urn:obelisk:problem:foreign-request")
    posted = await api.post("/v1/executions", {"function": FIBOA}, **headers)
    assert posted.status == 403


async def test_a_page_of_another_local_server_is_refused(api: Api) -> None:
    assert (await api.get("/v1/functions", Origin="http://127.0.0.1:3000")).status == 403


async def test_a_page_of_this_server_may_ask(api: Api) -> None:
    assert (await api.get("/v1/functions", Origin=api.url)).status == 200
    host = "localhost:" + api.url.rpartition(":")[2]
    assert (await api.get("/v1/functions", Host=host, Origin=f"http://{host}")).status == 200


async def test_a_path_that_is_not_there_is_not_found(api: Api) -> None:
    for path in ("/", "/v1/nothing", "/v1/executions/", "/v1/executions/a/b/c"):
        answer = await api.get(path)
        assert answer.status in (400, 404), path
    assert (await api.get("/v1/nothing")).body["type"] == "urn:obelisk:problem:path-not-found"


async def test_another_method_names_those_that_are_allowed(api: Api) -> None:
    async with api.session.delete(api.url + "/v1/executions") as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET, HEAD, POST"


# Reading


async def test_a_finished_execution_shows_everything(api: Api) -> None:
    execution_id = await api.submit(FIBOA, "[10, 2]", wait=30, tags={"team": "a"})
    found = (await api.get(f"/v1/executions/{execution_id}")).body
    assert found["function"] == FIBOA
    assert (found["kind"], found["status"], found["outcome"]) == ("workflow", "finished", "ok")
    assert (found["params"], found["tags"], found["result"]) == ([10, 2], {"team": "a"}, {"ok": 89})
    assert (found["parent"], found["responses"]) == (None, 2)
    assert found["created_at"].endswith("Z")
    assert len(found["created_at"]) == len("2026-01-01T00:00:00.000000Z")


async def test_an_execution_that_does_not_exist_is_not_found(api: Api) -> None:
    missing = "E_01J00000000000000000000000"
    for path in ("", "/events", "/responses", "/result", "/result?wait=1"):
        answer = await api.get(f"/v1/executions/{missing}{path}")
        assert (answer.status, answer.body["type"]) == (404, "urn:obelisk:problem:execution-not-found"), path


async def test_a_text_that_is_no_id_is_refused(api: Api) -> None:
    assert (await api.get("/v1/executions/E_1")).body["type"] == "urn:obelisk:problem:invalid-name"


async def test_the_events_tell_the_whole_story_without_the_seed(api: Api) -> None:
    execution_id = await api.submit(FIBOA, "[10, 1]", wait=30)
    page = (await api.get(f"/v1/executions/{execution_id}/events")).body
    assert [item["event"] for item in page["items"]] == ["created", "locked", "child-submitted", "finished"]
    assert [item["version"] for item in page["items"]] == [0, 1, 2, 3]
    assert (page["next_cursor"], page["complete"]) == (4, True)
    assert "seed" not in page["items"][0]
    assert page["items"][0]["params"] == [10, 1]
    assert page["items"][3]["outcome"] == {"ok": 89}


async def test_a_list_is_paged_without_gaps(api: Api) -> None:
    execution_id = await api.submit(FIBOA, "[10, 10]", wait=30)
    seen: list[int] = []
    cursor, complete = 0, False
    while not complete:
        page = (await api.get(f"/v1/executions/{execution_id}/responses?cursor={cursor}&limit=3")).body
        seen += [item["position"] for item in page["items"]]
        cursor, complete = page["next_cursor"], page["complete"]
    assert seen == list(range(1, 11))


@pytest.mark.parametrize("of", ["events", "responses", "logs", "requests"])
async def test_a_cursor_beyond_all_numbers_of_the_store_is_refused(api: Api, of: str) -> None:
    execution_id = await api.submit(FIBOA, "[1, 1]", wait=30)
    assert (await api.get(f"/v1/executions/{execution_id}/{of}?cursor={2**63 - 1}")).body["items"] == []
    assert (await api.get(f"/v1/executions/{execution_id}/{of}?cursor={2**63}")).status == 400


async def test_a_read_that_waits_answers_when_something_happens(api: Api) -> None:
    execution_id = await api.submit(CANCELLABLE, LONG, wait="10ms")
    first = (await api.get(f"/v1/executions/{execution_id}/responses")).body
    assert (first["items"], first["complete"]) == ([], False)
    waiting = asyncio.create_task(api.get(f"/v1/executions/{execution_id}/responses?wait=60"))
    await api.post(f"/v1/executions/{execution_id}/cancel", "{}")
    page = (await waiting).body
    assert page["items"][0]["response"] == "delay-cancelled"


async def test_a_read_that_waits_in_vain_answers_with_nothing(api: Api) -> None:
    execution_id = await api.submit(SLEEP, LONG)
    page = (await api.get(f"/v1/executions/{execution_id}/logs?wait=20ms")).body
    assert page == {"items": [], "next_cursor": 0, "complete": False}


async def test_the_result_of_an_execution_that_runs_is_not_there_yet(api: Api) -> None:
    execution_id = await api.submit(SLEEP, LONG)
    answer = await api.get(f"/v1/executions/{execution_id}/result")
    assert answer.status == 202
    assert "result" not in answer.body


async def test_lists_are_filtered_and_continued(api: Api) -> None:
    done = [await api.submit(FIBOA, "[1, 1]", wait=30, tags={"n": str(n)}) for n in range(3)]
    asleep = await api.submit(SLEEP, LONG)

    async def ids(query: str) -> list[str]:
        return [item["id"] for item in (await api.get(f"/v1/executions?{query}")).body["items"]]

    assert await ids("") == [asleep, *reversed(done)]
    assert await ids("status=finished&result=ok") == list(reversed(done))
    assert await ids("function=testing:sleeper") == [asleep]
    assert await ids("tag=n%3D1") == [done[1]]
    assert await ids(f"parent={done[0]}") == [f"{done[0]}.o:1_1"]
    assert len(await ids("children=true")) == 7
    first = (await api.get("/v1/executions?limit=3")).body
    await api.submit(SLEEP, LONG)
    second = (await api.get(f"/v1/executions?limit=3&cursor={first['next_cursor']}")).body
    assert [item["id"] for item in (*first["items"], *second["items"])] == [asleep, *reversed(done)]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("limit=0", "`$.limit`"),
        ("limit=1001", "`$.limit`"),
        ("limit=x", "`$.limit`"),
        ("statsu=finished", "unknown field `statsu`"),
        ("status=done", "expected one of blocked"),
        ("result=bad", "expected one of"),
        ("tag=x", "expected key=value"),
        ("limit=1&limit=2", "twice"),
        ("parent=x", "not a valid execution id"),
        ("cursor=x", "cursor"),
    ],
)
async def test_a_query_that_is_wrong_is_refused(api: Api, query: str, said: str) -> None:
    answer = await api.get(f"/v1/executions?{query}")
    assert answer.status == 400
    assert said in answer.body["detail"]


async def test_functions_and_components_are_listed_with_their_types(api: Api) -> None:
    functions = (await api.get("/v1/functions")).body["items"]
    assert {
        "function": FIBOA,
        "kind": "workflow",
        "component": "fibo_workflow_tiny",
        "type": "func(n: u8, iterations: u32) -> result<u64>",
        "params": [
            {"name": "n", "type": {"kind": "u8"}, "wit": "u8"},
            {"name": "iterations", "type": {"kind": "u32"}, "wit": "u32"},
        ],
        "result": {"type": {"kind": "result", "ok": {"kind": "u64"}, "err": None}, "wit": "result<u64>"},
    } in functions
    components = (await api.get("/v1/components")).body["items"]
    assert [item["name"] for item in components] == ["fibo_tiny", "fibo_workflow_tiny", "sleeper"]
    assert components[0]["exports"] == [{"function": "testing:fibo/fibo.fibo", "type": "func(n: u8) -> result<u64>"}]
    assert "testing:fibo/fibo.fibo: func(n: u8) -> result<u64>" in components[1]["imports"]
    assert components[0]["digest"].startswith("sha256:")


@pytest.mark.parametrize("name", [FIBOA, FIBOA.replace("/", "%2F"), "fiboa"])
async def test_one_function_is_found_by_its_full_or_short_name(api: Api, name: str) -> None:
    found = (await api.get(f"/v1/functions/{name}")).body
    assert (found["function"], [param["name"] for param in found["params"]]) == (FIBOA, ["n", "iterations"])


async def test_a_function_that_is_not_there_is_not_found(api: Api) -> None:
    answer = await api.get("/v1/functions/fibob")
    assert (answer.status, answer.body["type"]) == (404, "urn:obelisk:problem:unknown-function")


async def test_a_component_shows_its_wit_and_its_neighbours(api: Api) -> None:
    activity = (await api.get("/v1/components/fibo_tiny")).body
    assert "fibo: func(n: u8) -> result<u64>;" in activity["wit"]
    called = {"functions": ["testing:fibo/fibo.fibo"]}
    assert (activity["calls"], activity["callers"]) == ([], [{"component": "fibo_workflow_tiny", **called}])
    workflow = (await api.get("/v1/components/fibo_workflow_tiny")).body
    assert (workflow["calls"], workflow["callers"]) == ([{"component": "fibo_tiny", **called}], [])
    answer = await api.get("/v1/components/nothing")
    assert (answer.status, answer.body["type"]) == (404, "urn:obelisk:problem:component-not-found")


async def test_the_document_describes_the_operations(api: Api) -> None:
    document = (await api.get("/openapi.json")).body
    assert document["openapi"].startswith("3.1")
    assert document["paths"]["/v1/executions"]["post"]["operationId"] == "submit"


TYPED = f"/v1/functions/{FIBOA}/submit"


@pytest.mark.parametrize("params", [{"n": 10, "iterations": 2}, [10, 2]])
async def test_each_function_is_an_operation_with_its_types(api: Api, params: Any) -> None:
    document = (await api.get("/openapi.json")).body
    operation = document["paths"][TYPED]["post"]
    assert operation["operationId"] == "submit_testing_fibo_workflow_workflow_fiboa"

    def check(schema: Any, value: Any) -> None:
        Draft202012Validator({**schema, "components": document["components"]}).validate(value)

    body = {"params": params, "wait": 30}
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    check(schema, body)
    for wrong in ({"params": {"n": 256, "iterations": 2}}, {"params": {"n": 1}}, {"params": [1]}, {}):
        with pytest.raises(ValidationError):
            check(schema, wrong)
    answer = await api.post(TYPED, body)
    assert (answer.status, answer.body["result"]) == (200, {"ok": 89})
    answered = operation["responses"]["200"]["content"]["application/json"]["schema"]
    check(answered, answer.body)
    with pytest.raises(ValidationError):
        check(answered, {**answer.body, "result": {"ok": "89"}})


@pytest.mark.parametrize(
    ("params", "status", "said"),
    [
        ({"n": 10}, 400, "params has no 'iterations'"),
        ({"n": 10, "iterations": 1, "m": 1}, 400, "params has 'm'"),
        ({"n": 10, "iterations": "x"}, 422, "iterations"),
        ([10], 422, "1"),
    ],
)
async def test_parameters_by_name_are_checked(api: Api, params: Any, status: int, said: str) -> None:
    answer = await api.post(TYPED, {"params": params})
    assert (answer.status, said in answer.body["detail"]) == (status, True), answer.body


async def test_the_document_follows_what_is_deployed(api: Api) -> None:
    assert TYPED in (await api.get("/openapi.json")).body["paths"]
    assert not await api.service.deploy([tiny("fibo_tiny", ComponentKind.ACTIVITY)])
    assert TYPED not in (await api.get("/openapi.json")).body["paths"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/executions"])
async def test_what_can_be_got_can_be_asked_for_its_head(api: Api, path: str) -> None:
    async with api.session.head(api.url + path) as answer:
        assert answer.status == 200
        assert int(answer.headers["Content-Length"]) > 0
        assert await answer.read() == b""


# Cancelling


async def test_a_cancellable_workflow_is_cancelled_once(api: Api) -> None:
    execution_id = await api.submit(CANCELLABLE, LONG, wait="10ms")
    assert (await api.post(f"/v1/executions/{execution_id}/cancel", "{}")).status == 200
    result = (await api.get(f"/v1/executions/{execution_id}/result?wait=30")).body["result"]
    assert result == {"failure": {"kind": "cancelled", "reason": "cancelled by a client"}}
    again = await api.post(f"/v1/executions/{execution_id}/cancel", "")
    assert (again.status, again.body) == (200, {"id": execution_id, "outcome": "already finished"})


async def test_a_delay_is_cancelled(api: Api) -> None:
    execution_id = await api.submit(SLEEP, LONG, wait="10ms")
    delay = f"Delay_{execution_id[2:]}.o:1_1"
    assert (await api.post(f"/v1/executions/{delay}/cancel", "{}")).body == {"id": delay, "outcome": "cancelled"}
    result = (await api.get(f"/v1/executions/{execution_id}/result?wait=30")).body["result"]
    assert result == {"err": None}


async def test_other_workflows_are_not_cancelled(api: Api) -> None:
    execution_id = await api.submit(SLEEP, LONG)
    answer = await api.post(f"/v1/executions/{execution_id}/cancel", "{}")
    assert (answer.status, answer.body["type"]) == (409, "urn:obelisk:problem:not-cancellable")


async def test_what_does_not_exist_is_not_cancelled(api: Api) -> None:
    answer = await api.post("/v1/executions/E_01J00000000000000000000000/cancel", "{}")
    assert answer.status == 404


# The server itself


async def test_readiness_is_told_apart_from_health(api: Api) -> None:
    assert (await api.get("/healthz")).body == {"status": "ok"}
    assert (await api.get("/readyz")).body == {"status": "ready"}
    api.context.ready = False
    answer = await api.get("/readyz")
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "1"
    assert (await api.get("/healthz")).status == 200


async def test_a_body_that_comes_too_slowly_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "BODY_SECONDS_MAX", 0.05)
    host, port = api.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST /v1/executions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{{"
    )
    writer.write(head.encode())
    answer = await reader.readuntil(b"\r\n")
    writer.close()
    assert answer.startswith(b"HTTP/1.1 408")


async def test_a_server_that_stops_answers_those_who_wait(api: Api) -> None:
    execution_id = await api.submit(SLEEP, LONG)
    body = {"function": SLEEP, "params": [3_600_001], "wait": 300}
    waiting = [
        asyncio.create_task(api.post("/v1/executions", body)),
        asyncio.create_task(api.get(f"/v1/executions/{execution_id}/events?cursor=100&wait=300")),
        asyncio.create_task(api.get(f"/v1/executions/{execution_id}/result?wait=300")),
    ]
    while api.listener.requests < 3:  # noqa: ASYNC110 - each turn of the loop brings a request nearer
        await asyncio.sleep(0)
    await api.listener.stop()
    submitted, events, result = await asyncio.gather(*waiting)
    assert submitted.status == 201
    assert (events.status, events.body["items"]) == (200, [])
    assert result.status == 202


async def test_a_bug_is_answered_without_its_details(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    await api.service.store.close()
    api.service.store.list = None  # type: ignore[method-assign, assignment]
    answer = await api.get("/v1/executions")
    assert (answer.status, answer.body["type"]) == (500, "urn:obelisk:problem:internal-error")
    assert "NoneType" not in json.dumps(answer.body)
    assert "a request failed" in caplog.text


# Debugging


async def asleep(api: Api) -> str:
    """A workflow that waits; its latest event is 2."""
    execution_id = await api.submit(SLEEP, LONG)
    await api.get(f"/v1/executions/{execution_id}/events?cursor=2&wait=10s")
    return execution_id


async def test_a_workflow_is_shown_where_it_stood_at_an_event(api: Api) -> None:
    execution_id = await asleep(api)
    before = (await api.get(f"/v1/executions/{execution_id}/events")).body
    answer = await api.get(f"/v1/executions/{execution_id}/debug?version=2")
    assert answer.status == 200
    body = answer.body
    assert body["event"] == before["items"][2]
    assert (body["version"], body["call"]["version"], body["call"]["answer"]) == (2, 2, {"waits": True})
    delay = {"id": f"Delay_{execution_id[2:]}.o:1_1", "function": None, "state": "waiting", "position": None}
    assert body["join_sets"] == [{"id": "o:1", "closing": False, "members": [delay], "members_total": 1}]
    assert (body["difference"], body["end"], body["logs"]) == (None, None, [])
    assert body["backtrace"]
    assert (await api.get(f"/v1/executions/{execution_id}/events")).body == before


async def test_a_component_that_does_not_repeat_the_history_is_shown_with_the_difference(api: Api) -> None:
    execution_id = await asleep(api)
    settings, wasm = tiny("sleeper", ComponentKind.WORKFLOW, ("(i64.const 0 (; milliseconds ;))", "(i64.const 1)"))
    assert not await api.service.deploy([(settings, wasm)])
    digest = api.service.components[0].digest
    answer = await api.get(f"/v1/executions/{execution_id}/debug?version=2&component={digest}")
    assert (answer.status, answer.body["digest"], answer.body["call"]) == (200, digest, None)
    assert answer.body["difference"]["version"] == 2
    assert answer.body["backtrace"] == answer.body["difference"]["position"] != []


async def test_more_replays_than_the_server_takes_on_are_put_off(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    execution_id = await api.submit(SLEEP, LONG)
    monkeypatch.setattr(room, "WAITING_MAX", -room.AT_ONCE_MAX)
    path = f"/v1/executions/{execution_id}"
    for answer in (await api.get(f"{path}/debug?version=0"), await api.post(f"{path}/replay", {})):
        assert (answer.status, answer.body["type"]) == (429, "urn:obelisk:problem:too-many-replays")
        assert answer.headers["Retry-After"]


@pytest.mark.parametrize(
    ("query", "status", "slug"),
    [
        ("version=3", 404, "event-not-found"),
        ("", 400, "invalid-request"),
        ("version=-1", 400, "invalid-request"),
        ("version=x", 400, "invalid-request"),
        ("version=1&component=none", 400, "invalid-request"),
        ("version=1&component=sha256:" + "0" * 64, 409, "component-missing"),
    ],
)
async def test_what_cannot_be_debugged_is_refused(api: Api, query: str, status: int, slug: str) -> None:
    execution_id = await asleep(api)
    answer = await api.get(f"/v1/executions/{execution_id}/debug?{query}")
    assert (answer.status, answer.body["type"]) == (status, f"urn:obelisk:problem:{slug}")


async def test_an_activity_has_no_history_to_step_through(api: Api) -> None:
    execution_id = await api.submit("testing:fibo/fibo.fibo", "[10]")
    answer = await api.get(f"/v1/executions/{execution_id}/debug?version=0")
    assert (answer.status, answer.body["type"]) == (409, "urn:obelisk:problem:not-a-workflow")


async def test_names_of_parameters_that_are_no_text_are_refused(api: Api) -> None:
    answer = await api.post("/v1/functions/fibo.fibo/submit", b'{"params": {"\xff": 1}}')
    assert (answer.status, answer.body["type"]) == (400, "urn:obelisk:problem:malformed-body")
