"""How many run at once: limits of a function, of the process, and fairness between who floods and who waits."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.deployment import RuntimeLimits
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.ports.store import ExecutionFilter

FLAKY = Ffqn.parse("testing:flaky/flaky.run")
FIBO = "testing:fibo/fibo.fibo"
SLEEP = Ffqn.parse("testing:sleeper/sleeper.sleep")
LIMITS = RuntimeLimits(poll=20_000, shutdown=200_000)


@pytest.fixture
def storage() -> str:
    return "sqlite"


async def test_a_function_runs_no_more_attempts_at_once_than_its_limit(
    site: Any, activity: Any, end: Any, eventually: Any
) -> None:
    service = await site.start(activity("flaky", concurrency_max=2, attempt_timeout=60_000_000), activity("fibo_tiny"))
    submitted = [await service.submit(FLAKY, ["endless", n]) for n in range(5)]
    await eventually(lambda: site.engine.engine.guests == 2)
    assert await end(service, FIBO, [10]) == ev.Ok("89")
    assert len(site.attempts("flaky.run")) == 2
    for execution in submitted[:2]:
        await service.cancel(execution.id, "make room")
    await eventually(lambda: len(site.attempts("flaky.run")) == 4)
    await eventually(lambda: site.engine.engine.guests == 2)
    for execution in submitted[2:]:
        await service.cancel(execution.id, "done")


async def test_what_waits_for_a_place_runs_when_there_is_one(site: Any, activity: Any) -> None:
    service = await site.start(activity("flaky", concurrency_max=1))
    submitted = [await service.submit(FLAKY, ["ok", n]) for n in range(20)]
    async with asyncio.timeout(120):
        for execution in submitted:
            assert await service.wait(execution.id) == ev.Ok('"ok"')


async def test_who_comes_after_a_flood_of_submits_does_not_wait_for_its_end(
    site: Any, activity: Any, workflow: Any, end: Any
) -> None:
    service = await site.start(activity("fibo_tiny"), workflow("fibo_workflow_tiny"), workflow("sleeper"))
    flood = [
        asyncio.ensure_future(service.submit(Ffqn.parse("testing:fibo-workflow/workflow.fiboa"), [10, 1]))
        for _ in range(2_000)
    ]
    await asyncio.wait(flood, return_when=asyncio.FIRST_COMPLETED)
    assert await end(service, SLEEP.text, [0]) == ev.Ok(None)
    ended = ExecutionFilter(function_prefix="testing:fibo-workflow/", statuses=frozenset({"finished"}))
    assert len((await site.store.list(ended, limit=1_000)).items) < 1_000
    for submitted in await asyncio.gather(*flood):
        await service.wait(submitted.id)


async def test_few_slots_are_enough_for_parents_and_their_children(
    site: Any, activity: Any, workflow: Any, end: Any
) -> None:
    limits = replace(LIMITS, activities_max=1)
    service = await site.start(activity("fibo_tiny"), workflow("fibo_workflow_tiny"), limits=limits)
    outcome = await end(service, "testing:fibo-workflow/workflow.fiboa-concurrent", [10, 20])
    assert outcome == ev.Ok("89")
