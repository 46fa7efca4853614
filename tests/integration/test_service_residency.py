"""Where a workflow is while it waits, and how it comes back: eviction, take-over, replay, outages, other bytes."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from wasmtime import wat2wasm

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.deployment import ComponentKind, ComponentSettings, RuntimeLimits
from obelisk_runtime.core.ids import DelayId, ExecutionId
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.engine import EngineSettings, WasmtimeEngine
from obelisk_runtime.ports.store import ResponsesMoved, StoreUnavailable, VersionConflict
from obelisk_runtime.service import Service, Terms
from obelisk_runtime.storage.memory import MemoryStore
from obelisk_runtime.system import SystemClock, SystemIds
from obelisk_runtime.testing.clock import SECOND, VirtualClock
from obelisk_server.compose import Wasi

FIBOA = "testing:fibo-workflow/workflow.fiboa"
SLEEP = "testing:sleeper/sleeper.sleep"
RUN = "testing:flaky/flaky.run"
LIMITS = RuntimeLimits(poll=20_000, shutdown=200_000)
CHOSEN = ExecutionId("E_01J0000000000000000000000A")


@pytest.fixture
def storage() -> str:
    return "memory"


class FaultyStore:
    """A store of which a test decides how it behaves."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.refusals: list[Callable[[str, Any], Exception | None]] = []
        self.gate: asyncio.Event | None = None
        """While it is there and not set, nothing is acknowledged."""

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._store, name)
        if name in {"subscribe", "close"}:
            return member
        return lambda *args, **kwargs: self._call(name, member, args, kwargs)

    def _call(self, name: str, member: Callable[..., Any], args: Any, kwargs: Any) -> Awaitable[Any]:
        for refusal in self.refusals:
            error = refusal(name, args)
            if error is not None:
                refused = asyncio.get_running_loop().create_future()
                refused.set_exception(error)
                return refused
        called = member(*args, **kwargs)
        return called if self.gate is None else asyncio.ensure_future(_behind(self.gate, called))


async def _behind(gate: asyncio.Event, called: Awaitable[Any]) -> Any:
    answer = await called
    await gate.wait()
    return answer


async def status(site: Any, execution_id: str) -> proj.Status:
    return (await site.store.get(ExecutionId(execution_id))).status


async def resting(site: Any, execution_id: str) -> bool:
    found = await status(site, execution_id)
    return isinstance(found, proj.Blocked) and found.executor is None


async def blocked(site: Any, execution_id: str) -> bool:
    return isinstance(await status(site, execution_id), proj.Blocked)


def delay_of(execution_id: str, join_set: str = "o:1") -> DelayId:
    return DelayId(f"Delay_{execution_id[2:]}.{join_set}_1")


# Residency


@pytest.mark.parametrize("limit", [{"resident_seconds": 0}, {"resident_memory_mib": 0}], ids=["time", "memory"])
async def test_a_waiting_workflow_beyond_a_bound_rests_in_the_store_and_comes_back(
    site: Any, workflow: Any, eventually: Any, limit: dict[str, int]
) -> None:
    service = await site.start(workflow("sleeper"), limits=replace(LIMITS, **limit))
    submitted = await service.submit(Ffqn.parse(SLEEP), [60_000])
    await eventually(lambda: resting(site, submitted.id))
    assert site.engine.engine.guests == 0
    await service.cancel(delay_of(submitted.id), "wake up")
    assert await service.wait(submitted.id) == ev.Err(None)
    assert len(site.attempts("sleeper.sleep")) == 2


async def test_a_parent_makes_room_for_its_child_where_there_is_room_for_one_workflow_only(
    site: Any, workflow: Any, activity: Any, end: Any
) -> None:
    components = workflow("generic"), workflow("fibo_workflow_tiny"), activity("fibo_tiny")
    service = await site.start(*components, limits=replace(LIMITS, workflows_max=1))
    assert await end(service, "testing:generic/generic.fiboa", [10, 2]) == ev.Ok("89")


async def test_more_work_than_slots_waits_in_the_store_and_is_all_done(
    site: Any, workflow: Any, activity: Any, end: Any
) -> None:
    components = workflow("fibo_workflow_tiny"), activity("fibo_tiny")
    service = await site.start(*components, limits=replace(LIMITS, workflows_max=2, activities_max=1))
    ended = await asyncio.gather(*(end(service, FIBOA + "-concurrent", [5, 10]) for _ in range(5)))
    assert ended == [ev.Ok("8")] * 5


