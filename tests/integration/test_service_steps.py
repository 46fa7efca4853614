"""Steps of workflows: what is written when, what the guest may see before that, and what a restart keeps."""

import json
from dataclasses import replace
from textwrap import dedent
from typing import Any

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.deployment import RuntimeLimits, StubSettings
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.wit_text import parse_function
from obelisk_runtime.ports.store import ExecutionFilter, IdConflict
from obelisk_runtime.testing.clock import SECOND, VirtualClock

FIBOA = Ffqn.parse("testing:fibo-workflow/workflow.fiboa")
CONCURRENT = Ffqn.parse("testing:fibo-workflow/workflow.fiboa-concurrent")
ROLL = Ffqn.parse("testing:dice/dice.roll")
SCRIPT = Ffqn.parse("testing:script-workflow/script.run")
STUB = StubSettings(
    Ffqn.parse("testing:approval/desk.decide"), parse_function("func(order: u64) -> result<bool, string>")
)
LIMITS = RuntimeLimits(poll=20_000, shutdown=200_000)
DEATHLESS = replace(LIMITS, deaths_max=100)
CHOSEN = ExecutionId("E_01J0000000000000000000000A")
HOUR = 3_600 * SECOND
CUSTOM_SECTION = b"\0\x04\x03abc"
"""Other bytes, the same component."""


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def start(site: Any, workflow: Any, activity: Any, noted: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A server whose guests are never interrupted, and its store."""

    async def started(*components: Any, **options: Any) -> Any:
        # Where a slice ends, what was recorded is written: that would make it a matter of speed.
        monkeypatch.setattr(site.engine.engine._fibers.ticker, "_advance", lambda: None)
        store = noted(site.store)
        return await site.start(*components, store=store, **options), store

    return started


@pytest.fixture
def scripted(start: Any, workflow: Any, activity: Any) -> Any:
    async def started(**options: Any) -> Any:
        components = workflow("script_workflow"), activity("fibo_tiny")
        return await start(*components, stubs=[STUB], **options)

    return started


def written(store: Any, execution_id: str) -> list[list[type[ev.Event]]]:
    """The history entries of each append of this execution."""
    batches = [
        [type(entry.event) for entry in append.events if isinstance(entry.event, ev.HistoryEvent)]
        for append in store.appends
        if append.id == execution_id
    ]
    return [batch for batch in batches if batch]


async def is_blocked(site: Any, execution_id: ExecutionId) -> bool:
    return isinstance((await site.store.get(execution_id)).status, proj.Blocked)


# What is written when


async def test_calls_that_do_not_block_are_written_in_one_transaction_with_the_next_that_does(
    start: Any, workflow: Any, activity: Any
) -> None:
    service, store = await start(workflow("fibo_workflow_tiny"), activity("fibo_tiny"))
    submitted = await service.submit(CONCURRENT, [10, 5])
    assert await service.wait(submitted.id) == ev.Ok("89")
    first = written(store, submitted.id)[0]
    assert first == [ev.JoinSetCreated, *[ev.ChildSubmitted] * 5, ev.AwaitedNext]
    (append,) = [append for append in store.appends if append.children]
    assert len(append.children) == 5


async def test_calls_that_do_not_block_are_written_after_so_many_events(
    start: Any, workflow: Any, activity: Any
) -> None:
    limits = replace(LIMITS, events_per_write_max=3)
    service, store = await start(workflow("fibo_workflow_tiny"), activity("fibo_tiny"), limits=limits)
    submitted = await service.submit(CONCURRENT, [10, 7])
    assert await service.wait(submitted.id) == ev.Ok("89")
    assert [len(batch) for batch in written(store, submitted.id)][:3] == [3, 3, 3]


async def test_a_response_that_is_there_answers_at_once_and_its_event_is_buffered(
    site: Any, scripted: Any, clock: VirtualClock, eventually: Any
) -> None:
    service, store = await scripted(clock=clock)
    source = """
        join_set = support.join_set_create()
        support.submit_json(join_set, Function("testing:fibo/fibo", "fibo"), "[10]")
        support.sleep(time.ScheduleAt_In(time.Duration_Hours(1)), None)
        answer = support.join_next(join_set).value
        support.sleep(time.ScheduleAt_In(time.Duration_Hours(1)), None)
    """
    submitted = await service.submit(SCRIPT, [dedent(source)])
    await eventually(lambda: has_responses(site, submitted.id, 1))
    clock.advance(HOUR)
    await eventually(lambda: has_responses(site, submitted.id, 2))
    await eventually(lambda: is_blocked(site, submitted.id))
    clock.advance(HOUR)
    assert await service.wait(submitted.id) == ev.Ok('"89"')
    assert [ev.AwaitedNext, ev.DelaySubmitted] in written(store, submitted.id)


async def has_responses(site: Any, execution_id: ExecutionId, count: int) -> bool:
    return len(await site.store.responses(execution_id)) >= count


async def test_residency_of_a_workflow_is_its_lease_and_waking_it_writes_no_lock(
    site: Any, start: Any, workflow: Any, activity: Any
) -> None:
    service, _ = await start(workflow("fibo_workflow_tiny"), activity("fibo_tiny"))
    submitted = await service.submit(FIBOA, [10, 20])
    assert await service.wait(submitted.id) == ev.Ok("89")
    log = [event for event in await site.log(submitted.id) if not isinstance(event, ev.HistoryEvent)]
    assert [type(event) for event in log] == [ev.Created, ev.Locked, ev.Finished]


# What the guest may see before that


async def test_a_result_is_committed_before_the_parent_sees_it(
    site: Any, start: Any, workflow: Any, activity: Any, eventually: Any
) -> None:
    service, store = await start(workflow("fibo_workflow_tiny"), activity("fibo_tiny"))
    gate = store.hold("append")
    submitted = await service.submit(FIBOA, [10, 2])
    await eventually(lambda: len(store.appends) == 2)
    assert [type(append.events[-1].event) for append in store.appends] == [ev.ChildSubmitted, ev.Finished]
    assert len(site.attempts("fibo/fibo.fibo")) == 1, "the first has ended, but that is not committed"
    gate.set()
    assert await service.wait(submitted.id) == ev.Ok("89")
    assert len(site.attempts("fibo/fibo.fibo")) == 2


async def test_an_activity_starts_before_its_creation_is_committed_unless_its_parameters_could_still_change(
    site: Any, start: Any, workflow: Any, activity: Any, eventually: Any
) -> None:
    components = workflow("fibo_workflow_tiny"), activity("fibo_tiny"), workflow("dice"), activity("recorder")
    service, store = await start(*components)
    gate = store.hold("append")
    drawn = await service.submit(ROLL, ["key"])
    settled = await service.submit(FIBOA, [10, 1])
    await eventually(lambda: site.attempts("fibo/fibo.fibo"))
    await eventually(lambda: written(store, drawn.id))
    assert written(store, drawn.id) == [[ev.RandomDrawn, ev.ChildSubmitted]]
    assert not site.attempts("dice/recorder.record")
    gate.set()
    for submitted in (drawn, settled):
        assert isinstance(await service.wait(submitted.id), ev.Ok)
    assert len(site.attempts("dice/recorder.record")) == 1


async def test_an_activity_that_is_to_start_after_the_commit_does_not_start_before(
    site: Any, start: Any, workflow: Any, activity: Any, eventually: Any
) -> None:
    fibo = activity("fibo_tiny", start_after_commit=True)
    service, store = await start(workflow("fibo_workflow_tiny"), fibo)
    gate = store.hold("append")
    submitted = await service.submit(FIBOA, [10, 1])
    await eventually(lambda: written(store, submitted.id))
    assert not site.attempts("fibo/fibo.fibo")
    gate.set()
    assert await service.wait(submitted.id) == ev.Ok("89")


async def test_a_try_that_finds_nothing_is_committed_before_the_guest_goes_on(
    site: Any, scripted: Any, eventually: Any
) -> None:
    service, store = await scripted()
    gate = store.hold("append")
    source = """
        join_set = support.join_set_create()
        support.submit_delay(join_set, time.ScheduleAt_In(time.Duration_Hours(1)))
        try:
            support.join_next_try(join_set)
        except Err as error:
            answer = type(error.value).__name__
        fibo.fibo(1)
    """
    submitted = await service.submit(SCRIPT, [dedent(source)])
    await eventually(lambda: written(store, submitted.id))
    assert written(store, submitted.id) == [[ev.JoinSetCreated, ev.DelaySubmitted, ev.TriedNext]]
    assert not site.attempts("fibo/fibo.fibo")
    gate.set()
    assert await service.wait(submitted.id) == ev.Ok('"JoinNextTryError_Pending"')


# What a restart keeps


async def test_the_response_order_seen_before_a_crash_is_the_one_seen_after_it(
    site: Any, scripted: Any, eventually: Any
) -> None:
    service, _ = await scripted(limits=DEATHLESS)
    source = """
        join_set = support.join_set_create()
        stubs = [desk_ext.decide_submit(join_set, order) for order in range(5)]
        names = {stub.id: number for number, stub in enumerate(stubs, 1)}
        answer = []
        for _ in stubs:
            support.join_next(join_set)
            answer.append(names[join_set.last_id().value.id])
        support.sleep(time.ScheduleAt_Now(), None)
    """
    submitted = await service.submit(SCRIPT, [dedent(source)])
    await eventually(lambda: has_children(site, submitted.id, 5))
    for number in (4, 2):
        await service.stub(ExecutionId(f"{submitted.id}.g:1_{number}"), '{"ok":true}')
    site.die(service)
    service, _ = await scripted(limits=DEATHLESS)
    for number in (5, 1, 3):
        await service.stub(ExecutionId(f"{submitted.id}.g:1_{number}"), '{"ok":true}')
        site.die(service)
        service, _ = await scripted(limits=DEATHLESS)
    outcome = await service.wait(submitted.id)
    assert isinstance(outcome, ev.Ok)
    assert json.loads(outcome.value or "") == "[4, 2, 5, 1, 3]"


async def has_children(site: Any, execution_id: ExecutionId, count: int) -> bool:
    return len((await site.store.list(ExecutionFilter(parent=execution_id))).items) == count


async def test_an_activity_whose_result_was_committed_is_not_run_again_and_one_whose_result_was_not_is(
    site: Any, start: Any, workflow: Any, activity: Any, eventually: Any
) -> None:
    components = workflow("dice"), activity("recorder")
    service, store = await start(*components)
    done = await service.submit(ROLL, ["done"])
    assert isinstance(await service.wait(done.id), ev.Ok)
    store.hold("append", lambda append: append.id.endswith(".o:1_1"))
    submitted = await service.submit(ROLL, ["key"])
    child = ExecutionId(f"{submitted.id}.o:1_1")
    await eventually(lambda: any(append.id == child for append in store.appends))
    site.die(service)
    service, _ = await start(*components)
    assert isinstance(await service.wait(submitted.id), ev.Ok)
    attempts = site.attempts("dice/recorder.record")
    assert [begun.execution_id for begun in attempts] == [f"{done.id}.o:1_1", child, child]
    assert attempts[1].arguments == attempts[2].arguments, "the number drawn at random is the same"


# What makes two submits the same


async def test_content_is_the_function_and_the_canonical_parameters_and_neither_their_text_nor_the_digest(
    site: Any, activity: Any
) -> None:
    settings, wasm = activity("flaky")
    service = await site.start((settings, wasm))
    function = Ffqn.parse("testing:flaky/flaky.run")
    assert not (await service.submit(function, ["ok", 7], id=CHOSEN)).existed
    assert await service.wait(CHOSEN) == ev.Ok('"ok"')
    assert not await service.deploy([(settings, wasm + CUSTOM_SECTION)])
    assert (await service.submit(function, b'[ "ok" ,\n 7 ]', id=CHOSEN)).existed
    assert len(site.attempts()) == 1
    for other in (["ok", 8], ["err", 7]):
        with pytest.raises(IdConflict):
            await service.submit(function, other, id=CHOSEN)
