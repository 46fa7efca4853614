"""Deadlines: what has not ended by then is ended, with its children."""

import asyncio
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


async def test_what_is_deleted_when_it_is_about_to_expire_does_not_keep_others_from_beginning(
    site: Any, workflow: Any, noted: Any, eventually: Any
) -> None:
    store = noted(site.store)
    service = await site.start(workflow("sleeper"), store=store)
    terms = Terms(deadline=Schedule(50_000, relative=True), paused=True)
    submitted = await service.submit(SLEEP, [60_000], terms=terms)
    reading = store.hold("get", lambda id_: id_ == submitted.id)
    await eventually(lambda: ("get", (submitted.id,)) in store.calls)
    other = await site.start(workflow("sleeper"), sole=False)
    await other.terminate(submitted.id, "it took too long")
    assert list(await other.trees.delete([submitted.id])) == [submitted.id]
    site.services.remove(other)
    await other.stop()
    reading.set()
    later = await service.submit(SLEEP, [0], terms=Terms(due=Schedule(1, relative=True)))
    async with asyncio.timeout(120):
        assert await service.wait(later.id) == ev.Ok(None)
