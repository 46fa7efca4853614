"""Host calls of workflows that leave their answer in the log: tries, names, ids, schedules, stubs.

Each script runs as it is, and again in processes that die after one or two of its writes; the answer is the same.
"""

import json
from collections.abc import Awaitable, Callable
from textwrap import dedent
from typing import Any

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.deployment import RuntimeLimits, StubSettings
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.values import TypeMismatch
from obelisk_runtime.core.wit_text import parse_function
from obelisk_runtime.ports.store import ExecutionFilter
from obelisk_runtime.service.control.stubs import StubConflict, StubNotFound

SCRIPT = "testing:script-workflow/script.run"
DECIDE = Ffqn.parse("testing:approval/desk.decide")
STUB = StubSettings(DECIDE, parse_function("func(order: u64) -> result<bool, string>"))
DEATHLESS = RuntimeLimits(poll=20_000, shutdown=200_000, deaths_max=1_000)
"""For workflows that die more often than a server lets them."""
LATER = "time.ScheduleAt_In(time.Duration_Hours(1))"
SOON = "time.ScheduleAt_In(time.Duration_Milliseconds(5))"


@pytest.fixture
def components(workflow: Any, activity: Any) -> list[Any]:
    return [workflow("script_workflow"), workflow("sleeper"), activity("fibo_tiny")]


@pytest.fixture
def start(site: Any, components: list[Any]) -> Callable[..., Awaitable[Any]]:
    async def started(**options: Any) -> Any:
        return await site.start(*components, stubs=[STUB], **options)

    return started


@pytest.fixture
def script(start: Any, run: Any) -> Callable[[str], Awaitable[Any]]:
    """Run Python text in a workflow; (id, answer)."""

    async def answer(source: str) -> tuple[str, str]:
        execution_id, outcome = await run(await start(), SCRIPT, [dedent(source)])
        return execution_id, answer_of(outcome)

    return answer


def answer_of(outcome: ev.Outcome) -> str:
    assert isinstance(outcome, ev.Ok), outcome
    assert outcome.value is not None
    return json.loads(outcome.value)


