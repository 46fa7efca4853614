"""Structured concurrency: what a closing join set, or an ending workflow, does with what it did not await."""

import asyncio
from dataclasses import dataclass, replace
from textwrap import dedent
from typing import Any

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.deployment import RuntimeLimits, StubSettings
from obelisk_runtime.core.ids import DelayId, ExecutionId
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.schedules import Schedule
from obelisk_runtime.core.wit_text import parse_function
from obelisk_runtime.ports.store import ExecutionNotFound
from obelisk_runtime.service import CancelResult, Service, Terms
from obelisk_runtime.testing.clock import SECOND, VirtualClock

SCRIPT = Ffqn.parse("testing:script-workflow/script.run")
CANCELLABLE = Ffqn.parse("testing:script-workflow/script.run-cancellable")
STUB = StubSettings(
    Ffqn.parse("testing:approval/desk.decide"), parse_function("func(order: u64) -> result<bool, string>")
)
HOUR = 3_600 * SECOND
LIMITS = RuntimeLimits(poll=20_000, shutdown=200_000)
PREAMBLE = """
SLEEPER = "testing:sleeper/sleeper"
LATER = time.ScheduleAt_In(time.Duration_Hours(9))
def child(join_set, name, interface=SLEEPER, params="[36000000]"):
    return support.submit_json(join_set, Function(interface, name), params)
"""
MIXED = """
join_set = support.join_set_create()
child(join_set, "sleep-cancellable")
support.submit_delay(join_set, LATER)
child(join_set, "run", "testing:flaky/flaky", '["endless", 1]')
child(join_set, "sleep")
support.submit_delay(join_set, LATER)
child(join_set, "sleep-cancellable")
child(join_set, "run", "testing:flaky/flaky", '["endless", 2]')
support.sleep(time.ScheduleAt_In(time.Duration_Hours(1)), None)
"""
"""Children 1 to 7: a cancellable workflow, a delay, an activity, another workflow, and so on; then it waits an hour."""
ENDINGS = {
    "returns": "answer = 'done'",
    "closes the set": "support.join_set_close(join_set); answer = 'done'",
    "drops its handle": "join_set.__exit__(None, None, None); fibo.fibo(1); answer = 'done'",
    "returns err": "raise ValueError('no')",
    "traps": "raise SystemExit",
}


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@dataclass
class Stage:
    """A server and its store, on which parents are begun that have seven open children and end when an hour is over."""

    service: Service
    store: Any
    until: Any

    async def begin(self, ending: str, function: Ffqn = SCRIPT, terms: Terms | None = None) -> ExecutionId:
        """It waits, and its children wait or run."""
        source = dedent(PREAMBLE) + MIXED + ending
        id_ = (await self.service.submit(function, [source], terms=terms or Terms())).id
        for waiting in (id_, *(child_of(id_, number) for number in (1, 4, 6))):
            await self.until(lambda waiting=waiting: waits(self.store, waiting))
        return id_

    async def events(self, execution_id: str, kind: type[Any]) -> list[Any]:
        log = await self.store.log(ExecutionId(execution_id))
        return [entry.event for entry in log if isinstance(entry.event, kind)]

    def cancelled(self, parent: str) -> list[int]:
        """Which of the open children were asked to end, in that order, by their numbers."""
        ids: list[str] = []
        for name, args in self.store.calls:
            if name == "cancel_delay":
                ids.append(args[0])
            elif name == "append" and any(isinstance(entry.event, ev.CancelRequested) for entry in args[0].events):
                ids.append(args[0].id)
        own = [id_.partition(f"{parent[2:]}.g:1_")[2] for id_ in ids]
        return [int(number) for number in own if number.isdigit()]


@pytest.fixture
def stage(site: Any, workflow: Any, activity: Any, clock: VirtualClock, noted: Any, eventually: Any) -> Any:
    async def started(**limits: int) -> Stage:
        store = noted(site.store)
        flaky = activity("flaky", attempt_timeout=HOUR)
        components = workflow("script_workflow"), workflow("sleeper"), flaky, activity("fibo_tiny")
        service = await site.start(
            *components, stubs=[STUB], clock=clock, store=store, limits=replace(LIMITS, **limits)
        )
        return Stage(service, store, eventually)

    return started


