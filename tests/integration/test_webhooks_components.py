"""Webhooks with code: real guests, streams both ways, executions that begin when needed, and guests that fail."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from wasmtime import wat2wasm

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.deployment import ComponentKind, ComponentSettings, DirectoryGrant
from obelisk_runtime.core.ids import ExecutionId, parent_of
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.ports.store import PAGE_MAX, ExecutionFilter, StoreUnavailable
from obelisk_runtime.storage.memory import MemoryStore
from obelisk_server.access import LOCAL, Caller
from obelisk_server.api import Context, Waits
from obelisk_server.api.catalogue import visible_components
from obelisk_server.setup import InvalidSetup
from webhook_server import Hooks, RememberingEngine, serving

COMPONENTS = Path(__file__).parents[2] / "components"
HOOK = """
[[webhook]]
name = "hook"
location = "hook.wasm"
routes = [{ path = "/*" }, { path = "/items/:id/*" }]
"""
STUB = '[[stub]]\nfunction = "testing:fibo/fibo.fibo"\nparams = "func(n: u8) -> result<u64>"\n'
MIB = 1024 * 1024


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(compiled: Path) -> AsyncIterator[RememberingEngine]:
    engine = RememberingEngine(compiled)
    yield engine
    await engine.close()


@pytest_asyncio.fixture(loop_scope="module")
async def hooks(tmp_path: Path, engine: RememberingEngine, built: Callable[[str], bytes]) -> AsyncIterator[Hooks]:
    async with serving(tmp_path, engine) as hooks:
        await use_hook(hooks, built)
        yield hooks


async def use_hook(hooks: Hooks, built: Callable[[str], bytes]) -> None:
    (hooks.folder / "hook.wasm").touch()
    fibo = bytes(wat2wasm((COMPONENTS / "fibo_tiny" / "component.wat").read_text(encoding="utf-8")))
    hooks.components = [
        (ComponentSettings("hook", ComponentKind.WEBHOOK, "hook.wasm"), built("hook_python")),
        (ComponentSettings("fibo", ComponentKind.ACTIVITY, "fibo.wasm"), fibo),
    ]
    await hooks.use(HOOK)


async def use_stub(hooks: Hooks, text: str = HOOK) -> None:
    """The function that the guest calls waits for a result that we supply."""
    hooks.components = hooks.components[:1]
    await hooks.use(text + STUB)


async def executions(hooks: Hooks) -> list[ExecutionId]:
    """Children too, the oldest first."""
    page = await hooks.service.store.list(ExecutionFilter(top_level_only=False), limit=PAGE_MAX)
    return [item.id for item in reversed(page.items)]


async def log_of(hooks: Hooks, execution_id: str) -> list[ev.Event]:
    return [entry.event for entry in await hooks.service.store.log(ExecutionId(execution_id))]


async def lines_of(hooks: Hooks, execution_id: str) -> list[str]:
    return [record.message for _, record in await hooks.service.store.read_logs(ExecutionId(execution_id))]


async def test_who_is_limited_to_functions_does_not_see_a_component_that_has_none(hooks: Hooks) -> None:
    context = Context(hooks.service, Waits())
    limited = Caller("limited", functions=("testing:fibo/*",))
    assert [item.settings.name for item in visible_components(context, LOCAL)] == ["hook", "fibo"]
    assert [item.settings.name for item in visible_components(context, limited)] == ["fibo"]


async def test_a_guest_sees_the_directories_that_are_granted_and_no_others(hooks: Hooks, tmp_path: Path) -> None:
    for name in ("granted", "secret"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(f"what is {name}")
    settings, guest = hooks.components[0]
    grant = DirectoryGrant(str(tmp_path / "granted"), "/data")
    hooks.components[0] = replace(settings, directories=(grant,)), guest
    await hooks.use(HOOK)
    assert (await hooks.call("GET", "/read?/data/file")).body == "what is granted"
    for path in ("/data/../secret/file", f"{tmp_path}/secret/file", "/file"):
        assert (await hooks.call("GET", f"/read?{path}")).status == 404, path


# Requests and answers


async def test_a_guest_sees_the_request_and_its_path_parameters(hooks: Hooks) -> None:
    headers = {"X_Mine": "a", "X_Obelisk_Path_Id": "forged", "x_obelisk_path_other": "forged"}
    answer = await hooks.call("PUT", "/items/a%20b/c/seen?x=1&x=2", **headers)
    seen = dict(answer.body["headers"])
    assert (answer.status, answer.body["method"], answer.body["path"]) == (
        200,
        "Method_Put",
        "/items/a%20b/c/seen?x=1&x=2",
    )
    assert (answer.body["authority"], answer.body["scheme"]) == (hooks.url.removeprefix("http://"), "Scheme_Http")
    assert seen["X-Mine"] == "a"
    assert {name: value for name, value in seen.items() if name.lower().startswith("x-obelisk")} == {
        "x-obelisk-path-id": "a%20b",
        "x-obelisk-path-rest": "c/seen",
    }
    assert "host" not in {name.lower() for name in seen}


async def test_bodies_stream_both_ways_at_the_same_time(hooks: Hooks) -> None:
    """Each part is sent when the one before has come back."""
    came_back = asyncio.Event()

    async def parts() -> AsyncIterator[bytes]:
        for number in range(5):
            yield b"%d" % number * 100
            await came_back.wait()
            came_back.clear()

    received = b""
    async with hooks.session.post(hooks.url + "/echo", data=parts()) as answer:
        async for chunk in answer.content.iter_any():
            received += chunk
            if len(received) % 100 == 0:
                came_back.set()
    assert received == b"".join(b"%d" % number * 100 for number in range(5))


async def test_a_large_body_arrives_whole(hooks: Hooks) -> None:
    body = bytes(range(256)) * 4096
    async with hooks.session.post(hooks.url + "/echo", data=body) as answer:
        assert await answer.read() == body


async def test_a_guest_waits_for_a_client_that_does_not_read(hooks: Hooks) -> None:
    """Of 64 MiB only what fits into buffers leaves the guest."""
    host, port = hooks.url.removeprefix("http://").split(":")
    before = set(hooks.service._node._tasks)
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    writer.write(b"GET /flood?16384 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    (call,) = hooks.service._node._tasks - before
    assert not call.done()
    writer.transport.abort()


async def test_a_client_may_ask_whether_its_body_is_wanted(hooks: Hooks) -> None:
    async with hooks.session.post(hooks.url + "/size", data=b"x" * 1000, expect100=True) as answer:
        assert await answer.json() == 1000


async def test_what_has_no_body_has_none(hooks: Hooks) -> None:
    async with hooks.session.get(hooks.url + "/nothing") as answer:
        assert (answer.status, await answer.read()) == (204, b"")
    async with hooks.session.head(hooks.url + "/ping") as answer:
        assert (answer.status, await answer.read()) == (200, b"")


async def test_compressed_bodies_are_passed_on_as_they_are(hooks: Hooks) -> None:
    headers = {"Content-Encoding": "gzip"}
    async with hooks.session.post(hooks.url + "/echo", data=b"no gzip at all", headers=headers) as answer:
        assert await answer.read() == b"no gzip at all"


async def test_requests_are_handled_side_by_side(hooks: Hooks, eventually: Any) -> None:
    """Fifty fibers that wait for one another's executions: with a thread or a queue for each this would not end."""
    await use_stub(hooks)
    asked = [asyncio.create_task(hooks.call("GET", "/fibo?1")) for _ in range(50)]

    async def children() -> list[ExecutionId]:
        found = [each for each in await executions(hooks) if parent_of(each)]
        return found if len(found) == 50 else []

    for child in await eventually(children):
        await hooks.service.stub(child, '{"ok": 1}')
    assert {answer.status for answer in await asyncio.gather(*asked)} == {200}


