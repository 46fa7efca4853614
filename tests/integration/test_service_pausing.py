"""Pausing and resuming: executions, delays, and what arrives meanwhile."""

import asyncio
from typing import Any

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.ids import DelayId, ExecutionId
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.service import PauseResult, Terms

SLEEP = Ffqn.parse("testing:sleeper/sleeper.sleep")
CANCELLABLE = Ffqn.parse("testing:sleeper/sleeper.sleep-cancellable")
RECOVER = Ffqn.parse("testing:recovering/recovering.run")
A_PERSON = "a person"
LONG = 60_000


def delay_of(execution_id: str) -> DelayId:
    return DelayId(f"Delay_{execution_id[2:]}.o:1_1")


async def sleeping(site: Any, service: Any, eventually: Any, function: Ffqn = SLEEP, milliseconds: int = LONG) -> Any:
    """The id of a workflow that waits for its sleep."""
    submitted = await service.submit(function, [milliseconds])

    async def blocked() -> bool:
        return isinstance((await site.store.get(submitted.id)).status, proj.Blocked)

    await eventually(blocked)
    return submitted.id


async def test_a_paused_workflow_lets_go_of_its_guest_and_goes_on_when_it_is_resumed(
    site: Any, workflow: Any, eventually: Any
) -> None:
    service = await site.start(workflow("sleeper"))
    execution_id = await sleeping(site, service, eventually)
    assert await service.pause(execution_id, A_PERSON) is PauseResult.PAUSED
    assert site.engine.engine.guests == 0
    assert (await site.store.get(execution_id)).lifecycle.label == "paused"
    assert await service.resume(execution_id, A_PERSON) is PauseResult.RESUMED
    await eventually(lambda: len(site.attempts("sleeper.sleep")) == 2)
    await service.cancel(delay_of(execution_id), A_PERSON)
    assert await service.wait(execution_id) == ev.Err(None)
    kinds = {type(event) for event in await site.log(execution_id)}
    assert {ev.Paused, ev.Resumed} <= kinds


async def test_a_response_that_arrives_while_a_workflow_is_paused_is_not_lost_and_does_not_wake_it(
    site: Any, workflow: Any, eventually: Any
) -> None:
    service = await site.start(workflow("sleeper"))
    execution_id = await sleeping(site, service, eventually)
    await service.pause(execution_id, A_PERSON)
    await service.cancel(delay_of(execution_id), A_PERSON)
    projection = await site.store.get(execution_id)
    assert (projection.responses, projection.due) == (1, None)
    await service.submit(SLEEP, [0])
    await eventually(lambda: len(site.attempts("sleeper.sleep")) == 2)
    assert await service.outcome(execution_id) is None
    await service.resume(execution_id, A_PERSON)
    assert await service.wait(execution_id) == ev.Err(None)


async def test_a_paused_workflow_stays_paused_over_a_restart(site: Any, workflow: Any, eventually: Any) -> None:
    sleeper = workflow("sleeper")
    service = await site.start(sleeper)
    execution_id = await sleeping(site, service, eventually)
    await service.pause(execution_id, A_PERSON)
    await site.die_and_reopen(service)
    service = await site.start(sleeper)
    await service.submit(SLEEP, [0])
    await eventually(lambda: len(site.attempts("sleeper.sleep")) == 2)
    assert (await site.store.get(execution_id)).lifecycle.paused
    await service.resume(execution_id, A_PERSON)
    await service.cancel(delay_of(execution_id), A_PERSON)
    assert await service.wait(execution_id) == ev.Err(None)