async def waits(store: Any, execution_id: ExecutionId) -> bool:
    try:
        return isinstance((await store.get(execution_id)).status, proj.Blocked)
    except ExecutionNotFound:
        return False


def child_of(execution_id: str, number: int, join_set: str = "g:1") -> ExecutionId:
    return ExecutionId(f"{execution_id}.{join_set}_{number}")


async def test_what_is_open_is_cancelled_in_reverse_order_of_creation_and_other_workflows_are_awaited(
    stage: Any, clock: VirtualClock, eventually: Any
) -> None:
    on = await stage()
    parents = {ending: await on.begin(source) for ending, source in ENDINGS.items()}
    clock.advance(HOUR)
    for id_ in parents.values():
        await eventually(lambda id_=id_: on.cancelled(id_) == [7, 6, 5, 3, 2, 1])
        assert await on.service.outcome(id_) is None, "a parent never finishes before its children"
    clock.advance(9 * HOUR)
    for ending, id_ in parents.items():
        outcome = await on.service.wait(id_)
        assert isinstance(outcome, {"returns err": ev.Err, "traps": ev.Failed}.get(ending, ev.Ok)), ending
        assert await on.service.outcome(child_of(id_, 4)) == ev.Ok(None)
        for number in (1, 3, 6, 7):
            failed = await on.service.outcome(child_of(id_, number))
            assert isinstance(failed, ev.Failed)
            assert failed.kind is ev.FailureKind.CANCELLED


async def test_children_that_rest_in_the_store_are_cancelled_in_the_same_order(
    stage: Any, clock: VirtualClock, eventually: Any
) -> None:
    on = await stage(resident_seconds=0)
    id_ = await on.begin(ENDINGS["returns"])
    await eventually(lambda: not on.service._node.workflows)
    clock.advance(HOUR)
    await eventually(lambda: on.cancelled(id_) == [7, 6, 5, 3, 2, 1])
    await on.service.terminate(child_of(id_, 4), "enough")
    assert await on.service.wait(id_) == ev.Ok('"done"')


