"""Webhooks without code, over a real listener, service and engine; functions are stubs, whose results we supply."""

import asyncio
import hashlib
import hmac
import json
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from wasmtime import wat2wasm

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.deployment import ComponentKind, ComponentSettings
from obelisk_server.setup import InvalidSetup
from webhook_server import API, Hooks, RememberingEngine, serving

COMPONENTS = Path(__file__).parents[2] / "components"
PLACE = """[[stub]]
function = "shop:orders/orders.place"
params = "func(order: u64, user: string) -> result<u64, string>"
"""
HOOK = (
    PLACE
    + """
[[webhook]]
name = "orders"
function = "shop:orders/orders.place"
routes = [{ methods = ["POST"], path = "/orders/:id" }]
params = { order = "path.id", user = "header.X-User" }
"""
)


@pytest.fixture
async def hooks(tmp_path: Path) -> AsyncIterator[Hooks]:
    engine = RememberingEngine()
    async with serving(tmp_path, engine, {"KEY": "hush"}) as hooks:
        yield hooks
    await engine.close()


# Answers


async def test_a_request_becomes_an_execution(hooks: Hooks) -> None:
    await hooks.use(HOOK)
    answer = await hooks.post("/orders/7", X_User="ann")
    assert answer.status == 202
    location = f"{API}/v1/executions/{answer.body['id']}"
    assert answer.body == {"id": answer.body["id"], "existed": False, "url": location}
    assert (answer.headers["Location"], answer.headers["Obelisk-Execution-Id"]) == (location, answer.body["id"])
    (created,) = await hooks.created()
    assert (created.function.text, created.params) == ("shop:orders/orders.place", '[7,"ann"]')
    assert created.tags == {"webhook": "orders"}


async def test_a_value_that_does_not_fit_is_told_and_nothing_is_created(hooks: Hooks) -> None:
    await hooks.use(HOOK)
    wrong = await hooks.post("/orders/seven", X_User="ann")
    missing = await hooks.post("/orders/7")
    assert (wrong.status, missing.status) == (400, 400)
    assert wrong.headers["Content-Type"] == "application/problem+json"
    assert wrong.body["part"] == "parameter 'order'"
    assert (wrong.body["expected"], wrong.body["found"]) == (
        "u64 (an integer from 0 to 18446744073709551615)",
        '"seven"',
    )
    assert (missing.body["part"], missing.body["source"]) == ("parameter 'user'", "header.X-User")
    assert (missing.body["expected"], missing.body["found"]) == ("string", "nothing")
    assert await hooks.created() == []


@pytest.mark.parametrize(
    ("result", "status", "body"),
    [
        ('{"ok": 5}', 200, 5),
        ('{"err": "sold out"}', 422, "sold out"),
    ],
)
async def test_a_result_in_time_is_the_answer(hooks: Hooks, result: str, status: int, body: Any) -> None:
    await hooks.use(HOOK + 'respond = { wait = "1m" }\n')
    asked = asyncio.create_task(hooks.post("/orders/7", X_User="ann"))
    execution_id = await hooks.until_created()
    await hooks.service.stub(execution_id, result)
    answer = await asked
    assert (answer.status, answer.body, answer.headers["Obelisk-Execution-Id"]) == (status, body, execution_id)


async def test_the_status_of_an_err_is_configured(hooks: Hooks) -> None:
    await hooks.use(HOOK + 'respond = { wait = "1m", err = 409 }\n')
    asked = asyncio.create_task(hooks.post("/orders/7", X_User="ann"))
    await hooks.service.stub(await hooks.until_created(), '{"err": "sold out"}')
    assert (await asked).status == 409


async def test_a_failure_is_a_502_that_tells_its_kind(hooks: Hooks) -> None:
    await hooks.use(HOOK + 'respond = { wait = "1m" }\n')
    asked = asyncio.create_task(hooks.post("/orders/7", X_User="ann"))
    execution_id = await hooks.until_created()
    await hooks.service.cancel(execution_id, "a secret reason")
    answer = await asked
    assert (answer.status, answer.body["kind"], answer.body["execution"]) == (502, "cancelled", execution_id)
    assert "secret" not in json.dumps(answer.body)


async def test_a_result_that_is_late_is_where_the_answer_says(hooks: Hooks) -> None:
    await hooks.use(HOOK + 'respond = { wait = "1ms" }\n')
    answer = await hooks.post("/orders/7", X_User="ann")
    assert (answer.status, answer.headers["Location"]) == (202, f"{API}/v1/executions/{answer.body['id']}")


