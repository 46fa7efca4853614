"""Deadlines: what has not ended by then is ended, with its children."""

from typing import Any

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.schedules import Schedule
from obelisk_runtime.service import Terms

SLEEP = Ffqn.parse("testing:sleeper/sleeper.sleep")
RACE = Ffqn.parse("testing:racer/racer.race")
SOON = Terms(deadline=Schedule(200_000, relative=True))
PASSED = ev.Failed(kind=ev.FailureKind.TIMED_OUT, reason="the deadline of the execution was reached")


async def test_a_workflow_ends_at_its_deadline_though_it_is_not_cancellable(site: Any, workflow: Any) -> None:
    service = await site.start(workflow("sleeper"))
    submitted = await service.submit(SLEEP, [60_000], terms=SOON)
    assert await service.wait(submitted.id) == PASSED
    assert (await site.store.responses(submitted.id))[0].result == ev.DelayCancelled()


async def test_an_activity_ends_at_its_deadline_and_its_guest_is_gone(
    site: Any, activity: Any, eventually: Any
) -> None:
    service = await site.start(activity("flaky"))
    submitted = await service.submit(Ffqn.parse("testing:flaky/flaky.run"), ["endless", 1], terms=SOON)
    assert await service.wait(submitted.id) == PASSED
    await eventually(lambda: site.engine.engine.guests == 0)


async def test_children_inherit_the_deadline(site: Any, activity: Any, workflow: Any, eventually: Any) -> None:
    service = await site.start(activity("flaky"), workflow("racer"))
    submitted = await service.submit(RACE, [1, "endless", 1, 60_000, "close"], terms=SOON)
    assert await service.wait(submitted.id) == PASSED
    child = ExecutionId(f"{submitted.id}.g:1_1")
    assert (await site.store.get(child)).deadline == (await site.store.get(submitted.id)).deadline
    outcome = await service.outcome(child)
    assert isinstance(outcome, ev.Failed)
    assert outcome.kind in (ev.FailureKind.TIMED_OUT, ev.FailureKind.CANCELLED)
    await eventually(lambda: site.engine.engine.guests == 0)


async def test_a_deadline_that_passes_while_nobody_serves_is_kept_at_the_next_start(site: Any, workflow: Any) -> None:
    sleeper = workflow("sleeper")
    service = await site.start(sleeper)
    submitted = await service.submit(SLEEP, [60_000], terms=SOON)
    await site.die_and_reopen(service)
    service = await site.start(sleeper)
    assert await service.wait(submitted.id) == PASSED


async def test_a_paused_execution_ends_at_its_deadline_too(site: Any, workflow: Any) -> None:
    service = await site.start(workflow("sleeper"))
    terms = Terms(deadline=Schedule(50_000, relative=True), paused=True)
    submitted = await service.submit(SLEEP, [60_000], terms=terms)
    assert await service.wait(submitted.id) == PASSED


async def test_what_ends_before_its_deadline_is_left_alone(site: Any, workflow: Any) -> None:
    service = await site.start(workflow("sleeper"))
    submitted = await service.submit(SLEEP, [1], terms=SOON)
    assert await service.wait(submitted.id) == ev.Ok(None)
    later = await service.submit(SLEEP, [300])
    await service.wait(later.id)
    assert await service.outcome(submitted.id) == ev.Ok(None)


async def test_an_execution_that_is_due_later_begins_then(site: Any, workflow: Any) -> None:
    service = await site.start(workflow("sleeper"))
    submitted = await service.submit(SLEEP, [0], terms=Terms(due=Schedule(100_000, relative=True)))
    assert await service.wait(submitted.id) == ev.Ok(None)
    created, locked = (await site.store.log(submitted.id))[:2]
    assert locked.at >= created.at + 100_000
