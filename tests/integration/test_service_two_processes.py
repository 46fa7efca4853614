"""Two processes on one store: what one does to a workflow that is in the memory of the other."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.deployment import RuntimeLimits
from obelisk_runtime.core.ids import DelayId, ExecutionId
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.ports.store import ExecutionFilter
from obelisk_runtime.service import PauseResult

SLEEP = Ffqn.parse("testing:sleeper/sleeper.sleep")
FIBOA = "testing:fibo-workflow/workflow.fiboa"
A_PERSON = "a person"
PAUSES = 40
DEAF = RuntimeLimits(poll=20_000, shutdown=200_000, heartbeat=3_600_000_000, lease=7_200_000_000)
"""Looks after its workflows once an hour."""
ATTENTIVE = replace(DEAF, heartbeat=5_000)


@pytest.fixture
def storage() -> str:
    return "memory"


def delay_of(execution_id: str) -> DelayId:
    return DelayId(f"Delay_{execution_id[2:]}.o:1_1")


async def asleep(site: Any, holder: Any, eventually: Any) -> ExecutionId:
    """A workflow that sleeps in the memory of this process."""
    submitted = await holder.submit(SLEEP, [3_600_000])

    async def blocked() -> bool:
        return isinstance((await site.store.get(submitted.id)).status, proj.Blocked)

    await eventually(blocked)
    return submitted.id


async def test_a_response_that_another_process_delivered_is_noticed_though_nobody_told(
    site: Any, workflow: Any, eventually: Any
) -> None:
    holder = await site.start(workflow("sleeper"), limits=ATTENTIVE, sole=False)
    execution_id = await asleep(site, holder, eventually)
    other = await site.start(workflow("sleeper"), limits=DEAF, sole=False)
    await other.cancel(delay_of(execution_id), A_PERSON)
    assert await holder.wait(execution_id) == ev.Err(None)
    assert len(site.attempts("sleeper.sleep")) == 1


@pytest.mark.parametrize("storage", ["memory", "sqlite"])
async def test_control_events_of_others_make_the_runner_decide_the_same_again_without_a_replay(
    site: Any, workflow: Any, eventually: Any
) -> None:
    holder = await site.start(workflow("sleeper"), limits=DEAF, sole=False)
    execution_id = await asleep(site, holder, eventually)
    other = await site.start(workflow("sleeper"), limits=DEAF, sole=False)
    assert await other.pause(execution_id, A_PERSON) is PauseResult.PAUSED
    assert await other.resume(execution_id, A_PERSON) is PauseResult.RESUMED
    await holder.cancel(delay_of(execution_id), A_PERSON)
    assert await holder.wait(execution_id) == ev.Err(None)
    assert len(site.attempts("sleeper.sleep")) == 1
    kinds = [type(event) for event in await site.log(execution_id)]
    assert kinds == [ev.Created, ev.Locked, ev.DelaySubmitted, ev.Paused, ev.Resumed, ev.Finished]


async def test_a_workflow_that_another_process_pauses_is_let_go_of_once_its_holder_learns_of_it(
    site: Any, workflow: Any, eventually: Any
) -> None:
    holder = await site.start(workflow("sleeper"), limits=ATTENTIVE, sole=False)
    execution_id = await asleep(site, holder, eventually)
    other = await site.start(workflow("sleeper"), limits=DEAF, sole=False)
    await other.pause(execution_id, A_PERSON)
    await eventually(lambda: site.engine.engine.guests == 0)
    projection = await site.store.get(execution_id)
    assert (projection.holder, projection.lifecycle.label) == (None, "paused")
    await other.resume(execution_id, A_PERSON)
    await eventually(lambda: len(site.attempts("sleeper.sleep")) == 2)
    await other.cancel(delay_of(execution_id), A_PERSON)
    assert await other.wait(execution_id) == ev.Err(None)


@pytest.mark.parametrize("storage", ["memory", "sqlite"])
async def test_an_upgrade_by_another_process_drops_the_guest_and_replays_it_on_the_new_component(
    site: Any, workflow: Any, eventually: Any
) -> None:
    settings, wasm = workflow("sleeper")
    changed = wasm + b"\x00\x02\x01x"  # one more custom section: the same code under another digest
    holder = await site.start((settings, wasm), limits=ATTENTIVE, sole=False)
    execution_id = await asleep(site, holder, eventually)
    other = await site.start((settings, changed), limits=DEAF, sole=False)
    upgraded = await other.upgrade(execution_id)
    begun = len(site.attempts("sleeper.sleep"))
    await eventually(lambda: len(site.attempts("sleeper.sleep")) == begun + 1)
    await holder.cancel(delay_of(execution_id), A_PERSON)
    assert await holder.wait(execution_id) == ev.Err(None)
    assert (await site.store.get(execution_id)).digest == upgraded.digest


async def test_a_workflow_that_another_process_terminates_ends_without_its_guest_being_started_again(
    site: Any, workflow: Any, eventually: Any
) -> None:
    holder = await site.start(workflow("sleeper"), limits=ATTENTIVE, sole=False)
    execution_id = await asleep(site, holder, eventually)
    other = await site.start(workflow("sleeper"), limits=DEAF, sole=False)
    await other.terminate(execution_id, A_PERSON)
    outcome = await other.wait(execution_id)
    assert isinstance(outcome, ev.Failed)
    await eventually(lambda: site.engine.engine.guests == 0)
    assert len(site.attempts("sleeper.sleep")) == 1


async def test_a_workflow_that_others_ended_and_pruned_leaves_memory(site: Any, workflow: Any, eventually: Any) -> None:
    holder = await site.start(workflow("sleeper"), limits=DEAF, sole=False)
    execution_id = await asleep(site, holder, eventually)
    other = await site.start(workflow("sleeper"), limits=DEAF, sole=False)
    await other.terminate(execution_id, A_PERSON)
    await other.wait(execution_id)
    await other.trees.prune(0)
    await holder._residents.catch_up()
    await eventually(lambda: site.engine.engine.guests == 0)
    assert not holder._node.workflows


async def test_nothing_is_lost_or_done_twice_while_another_process_pauses_and_resumes_it_often(
    site: Any, workflow: Any, activity: Any, run: Any
) -> None:
    components = workflow("fibo_workflow_tiny"), activity("fibo_tiny")
    holder = await site.start(*components, limits=ATTENTIVE, sole=False)
    other = await site.start(*components, limits=ATTENTIVE, sole=False)
    running = asyncio.ensure_future(run(holder, FIBOA, [10, 100], "E_01J0000000000000000000000A"))
    pauses = 0
    while not running.done() and pauses < PAUSES:
        await asyncio.sleep(0)
        if (await site.store.list(where_running())).items:
            pauses += await other.pause(ExecutionId("E_01J0000000000000000000000A"), A_PERSON) is PauseResult.PAUSED
            await other.resume(ExecutionId("E_01J0000000000000000000000A"), A_PERSON)
    execution_id, outcome = await running
    assert (outcome, pauses > 0) == (ev.Ok("89"), True)
    submitted = [event for event in await site.log(execution_id) if isinstance(event, ev.ChildSubmitted)]
    assert len(submitted) == 100


def where_running() -> ExecutionFilter:
    return ExecutionFilter(function_prefix=FIBOA, statuses=frozenset({"locked", "blocked"}))
