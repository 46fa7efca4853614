"""A server of the API in this process, over the real service, engine and tiny components; the store is in memory."""

import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
from wasmtime import wat2wasm

from obelisk_runtime.core.deployment import ComponentKind, ComponentSettings, RuntimeLimits
from obelisk_runtime.engine import EngineSettings, WasmtimeEngine
from obelisk_runtime.service import Service
from obelisk_runtime.storage.memory import MemoryStore
from obelisk_runtime.system import SystemClock, SystemIds
from obelisk_server.api import Context, Listener, Waits
from obelisk_server.api.listener import OPERATIONS
from obelisk_server.api.operations import Routes
from obelisk_server.api.problems import problem_types
from obelisk_server.compose import Wasi

COMPONENTS = Path(__file__).parents[1] / "components"
LIMITS = replace(RuntimeLimits(), payload_bytes_max=10_000, shutdown=0)
FIBOA = "testing:fibo-workflow/workflow.fiboa"
SLEEP = "testing:sleeper/sleeper.sleep"
CANCELLABLE = "testing:sleeper/sleeper.sleep-cancellable"
LONG = "[3600000]"


ROUTES = Routes(OPERATIONS)


@dataclass
class Answer:
    status: int
    body: Any
    headers: Any


@dataclass
class Api:
    """A client of a server in this process."""

    url: str
    session: aiohttp.ClientSession
    service: Service
    context: Context
    listener: Listener

    def _expected(self, method: str, path: str, found: Answer) -> Answer:
        """The answer, which is one that the operation is documented to give."""
        route = ROUTES.find(path.partition("?")[0])
        operation = route and route[0].get(method)
        if operation and found.status >= 400:
            assert found.body["type"] in {problem.uri for problem in problem_types(operation)}, (operation.name, found)
        elif operation:
            assert found.status in operation.statuses, (operation.name, found)
        return found

    async def get(self, path: str, **headers: str) -> Answer:
        async with self.session.get(self.url + path, headers=headers) as answer:
            found = Answer(answer.status, await answer.json(content_type=None), answer.headers)
        return self._expected("GET", path, found)

    async def post(self, path: str, body: Any, **headers: str) -> Answer:
        raw = body if isinstance(body, str | bytes) else json.dumps(body)
        headers = {"Content-Type": "application/json", **headers}
        async with self.session.post(self.url + path, data=raw, headers=headers) as answer:
            found = Answer(answer.status, await answer.json(content_type=None), answer.headers)
        return self._expected("POST", path, found)

    async def submit(self, function: str, params: str = "[]", **more: Any) -> str:
        answer = await self.post("/v1/executions", {"function": function, "params": json.loads(params), **more})
        assert answer.status in (200, 201), answer
        return answer.body["id"]

    async def count(self) -> int:
        return len((await self.get("/v1/executions?children=true")).body["items"])


def tiny(name: str, kind: ComponentKind, *changes: tuple[str, str]) -> tuple[ComponentSettings, bytes]:
    text = (COMPONENTS / name / "component.wat").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return ComponentSettings(name, kind, f"{name}.wasm"), bytes(wat2wasm(text))


@asynccontextmanager
async def served() -> AsyncGenerator[Api]:
    engine = WasmtimeEngine(settings=EngineSettings(guests_max=128))
    service = Service(
        store=MemoryStore(), engine=engine, clock=SystemClock(), ids=SystemIds(), library=Wasi(), limits=LIMITS
    )
    problems = await service.deploy(
        [
            tiny("fibo_tiny", ComponentKind.ACTIVITY),
            tiny("fibo_workflow_tiny", ComponentKind.WORKFLOW),
            tiny("sleeper", ComponentKind.WORKFLOW),
        ]
    )
    assert not problems
    await service.start()
    context = Context(service, Waits(), ready=True)
    unsubscribe = service.subscribe(context.waits.on_change)
    listener = Listener(context, payload_bytes_max=LIMITS.payload_bytes_max)
    bound = socket.create_server(("127.0.0.1", 0))
    await listener.start(bound)
    async with aiohttp.ClientSession() as session:
        yield Api(f"http://127.0.0.1:{bound.getsockname()[1]}", session, service, context, listener)
    await listener.stop()
    unsubscribe()
    await service.stop()
    await service.store.close()
    await engine.close()