async def test_who_waits_is_answered_when_the_server_stops(hooks: Hooks) -> None:
    await hooks.use(HOOK + 'respond = { wait = "5m" }\n')
    asked = asyncio.create_task(hooks.post("/orders/7", X_User="ann"))
    await hooks.until_created()
    await hooks.listener.stop(20)
    assert (await asked).status == 202


async def test_a_client_that_leaves_does_not_disturb_the_execution(hooks: Hooks, eventually: Any) -> None:
    await hooks.use(HOOK + 'respond = { wait = "5m" }\n')
    asked = asyncio.create_task(hooks.post("/orders/7", X_User="ann"))
    execution_id = await hooks.until_created()
    asked.cancel()
    await hooks.service.stub(execution_id, '{"ok": 1}')
    assert await hooks.service.outcome(execution_id) == ev.Ok("1")
    await eventually(lambda: not hooks.mounts._active)


# Bodies


BODY = """
[[stub]]
function = "shop:orders/orders.bulk"
params = "func(lines: list<record { sku: string, amount: option<u32> }>, note: option<string>) -> result"
[[webhook]]
name = "bulk"
function = "shop:orders/orders.bulk"
routes = [{ path = "/bulk" }]
body_bytes_max = 200
timeout = "500ms"
params = { lines = "body.lines", note = "query.note" }
"""


async def test_json_bodies_become_typed_values(hooks: Hooks) -> None:
    await hooks.use(BODY)
    answer = await hooks.call("PUT", "/bulk?note=x%20y", {"lines": [{"sku": "a", "amount": 2}, {"sku": "b"}]})
    assert answer.status == 202
    (created,) = await hooks.created()
    assert json.loads(created.params) == [[{"sku": "a", "amount": 2}, {"sku": "b", "amount": None}], "x y"]


async def test_a_value_inside_of_a_body_is_told_with_its_path(hooks: Hooks) -> None:
    await hooks.use(BODY)
    answer = await hooks.post("/bulk", {"lines": [{"sku": "a"}, {"sku": 5}]})
    assert (answer.status, answer.body["part"], answer.body["path"]) == (400, "parameter 'lines'", "[1].sku")


@pytest.mark.parametrize(
    ("body", "content_type", "status", "slug"),
    [
        (b"{", "application/json", 400, "malformed-request"),
        (b"{}", "text/plain", 415, "unsupported-media-type"),
        (b"[" + b" " * 300 + b"]", "application/json", 413, "body-too-large"),
    ],
)
async def test_a_body_that_cannot_be_read_is_a_problem(
    hooks: Hooks, body: bytes, content_type: str, status: int, slug: str
) -> None:
    await hooks.use(BODY)
    answer = await hooks.post("/bulk", body, Content_Type=content_type)
    assert (answer.status, answer.body["type"]) == (status, f"urn:obelisk:problem:{slug}")


async def test_a_body_of_unknown_length_is_cut_at_the_limit(hooks: Hooks) -> None:
    await hooks.use(BODY)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 64

    headers = {"Content-Type": "application/json"}
    async with hooks.session.post(hooks.url + "/bulk", data=endless(), headers=headers) as answer:
        assert answer.status == 413


async def test_a_body_that_does_not_come_is_waited_for_only_so_long(hooks: Hooks) -> None:
    await hooks.use(BODY)
    reader, writer = await asyncio.open_connection(*hooks.url.removeprefix("http://").split(":"))
    writer.write(b"POST /bulk HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{")
    assert (await reader.readline()).startswith(b"HTTP/1.1 408")
    writer.close()


# Who may


SIGNED = (
    '[secrets]\nHUB = { env = "KEY" }\n'
    + HOOK
    + 'signature = { style = "github", secret = "HUB" }\nidempotency_key = "header.X-GitHub-Delivery"\n'
)


def signature(body: bytes, key: bytes = b"hush") -> str:
    return "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()


async def test_only_what_is_signed_right_is_taken(hooks: Hooks) -> None:
    await hooks.use(SIGNED)
    ask = {"X_User": "ann", "X_GitHub_Delivery": "d-1"}
    assert (await hooks.post("/orders/7", b"x", **ask)).status == 401
    assert (await hooks.post("/orders/7", b"x", **ask, X_Hub_Signature_256=signature(b"y"))).status == 401
    assert (await hooks.post("/orders/7", b"x", **ask, X_Hub_Signature_256=signature(b"x", b"other"))).status == 401
    assert await hooks.created() == []
    assert (await hooks.post("/orders/7", b"x", **ask, X_Hub_Signature_256=signature(b"x"))).status == 202


async def test_a_page_elsewhere_cannot_call_what_nobody_signs(hooks: Hooks) -> None:
    await hooks.use(HOOK)
    foreign = await hooks.post("/orders/7", X_User="ann", Origin="https://evil.example")
    own = await hooks.post("/orders/7", X_User="ann", Origin=hooks.url)
    assert (foreign.status, own.status) == (403, 202)