async def test_pausing_and_resuming_are_idempotent_and_say_what_they_did(
    site: Any, workflow: Any, eventually: Any
) -> None:
    service = await site.start(workflow("sleeper"))
    execution_id = await sleeping(site, service, eventually)
    assert await service.resume(execution_id, A_PERSON) is PauseResult.NOT_PAUSED
    await service.pause(execution_id, A_PERSON)
    assert await service.pause(execution_id, A_PERSON) is PauseResult.ALREADY_PAUSED
    await service.resume(execution_id, A_PERSON)
    await service.cancel(delay_of(execution_id), A_PERSON)
    await service.wait(execution_id)
    assert await service.pause(execution_id, A_PERSON) is PauseResult.ALREADY_FINISHED
    assert await service.resume(execution_id, A_PERSON) is PauseResult.ALREADY_FINISHED


async def test_two_that_pause_at_once_leave_one_event(site: Any, workflow: Any, eventually: Any) -> None:
    service = await site.start(workflow("sleeper"))
    execution_id = await sleeping(site, service, eventually)
    await asyncio.gather(*(service.pause(execution_id, A_PERSON) for _ in range(5)))
    assert [type(event) for event in await site.log(execution_id)].count(ev.Paused) == 1


async def test_a_paused_workflow_can_be_cancelled(site: Any, workflow: Any, eventually: Any) -> None:
    service = await site.start(workflow("sleeper"))
    execution_id = await sleeping(site, service, eventually, CANCELLABLE)
    await service.pause(execution_id, A_PERSON)
    await service.cancel(execution_id, A_PERSON)
    outcome = await service.wait(execution_id)
    assert isinstance(outcome, ev.Failed)
    assert outcome.kind is ev.FailureKind.CANCELLED


async def test_an_attempt_that_runs_may_end_though_its_activity_is_paused_and_no_other_begins(
    site: Any, activity: Any, eventually: Any
) -> None:
    service = await site.start(activity("flaky", attempt_timeout=50_000), activity("fibo_tiny"))
    submitted = await service.submit(Ffqn.parse("testing:flaky/flaky.run"), ["endless", 1])
    assert await service.pause(submitted.id, A_PERSON) is PauseResult.PAUSED

    async def timed_out() -> bool:
        return any(isinstance(event, ev.AttemptTimedOut) for event in await site.log(submitted.id))

    await eventually(timed_out)
    _, end = await service.submit_watched(Ffqn.parse("testing:fibo/fibo.fibo"), [1])
    await end
    assert len(site.attempts("flaky.run")) == 1
    await service.resume(submitted.id, A_PERSON)
    await eventually(lambda: len(site.attempts("flaky.run")) == 3)


async def test_a_paused_delay_does_not_come_due_until_it_is_resumed_and_is_then_due_at_once(
    site: Any, workflow: Any, eventually: Any
) -> None:
    service = await site.start(workflow("sleeper"))
    execution_id = await sleeping(site, service, eventually, milliseconds=2_000)
    delay = delay_of(execution_id)
    assert await service.pause(delay, A_PERSON) is PauseResult.PAUSED
    assert await service.pause(delay, A_PERSON) is PauseResult.ALREADY_PAUSED
    (held,) = await site.store.open_delays(execution_id)
    assert (held.id, held.paused) == (delay, True)
    later = await service.submit(SLEEP, [2_100])
    await service.wait(later.id)
    assert await service.outcome(execution_id) is None
    assert await service.resume(delay, A_PERSON) is PauseResult.RESUMED
    assert await service.wait(execution_id) == ev.Ok(None)
    assert await service.pause(delay, A_PERSON) is PauseResult.ALREADY_FINISHED


async def test_a_workflow_submitted_paused_does_not_run_until_it_is_resumed(
    site: Any, workflow: Any, eventually: Any
) -> None:
    service = await site.start(workflow("sleeper"))
    submitted = await service.submit(SLEEP, [1], terms=Terms(paused=True))
    other = await service.submit(CANCELLABLE, [1])
    await service.wait(other.id)
    assert len(site.attempts("sleeper.sleep")) == 1
    assert isinstance((await site.log(submitted.id))[1], ev.Paused)
    await service.resume(ExecutionId(submitted.id), A_PERSON)
    assert await service.wait(submitted.id) == ev.Ok(None)
