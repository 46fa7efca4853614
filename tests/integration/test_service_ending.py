"""Executions that are ended from outside at any moment: before their turn, while they cannot begin yet."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.decisions import ending
from obelisk_runtime.core.deployment import RuntimeLimits, StubSettings
from obelisk_runtime.core.ids import DelayId, ExecutionId
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.schedules import Schedule
from obelisk_runtime.core.wit_text import parse_function
from obelisk_runtime.engine import EngineSettings, WasmtimeEngine
from obelisk_runtime.ports.store import VersionConflict
from obelisk_runtime.service import CancelResult, PauseResult, Service, Terms
from obelisk_runtime.storage.memory import MemoryStore
from obelisk_runtime.system import SystemClock, SystemIds
from obelisk_server.compose import Wasi

SLEEP = Ffqn.parse("testing:sleeper/sleeper.sleep")
CANCELLABLE = Ffqn.parse("testing:sleeper/sleeper.sleep-cancellable")
SCRIPT = Ffqn.parse("testing:script-workflow/script.run")
STUB = StubSettings(
    Ffqn.parse("testing:approval/desk.decide"), parse_function("func(order: u64) -> result<bool, string>")
)
AWAITS_A_STUB = """
join_set = support.join_set_create()
support.submit_json(join_set, Function("testing:approval/desk", "decide"), "[1]")
support.join_next(join_set)
answer = "answered"
"""
HOUR = 3_600_000
"""In milliseconds, as sleepers take it."""


def nobody_has_a_turn(service: Service) -> None:
    """What is locked from now on waits in the dispatcher until `all_have_their_turns`."""
    service._dispatcher._begin_scheduled = True


def all_have_their_turns(service: Service) -> None:
    while service._dispatcher._queues:
        service._dispatcher._begin_some()


# Before its turn


@pytest.mark.parametrize("how", ["cancel", "terminate", "deadline"])
async def test_a_workflow_that_ends_before_its_turn_is_not_begun_nor_ended_again_when_it_is(
    site: Any, workflow: Any, noted: Any, how: str
) -> None:
    store = noted(site.store)
    service = await site.start(workflow("sleeper"), store=store)
    nobody_has_a_turn(service)
    terms = Terms(deadline=Schedule(1, relative=True)) if how == "deadline" else Terms()
    submitted = await service.submit(CANCELLABLE, [HOUR], terms=terms)
    if how != "deadline":
        await getattr(service, how)(submitted.id, "enough")
    outcome = await service.wait(submitted.id)
    assert isinstance(outcome, ev.Failed)
    written = len(store.appends)
    all_have_their_turns(service)
    assert len(store.appends) == written
    assert site.engine.begun == []
    assert isinstance((await site.log(submitted.id))[-1], ev.Finished)


async def test_what_is_refused_though_nothing_tells_why_is_not_sent_again_but_decided_from_the_log(
    site: Any, workflow: Any
) -> None:
    store = RefusingOnce(site.store)
    service = await site.start(workflow("sleeper"), store=store)
    submitted = await service.submit(SLEEP, [1])
    assert await service.wait(submitted.id) == ev.Ok(None)
    assert len(site.attempts("sleeper.sleep")) == 2


class RefusingOnce:
    """A store that refuses the first append that ends a workflow though nobody else wrote."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._refused = False

    def __getattr__(self, name: str) -> Any:
        return self._append if name == "append" else getattr(self._store, name)

    def _append(self, append: Any) -> Any:
        if self._refused or not isinstance(append.events[-1].event, ev.Finished):
            return self._store.append(append)
        self._refused = True
        refused = asyncio.get_running_loop().create_future()
        refused.set_exception(VersionConflict(append.id, append.expected_version, append.expected_version + 1))
        return refused


# While it cannot begin yet