# Executions


async def test_an_idle_request_leaves_nothing_in_the_store(hooks: Hooks) -> None:
    for path in ("/ping", "/seen", "/status?E_01J00000000000000000000000", "/call-json?no.such"):
        answer = await hooks.call("GET", path)
        assert "Obelisk-Execution-Id" not in answer.headers
    assert await executions(hooks) == []


async def test_a_direct_call_waits_for_a_child_and_makes_the_request_an_execution(hooks: Hooks) -> None:
    answer = await hooks.call("GET", "/items/5/fibo?10")
    me = answer.headers["Obelisk-Execution-Id"]
    assert answer.body == {"value": 89, "me": me, "child": f"{me}.o:1_1"}
    assert await executions(hooks) == [me, f"{me}.o:1_1"]
    created, locked, submitted, *_ = await log_of(hooks, me)
    assert isinstance(created, ev.Created)
    assert (created.kind, created.params, created.tags) == (
        ev.ExecutionKind.WEBHOOK,
        '["GET","/items/5/fibo"]',
        {"webhook": "hook"},
    )
    assert isinstance(locked, ev.Locked)
    assert submitted == ev.ChildSubmitted("o:1", Ffqn.parse("testing:fibo/fibo.fibo"), "[10]", failure_named=False)
    assert await hooks.service.wait(me) == ev.Ok("200")


