"""The runtime as one object, on a store that outlives it: deploy, run, let it die, start it again."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from wasmtime import wat2wasm

from api_server import Api, served
from obelisk_runtime.core import events as ev
from obelisk_runtime.core.deployment import ComponentKind, ComponentSettings, RuntimeLimits, StubSettings
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.retry import RetryPolicy
from obelisk_runtime.engine import EngineSettings, WasmtimeEngine
from obelisk_runtime.ports.clock import Clock
from obelisk_runtime.ports.store import Store
from obelisk_runtime.service import Service
from obelisk_runtime.storage.memory import MemoryStore
from obelisk_runtime.storage.sqlite import SqliteStore
from obelisk_runtime.system import SystemClock, SystemIds
from obelisk_runtime.wasi.http.client import HttpClient
from obelisk_server.compose import Wasi
from obelisk_server.sources import cache_folder

REPOSITORY = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 240
"""After this long something is wrong; nothing in these tests takes a second."""
OPTIONAL_TOOL_MISSING = 3
"""An exit code of components/build.py."""
QUICK = RetryPolicy(max=2, backoff=1_000, factor=1.0, jitter=0.0)
LIMITS = RuntimeLimits(poll=20_000, shutdown=200_000)

_WRITES = frozenset(
    (
        "create",
        "create_all",
        "append",
        "lock_pending",
        "fire_delays",
        "cancel_delay",
        "beat",
        "take_over",
        "write_logs",
        "write_requests",
        "retire",
        "graft",
        "prune",
        "sweep",
        "hold",
    )
)


class MortalStore:
    """A store as a process sees it that dies: the write that kills it is made or not, and never acknowledged."""

    def __init__(self, store: Store, lives: int, *, last_write_is_made: bool) -> None:
        self._store = store
        self._lives = lives
        self._last_write_is_made = last_write_is_made
        self.died = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._store, name)
        return partial(self._write, member) if name in _WRITES else member

    def _write(self, member: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Awaitable[Any]:
        self._lives -= 1
        if self._lives > 0:
            return member(*args, **kwargs)
        if self._lives == 0 and self._last_write_is_made:
            member(*args, **kwargs)
        self.died.set()
        return asyncio.get_running_loop().create_future()


class DyingAt:
    """A store whose process dies at its first write of one kind, which is made or not, and never acknowledged."""

    def __init__(self, store: Store, write: str, *, made: bool) -> None:
        self._store = store
        self._fatal = write
        self._made = made
        self.died = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return self._die if name == self._fatal else getattr(self._store, name)

    def _die(self, *args: Any, **kwargs: Any) -> Awaitable[Any]:
        if self._made:
            getattr(self._store, self._fatal)(*args, **kwargs)
        self.died.set()
        return asyncio.get_running_loop().create_future()


class NotedStore:
    """A store that notes what was asked of it, in that order: names of its methods, with their arguments."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self._held: dict[str, tuple[asyncio.Event, Callable[..., bool]]] = {}

    def hold(self, name: str, which: Callable[..., bool] = lambda *_: True) -> asyncio.Event:
        """Calls of this method for which `which` is true do nothing before the event is set."""
        self._held[name] = asyncio.Event(), which
        return self._held[name][0]

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._store, name)
        if name in {"subscribe", "close"} or not callable(member):
            return member
        return partial(self._call, name, member)

    def _call(self, name: str, member: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Awaitable[Any]:
        self.calls.append((name, args))
        gate, which = self._held.get(name, (None, None))
        if gate is None or which is None or not which(*args):
            return member(*args, **kwargs)

        async def late() -> Any:
            await gate.wait()
            return await member(*args, **kwargs)

        return asyncio.ensure_future(late())

    def count(self, name: str) -> int:
        return sum(called == name for called, _ in self.calls)

    @property
    def appends(self) -> list[Any]:
        return [args[0] for name, args in self.calls if name == "append"]


@dataclass(frozen=True)
class Begun:
    """A guest call, seen where the engine starts it."""

    execution_id: ExecutionId
    function: str
    arguments: tuple[Any, ...]


class WatchedEngine:
    """An engine that remembers which guest calls it was asked for."""

    def __init__(self, engine: WasmtimeEngine) -> None:
        self.engine = engine
        self.begun: list[Begun] = []

    async def compile(self, wasm: bytes) -> Any:
        return _WatchedComponent(await self.engine.compile(wasm), self.begun)

    async def close(self) -> None:
        await self.engine.close()


class _WatchedComponent:
    def __init__(self, compiled: Any, begun: list[Begun]) -> None:
        self._compiled = compiled
        self._begun = begun

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compiled, name)

    def link(self, functions: Mapping[Any, Any], destructors: Mapping[Any, Any]) -> "_WatchedLinked":
        return _WatchedLinked(self._compiled.link(functions, destructors), self._begun)


class _WatchedLinked:
    def __init__(self, linked: Any, begun: list[Begun]) -> None:
        self._linked = linked
        self._begun = begun

    def start(self, function: Ffqn, arguments: tuple[Any, ...], context: Any, limits: Any) -> Any:
        self._begun.append(Begun(context.execution_id, function.text, arguments))
        return self._linked.start(function, arguments, context, limits)