SCRIPTS = {
    "join-next-try": (
        f"""
        with support.join_set_create() as join_set:
            support.submit_delay(join_set, {SOON})
            seen = []
            while not seen or seen[-1] == "pending":
                try:
                    seen.append(support.join_next_try(join_set))
                except Err as error:
                    seen.append("pending" if "Pending" in type(error.value).__name__ else "other")
            try:
                support.join_next_try(join_set)
            except Err as error:
                seen.append(type(error.value).__name__)
            answer = [type(seen[-2]).__name__, seen[-1]]
        """,
        "['Ok', 'JoinNextTryError_AllProcessed']",
    ),
    "named join sets": (
        """
        answer = []
        join_set = support.join_set_create_named("orders/2024-a")
        answer.append(join_set.id())
        child = support.submit_json(join_set, Function("testing:fibo/fibo", "fibo"), "[10]")
        answer.append(child.id.rpartition(".")[2])
        answer.append(support.join_next(join_set).value)
        for name in ("orders/2024-a", "no good", ""):
            try:
                support.join_set_create_named(name)
            except Err as error:
                answer.append(type(error.value).__name__.partition("_")[2])
        """,
        "['n:orders/2024-a', 'n:orders/2024-a_1', '89', 'Conflict', 'InvalidName', 'InvalidName']",
    ),
    "call-json": (
        """
        answer = [support.call_json(Function("testing:fibo/fibo", "fibo"), "[9]").value]
        for interface, params in (("no name", "[]"), ("testing:no/such", "[]"), ("testing:fibo/fibo", "[-1]")):
            try:
                support.call_json(Function(interface, "fibo"), params)
            except Err as error:
                answer.append(type(error.value).__name__.partition("_")[2])
        """,
        "['55', 'FfqnParsingError', 'FunctionNotFound', 'TypeCheckError']",
    ),
    "results of what was taken": (
        """
        answer = [support.last_direct_call_id(), support.last_oneoff_id()]
        fibo.fibo(10)
        direct = support.last_direct_call_id()
        answer.append(support.get_result_json(direct).value)
        answer.append(support.get_execution_failure_kind(direct))
        support.sleep(time.ScheduleAt_Now(), None)
        answer.append(support.last_oneoff_id().value.id.rpartition(".")[2])
        answer.append(support.last_direct_call_id() == direct)
        for id in ("E_nonsense", direct.id + ".o:1_1"):
            try:
                support.get_result_json(Id(id))
            except Err as error:
                answer.append(type(error.value).__name__.partition("_")[2])
        """,
        "[None, None, '89', None, 'o:2_1', True, 'ExecutionIdParsingError', 'NotFoundInProcessedResponses']",
    ),
    "schedules": (
        f"""
        first = fibo_schedule.fibo_schedule({LATER}, 10)
        second = support.execution_id_generate()
        for _ in range(2):
            support.schedule_json(second, {LATER}, Function("testing:fibo/fibo", "fibo"), "[11]")
        answer = [first.id != second.id, "." in first.id]
        for interface, params in (("no name", "[]"), ("testing:no/such", "[]"), ("testing:fibo/fibo", "[true]")):
            try:
                support.schedule_json(second, {LATER}, Function(interface, "fibo"), params)
            except Err as error:
                answer.append(type(error.value).__name__.partition("_")[2])
        """,
        "[True, False, 'FfqnParsingError', 'FunctionNotFound', 'TypeCheckError']",
    ),
    "stubs answered by the workflow itself": (
        """
        join_set = support.join_set_create()
        one, two, three = (desk_ext.decide_submit(join_set, order) for order in (1, 2, 3))
        desk_stub.decide_stub(one, Ok(True))
        desk_stub.decide_stub(one, Ok(True))
        support.stub_json(two, '{"err":"no"}')
        answer = []
        nobody, nonsense = Id(one.id + ".o:1_1"), Id("x")
        for id, result in ((one, '{"ok":false}'), (three, '{"ok":7}'), (nobody, '{"ok":true}'), (nonsense, "")):
            try:
                support.stub_json(id, result)
            except Err as error:
                answer.append(type(error.value).__name__.partition("_")[2])
        answer.append(desk_ext.decide_await_next(join_set).value)
        answer.append(desk_ext.decide_await_next(join_set).value)
        answer.append(desk_ext.decide_get(one))
        """,
        "['Conflict', 'TypeCheckError', 'ExecutionNotFound', 'ExecutionIdParsingError', True, 'no', Ok(value=True)]",
    ),
}
CASES = [pytest.param(*case, id=name) for name, case in SCRIPTS.items()]


@pytest.mark.parametrize(("source", "expected"), CASES)
async def test_it_answers_as_the_interface_says(script: Any, source: str, expected: str) -> None:
    assert (await script(source))[1] == expected


@pytest.mark.parametrize("storage", ["memory"])
@pytest.mark.parametrize("last_write_is_made", [True, False])
@pytest.mark.parametrize(("source", "expected"), CASES)
async def test_it_answers_the_same_though_the_process_dies_again_and_again(
    site: Any, start: Any, mortal: Any, eventually: Any, source: str, expected: str, last_write_is_made: bool
) -> None:
    service = await start(limits=DEATHLESS)
    submitted = await service.submit(Ffqn.parse(SCRIPT), [dedent(source)])
    site.die(service)
    for _ in range(200):
        store = mortal(site.store, 8, last_write_is_made=last_write_is_made)
        service = await start(store=store, limits=DEATHLESS)

        async def over(service: Any = service, store: Any = store) -> bool:
            return store.died.is_set() or await service.outcome(submitted.id) is not None

        await eventually(over)
        outcome = await service.outcome(submitted.id)
        site.die(service)
        if outcome is not None:
            break
    assert answer_of(outcome) == expected


async def test_a_try_before_there_is_a_response_is_pending(script: Any) -> None:
    source = f"""
        join_set = support.join_set_create()
        support.submit_delay(join_set, {LATER})
        try:
            support.join_next_try(join_set)
        except Err as error:
            answer = type(error.value).__name__
    """
    assert (await script(source))[1] == "JoinNextTryError_Pending"


