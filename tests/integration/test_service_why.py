"""Why an execution does not run, for each reason there is; and what a full server refuses."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.deployment import RuntimeLimits, StubSettings
from obelisk_runtime.core.ids import DelayId, ExecutionId
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.retry import RetryPolicy
from obelisk_runtime.core.schedules import Schedule
from obelisk_runtime.core.wit_text import parse_function
from obelisk_runtime.service import Overloaded, Terms
from obelisk_runtime.system import SystemClock
from obelisk_runtime.testing.clock import SECOND, VirtualClock

FLAKY = Ffqn.parse("testing:flaky/flaky.run")
SLEEP = Ffqn.parse("testing:sleeper/sleeper.sleep")
LIMITS = RuntimeLimits(poll=20_000, shutdown=200_000)
HOUR = 3_600_000_000
DECIDE = StubSettings(
    Ffqn.parse("testing:approval/desk.decide"), parse_function("func(order: u64) -> result<bool, string>")
)
TWO_CHILDREN = """
join_set = support.join_set_create()
for _ in range(2):
    support.submit_json(join_set, Function("testing:sleeper/sleeper", "sleep"), "[3600000]")
support.join_next(join_set)
"""


async def is_blocked(site: Any, execution_id: ExecutionId) -> bool:
    return isinstance((await site.store.get(execution_id)).status, proj.Blocked)


async def test_why_tells_what_is_due_later_paused_running_and_finished(
    site: Any, activity: Any, workflow: Any, eventually: Any
) -> None:
    service = await site.start(activity("flaky", attempt_timeout=HOUR), workflow("sleeper"))
    later = await service.submit(SLEEP, [1], terms=Terms(due=Schedule(HOUR, relative=True)))
    found = await service.why(later.id)
    assert (found.because, found.until) == ("due later", (await site.store.get(later.id)).due)
    await service.pause(later.id, "the auditors are here")
    found = await service.why(later.id)
    assert found.because == "paused"
    assert "the auditors are here" in found.text
    running = await service.submit(FLAKY, ["endless", 1])
    assert (await service.why(running.id)).because == "running"
    await service.cancel(running.id, "enough")
    assert (await service.why(running.id)).because == "finished"


async def test_why_tells_how_long_an_attempt_backs_off(site: Any, activity: Any, eventually: Any) -> None:
    service = await site.start(activity("flaky", retries=RetryPolicy(max=3, backoff=HOUR, backoff_max=HOUR)))
    submitted = await service.submit(FLAKY, ["err", 1])

    async def failed() -> bool:
        return (await site.store.get(submitted.id)).failures == 1

    await eventually(failed)
    found = await service.why(submitted.id)
    assert (found.because, found.until) == ("backing off", (await site.store.get(submitted.id)).due)


async def test_why_tells_that_the_limit_of_the_function_or_of_the_process_is_reached(
    site: Any, activity: Any, eventually: Any
) -> None:
    limits = replace(LIMITS, activities_max=2)
    limited = activity("flaky", concurrency_max=1, attempt_timeout=HOUR)
    service = await site.start(limited, activity("recovering"), activity("script"), limits=limits)
    first, second = [await service.submit(FLAKY, ["endless", n]) for n in range(2)]
    assert (await service.why(second.id)).because == "concurrency limit of its function"
    for execution in (first, second):
        await service.cancel(execution.id, "enough")


async def test_why_tells_that_no_slot_is_free(site: Any, activity: Any) -> None:
    limits = replace(LIMITS, activities_max=1)
    service = await site.start(activity("flaky", attempt_timeout=HOUR), limits=limits)
    first, second = [await service.submit(FLAKY, ["endless", n]) for n in range(2)]
    found = await service.why(second.id)
    assert (found.because, found.until) == ("no free slot", None)
    assert "of this kind: activity" in found.text
    for execution in (first, second):
        await service.cancel(execution.id, "enough")


async def test_why_tells_that_it_is_next_in_turn(site: Any, activity: Any, noted: Any) -> None:
    store = noted(site.store)
    gate = store.hold("lock_pending")
    service = await site.start(activity("flaky"), store=store)
    submitted = await service.submit(FLAKY, ["ok", 1], terms=Terms(paused=True))
    await service.resume(submitted.id, "a person")
    assert (await service.why(submitted.id)).because == "next in turn"
    gate.set()
    assert await service.wait(submitted.id) == ev.Ok('"ok"')


@pytest.mark.parametrize("blocked", [True, False], ids=["a workflow that waits", "an activity that runs"])
async def test_why_tells_that_the_executor_is_lost_and_when_it_is_taken_over(
    site: Any, activity: Any, workflow: Any, eventually: Any, blocked: bool
) -> None:
    clock = VirtualClock()
    limits = replace(LIMITS, heartbeat=2 * SECOND, lease=10 * SECOND)
    components = activity("flaky", attempt_timeout=HOUR), workflow("sleeper")
    dead = await site.start(*components, clock=clock, limits=limits, sole=False)
    living = await site.start(*components, clock=clock, limits=limits, sole=False)
    function, params = (SLEEP, [3_600_000]) if blocked else (FLAKY, ["endless", 1])
    submitted = await dead.submit(function, params)
    if blocked:
        await eventually(lambda: is_blocked(site, submitted.id))
    beat = clock.now()
    assert (await living.why(submitted.id)).because == ("blocked" if blocked else "running")
    site.die(dead)
    clock.advance(4 * SECOND + 1)
    found = await living.why(submitted.id)
    assert (found.because, found.until) == ("executor lost", beat + 10 * SECOND)
    clock.advance(6 * SECOND)
    found = await living.why(submitted.id)
    assert (found.because, found.until) == ("executor lost", clock.now() + 2 * SECOND)
    await living.terminate(submitted.id, "enough")


async def test_why_tells_that_a_workflow_is_cancelling_and_for_what_it_waits(
    site: Any, workflow: Any, activity: Any, eventually: Any
) -> None:
    components = workflow("script_workflow"), workflow("sleeper"), activity("fibo_tiny")
    service = await site.start(*components, clock=VirtualClock(), stubs=[DECIDE])
    submitted = await service.submit(Ffqn.parse("testing:script-workflow/script.run-cancellable"), [TWO_CHILDREN])
    children = [ExecutionId(f"{submitted.id}.g:1_{n}") for n in (1, 2)]
    await eventually(lambda: is_blocked(site, submitted.id))
    for child in children:
        await eventually(lambda child=child: is_blocked(site, child))
    await service.cancel(submitted.id, "enough")
    await eventually(lambda: is_cancelling(site, submitted.id))
    found = await service.why(submitted.id)
    assert (found.because, list(found.waits_for)) == ("cancelling", children)
    assert "2 of the 2 it started" in found.text
    for child in children:
        await service.terminate(child, "enough")
    assert await service.wait(submitted.id) == ev.Failed(ev.FailureKind.CANCELLED, "enough")


async def is_cancelling(site: Any, execution_id: ExecutionId) -> bool:
    return (await site.store.get(execution_id)).lifecycle.cancelling


async def test_why_tells_what_a_workflow_waits_for(site: Any, workflow: Any, eventually: Any) -> None:
    service = await site.start(workflow("sleeper"))
    submitted = await service.submit(SLEEP, [3_600_000])
    await eventually(lambda: is_blocked(site, submitted.id))
    delay = DelayId(f"Delay_{submitted.id[2:]}.o:1_1")
    found = await service.why(submitted.id)
    assert (found.because, list(found.waits_for)) == ("blocked", [delay])
    assert "1 of 1" in found.text
    assert found.until is not None
    await service.pause(delay, "a person")
    found = await service.why(submitted.id)
    assert (f"paused: {delay}" in found.text, found.until) == (True, None)


async def test_why_tells_that_nothing_deployed_exports_the_function(site: Any, activity: Any, workflow: Any) -> None:
    flaky = activity("flaky")
    service = await site.start(flaky, workflow("sleeper"))
    paused = await service.submit(FLAKY, ["ok", 1], terms=Terms(paused=True))
    await site.die_and_reopen(service)
    service = await site.start(workflow("sleeper"))
    await service.resume(paused.id, "a person")
    assert (await service.why(paused.id)).because == "not deployed"


async def test_submits_are_refused_while_too_many_wait_and_taken_again_when_they_do_not(
    site: Any, activity: Any, eventually: Any
) -> None:
    limits = replace(LIMITS, activities_max=1, backlog_max=2)
    service = await site.start(activity("flaky", attempt_timeout=HOUR), limits=limits)
    submitted = [await service.submit(FLAKY, ["endless", n]) for n in range(3)]
    with pytest.raises(Overloaded):
        await service.submit(FLAKY, ["ok", 1])
    for execution in submitted:
        await service.cancel(execution.id, "make room")

    async def taken() -> bool:
        try:
            await service.submit(FLAKY, ["ok", 1])
        except Overloaded:
            return False
        return True

    await eventually(taken)


async def test_a_listed_err_is_final(site: Any, activity: Any, end: Any) -> None:
    policy = RetryPolicy(max=3, backoff=1_000, final_errors=frozenset({"not yet"}))
    service = await site.start(activity("recovering", retries=policy))
    assert await end(service, "testing:recovering/recovering.run", [2]) == ev.Err('"not yet"')
    assert len(site.attempts("recovering.run")) == 1


async def test_what_is_due_and_cannot_be_claimed_delays_nothing_that_comes_due_later(
    site: Any, activity: Any, workflow: Any, eventually: Any
) -> None:
    rarely = RuntimeLimits(poll=HOUR, shutdown=200_000)
    service = await site.start(activity("fibo_tiny"), workflow("sleeper"))
    due = Terms(due=Schedule(SECOND, relative=True))
    stuck = await service.submit(Ffqn.parse("testing:fibo/fibo.fibo"), [10], terms=due)
    site.die(service)

    async def is_due() -> bool:
        return SystemClock().now() >= (await site.store.get(stuck.id)).status.due

    await eventually(is_due)
    service = await site.start(workflow("sleeper"), limits=rarely)
    sleeping = [await service.submit(SLEEP, [milliseconds]) for milliseconds in (50, 100, 150)]
    async with asyncio.timeout(60):
        for submitted in sleeping:
            assert isinstance(await service.wait(submitted.id), ev.Ok)