async def test_who_is_turned_away_is_written_down(hooks: Hooks, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "obelisk_server.access.audit")
    await hooks.use(SIGNED)
    wrong = await hooks.post("/orders/7?secret=1", b"x", X_User="ann", X_Hub_Signature_256="sha256=00")
    await hooks.post("/orders/7", b"x", X_User="ann", X_GitHub_Delivery="1", X_Hub_Signature_256=signature(b"x"))
    await hooks.use(HOOK)
    await hooks.post("/orders/7", X_User="ann", Origin="https://evil.example")
    lines = [vars(record) for record in caplog.records if record.msg == "audit"]
    assert [(it["who"], it["operation"], it["target"], it["outcome"], it["address"]) for it in lines] == [
        ("-", "webhook", "/orders/7", "401 signature-refused", "127.0.0.1"),
        ("-", "webhook", "/orders/7", "403 foreign-request", "127.0.0.1"),
    ]
    assert lines[0]["request_id"] == wrong.headers["X-Request-Id"]


# Keys


KEYED = HOOK + 'idempotency_key = "header.Key"\n'


async def test_a_key_is_one_execution_with_an_id_that_anybody_can_compute(hooks: Hooks) -> None:
    await hooks.use(KEYED)
    first = await hooks.post("/orders/7", X_User="ann", Key="k 1")
    again = await hooks.post("/orders/7", X_User="ann", Key="k 1")
    assert (first.body["existed"], again.body["existed"]) == (False, True)
    assert first.body["id"] == again.body["id"]
    assert len(await hooks.created()) == 1
    value = int.from_bytes(hashlib.sha256(b"POST /orders/:id\nk 1").digest()[:16], "big")
    digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    ulid = "".join(digits[value >> shift & 31] for shift in range(125, -5, -5))
    assert first.body["id"] == f"E_{ulid}"


async def test_a_key_with_another_content_is_a_conflict(hooks: Hooks) -> None:
    await hooks.use(KEYED)
    await hooks.post("/orders/7", X_User="ann", Key="k")
    answer = await hooks.post("/orders/7", X_User="ben", Key="k")
    assert (answer.status, answer.body["type"]) == (409, "urn:obelisk:problem:idempotency-conflict")


async def test_a_key_again_waits_for_the_result_of_the_first(hooks: Hooks) -> None:
    await hooks.use(KEYED + 'respond = { wait = "1m" }\n')
    asked = [asyncio.create_task(hooks.post("/orders/7", X_User="ann", Key="k")) for _ in range(5)]
    await hooks.service.stub(await hooks.until_created(), '{"ok": 5}')
    assert [(await each).body for each in asked] == [5] * 5
    assert (await hooks.post("/orders/7", X_User="ann", Key="k")).body == 5
    assert len(await hooks.created()) == 1


async def test_a_request_without_the_key_is_refused(hooks: Hooks) -> None:
    await hooks.use(KEYED)
    answer = await hooks.post("/orders/7", X_User="ann")
    assert (answer.status, answer.body["part"]) == (400, "the idempotency key")


# Routes and limits


async def test_there_is_nothing_where_no_webhook_is_mounted(hooks: Hooks) -> None:
    assert (await hooks.post("/orders/7")).status == 404
    await hooks.use(HOOK)
    assert (await hooks.post("/order/7")).status == 404
    answer = await hooks.call("GET", "/orders/7")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


async def test_a_webhook_at_its_limit_is_a_429_and_the_server_at_its_limit_a_503(hooks: Hooks, eventually: Any) -> None:
    limited = HOOK + 'respond = { wait = "5m" }\nconcurrency_max = 1\n'
    await hooks.use("[webhooks]\nrequests_max = 2\n" + limited + other("/other"))
    asked = [asyncio.create_task(hooks.post("/orders/7", X_User="ann"))]
    await hooks.until_created()
    busy = await hooks.post("/orders/8", X_User="ann")
    assert (busy.status, busy.headers["Retry-After"]) == (429, "1")
    asked.append(asyncio.create_task(hooks.post("/other/9", X_User="ann")))
    await eventually(lambda: hooks.mounts._active.total() == 2)
    full = await hooks.post("/other/10", X_User="ann")
    assert (full.status, full.headers["Retry-After"]) == (503, "1")
    for each in asked:
        each.cancel()


def other(path: str) -> str:
    return (
        HOOK.removeprefix(PLACE).replace('"orders"', '"other"').replace("/orders/", f"{path}/")
        + 'respond = { wait = "5m" }\n'
    )