async def test_calls_one_after_another_have_join_sets_of_their_own(hooks: Hooks) -> None:
    answer = await hooks.call("GET", "/fibo-twice")
    me = answer.headers["Obelisk-Execution-Id"]
    assert answer.body == [89, 144]
    assert await executions(hooks) == [me, f"{me}.o:1_1", f"{me}.o:2_1"]


async def test_a_scheduled_execution_is_durable_before_the_answer_and_no_child(hooks: Hooks) -> None:
    answer = await hooks.call("GET", "/schedule?later")
    assert answer.status == 202
    first = (await log_of(hooks, answer.body))[0]
    assert isinstance(first, ev.Created)
    assert first.due is not None
    assert parent_of(answer.body) is None


async def test_functions_are_called_and_scheduled_by_name(hooks: Hooks) -> None:
    assert (await hooks.call("GET", "/call-json?testing:fibo/fibo.fibo")).body == {"Ok": "89"}
    scheduled = (await hooks.call("GET", "/schedule-json")).body
    assert await hooks.service.wait(scheduled) == ev.Ok("89")
    unknown = await hooks.call("GET", "/call-json?testing:fibo/fibo.none")
    assert (unknown.status, unknown.body) == (400, ["ScheduleJsonError_FunctionNotFound", None])


async def test_a_guest_looks_at_executions_and_waits_for_them(hooks: Hooks) -> None:
    done = (await hooks.call("GET", "/schedule")).body
    assert (await hooks.call("GET", f"/get?{done}")).body == {"Ok": "89"}
    assert (await hooks.call("GET", f"/try-get?{done}")).body == {"Ok": "89"}
    assert (await hooks.call("GET", f"/failure?{done}")).body is None
    assert (await hooks.call("GET", f"/status?{done}")).body == [
        "ExecutionStatus_Finished",
        "ExecutionStatusFinished_Ok",
    ]
    later = (await hooks.call("GET", "/schedule?later")).body
    assert (await hooks.call("GET", f"/status?{later}")).body == ["ExecutionStatus_PendingAt", "Datetime"]
    assert (await hooks.call("GET", f"/try-get?{later}")).body == ["TryGetError_NotFinishedYet", None]
    await hooks.service.cancel(later, "test")
    assert (await hooks.call("GET", f"/failure?{later}")).body == "CANCELLED"
    none = "E_01J00000000000000000000000"
    for path, error in (("get", "GetError"), ("try-get", "TryGetError"), ("status", "GetStatusError")):
        assert (await hooks.call("GET", f"/{path}?{none}")).body == [f"{error}_NotFound", None]
        assert (await hooks.call("GET", f"/{path}?x")).body[0] == f"{error}_ExecutionIdParsingError"