@pytest.mark.parametrize("storage", ["memory", "sqlite"])
@pytest.mark.parametrize("workflows_max", [8, 40])
async def test_waiting_workflows_leave_for_one_that_is_due_though_some_slots_are_kept(
    site: Any, workflow: Any, eventually: Any, workflows_max: int
) -> None:
    service = await site.start(workflow("sleeper"), limits=replace(LIMITS, workflows_max=workflows_max))
    many = workflows_max + workflows_max // 4
    ids = [(await service.submit(Ffqn.parse(SLEEP), [3_600_000])).id for _ in range(many)]
    for execution_id in ids:
        await eventually(lambda execution_id=execution_id: blocked(site, execution_id))


async def test_waiting_workflows_stay_in_memory_while_none_is_due_though_there_is_no_room_for_more(
    site: Any, workflow: Any, eventually: Any
) -> None:
    service = await site.start(workflow("sleeper"), limits=replace(LIMITS, workflows_max=8))
    for _ in range(6):
        execution_id = (await service.submit(Ffqn.parse(SLEEP), [3_600_000])).id
        await eventually(lambda execution_id=execution_id: blocked(site, execution_id))
    assert service._dispatcher.room(ev.ExecutionKind.WORKFLOW) == 0
    await service._residents.sweep()
    assert [run for run in service._node.workflows.values() if run._leaving] == []
    await service.submit(Ffqn.parse(SLEEP), [3_600_000])
    await service._residents.sweep()
    assert len([run for run in service._node.workflows.values() if run._leaving]) == 2


# Take-over


async def test_what_a_silent_executor_held_is_taken_over_when_its_lease_ends_and_not_before(
    site: Any, workflow: Any, eventually: Any
) -> None:
    clock = VirtualClock()
    limits = replace(LIMITS, heartbeat=5_000, lease=10 * SECOND)
    dead = await site.start(workflow("sleeper"), clock=clock, limits=limits, sole=False)
    submitted = await dead.submit(Ffqn.parse(SLEEP), [60_000])
    await eventually(lambda: blocked(site, submitted.id))
    site.die(dead)
    living = await site.start(workflow("sleeper"), clock=clock, limits=limits, sole=False)
    clock.advance(9 * SECOND)
    executor = living._node.executor
    await eventually(lambda: site.store._tables.beats[executor] == clock.now())
    held = await status(site, submitted.id)
    assert isinstance(held, proj.Blocked)
    assert held.executor == dead._node.executor
    clock.advance(2 * SECOND)
    await eventually(lambda: holder_is(site, submitted.id, executor))
    clock.advance(60 * SECOND)
    assert await living.wait(submitted.id) == ev.Ok(None)


async def test_after_a_restart_a_workflow_whose_function_nothing_exports_any_more_runs_on_its_stored_bytes(
    site: Any, workflow: Any, activity: Any, eventually: Any
) -> None:
    service = await site.start(workflow("sleeper"))
    waiting = await service.submit(Ffqn.parse(SLEEP), [60_000])
    paused = await service.submit(Ffqn.parse(SLEEP), [0], terms=Terms(paused=True))
    await eventually(lambda: blocked(site, waiting.id))
    await site.die_and_reopen(service)
    service = await site.start(activity("fibo_tiny"))
    await service.resume(paused.id, "a person")
    assert await service.wait(paused.id) == ev.Ok(None)
    await eventually(lambda: holder_is(site, waiting.id, service._node.executor))
    await service.cancel(delay_of(waiting.id), "wake up")
    assert await service.wait(waiting.id) == ev.Err(None)


async def holder_is(site: Any, execution_id: str, executor: str) -> bool:
    found = await status(site, execution_id)
    return isinstance(found, proj.Blocked) and found.executor == executor


async def test_a_lost_attempt_is_repeated_and_does_not_use_up_the_retries(
    site: Any, activity: Any, eventually: Any
) -> None:
    patient = replace(LIMITS, deaths_max=100)
    service = await site.start(activity("flaky"), limits=patient)
    submitted = await service.submit(Ffqn.parse(RUN), ["endless", 1])
    for begun in range(1, 6):
        await eventually(lambda begun=begun: len(site.attempts("flaky.run")) == begun)
        await eventually(lambda: status_is(site, submitted.id, proj.Locked))
        site.die(service)
        service = await site.start(activity("flaky"), limits=patient)
    projection = await site.store.get(submitted.id)
    assert (projection.failures, projection.losses) == (0, 5)
    await service.cancel(submitted.id, "enough")


