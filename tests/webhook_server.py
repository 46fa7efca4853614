"""Webhooks over a real listener, service and engine in this process; the store is in memory."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.deployment import ComponentSettings, RuntimeLimits
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.engine import EngineSettings, WasmtimeEngine
from obelisk_runtime.ports.store import ExecutionFilter
from obelisk_runtime.service import Service
from obelisk_runtime.storage.memory import MemoryStore
from obelisk_runtime.system import SystemClock, SystemIds
from obelisk_server.compose import Wasi
from obelisk_server.config import parse_config
from obelisk_server.setup import deploy
from obelisk_server.webhooks import Mounts, Surroundings, WebhookListener

API = "http://api.example"


@dataclass
class Answer:
    status: int
    body: Any
    headers: Any


@dataclass
class Hooks:
    """A client of webhooks in this process."""

    folder: Path
    service: Service
    mounts: Mounts
    listener: WebhookListener
    url: str
    session: aiohttp.ClientSession
    components: list[tuple[ComponentSettings, bytes]] = field(default_factory=list, repr=False)

    async def use(self, text: str) -> None:
        await deploy(self.service, parse_config(text, self.folder / "obelisk.toml", {}), self.components, [self.mounts])

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            named.setdefault("Content-Type", "application/json")
        async with self.session.request(method, self.url + path, data=body, headers=named) as answer:
            return Answer(answer.status, await answer.json(content_type=None), answer.headers)

    async def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return await self.call("POST", path, body, **headers)

    async def created(self) -> list[ev.Created]:
        """Of all executions, the oldest first."""
        page = await self.service.store.list(ExecutionFilter())
        logs = [await self.service.store.log(item.id) for item in reversed(page.items)]
        return [log[0].event for log in logs if isinstance(log[0].event, ev.Created)]

    async def until_created(self) -> ExecutionId:
        async with asyncio.timeout(120):
            while True:
                page = await self.service.store.list(ExecutionFilter())
                if page.items:
                    return page.items[0].id
                await asyncio.sleep(0.002)


class RememberingEngine:
    """An engine that keeps what it loaded: components in Python take a second, and tests deploy them often."""

    def __init__(self, compiled: Path | None = None) -> None:
        self.engine = WasmtimeEngine(compiled, EngineSettings(guests_max=64))
        self._loaded: dict[bytes, Any] = {}

    async def compile(self, wasm: bytes) -> Any:
        if wasm not in self._loaded:
            self._loaded[wasm] = await self.engine.compile(wasm)
        return self._loaded[wasm]

    async def close(self) -> None:
        await self.engine.close()


@asynccontextmanager
async def serving(
    folder: Path, engine: RememberingEngine, environ: Mapping[str, str] = MappingProxyType({}), store: Any = None
) -> AsyncGenerator[Hooks]:
    """A service and a listener of its own, and a store if none is given."""
    limits = replace(RuntimeLimits(), shutdown=0)
    clock = SystemClock()
    store = MemoryStore() if store is None else store
    service = Service(store=store, engine=engine, clock=clock, ids=SystemIds(), library=Wasi(), limits=limits)
    await service.start()
    mounts = Mounts(Surroundings(service, clock, API, asyncio.Event()), environ)
    listener = WebhookListener(mounts)
    bound = socket.create_server(("127.0.0.1", 0))
    await listener.start(bound)
    async with aiohttp.ClientSession() as session:
        yield Hooks(folder, service, mounts, listener, f"http://127.0.0.1:{bound.getsockname()[1]}", session)
    await listener.stop(0)
    await service.stop()
    await service.store.close()
    async with asyncio.timeout(120):
        while engine.engine.guests:  # one that computes in a thread leaves a little later  # noqa: ASYNC110
            await asyncio.sleep(0.002)