async def test_who_awaits_an_execution_is_one(hooks: Hooks) -> None:
    await use_stub(hooks)
    scheduled = (await hooks.call("GET", "/schedule")).body
    asked = asyncio.create_task(hooks.call("GET", f"/get?{scheduled}"))
    await asyncio.sleep(0)
    await hooks.service.stub(scheduled, '{"ok": 5}')
    answer = await asked
    assert answer.body == {"Ok": "5"}
    assert await hooks.service.wait(answer.headers["Obelisk-Execution-Id"]) == ev.Ok("200")


async def test_a_webhook_execution_can_be_cancelled_but_not_paused(hooks: Hooks) -> None:
    await use_stub(hooks)
    asked = asyncio.create_task(hooks.call("GET", "/fibo?1"))
    me = await hooks.until_created()
    with pytest.raises(Exception, match="cannot be paused"):
        await hooks.service.pause(me, "test")
    await hooks.service.cancel(me, "test")
    answer = await asked
    assert (answer.status, answer.body["type"]) == (503, "urn:obelisk:problem:request-ended")
    outcome = await hooks.service.wait(me)
    assert isinstance(outcome, ev.Failed)
    assert outcome.kind is ev.FailureKind.CANCELLED
    assert await hooks.service.wait(ExecutionId(f"{me}.o:1_1")) == ev.Failed(
        ev.FailureKind.CANCELLED, "its join set was closed"
    )


# Logs


async def test_what_a_guest_writes_is_logged_with_its_execution(hooks: Hooks) -> None:
    answer = await hooks.call("GET", "/logs?execution")
    assert await lines_of(hooks, answer.headers["Obelisk-Execution-Id"]) == ["one", "two", "three"]


async def test_without_an_execution_it_is_a_line_of_the_server_at_debug(
    hooks: Hooks, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "obelisk.service")
    await hooks.call("GET", "/logs")
    wrote = [record for record in caplog.records if record.getMessage() == "a webhook wrote"]
    assert [record.__dict__["text"] for record in wrote] == ["one", "two", "three"]
    assert {record.levelno for record in wrote} == {logging.DEBUG}


# Guests that fail


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("trap", 502, "unreachable"),
        ("silent", 502, "the guest answered nothing"),
        ("error", 502, "the guest answered nothing"),
        ("spin", 504, "the time of the request was used up"),
        ("sleep?60", 504, "the time of the request was used up"),
    ],
)
async def test_a_guest_that_does_not_answer_is_a_problem_and_a_line_in_the_log(
    hooks: Hooks, caplog: pytest.LogCaptureFixture, path: str, status: int, reason: str
) -> None:
    await hooks.use(HOOK + 'timeout = "300ms"\n')
    answer = await hooks.call("GET", f"/{path}")
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    (failed,) = [record for record in caplog.records if record.getMessage() == "a webhook failed"]
    assert failed.__dict__["webhook"] == "hook"
    assert reason in failed.__dict__["reason"]


async def test_the_last_words_of_a_guest_that_fails_are_warnings(
    hooks: Hooks, caplog: pytest.LogCaptureFixture
) -> None:
    await hooks.call("GET", "/trap")
    texts = [record.__dict__.get("text") for record in caplog.records if record.levelno == logging.WARNING]
    assert {"before the trap", "RuntimeError: as asked"} <= set(texts)


async def test_a_guest_that_fails_after_it_began_an_execution_names_it(hooks: Hooks) -> None:
    answer = await hooks.call("GET", "/trap-after")
    assert answer.status == 502
    outcome = await hooks.service.wait(answer.body["execution"])
    assert isinstance(outcome, ev.Failed)
    assert outcome.kind is ev.FailureKind.TRAPPED
    assert "RuntimeError: as asked" in await lines_of(hooks, answer.body["execution"])