async def test_an_outcome_that_replay_cannot_reproduce_is_recorded_before_closing_and_finished_after_it(
    stage: Any, clock: VirtualClock, eventually: Any
) -> None:
    on = await stage(history_events_max=15)
    trapped = await on.begin(ENDINGS["traps"])
    limited = await on.begin("for n in range(9): fibo.fibo(n)")
    expired = await on.begin("", terms=Terms(deadline=Schedule(HOUR // 2, relative=True)))
    cancelled = await on.begin("", CANCELLABLE)
    terminated = await on.begin("")
    assert await on.service.cancel(cancelled, "enough") is CancelResult.CANCELLING
    assert await on.service.terminate(terminated, "enough") is CancelResult.CANCELLING
    clock.advance(HOUR // 2)
    await eventually(lambda: on.events(expired, ev.OutcomeDecided))
    clock.advance(HOUR // 2)
    for id_ in (trapped, limited, expired, cancelled, terminated):
        (decided,) = await eventually(lambda id_=id_: on.events(id_, ev.OutcomeDecided))
        if id_ is not expired:  # its children inherited the deadline
            assert not await on.events(id_, ev.Finished)
            await on.service.terminate(child_of(id_, 4), "enough")
        outcome = await on.service.wait(id_)
        (finished,) = await on.events(id_, ev.Finished)
        assert decided.outcome == finished.outcome == outcome
        assert isinstance(outcome, ev.Failed)
        assert (await on.store.log(id_))[-1].event == finished


async def test_closing_is_driven_from_the_log_alone_and_resumes_after_a_crash(
    site: Any, stage: Any, clock: VirtualClock, eventually: Any
) -> None:
    on = await stage()
    id_ = await on.begin(ENDINGS["traps"])
    clock.advance(HOUR)
    await eventually(lambda: on.events(id_, ev.OutcomeDecided))
    site.die(on.service)
    begun = len(site.attempts(SCRIPT.text))
    on = await stage()
    await on.service.terminate(child_of(id_, 4), "enough")
    outcome = await on.service.wait(id_)
    assert isinstance(outcome, ev.Failed)
    assert outcome.kind is ev.FailureKind.TRAPPED
    assert len(site.attempts(SCRIPT.text)) == begun, "no guest is needed to close"


async def test_a_workflow_that_is_being_cancelled_is_seen_as_cancelling_and_a_second_cancel_says_so(
    stage: Any, eventually: Any
) -> None:
    on = await stage()
    id_ = await on.begin(ENDINGS["returns"], CANCELLABLE)
    assert await on.service.cancel(id_, "enough") is CancelResult.CANCELLING
    await eventually(lambda: on.events(id_, ev.CancelRequested))
    lifecycle = (await on.store.get(id_)).lifecycle
    assert (lifecycle.cancelling, lifecycle.label) == (True, "cancelling")
    assert await on.service.cancel(id_, "enough") is CancelResult.ALREADY_CANCELLING
    await on.service.terminate(child_of(id_, 4), "enough")
    assert await on.service.wait(id_) == ev.Failed(ev.FailureKind.CANCELLED, "enough")
    assert await on.service.cancel(id_, "enough") is CancelResult.ALREADY_FINISHED


async def test_a_delay_and_children_of_different_functions_share_a_join_set(
    stage: Any, clock: VirtualClock, eventually: Any
) -> None:
    on = await stage()
    source = """
join_set = support.join_set_create()
child(join_set, "fibo", "testing:fibo/fibo", "[10]")
support.submit_delay(join_set, LATER)
child(join_set, "run", "testing:flaky/flaky", '["ok", 1]')
answer = sorted(str(support.join_next(join_set)) for _ in range(3))
"""
    submitted = await on.service.submit(SCRIPT, [dedent(PREAMBLE) + source])
    await eventually(lambda: answered(on.store, submitted.id, 2))
    clock.advance(9 * HOUR)
    expected = sorted(["Ok(value='89')", "Ok(value=None)", "Ok(value='\"ok\"')"])
    assert await on.service.wait(submitted.id) == ev.Ok(quoted(str(expected)))
    delay = DelayId(f"Delay_{submitted.id[2:]}.g:1_2")
    assert (await on.store.responses(submitted.id))[-1].id == delay


# Ending parents do not keep their children from running


ONE_CHILD = """
join_set = support.join_set_create()
child(join_set, "sleep", params="[3600000]")
support.join_next(join_set)
"""


async def rests(store: Any, execution_id: ExecutionId, *, deciding: bool) -> bool:
    projection = await store.get(execution_id)
    status = projection.status
    return isinstance(status, proj.Blocked) and status.executor is None and projection.deciding == deciding


async def parents_that_end(on: Stage, count: int) -> list[ExecutionId]:
    """They and their children rested when they were terminated; now they wait for their children."""
    source = dedent(PREAMBLE) + ONE_CHILD
    parents = [(await on.service.submit(SCRIPT, [source])).id for _ in range(count)]
    for parent in parents:
        child = child_of(parent, 1)
        await on.until(lambda child=child: waits(on.store, child))
        for id_ in (parent, child):
            await on.until(lambda id_=id_: rests(on.store, id_, deciding=False))
    for parent in parents:
        assert await on.service.terminate(parent, "enough") is CancelResult.CANCELLING
    return parents


async def test_parents_that_end_leave_their_slots_to_children_that_are_due(
    stage: Any, clock: VirtualClock, eventually: Any
) -> None:
    on = await stage(resident_seconds=0, workflows_max=4)
    parents = await parents_that_end(on, 4)
    clock.advance(HOUR)
    async with asyncio.timeout(120):
        for parent in parents:
            assert await on.service.wait(parent) == ev.Failed(ev.FailureKind.CANCELLED, "enough")
            assert await on.service.outcome(child_of(parent, 1)) == ev.Ok(None)
            locked = await on.events(parent, ev.Locked)
            assert len(locked) <= 3, "when it began, to end it, and when its child had ended"


async def test_a_parent_that_ends_and_rests_ends_when_its_children_have_also_after_a_crash(
    site: Any, stage: Any, clock: VirtualClock, eventually: Any
) -> None:
    on = await stage(resident_seconds=0)
    (parent,) = await parents_that_end(on, 1)
    await eventually(lambda: rests(site.store, parent, deciding=True))
    await site.die_and_reopen(on.service)
    on = await stage()
    clock.advance(HOUR)
    async with asyncio.timeout(120):
        assert await on.service.wait(parent) == ev.Failed(ev.FailureKind.CANCELLED, "enough")


async def test_the_last_answer_that_comes_while_an_ending_parent_leaves_memory_is_not_lost(
    stage: Any, eventually: Any
) -> None:
    def leaves(append: Any) -> bool:
        return append.projection.deciding and isinstance(append.events[-1].event, ev.Unlocked)

    on = await stage(resident_seconds=0)
    gate = on.store.hold("append", leaves)
    (parent,) = await parents_that_end(on, 1)
    await eventually(lambda: any(leaves(append) for append in on.store.appends))
    await on.service.terminate(child_of(parent, 1), "enough")
    gate.set()
    async with asyncio.timeout(120):
        assert await on.service.wait(parent) == ev.Failed(ev.FailureKind.CANCELLED, "enough")
    kinds = [type(event) for event in await on.events(parent, ev.LifeEvent)]
    assert kinds[-3:] == [ev.Unlocked, ev.Locked, ev.Finished]


TWO_DELAYS = """
join_set = support.join_set_create()
support.submit_delay(join_set, LATER)
support.submit_delay(join_set, LATER)
support.join_set_close(join_set)
answer = "done"
"""


@pytest.mark.parametrize("how", ["is killed", "stops"])
async def test_a_workflow_whose_join_set_closes_does_not_rest_before_all_is_cancelled_that_is_open(
    site: Any, workflow: Any, activity: Any, noted: Any, eventually: Any, how: str
) -> None:
    components = workflow("script_workflow"), activity("fibo_tiny")
    store = noted(site.store)
    limits = replace(LIMITS, resident_seconds=0)
    service = await site.start(*components, stubs=[STUB], store=store, limits=limits)
    store.hold("cancel_delay", lambda id_, _: id_.endswith("_1"))
    submitted = await service.submit(SCRIPT, [dedent(PREAMBLE) + TWO_DELAYS])
    await eventually(lambda: cancels(store) == ["_2", "_1"])
    run = service._node.workflows[submitted.id]
    await service._residents.sweep()
    await run.settled()
    if how == "is killed":
        await site.die_and_reopen(service)
    else:
        site.services.remove(service)
        await service.stop()
    service = await site.start(*components, stubs=[STUB])
    async with asyncio.timeout(120):
        assert await service.wait(submitted.id) == ev.Ok('"done"')


def cancels(store: Any) -> list[str]:
    return [args[0][-2:] for name, args in store.calls if name == "cancel_delay"]


async def test_what_can_not_be_cancelled_since_it_is_gone_does_not_keep_the_rest_from_being_cancelled(
    site: Any, workflow: Any, activity: Any, eventually: Any
) -> None:
    store = Forgetful(site.store)
    service = await site.start(workflow("script_workflow"), activity("fibo_tiny"), stubs=[STUB], store=store)
    submitted = await service.submit(SCRIPT, [dedent(PREAMBLE) + TWO_DELAYS])
    await eventually(lambda: answered(site.store, submitted.id, 1))
    await service.cancel(store.forgotten[0], "found again")
    assert await service.wait(submitted.id) == ev.Ok('"done"')
    assert [response.id[-2:] for response in await site.store.responses(submitted.id)] == ["_1", "_2"]


class Forgetful:
    """A store that does not know the first delay that it is to cancel, when it is asked first."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.forgotten: list[DelayId] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def cancel_delay(self, delay_id: DelayId, now: Any) -> Any:
        if not self.forgotten:
            self.forgotten.append(delay_id)
            raise ExecutionNotFound(delay_id)
        return await self._store.cancel_delay(delay_id, now)


async def answered(store: Any, execution_id: ExecutionId, count: int) -> bool:
    return len(await store.responses(execution_id)) == count


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