async def status_is(site: Any, execution_id: str, form: type[Any]) -> bool:
    return isinstance(await status(site, execution_id), form)


# Other bytes


def text(source: str, kind: ComponentKind = ComponentKind.WORKFLOW) -> tuple[ComponentSettings, bytes]:
    return ComponentSettings(name="text", kind=kind, location="text.wasm"), bytes(wat2wasm(source))


LOGGING = """(component
  (import "obelisk:log/log@1.0.0" (instance $log (export "info" (func (param "message" string)))))
  (import "obelisk:types/time@5.0.0" (instance $time
    (type $duration' (variant
      (case "milliseconds" u64) (case "seconds" u64) (case "minutes" u32) (case "hours" u32) (case "days" u32)))
    (export "duration" (type $duration (eq $duration')))
    (type $datetime' (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $datetime')))
    (type $schedule-at' (variant (case "now") (case "at" $datetime) (case "in" $duration)))
    (export "schedule-at" (type (eq $schedule-at')))))
  (alias export $time "datetime" (type $datetime))
  (alias export $time "schedule-at" (type $schedule-at))
  (import "obelisk:workflow/workflow-support@6.0.0" (instance $support
    (export "datetime" (type $instant (eq $datetime)))
    (export "schedule-at" (type $due (eq $schedule-at)))
    (export "random-u64" (func (param "min" u64) (param "max-exclusive" u64) (result u64)))
    (export "sleep" (func (param "schedule-at" $due) (param "name" (option string)) (result (result $instant))))))
  (core module $libc (memory (export "mem") 1) (data (i32.const 64) "a"))
  (core instance $c (instantiate $libc))
  (core func $info (canon lower (func $log "info") (memory (core memory $c "mem"))))
  (core func $random (canon lower (func $support "random-u64")))
  (core func $sleep (canon lower (func $support "sleep") (memory (core memory $c "mem"))))
  (core module $m
    (import "c" "mem" (memory 1))
    (import "host" "sleep" (func $sleep (param i32 i64 i64 i32 i32 i32 i32)))
    (import "host" "info" (func $info (param i32 i32)))
    (import "host" "random" (func $random (param i64 i64) (result i64)))
    (func (export "run") (result i32)
      (call $info (i32.const 64) (i32.const 1))
      (drop (call $random (i64.const 0) (i64.const 7)))
      (call $sleep (i32.const 2) (i64.const 3) (i64.const 1)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
      (call $info (i32.const 64) (i32.const 1))
      (i32.const 0)))
  (core instance $i (instantiate $m (with "c" (instance $c)) (with "host" (instance
    (export "sleep" (func $sleep)) (export "info" (func $info)) (export "random" (func $random))))))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $logging (export "run" (func $run)))
  (export "test:logging/logging" (instance $logging)))"""
LOG = "test:logging/logging.run"


@pytest.mark.parametrize("storage", ["memory", "sqlite"])
async def test_after_a_restart_with_a_changed_file_old_workflows_run_on_the_stored_bytes(
    site: Any, eventually: Any
) -> None:
    service = await site.start(text(LOGGING))
    old = await service.submit(Ffqn.parse(LOG), [])
    await eventually(lambda: blocked(site, old.id))
    await site.die_and_reopen(service)
    service = await site.start(text(LOGGING.replace('"a"', '"b"')))
    new = await service.submit(Ffqn.parse(LOG), [])
    for execution in (old, new):
        await eventually(lambda execution=execution: blocked(site, execution.id))
        await service.cancel(delay_of(execution.id), "wake up")
        await service.wait(execution.id)
    assert await site.lines(old.id) == ["a", "a"]
    assert await site.lines(new.id) == ["b", "b"]