async def test_a_second_answer_traps_and_the_first_one_counts(hooks: Hooks, caplog: pytest.LogCaptureFixture) -> None:
    assert (await hooks.call("GET", "/twice")).body == 1
    assert "a webhook failed" in [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("path", ["unfinished", "short"])
async def test_an_answer_that_is_not_finished_ends_the_connection_in_the_middle(hooks: Hooks, path: str) -> None:
    async with hooks.session.get(f"{hooks.url}/{path}") as answer:
        assert answer.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
    assert (await hooks.call("GET", "/ping")).body == "pong"


async def test_an_answer_that_does_not_go_on_is_cut_off_when_its_time_is_over(hooks: Hooks) -> None:
    """The guest waits for a body that never comes."""
    await hooks.use(HOOK + 'timeout = "300ms"\n')
    host, port = hooks.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    with contextlib.suppress(ConnectionError):
        assert not (await reader.read()).endswith(b"0\r\n\r\n")
    writer.close()


async def test_what_a_guest_leaks_is_released(hooks: Hooks) -> None:
    for _ in range(3):
        assert (await hooks.post("/leak", b"x" * MIB)).body == "leaked"
    assert (await hooks.call("GET", "/ping")).body == "pong"


async def test_a_time_limit_also_ends_what_has_an_execution(hooks: Hooks) -> None:
    await use_stub(hooks, HOOK + 'timeout = "300ms"\n')
    answer = await hooks.call("GET", "/fibo?1")
    assert (answer.status, answer.body["type"]) == (504, "urn:obelisk:problem:webhook-too-slow")
    outcome = await hooks.service.wait(answer.body["execution"])
    assert isinstance(outcome, ev.Failed)
    assert outcome.kind is ev.FailureKind.TIMED_OUT


# Bodies and limits


async def test_a_body_beyond_the_limit_is_refused_before_the_guest_sees_it(hooks: Hooks) -> None:
    await hooks.use(HOOK + "body_bytes_max = 1000\n")
    answer = await hooks.post("/size", b"x" * 1001)
    assert (answer.status, answer.body["limit"]) == (413, 1000)


async def test_a_guest_that_reads_a_body_beyond_the_limit_is_told(hooks: Hooks) -> None:
    await hooks.use(HOOK + "body_bytes_max = 1000\n")

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1000

    async with hooks.session.post(hooks.url + "/size", data=endless()) as answer:
        assert answer.status == 502


class FullStore:
    """One that cannot be written, while `full`."""

    def __init__(self) -> None:
        self._store = MemoryStore()
        self.full = False

    def __getattr__(self, name: str) -> Any:
        return self._refuse if self.full and name in {"create", "create_all"} else getattr(self._store, name)

    def _refuse(self, *_: Any, **__: Any) -> "asyncio.Future[Any]":
        refused: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        refused.set_exception(StoreUnavailable("the disk is full; nothing was written"))
        return refused


async def test_what_needs_a_store_that_cannot_be_written_is_told_to_come_again(
    tmp_path: Path, engine: RememberingEngine, built: Callable[[str], bytes]
) -> None:
    store = FullStore()
    async with serving(tmp_path, engine, store=store) as hooks:
        await use_hook(hooks, built)
        store.full = True
        assert (await hooks.call("GET", "/ping")).body == "pong"
        for path in ("/fibo?10", "/schedule?now"):
            answer = await hooks.call("GET", path)
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1"), path
        store.full = False
        assert await executions(hooks) == []
        assert (await hooks.call("GET", "/fibo?10")).body["value"] == 89


async def test_more_requests_than_guests_fit_are_told_to_come_again(hooks: Hooks) -> None:
    await use_stub(hooks)
    asked = [asyncio.create_task(hooks.call("GET", "/fibo?1")) for _ in range(70)]
    done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    answer = done.pop().result()
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    for each in asked:
        each.cancel()


# Clients that leave


async def test_a_guest_without_executions_is_dropped_when_its_client_leaves(hooks: Hooks, eventually: Any) -> None:
    asked = asyncio.create_task(hooks.call("GET", "/sleep?60"))
    await eventually(lambda: hooks.mounts._active)
    asked.cancel()
    await eventually(lambda: not hooks.mounts._active)
    assert await executions(hooks) == []


async def test_a_guest_with_executions_goes_on_when_its_client_leaves(hooks: Hooks, eventually: Any) -> None:
    await use_stub(hooks)
    asked = asyncio.create_task(hooks.call("GET", "/fibo?1"))
    me = await hooks.until_created()
    asked.cancel()
    await eventually(lambda: not hooks.mounts._active)
    await hooks.service.stub(ExecutionId(f"{me}.o:1_1"), '{"ok": 5}')
    assert await hooks.service.wait(me) == ev.Ok("200")


async def test_a_guest_goes_on_after_its_answer(hooks: Hooks) -> None:
    answer = await hooks.call("GET", "/linger?0.05", Connection="close")
    assert answer.body == "answered"
    assert "Obelisk-Execution-Id" not in answer.headers
    me = await hooks.until_created()
    assert await hooks.service.wait(me)


async def test_a_stopping_server_lets_requests_end(hooks: Hooks) -> None:
    await use_stub(hooks)
    asked = asyncio.create_task(hooks.call("GET", "/fibo?1"))
    me = await hooks.until_created()
    stopping = asyncio.create_task(hooks.listener.stop(20))
    await asyncio.sleep(0.01)
    refused = await hooks.call("GET", "/ping")
    assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
    await hooks.service.stub(ExecutionId(f"{me}.o:1_1"), '{"ok": 5}')
    assert (await asked).body["value"] == 5
    await stopping


async def test_a_stopping_server_waits_only_so_long(hooks: Hooks, eventually: Any) -> None:
    asked = asyncio.create_task(hooks.call("GET", "/sleep?60"))
    await eventually(lambda: hooks.mounts._active)
    await hooks.listener.stop(0.05)
    with pytest.raises(aiohttp.ClientError):
        await asked


# Deployment


async def test_requests_that_run_keep_the_component_they_began_with(
    hooks: Hooks, engine: RememberingEngine, built: Any
) -> None:
    await engine.compile(built("hook_javascript"))  # which may take longer than a request may
    await use_stub(hooks)
    asked = asyncio.create_task(hooks.call("GET", "/fibo?1"))
    me = await hooks.until_created()
    hooks.components = [(hooks.components[0][0], built("hook_javascript"))]
    await hooks.use(HOOK + STUB)
    async with hooks.session.get(hooks.url + "/ping") as answer:
        assert await answer.text() == "pong"
    await hooks.service.stub(ExecutionId(f"{me}.o:1_1"), '{"ok": 5}')
    assert (await asked).body["value"] == 5


async def test_what_is_no_handler_is_no_webhook(hooks: Hooks) -> None:
    _, fibo = hooks.components
    hooks.components = [(ComponentSettings("hook", ComponentKind.WEBHOOK, "hook.wasm"), fibo[1])]
    with pytest.raises(InvalidSetup, match="does not export wasi:http/incoming-handler"):
        await hooks.use(HOOK)


# A fetch handler in JavaScript


async def test_a_fetch_handler_runs_unchanged(hooks: Hooks, built: Any) -> None:
    hooks.components = [(hooks.components[0][0], built("hook_javascript"))]
    await hooks.use(HOOK)
    assert (await hooks.call("GET", "/items/7/seen?x=1")).body == {"method": "GET", "id": "7", "query": "?x=1"}
    assert (await hooks.post("/size", b"x" * MIB)).body == MIB
    echoed = await hooks.post("/echo", json.dumps(list(range(10_000))).encode(), Content_Type="application/json")
    assert echoed.body == list(range(10_000))
    async with hooks.session.get(hooks.url + "/throw") as answer:
        assert answer.status == 500
