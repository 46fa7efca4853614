"""A runaway workflow ends with a clear failure, after a warning well before."""

from dataclasses import replace
from typing import Any

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.deployment import RuntimeLimits

FIBOA = "testing:fibo-workflow/workflow.fiboa"
LIMITS = RuntimeLimits(poll=20_000, shutdown=200_000)


@pytest.mark.parametrize(
    ("limits", "word"),
    [
        (replace(LIMITS, history_events_max=100), "history_events_max"),
        (replace(LIMITS, history_bytes_max=7_000), "history_bytes_max"),
    ],
)
async def test_a_history_that_reaches_a_limit_ends_the_workflow_after_a_warning(
    site: Any, workflow: Any, activity: Any, run: Any, limits: RuntimeLimits, word: str
) -> None:
    service = await site.start(workflow("fibo_workflow_tiny"), activity("fibo_tiny"), limits=limits)
    execution_id, outcome = await run(service, FIBOA, [10, 500])
    assert isinstance(outcome, ev.Failed)
    assert word in outcome.reason
    log = await site.log(execution_id)
    warned = [at for at, event in enumerate(log) if isinstance(event, ev.HistoryWarned)]
    assert len(warned) == 1
    assert 0.75 * len(log) < warned[0] < 0.9 * len(log)


async def test_a_history_below_its_limits_is_not_warned_of(site: Any, workflow: Any, activity: Any, run: Any) -> None:
    limits = replace(LIMITS, history_events_max=100)
    service = await site.start(workflow("fibo_workflow_tiny"), activity("fibo_tiny"), limits=limits)
    execution_id, outcome = await run(service, FIBOA, [10, 50])
    assert outcome == ev.Ok("89")
    assert not any(isinstance(event, ev.HistoryWarned) for event in await site.log(execution_id))


async def test_a_warned_workflow_replays_to_the_same_end(site: Any, workflow: Any, activity: Any, run: Any) -> None:
    limits = replace(LIMITS, history_events_max=100)
    components = workflow("fibo_workflow_tiny"), activity("fibo_tiny")
    service = await site.start(*components, limits=limits)
    execution_id, outcome = await run(service, FIBOA, [10, 90])
    assert outcome == ev.Ok("89")
    replayed = await service.replay(execution_id)
    assert type(replayed).__name__ == "Matches"