@pytest.mark.parametrize(
    ("change", "recorded", "asked"),
    [
        (("(i64.const 7)", "(i64.const 8)"), "random-u64(0, 7)", "random-u64(0, 8)"),
        (("(drop (call $random (i64.const 0) (i64.const 7)))", ""), "random-drawn", "delay-submitted"),
        (("(call $sleep (i32.const 2)", "(if (i32.const 1) (then (return (i32.const 0)))) (call $sleep (i32.const 2)"),
         "delay-submitted", "nothing more"),
        (("(call $sleep (i32.const 2)", "(if (i32.const 1) (then unreachable)) (call $sleep (i32.const 2)"),
         "delay-submitted", "nothing more"),
    ],
)  # fmt: skip
async def test_nondeterminism_pauses_the_workflow_with_both_sides_and_cancels_nothing(
    site: Any, eventually: Any, change: tuple[str, str], recorded: str, asked: str
) -> None:
    settings, wasm = text(LOGGING)
    service = await site.start((settings, wasm))
    submitted = await service.submit(Ffqn.parse(LOG), [])
    await eventually(lambda: blocked(site, submitted.id))
    site.die(service)
    other = bytes(wat2wasm(LOGGING.replace(*change)))
    assert other != wasm
    site.store._tables.components["sha256:" + hashlib.sha256(wasm).hexdigest()] = other
    await site.start(text(LOGGING.replace('"a"', '"b"')))
    await eventually(lambda: paused(site, submitted.id))
    (event,) = [event for event in await site.log(submitted.id) if isinstance(event, ev.Paused)]
    found, _, wanted = event.reason.partition("the workflow asked for")
    assert recorded in found
    assert asked in wanted
    assert await site.store.responses(submitted.id) == []
    assert (await site.store.get(submitted.id)).due is None
    await eventually(lambda: site.engine.engine.guests == 0)


async def paused(site: Any, execution_id: str) -> bool:
    return (await site.store.get(ExecutionId(execution_id))).lifecycle.paused


async def test_a_workflow_whose_bytes_are_gone_is_paused_and_says_so(site: Any, eventually: Any) -> None:
    service = await site.start(text(LOGGING))
    submitted = await service.submit(Ffqn.parse(LOG), [])
    await eventually(lambda: blocked(site, submitted.id))
    site.die(service)
    site.store._tables.components.clear()
    await site.start(text(LOGGING.replace('"a"', '"b"')))
    await eventually(lambda: paused(site, submitted.id))


OTHER_FLAKY = """(component
  (core module $m (func (export "run") (param i32) (result i32) (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $run (param "mode" u32) (result (result)) (canon lift (core func $i "run")))
  (instance $flaky (export "run" (func $run)))
  (export "testing:flaky/flaky" (instance $flaky)))"""


async def test_an_attempt_whose_function_has_another_signature_now_is_rejected_and_others_go_on(
    site: Any, activity: Any, eventually: Any, end: Any
) -> None:
    service = await site.start(activity("flaky"))
    submitted = await service.submit(Ffqn.parse(RUN), ["endless", 1])
    await eventually(lambda: len(site.attempts("flaky.run")) == 1)
    await eventually(lambda: status_is(site, submitted.id, proj.Locked))
    site.die(service)
    service = await site.start(text(OTHER_FLAKY, ComponentKind.ACTIVITY))
    outcome = await service.wait(submitted.id)
    assert isinstance(outcome, ev.Failed)
    assert outcome.kind is ev.FailureKind.REJECTED
    assert "signature" in outcome.reason
    assert await end(service, RUN, [1]) == ev.Ok(None)


# What a store may do


@pytest.mark.parametrize(
    "error", [StoreUnavailable("full"), ResponsesMoved(CHOSEN, 0, 1), VersionConflict(CHOSEN, 1, 2)]
)
@pytest.mark.parametrize("function", [FIBOA, FIBOA + "-concurrent"])
async def test_a_workflow_whose_every_other_write_is_refused_ends_all_the_same(
    site: Any, workflow: Any, activity: Any, end: Any, function: str, error: Exception
) -> None:
    store = FaultyStore(site.store)
    appends = 0

    def refuse(name: str, args: Any) -> Exception | None:
        nonlocal appends
        of_workflow = name == "append" and args[0].expected_responses is not None
        appends += of_workflow
        return error if of_workflow and appends % 2 else None

    store.refusals.append(refuse)
    service = await site.start(workflow("fibo_workflow_tiny"), activity("fibo_tiny"), store=store)
    assert await end(service, function, [10, 3]) == ev.Ok("89")
    assert appends > 2
    assert len({begun.execution_id for begun in site.attempts("fibo/fibo.fibo")}) == 3


