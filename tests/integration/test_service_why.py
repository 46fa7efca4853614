"""Why an execution does not run, for each reason there is; and what a full server refuses."""

from dataclasses import replace
from typing import Any

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.deployment import RuntimeLimits
from obelisk_runtime.core.history import Schedule
from obelisk_runtime.core.ids import DelayId, ExecutionId
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.retry import RetryPolicy
from obelisk_runtime.service import Overloaded, Terms

FLAKY = Ffqn.parse("testing:flaky/flaky.run")
SLEEP = Ffqn.parse("testing:sleeper/sleeper.sleep")
LIMITS = RuntimeLimits(poll=20_000, shutdown=200_000)
HOUR = 3_600_000_000


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