@dataclass
class Site:
    """One store and one engine; services come and go."""

    engine: WatchedEngine
    store: Store
    reopen: Callable[[], Awaitable[Store]]
    services: list[Service] = field(default_factory=list)

    async def start(
        self,
        *components: tuple[ComponentSettings, bytes],
        store: Any = None,
        limits: RuntimeLimits = LIMITS,
        clock: Clock | None = None,
        sole: bool = True,
        stubs: Sequence[StubSettings] = (),
        http: HttpClient | None = None,
    ) -> Service:
        service = Service(
            store=self.store if store is None else store,
            engine=self.engine,
            clock=clock or SystemClock(),
            ids=SystemIds(),
            library=Wasi(http),
            limits=limits,
            sole_executor=sole,
        )
        problems = await service.deploy(components, stubs)
        assert not problems, [str(problem) for problem in problems]
        await service.start()
        self.services.append(service)
        return service

    def die(self, service: Service) -> None:
        """As if the process were killed: what it had sent to the store is there, nothing more comes."""
        self.services.remove(service)
        node = service._node
        node.stopping = True
        service._unsubscribe()
        service._dispatcher._queues.clear()
        for task in node._tasks:
            task.cancel()
        for attempt in list(node.attempts.values()):
            attempt.drop()
        for run in list(node.workflows.values()):
            run.forget()

    async def die_and_reopen(self, service: Service) -> None:
        self.die(service)
        await self.store.close()
        self.store = await self.reopen()

    async def close(self) -> None:
        for service in self.services:
            await service.stop()
        await self.store.close()
        await self.engine.close()

    def attempts(self, function: str = "") -> list[Begun]:
        return [begun for begun in self.engine.begun if function in begun.function]

    async def log(self, execution_id: str) -> list[ev.Event]:
        return [entry.event for entry in await self.store.log(ExecutionId(execution_id))]

    async def lines(self, execution_id: str) -> list[str]:
        return [record.message for _, record in await self.store.read_logs(ExecutionId(execution_id))]


async def until(happened: Callable[[], Any]) -> Any:
    """Poll something, a plain or async function, until it is true; with a deadline."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            seen = happened()
            if asyncio.iscoroutine(seen):
                seen = await seen
            if seen:
                return seen
            await asyncio.sleep(0.002)


def settings(name: str, kind: ComponentKind, **changes: Any) -> ComponentSettings:
    changes.setdefault("retries", QUICK)
    return ComponentSettings(name=name, kind=kind, location=f"{name}.wasm", **changes)


@pytest.fixture(scope="session")
def built() -> Callable[[str], bytes]:
    """The bytes of a component of this checkout; skips the test where its optional tools are missing."""
    read: dict[str, bytes] = {}

    def get(name: str) -> bytes:
        if name not in read:
            command = [sys.executable, "components/build.py", name]
            ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
            if ended.returncode == OPTIONAL_TOOL_MISSING:
                pytest.skip(ended.stderr)
            assert ended.returncode == 0, ended.stdout + ended.stderr
            read[name] = (REPOSITORY / "build" / "components" / f"{name}.wasm").read_bytes()
        return read[name]

    return get


@pytest.fixture
def workflow(built: Callable[[str], bytes]) -> Callable[..., tuple[ComponentSettings, bytes]]:
    return lambda name, **changes: (settings(name, ComponentKind.WORKFLOW, **changes), built(name))


@pytest.fixture
def activity(built: Callable[[str], bytes]) -> Callable[..., tuple[ComponentSettings, bytes]]:
    return lambda name, **changes: (settings(name, ComponentKind.ACTIVITY, **changes), built(name))


@pytest.fixture
def text_workflow() -> Callable[[str], tuple[ComponentSettings, bytes]]:
    """A workflow from WebAssembly text."""
    return lambda text: (settings("text", ComponentKind.WORKFLOW), bytes(wat2wasm(text)))


@pytest.fixture(scope="session")
def compiled() -> Path:
    """Where servers have it too: a component in Python takes seconds to compile."""
    return cache_folder(os.environ) / "compiled"


@pytest.fixture(params=["memory", "sqlite"])
def storage(request: pytest.FixtureRequest) -> str:
    """On which store the tests of this module run; a module may choose one."""
    return request.param


@pytest.fixture
async def site(storage: str, compiled: Path, tmp_path: Path) -> AsyncIterator[Site]:
    engine = WatchedEngine(WasmtimeEngine(compiled, EngineSettings(guests_max=256)))

    async def reopen() -> Store:
        return await SqliteStore.open(tmp_path / "obelisk.sqlite")

    memory = MemoryStore()

    async def keep() -> Store:
        memory._closed = False
        return memory

    site = Site(engine, memory if storage == "memory" else await reopen(), keep if storage == "memory" else reopen)
    yield site
    await site.close()
    assert engine.engine.guests == 0


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Awaitable[Any]]:
    return until


@pytest.fixture
def mortal() -> type[MortalStore]:
    return MortalStore


@pytest.fixture
def noted() -> type[NotedStore]:
    return NotedStore


@pytest.fixture
def dying_at() -> type[DyingAt]:
    return DyingAt


async def submit_and_wait(
    service: Service, function: str, params: Sequence[Any], execution_id: str | None = None
) -> tuple[str, ev.Outcome]:
    """The id and the outcome of an execution."""
    chosen = None if execution_id is None else ExecutionId(execution_id)
    submitted = await service.submit(Ffqn.parse(function), list(params), id=chosen)
    async with asyncio.timeout(DEADLINE_SECONDS):
        return submitted.id, await service.wait(submitted.id)


@pytest.fixture
def run() -> Callable[..., Awaitable[tuple[str, ev.Outcome]]]:
    return submit_and_wait


@pytest.fixture
def end() -> Callable[..., Awaitable[ev.Outcome]]:
    async def outcome(service: Service, function: str, params: Sequence[Any]) -> ev.Outcome:
        return (await submit_and_wait(service, function, params))[1]

    return outcome


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with served() as api:
        yield api