async def test_a_store_that_fails_for_a_while_loses_nothing(
    site: Any, workflow: Any, activity: Any, eventually: Any
) -> None:
    store = FaultyStore(site.store)
    service = await site.start(workflow("sleeper"), activity("flaky", attempt_timeout=200_000), store=store)
    sleeping = await service.submit(Ffqn.parse(SLEEP), [200])
    running = await service.submit(Ffqn.parse(RUN), ["spin", 200_000_000])
    await eventually(lambda: blocked(site, sleeping.id))
    store.refusals.append(lambda _name, _args: StoreUnavailable("the disk is full"))
    with pytest.raises(StoreUnavailable):
        await service.submit(Ffqn.parse(SLEEP), [1])
    with pytest.raises(StoreUnavailable):
        await service.cancel(running.id, "enough")
    await eventually(lambda: not service._node.attempts)
    store.refusals.clear()
    assert await service.wait(sleeping.id) == ev.Ok(None)
    outcome = await service.wait(running.id)
    assert isinstance(outcome, ev.Failed | ev.Ok)
    assert len(service._node.workflows) == 0


async def test_slots_are_given_back_when_nothing_could_be_created(
    site: Any, workflow: Any, activity: Any, end: Any, eventually: Any
) -> None:
    store = FaultyStore(site.store)
    limits = replace(LIMITS, workflows_max=2, activities_max=2)
    service = await site.start(workflow("sleeper"), activity("fibo_tiny"), store=store, limits=limits)
    store.refusals.append(lambda name, _args: StoreUnavailable("full") if name == "create" else None)
    for function, params in ((SLEEP, [60_000]), ("testing:fibo/fibo.fibo", [1])) * 3:
        for chosen in (None, CHOSEN):
            with pytest.raises(StoreUnavailable):
                await service.submit(Ffqn.parse(function), params, id=chosen)
    store.refusals.clear()
    await eventually(
        lambda: {service._dispatcher.slots.free(kind) for kind in service._dispatcher.slots.capacity} == {2}
    )
    assert site.engine.engine.guests == 0
    assert await end(service, "testing:fibo/fibo.fibo", [10]) == ev.Ok("89")


@pytest.mark.parametrize("chosen", [None, CHOSEN])
async def test_a_client_that_leaves_while_its_submission_is_written_stops_nothing(
    site: Any, activity: Any, eventually: Any, chosen: ExecutionId | None
) -> None:
    store = FaultyStore(site.store)
    service = await site.start(activity("fibo_tiny"), store=store)
    store.gate = asyncio.Event()
    client = asyncio.ensure_future(service.submit(Ffqn.parse("testing:fibo/fibo.fibo"), [10], id=chosen))
    await eventually(lambda: len(site.store._tables.executions) == 1)
    client.cancel()
    await asyncio.gather(client, return_exceptions=True)
    store.gate.set()
    (execution_id,) = site.store._tables.executions
    assert await service.wait(execution_id) == ev.Ok("89")


async def test_an_activity_may_start_before_the_commit_of_its_creation_unless_its_parameters_were_drawn(
    site: Any, workflow: Any, activity: Any, eventually: Any
) -> None:
    store = FaultyStore(site.store)
    components = workflow("fibo_workflow_tiny"), activity("fibo_tiny"), workflow("dice"), activity("recorder")
    service = await site.start(*components, store=store)
    store.gate = asyncio.Event()
    submitting = [
        asyncio.ensure_future(service.submit(Ffqn.parse(function), params))
        for function, params in (("testing:dice/dice.roll", ["key"]), (FIBOA, [10, 1]))
    ]
    await eventually(lambda: site.attempts("fibo/fibo.fibo"))
    await eventually(lambda: any(".o:1_1" in id_ and "dice" in str(execution.created.function)
                                 for id_, execution in site.store._tables.executions.items()))  # fmt: skip
    assert not site.attempts("dice/recorder.record")
    store.gate.set()
    for submitted in await asyncio.gather(*submitting):
        assert isinstance(await service.wait(submitted.id), ev.Ok)
    assert site.attempts("dice/recorder.record")


# Typed waiting