async def test_a_generated_id_is_recorded_and_the_same_after_a_restart(
    site: Any, start: Any, run: Any, eventually: Any
) -> None:
    source = """
        answer = [support.execution_id_generate().id]
        support.sleep(time.ScheduleAt_In(time.Duration_Milliseconds(300)), None)
    """
    service = await start()
    submitted = await service.submit(Ffqn.parse(SCRIPT), [dedent(source)])

    async def asleep() -> list[Any]:
        return [event for event in await site.log(submitted.id) if isinstance(event, ev.DelaySubmitted)]

    await eventually(asleep)
    (generated,) = [event for event in await site.log(submitted.id) if isinstance(event, ev.IdGenerated)]
    site.die(service)
    outcome = await (await start()).wait(submitted.id)
    assert answer_of(outcome) == str([generated.id])


async def test_a_scheduled_execution_is_top_level_due_at_its_time_and_created_once(
    site: Any, script: Any, eventually: Any
) -> None:
    execution_id, _ = await script(f"answer = fibo_schedule.fibo_schedule({LATER}, 10).id")
    (scheduled,) = [event for event in await site.log(execution_id) if isinstance(event, ev.Scheduled)]
    projection = await site.store.get(scheduled.id)
    assert projection.due == scheduled.due
    page = await site.store.list(ExecutionFilter(function_prefix="testing:fibo/"))
    assert [item.id for item in page.items] == [scheduled.id]


async def test_an_execution_that_is_scheduled_now_runs(site: Any, script: Any) -> None:
    _, scheduled = await script("answer = fibo_schedule.fibo_schedule(time.ScheduleAt_Now(), 10).id")
    assert await site.services[0].wait(ExecutionId(scheduled)) == ev.Ok("89")


async def test_scheduling_other_content_under_a_known_id_traps(start: Any, run: Any) -> None:
    source = f"""
        id = support.execution_id_generate()
        for n in (1, 2):
            support.schedule_json(id, {LATER}, Function("testing:fibo/fibo", "fibo"), f"[{{n}}]")
    """
    _, outcome = await run(await start(), SCRIPT, [dedent(source)])
    assert isinstance(outcome, ev.Failed)
    assert "exists already with another content" in outcome.reason


async def test_a_stub_that_a_workflow_awaits_is_answered_from_outside_once(
    site: Any, start: Any, eventually: Any
) -> None:
    service = await start()
    submitted = await service.submit(Ffqn.parse(SCRIPT), ["answer = desk.decide(7)"])

    async def waiting() -> Any:
        page = await site.store.list(ExecutionFilter(parent=submitted.id))
        return page.items

    ((stub,),) = [await eventually(waiting)]
    with pytest.raises(TypeMismatch, match="expected bool"):
        await service.stub(stub.id, '{"ok":7}')
    assert await service.stub(stub.id, '{"ok":true}')
    assert not await service.stub(stub.id, '{"ok": true}')
    with pytest.raises(StubConflict, match="another result"):
        await service.stub(stub.id, '{"ok":false}')
    assert answer_of(await service.wait(submitted.id)) == "True"
    with pytest.raises(StubNotFound, match="runs testing:script-workflow"):
        await service.stub(submitted.id, '{"ok":true}')


async def test_a_stub_outlives_the_process_that_created_it(site: Any, start: Any, eventually: Any) -> None:
    service = await start()
    submitted = await service.submit(Ffqn.parse(SCRIPT), ["answer = desk.decide(7)"])

    async def waiting() -> Any:
        return (await site.store.list(ExecutionFilter(parent=submitted.id))).items

    (stub,) = await eventually(waiting)
    site.die(service)
    service = await start()
    await service.stub(stub.id, '{"err":"closed"}')
    outcome = await service.wait(submitted.id)
    assert isinstance(outcome, ev.Err)
    assert "closed" in (outcome.value or "")


async def test_a_stub_left_open_is_cancelled_when_its_join_set_closes(site: Any, script: Any) -> None:
    _, answer = await script(
        """
        join_set = support.join_set_create()
        answer = desk_ext.decide_submit(join_set, 1).id
        support.join_set_close(join_set)
        """
    )
    (finished,) = [event for event in await site.log(answer) if isinstance(event, ev.Finished)]
    assert finished.outcome == ev.Failed(ev.FailureKind.CANCELLED, "its join set was closed")