async def test_a_workflow_that_ends_while_its_component_is_compiled_is_not_begun_afterwards(
    site: Any, workflow: Any, activity: Any, noted: Any, eventually: Any
) -> None:
    service = await site.start(workflow("sleeper"))
    submitted = await service.submit(SLEEP, [HOUR], terms=Terms(paused=True))
    await site.die_and_reopen(service)
    store = noted(site.store)
    service = await site.start(activity("fibo_tiny"), store=store)
    engine = SlowEngine(site.engine)
    service._node.deployment._engine = engine
    await service.resume(submitted.id, "go")
    await engine.asked.wait()
    await service.terminate(submitted.id, "enough")
    assert isinstance(await service.wait(submitted.id), ev.Failed)
    written = len(store.appends)
    engine.gate.set()
    await engine.compiled.wait()
    await eventually(lambda: not any("_find_component" in repr(task) for task in service._node._tasks))
    assert site.engine.begun == []
    assert len(store.appends) == written


class SlowEngine:
    """An engine that compiles when the gate is open."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.asked, self.gate, self.compiled = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def compile(self, wasm: bytes) -> Any:
        self.asked.set()
        await self.gate.wait()
        compiled = await self._engine.compile(wasm)
        self.compiled.set()
        return compiled


async def test_a_workflow_that_ends_while_it_finds_no_room_is_not_begun_when_there_is_some(
    workflow: Any, compiled: Any, noted: Any, eventually: Any
) -> None:
    engine = WasmtimeEngine(compiled, EngineSettings(guests_max=1))
    store = noted(MemoryStore())
    limits = RuntimeLimits(poll=20_000, shutdown=0)
    service = Service(
        store=store, engine=engine, clock=SystemClock(), ids=SystemIds(), library=Wasi(), limits=limits
    )  # fmt: skip
    assert not await service.deploy([workflow("sleeper")])
    await service.start()
    first = await service.submit(SLEEP, [HOUR])
    await eventually(lambda: engine.guests == 1)
    late = await service.submit(SLEEP, [HOUR])
    await eventually(lambda: service._node.crowded)
    await service.terminate(late.id, "enough")
    assert isinstance(await service.wait(late.id), ev.Failed)
    await service.terminate(first.id, "make room")
    await service.wait(first.id)
    written = len(store.appends)
    await asyncio.sleep(limits.poll / 1e6)  # timers fire in order: the one that tries again was set before
    assert engine.guests == 0
    assert len(store.appends) == written
    await service.stop()
    await engine.close()


# While what it does is on its way


class LateAnswers:
    """A store that answers some calls only when the gate is open, though what was asked for is done."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.late: Callable[[str, Any], bool] = lambda *_: False
        self.done, self.gate = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._store, name)
        return partial(self._call, name, member) if name in {"append", "cancel_delay"} else member

    def _call(self, name: str, member: Callable[..., Any], first: Any, *others: Any) -> Any:
        called = member(first, *others)
        return asyncio.ensure_future(self._answer(called)) if self.late(name, first) else called

    async def _answer(self, called: Any) -> Any:
        answer = await called
        self.done.set()
        await self.gate.wait()
        return answer


async def test_who_supplies_a_result_and_is_terminated_at_that_moment_has_told_whoever_waits_for_it(
    site: Any, workflow: Any, activity: Any, eventually: Any
) -> None:
    store = LateAnswers(site.store)
    service = await site.start(workflow("script_workflow"), activity("fibo_tiny"), stubs=[STUB], store=store)
    waiting = await service.submit(SCRIPT, [AWAITS_A_STUB])
    await eventually(lambda: is_blocked(site, waiting.id))
    stub = f"{waiting.id}.g:1_1"
    store.late = lambda name, append: name == "append" and append.id == stub
    supplier = await service.submit(SCRIPT, [f'desk_stub.decide_stub(Id("{stub}"), Ok(True))'])
    await store.done.wait()
    await service.terminate(supplier.id, "enough")
    assert isinstance(await service.wait(supplier.id), ev.Failed)
    store.gate.set()
    async with asyncio.timeout(120):
        assert await service.wait(waiting.id) == ev.Ok('"answered"')