PROBE = """(component
  (import "obelisk:types/time@5.0.0" (instance $time
    (type $duration' (variant
      (case "milliseconds" u64) (case "seconds" u64) (case "minutes" u32) (case "hours" u32) (case "days" u32)))
    (export "duration" (type $duration (eq $duration')))
    (type $datetime' (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $datetime')))
    (type $schedule-at' (variant (case "now") (case "at" $datetime) (case "in" $duration)))
    (export "schedule-at" (type (eq $schedule-at')))))
  (alias export $time "schedule-at" (type $schedule-at))
  (import "obelisk:types/execution@5.0.0" (instance $execution
    (type $execution-id' (record (field "id" string)))
    (export "execution-id" (type $execution-id (eq $execution-id')))
    (type $delay-id' (record (field "id" string)))
    (export "delay-id" (type $delay-id (eq $delay-id')))
    (type $function' (record (field "interface-name" string) (field "function-name" string)))
    (export "function" (type $function (eq $function')))
    (type $response-id' (variant (case "execution-id" $execution-id) (case "delay-id" $delay-id)))
    (export "response-id" (type $response-id (eq $response-id')))
    (type $function-mismatch' (record
      (field "specified-function" $function) (field "actual-function" (option $function))
      (field "actual-id" $response-id)))
    (export "function-mismatch" (type $function-mismatch (eq $function-mismatch')))
    (type $error' (variant (case "all-processed") (case "function-mismatch" $function-mismatch)))
    (export "await-next-extension-error" (type (eq $error')))
    (type $get-error' (variant
      (case "function-mismatch" $function-mismatch) (case "not-found-in-processed-responses")))
    (export "get-extension-error" (type (eq $get-error')))))
  (alias export $execution "execution-id" (type $execution-id))
  (alias export $execution "delay-id" (type $delay-id))
  (alias export $execution "await-next-extension-error" (type $await-next-extension-error))
  (alias export $execution "get-extension-error" (type $get-extension-error))
  (import "obelisk:types/join-set@5.0.0" (instance $join-sets (export "join-set" (type (sub resource)))))
  (alias export $join-sets "join-set" (type $join-set))
  (import "obelisk:workflow/workflow-support@6.0.0" (instance $support
    (export "schedule-at" (type $due (eq $schedule-at)))
    (export "delay-id" (type $delay (eq $delay-id)))
    (export "join-set" (type $set (eq $join-set)))
    (export "join-set-create" (func (result (own $set))))
    (export "submit-delay" (func (param "join-set" (borrow $set)) (param "timeout" $due) (result $delay)))))
  (import "testing:fibo-obelisk-ext/fibo" (instance $fibo
    (export "execution-id" (type $id (eq $execution-id)))
    (export "await-next-extension-error" (type $error (eq $await-next-extension-error)))
    (export "get-extension-error" (type $get-error (eq $get-extension-error)))
    (export "join-set" (type $set (eq $join-set)))
    (export "fibo-submit" (func (param "join-set" (borrow $set)) (param "n" u8) (result $id)))
    (export "fibo-await-next" (func (param "join-set" (borrow $set)) (result (result (result u64) (error $error)))))
    (export "fibo-get" (func (param "execution-id" $id) (result (result (result u64) (error $get-error)))))))
  (core module $libc
    (memory (export "mem") 1)
    (global $free (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.set $free (i32.add (global.get $free) (i32.const 256)))
      (global.get $free)))
  (core instance $c (instantiate $libc))
  (core func $create (canon lower (func $support "join-set-create")))
  (core func $submit-delay (canon lower (func $support "submit-delay")
    (memory (core memory $c "mem")) (realloc (core func $c "realloc"))))
  (core func $submit (canon lower (func $fibo "fibo-submit")
    (memory (core memory $c "mem")) (realloc (core func $c "realloc"))))
  (core func $await-next (canon lower (func $fibo "fibo-await-next")
    (memory (core memory $c "mem")) (realloc (core func $c "realloc"))))
  (core func $get (canon lower (func $fibo "fibo-get")
    (memory (core memory $c "mem")) (realloc (core func $c "realloc"))))
  (core module $m
    (import "c" "mem" (memory 1))
    (import "host" "create" (func $create (result i32)))
    (import "host" "submit-delay" (func $submit-delay (param i32 i32 i64 i64 i32)))
    (import "host" "submit" (func $submit (param i32 i32 i32)))
    (import "host" "await-next" (func $await-next (param i32 i32)))
    (import "host" "get" (func $get (param i32 i32 i32)))
    (global $answer (mut i64) (i64.const 0))
    ;; A digit for an answer at 64: 1 ok, 2 an error of the first case, 3 one of the second case.
    (func $note
      (global.set $answer (i64.add (i64.mul (global.get $answer) (i64.const 10))
        (if (result i64) (i32.load8_u (i32.const 64))
          (then (i64.add (i64.const 2) (i64.extend_i32_u (i32.load8_u (i32.const 72)))))
          (else (i64.const 1))))))
    (func (export "probe") (result i32) (local $set i32)
      (local.set $set (call $create))
      (call $submit-delay (local.get $set) (i32.const 0 (; now ;)) (i64.const 0) (i64.const 0) (i32.const 200))
      (call $await-next (local.get $set) (i32.const 64)) (call $note)
      (call $await-next (local.get $set) (i32.const 64)) (call $note)
      (call $submit (local.get $set) (i32.const 10) (i32.const 208))
      (call $get (i32.load (i32.const 208)) (i32.load (i32.const 212)) (i32.const 64)) (call $note)
      (call $await-next (local.get $set) (i32.const 64)) (call $note)
      (call $get (i32.load (i32.const 208)) (i32.load (i32.const 212)) (i32.const 64)) (call $note)
      (i32.store8 (i32.const 0) (i32.const 0))
      (i64.store (i32.const 8) (global.get $answer))
      (i32.const 0))
    )
  (core instance $i (instantiate $m (with "c" (instance $c)) (with "host" (instance
    (export "create" (func $create)) (export "submit-delay" (func $submit-delay)) (export "submit" (func $submit))
    (export "await-next" (func $await-next)) (export "get" (func $get))))))
  (func $probe (result (result u64)) (canon lift (core func $i "probe") (memory (core memory $c "mem"))))
  (instance $probes (export "probe" (func $probe)))
  (export "test:probe/probe" (instance $probes)))"""