async def test_a_server_that_stops_takes_no_more(hooks: Hooks) -> None:
    await hooks.use(HOOK)
    hooks.mounts.surroundings.stopping.set()
    answer = await hooks.post("/orders/7", X_User="ann")
    assert (answer.status, "Retry-After" in answer.headers) == (503, True)


async def test_a_reload_swaps_webhooks_and_loses_no_request(hooks: Hooks) -> None:
    await hooks.use(HOOK + 'respond = { wait = "1m" }\n')
    asked = asyncio.create_task(hooks.post("/orders/7", X_User="ann"))
    execution_id = await hooks.until_created()
    await hooks.use(PLACE + other("/other"))
    assert (await hooks.post("/orders/7", X_User="ann")).status == 404
    await hooks.service.stub(execution_id, '{"ok": 5}')
    assert (await asked).body == 5


# What is checked before anything is served


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"orders.place": "orders.plaice"}, "webhook orders: no deployed component exports shop:orders/orders.plaice"),
        (
            {', user = "header.X-User"': ""},
            "webhook orders: params has no source for 'user', which is of the type string",
        ),
        ({"user =": "usr ="}, "webhook orders: the function has no parameter 'usr'"),
    ],
)
async def test_webhooks_are_checked_against_the_functions(hooks: Hooks, changes: dict[str, str], problem: str) -> None:
    await hooks.use(HOOK)
    text = HOOK.removeprefix(PLACE)
    for before, after in changes.items():
        text = text.replace(before, after)
    with pytest.raises(InvalidSetup) as caught:
        await hooks.use(PLACE + text)
    assert problem in caught.value.problems
    assert (await hooks.post("/orders/7", X_User="ann")).status == 202


async def test_a_secret_that_is_not_there_is_told_without_its_value(hooks: Hooks) -> None:
    with pytest.raises(InvalidSetup) as caught:
        await hooks.use(SIGNED.replace('"KEY"', '"OTHER"'))
    (problem,) = caught.value.problems
    assert problem == "webhook orders: the secret HUB: the environment variable OTHER is not set"


async def test_a_secret_may_be_in_a_file(hooks: Hooks) -> None:
    (hooks.folder / "key").write_text("hush\n", encoding="utf-8")
    await hooks.use(SIGNED.replace('env = "KEY"', 'file = "key"'))
    headers = {"X_User": "ann", "X_GitHub_Delivery": "d", "X_Hub_Signature_256": signature(b"x")}
    assert (await hooks.post("/orders/7", b"x", **headers)).status == 202


# The example of docs/webhooks.md

PAGE = (COMPONENTS.parent / "docs/webhooks.md").read_text(encoding="utf-8")


async def test_the_example_of_the_readme_takes_deliveries(hooks: Hooks, tmp_path: Path) -> None:
    (config,) = re.findall(r"```toml\n(\[secrets\]\nGITHUB.*?)```", PAGE, re.DOTALL)
    (type_,) = re.findall(r"`example:ci/ci.build: (func.*?)`", PAGE)
    (delivery, execution_id) = re.findall(r"x-github-delivery: ([^']*)'.*?(E_\w{26})", PAGE, re.DOTALL)[0]
    stub = f'[[stub]]\nfunction = "example:ci/ci.build"\nparams = "{type_}"\n'
    await hooks.use(stub + config.replace("GITHUB_WEBHOOK_SECRET", "KEY"))
    body = json.dumps({"repository": {"full_name": "a/b"}, "after": "c0ffee"}).encode()
    answer = await hooks.post(
        "/github",
        body,
        Content_Type="application/json",
        X_GitHub_Event="push",
        X_GitHub_Delivery=delivery,
        X_Hub_Signature_256=signature(body),
    )
    assert (answer.status, answer.body["id"]) == (202, execution_id)
    (created,) = await hooks.created()
    assert created.params == '["push","a/b","c0ffee"]'


# A function with code


async def test_an_activity_is_called_and_its_result_answered(hooks: Hooks) -> None:
    text = (COMPONENTS / "fibo_tiny" / "component.wat").read_text(encoding="utf-8")
    hooks.components = [(ComponentSettings("fibo", ComponentKind.ACTIVITY, "fibo.wasm"), bytes(wat2wasm(text)))]
    await hooks.use(
        '[[webhook]]\nname = "fibo"\nfunction = "testing:fibo/fibo.fibo"\nroutes = [{ path = "/fibo/:n" }]\n'
        'params = { n = "path.n" }\nrespond = { wait = "1m" }\n'
    )
    answers = await asyncio.gather(*(hooks.call("GET", f"/fibo/{n}") for n in range(11)))
    assert [answer.body for answer in answers] == [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89]