async def test_who_cancels_a_delay_and_leaves_at_that_moment_has_woken_whoever_waits_for_it(
    site: Any, workflow: Any, eventually: Any
) -> None:
    store = LateAnswers(site.store)
    service = await site.start(workflow("sleeper"), store=store)
    waiting = await service.submit(SLEEP, [HOUR])
    await eventually(lambda: is_blocked(site, waiting.id))
    store.late = lambda name, _: name == "cancel_delay"
    client = asyncio.ensure_future(service.cancel(DelayId(f"Delay_{waiting.id[2:]}.o:1_1"), "wake up"))
    await store.done.wait()
    client.cancel()
    await asyncio.gather(client, return_exceptions=True)
    store.gate.set()
    async with asyncio.timeout(120):
        assert await service.wait(waiting.id) == ev.Err(None)


async def is_blocked(site: Any, execution_id: ExecutionId) -> bool:
    return isinstance((await site.store.get(execution_id)).status, proj.Blocked)


# When it is answered


@pytest.mark.parametrize("how", ["cancel", "terminate"])
async def test_a_cancel_of_a_workflow_in_memory_is_answered_when_it_is_durable_and_not_before(
    site: Any, workflow: Any, noted: Any, eventually: Any, how: str
) -> None:
    store = noted(site.store)
    service = await site.start(workflow("sleeper"), store=store)
    waiting = await service.submit(CANCELLABLE, [HOUR])
    await eventually(lambda: is_blocked(site, waiting.id))
    written = len(store.appends)
    gate = store.hold("append", lambda append: append.id == waiting.id)
    answer = asyncio.ensure_future(getattr(service, how)(waiting.id, "enough"))
    await eventually(lambda: len(store.appends) > written)
    assert not answer.done()
    gate.set()
    assert await answer is CancelResult.CANCELLING
    assert ending(await site.store.get(waiting.id))


async def test_a_pause_waits_for_an_end_that_is_on_its_way_instead_of_undoing_it(
    site: Any, workflow: Any, noted: Any, eventually: Any
) -> None:
    store = noted(site.store)
    service = await site.start(workflow("sleeper"), store=store)
    waiting = await service.submit(CANCELLABLE, [HOUR])
    await eventually(lambda: is_blocked(site, waiting.id))
    gate = store.hold("append", lambda append: isinstance(append.events[0].event, ev.CancelRequested))
    cancelling = asyncio.ensure_future(service.cancel(waiting.id, "enough"))
    await eventually(lambda: isinstance(store.appends[-1].events[0].event, ev.CancelRequested))
    asked = store.count("get")
    pausing = asyncio.ensure_future(service.pause(waiting.id, "a moment"))
    await eventually(lambda: store.count("get") > asked)
    gate.set()
    assert await pausing in (PauseResult.ALREADY_ENDING, PauseResult.ALREADY_FINISHED)
    assert await cancelling is CancelResult.CANCELLING
    outcome = await service.wait(waiting.id)
    assert outcome == ev.Failed(ev.FailureKind.CANCELLED, "enough")


async def test_a_workflow_that_is_cancelled_while_it_waits_for_its_turn_can_not_be_paused_any_more(
    site: Any, workflow: Any, eventually: Any
) -> None:
    service = await site.start(workflow("sleeper"))
    waiting = await service.submit(CANCELLABLE, [HOUR], terms=Terms(paused=True))
    nobody_has_a_turn(service)
    await service.resume(waiting.id, "go")
    await eventually(lambda: service._dispatcher._queues)
    answers = [
        asyncio.ensure_future(service.cancel(waiting.id, "enough")),
        asyncio.ensure_future(service.pause(waiting.id, "a moment")),
    ]
    await eventually(lambda: service._node.workflows[waiting.id]._cut_short)
    all_have_their_turns(service)
    await asyncio.gather(*answers)
    assert await service.wait(waiting.id) == ev.Failed(ev.FailureKind.CANCELLED, "enough")