@pytest.mark.parametrize("storage", ["memory", "sqlite"])
async def test_typed_waiting_tells_a_mismatch_from_an_exhausted_set_and_get_answers_what_was_taken(
    site: Any, activity: Any, end: Any
) -> None:
    service = await site.start(text(PROBE), activity("fibo_tiny"))
    outcome = await end(service, "test:probe/probe.probe", [])
    assert isinstance(outcome, ev.Ok), outcome
    mismatch, exhausted, unknown, ok = "3", "2", "3", "1"
    assert json.loads(outcome.value) == int(mismatch + exhausted + unknown + ok + ok)


async def test_a_workflow_that_finds_no_room_waits_without_a_trace_and_those_that_rest_leave(
    workflow: Any, compiled: Any
) -> None:
    engine = WasmtimeEngine(compiled, EngineSettings(guests_max=64))
    service = Service(
        store=MemoryStore(), engine=engine, clock=SystemClock(), ids=SystemIds(), library=Wasi(),
        limits=RuntimeLimits(poll=20_000, shutdown=0),
    )  # fmt: skip
    assert not await service.deploy([workflow("sleeper")])
    await service.start()
    resting = [await service.submit(Ffqn.parse(SLEEP), [3_600_000]) for _ in range(64)]
    late = await service.submit(Ffqn.parse(SLEEP), [1])
    async with asyncio.timeout(120):
        assert await service.wait(late.id) == ev.Ok()
    names = [ev.event_name(entry.event) for entry in await service.store.log(late.id)]
    assert names == ["created", "locked", "delay-submitted", "finished"]
    assert len(resting) == 64
    await service.stop()
    await engine.close()


async def test_a_store_that_cannot_write_is_known_until_it_can_again(site: Any, workflow: Any, eventually: Any) -> None:
    store = FaultyStore(site.store)
    service = await site.start(workflow("sleeper"), store=store, limits=replace(LIMITS, heartbeat=5_000))
    store.refusals.append(lambda name, _: StoreUnavailable("the disk is full") if name == "beat" else None)
    await eventually(lambda: service.store_trouble == "the disk is full")
    store.refusals.clear()
    await eventually(lambda: service.store_trouble is None)


async def test_a_part_of_the_runtime_that_fails_is_shown_and_begins_again(
    site: Any, workflow: Any, eventually: Any
) -> None:
    store = FaultyStore(site.store)
    service = await site.start(workflow("sleeper"), store=store)
    store.refusals.append(lambda name, _: RuntimeError("a bug") if name == "next_due" else None)
    sleeper = await service.submit(Ffqn.parse(SLEEP), [1])
    await eventually(lambda: "the dispatcher failed" in (service.trouble or ""))
    store.refusals.clear()
    assert await service.wait(sleeper.id) == ev.Ok()
    await eventually(lambda: service.trouble is None)
