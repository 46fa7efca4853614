"""Host calls of workflows, end to end: engine, service and store."""

import json
from typing import Any

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.ids import DelayId, ExecutionId
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.service import CancelResult, NotCancellable

FIBOA = "testing:fibo-workflow/workflow.fiboa"
SLEEP = "testing:sleeper/sleeper.sleep"
GENERIC = "testing:generic/generic"


@pytest.fixture
def generic(workflow: Any, activity: Any) -> list[Any]:
    return [
        workflow("generic"), workflow("fibo_workflow_tiny"), workflow("sleeper"),
        activity("fibo_tiny"), activity("flaky"),
    ]  # fmt: skip


def call(function: str, *params: Any) -> dict[str, str]:
    interface, _, name = function.rpartition(".")
    return {"interface_name": interface, "function_name": name, "params": json.dumps(params)}


async def test_a_series_of_direct_calls_returns_the_last_value(
    site: Any, workflow: Any, activity: Any, end: Any
) -> None:
    service = await site.start(workflow("fibo_workflow_tiny"), activity("fibo_tiny"))
    assert await end(service, FIBOA, [10, 20]) == ev.Ok("89")
    assert len(site.attempts("fibo/fibo.fibo")) == 20


async def test_children_of_one_join_set_are_all_awaited(site: Any, workflow: Any, activity: Any, end: Any) -> None:
    service = await site.start(workflow("fibo_workflow_tiny"), activity("fibo_tiny"))
    assert await end(service, FIBOA + "-concurrent", [10, 50]) == ev.Ok("89")
    assert len(site.attempts("fibo/fibo.fibo")) == 50


@pytest.mark.parametrize("storage", ["memory"])
async def test_functions_called_by_name_answer_in_the_order_of_their_responses(
    site: Any, generic: list[Any], end: Any
) -> None:
    service = await site.start(*generic)
    calls = [call("testing:fibo/fibo.fibo", 10), call("testing:flaky/flaky.run", "permanent", 1)]
    outcome = await end(service, GENERIC + ".submit-and-close", [calls, 2])
    assert outcome == ev.Ok("0")


@pytest.mark.parametrize("storage", ["memory"])
@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"interface_name": "no name", "function_name": "x", "params": "[]"}, "not a function name"),
        (call("testing:no/such.function"), "no such function"),
        (call("testing:fibo/fibo.fibo", "ten"), "type check"),
        ({"interface_name": "testing:fibo/fibo", "function_name": "fibo", "params": "[1"}, "type check"),
    ],
)
async def test_a_bad_submission_by_name_says_why_and_what_was_open_is_closed(
    site: Any, generic: list[Any], end: Any, bad: dict[str, str], reason: str
) -> None:
    service = await site.start(*generic)
    good = call("testing:sleeper/sleeper.sleep-cancellable", 60_000)
    outcome = await end(service, GENERIC + ".submit-all", [[good, bad]])
    assert isinstance(outcome, ev.Err)
    assert reason in (outcome.value or "")


@pytest.mark.parametrize("storage", ["memory"])
async def test_a_refusal_is_recorded_and_stays_though_the_function_is_deployed_later(
    site: Any, workflow: Any, activity: Any, end: Any, text_workflow: Any, eventually: Any, run: Any
) -> None:
    service = await site.start(workflow("generic"), workflow("fibo_workflow_tiny"), activity("fibo_tiny"))
    bad = call("testing:flaky/flaky.run", "ok", 1)
    execution_id, outcome = await run(service, GENERIC + ".submit-all", [[call("testing:fibo/fibo.fibo", 1), bad]])
    assert isinstance(outcome, ev.Err)
    (refused,) = [event for event in await site.log(execution_id) if isinstance(event, ev.SubmissionRefused)]
    assert refused.error == "function_not_found"


@pytest.mark.parametrize("storage", ["memory"])
async def test_a_child_workflow_runs_and_its_children_are_its_own(site: Any, generic: list[Any], end: Any) -> None:
    service = await site.start(*generic)
    assert await end(service, GENERIC + ".fiboa", [10, 3]) == ev.Ok("89")
    (child,) = [begun.execution_id for begun in site.attempts("workflow.fiboa")]
    assert {begun.execution_id for begun in site.attempts("fibo/fibo.fibo")} == {f"{child}.o:{n}_1" for n in (1, 2, 3)}


async def test_a_sleep_keeps_its_wake_up_time_over_a_restart(site: Any, workflow: Any, eventually: Any) -> None:
    service = await site.start(workflow("sleeper"))
    submitted = await service.submit(Ffqn.parse(SLEEP), [300])
    await eventually(lambda: blocked(site, submitted.id))
    (before,) = [event for event in await site.log(submitted.id) if isinstance(event, ev.DelaySubmitted)]
    await site.die_and_reopen(service)
    service = await site.start(workflow("sleeper"))
    assert await service.wait(submitted.id) == ev.Ok(None)
    (after,) = [event for event in await site.log(submitted.id) if isinstance(event, ev.DelaySubmitted)]
    assert before.wakes == after.wakes
    (response,) = await site.store.responses(submitted.id)
    assert response.at >= before.wakes


async def blocked(site: Any, execution_id: str) -> bool:
    return isinstance((await site.store.get(ExecutionId(execution_id))).status, proj.Blocked)


async def test_log_lines_are_written_once_however_often_the_process_dies(
    site: Any, workflow: Any, activity: Any, text_workflow: Any, eventually: Any
) -> None:
    service = await site.start(text_workflow(LOGGER))
    submitted = await service.submit(Ffqn.parse("test:logger/logger.run"), [])
    for _ in range(3):
        await eventually(lambda: blocked(site, submitted.id))
        await site.die_and_reopen(service)
        service = await site.start(text_workflow(LOGGER))
    waiting = await eventually(lambda: open_delay(site, submitted.id))
    await service.cancel(waiting, "wake up")
    await service.wait(submitted.id)
    assert await site.lines(submitted.id) == ["a", "a", "a"]


async def open_delay(site: Any, execution_id: str) -> DelayId | None:
    if not await blocked(site, execution_id):
        return None
    (delay,) = [event for event in await site.log(execution_id) if isinstance(event, ev.DelaySubmitted)]
    return DelayId(f"Delay_{execution_id[2:]}.{delay.join_set}_1")


LOGGER = """(component
  (import "obelisk:log/log@1.0.0" (instance $log (export "info" (func (param "message" string)))))
  (import "obelisk:types/time@5.0.0" (instance $time
    (type $duration' (variant
      (case "milliseconds" u64) (case "seconds" u64) (case "minutes" u32) (case "hours" u32) (case "days" u32)))
    (export "duration" (type $duration (eq $duration')))
    (type $datetime' (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $datetime')))
    (type $schedule-at' (variant (case "now") (case "at" $datetime) (case "in" $duration)))
    (export "schedule-at" (type (eq $schedule-at')))))
  (alias export $time "datetime" (type $datetime))
  (alias export $time "schedule-at" (type $schedule-at))
  (import "obelisk:workflow/workflow-support@6.0.0" (instance $support
    (export "datetime" (type $instant (eq $datetime)))
    (export "schedule-at" (type $due (eq $schedule-at)))
    (export "random-u64" (func (param "min" u64) (param "max-exclusive" u64) (result u64)))
    (export "sleep" (func (param "schedule-at" $due) (param "name" (option string)) (result (result $instant))))))
  (core module $libc (memory (export "mem") 1) (data (i32.const 64) "a"))
  (core instance $c (instantiate $libc))
  (core func $info (canon lower (func $log "info") (memory (core memory $c "mem"))))
  (core func $random (canon lower (func $support "random-u64")))
  (core func $sleep (canon lower (func $support "sleep") (memory (core memory $c "mem"))))
  (core module $m
    (import "c" "mem" (memory 1))
    (import "host" "sleep" (func $sleep (param i32 i64 i64 i32 i32 i32 i32)))
    (import "host" "info" (func $info (param i32 i32)))
    (import "host" "random" (func $random (param i64 i64) (result i64)))
    (func $log (call $info (i32.const 64) (i32.const 1)))
    (func $draw (param $at i32) (i64.store (local.get $at) (call $random (i64.const 0) (i64.const -1))))
    ;; result<tuple<u64, u64>> at 256
    (func (export "run") (result i32)
      (call $log) (call $log)
      (call $draw (i32.const 264))
      (call $sleep (i32.const 2) (i64.const 3) (i64.const 1)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
      (call $draw (i32.const 272))
      (call $log)
      (i32.const 256)))
  (core instance $i (instantiate $m (with "c" (instance $c)) (with "host" (instance
    (export "sleep" (func $sleep)) (export "info" (func $info)) (export "random" (func $random))))))
  (func $run (result (result (tuple u64 u64))) (canon lift (core func $i "run") (memory (core memory $c "mem"))))
  (instance $logger (export "run" (func $run)))
  (export "test:logger/logger" (instance $logger)))"""


async def test_a_recorded_random_stays_and_the_next_one_after_a_restart_is_another(
    site: Any, text_workflow: Any, eventually: Any
) -> None:
    service = await site.start(text_workflow(LOGGER))
    submitted = await service.submit(Ffqn.parse("test:logger/logger.run"), [])
    delay = await eventually(lambda: open_delay(site, submitted.id))
    (before,) = [event.value for event in await site.log(submitted.id) if isinstance(event, ev.RandomDrawn)]
    await site.die_and_reopen(service)
    service = await site.start(text_workflow(LOGGER))
    await service.cancel(delay, "wake up")
    outcome = await service.wait(submitted.id)
    assert isinstance(outcome, ev.Ok)
    first, second = json.loads(outcome.value or "")
    assert first == int(before)
    assert first != second


async def test_cancelling_a_delay_wakes_the_sleeper_with_an_error_and_says_what_it_did(
    site: Any, workflow: Any, eventually: Any
) -> None:
    service = await site.start(workflow("sleeper"))
    submitted = await service.submit(Ffqn.parse(SLEEP), [60_000])
    delay = await eventually(lambda: open_delay(site, submitted.id))
    assert await service.cancel(delay, "enough") is CancelResult.CANCELLED
    assert await service.cancel(delay, "enough") is CancelResult.ALREADY_FINISHED
    assert await service.wait(submitted.id) == ev.Err(None)


async def test_a_workflow_that_did_not_agree_to_it_is_not_cancelled(site: Any, workflow: Any, eventually: Any) -> None:
    service = await site.start(workflow("sleeper"))
    submitted = await service.submit(Ffqn.parse(SLEEP), [60_000])
    with pytest.raises(NotCancellable):
        await service.cancel(submitted.id, "enough")


@pytest.mark.parametrize("resident", [True, False])
async def test_a_cancelled_workflow_ends_with_what_it_has_open(
    site: Any, workflow: Any, eventually: Any, resident: bool
) -> None:
    service = await site.start(workflow("sleeper"))
    submitted = await service.submit(Ffqn.parse(SLEEP + "-cancellable"), [60_000])
    await eventually(lambda: blocked(site, submitted.id))
    if not resident:
        run = service._node.workflows[submitted.id]
        run.evict()
        await eventually(lambda: submitted.id not in service._node.workflows)
    assert await service.cancel(submitted.id, "enough") is CancelResult.CANCELLING
    assert await service.wait(submitted.id) == ev.Failed(ev.FailureKind.CANCELLED, "enough")
    assert await service.cancel(submitted.id, "enough") is CancelResult.ALREADY_FINISHED
    (response,) = await site.store.responses(submitted.id)
    assert isinstance(response.result, ev.DelayCancelled)


async def test_a_workflow_that_is_just_being_evicted_is_cancelled_all_the_same(
    site: Any, workflow: Any, eventually: Any
) -> None:
    service = await site.start(workflow("sleeper"))
    submitted = await service.submit(Ffqn.parse(SLEEP + "-cancellable"), [60_000])
    await eventually(lambda: blocked(site, submitted.id))
    await eventually(lambda: service._node.workflows[submitted.id].evictable)
    service._node.workflows[submitted.id].evict()
    assert await service.cancel(submitted.id, "enough") is CancelResult.CANCELLING
    assert await service.wait(submitted.id) == ev.Failed(ev.FailureKind.CANCELLED, "enough")


@pytest.mark.parametrize("storage", ["memory"])
async def test_cancelling_a_tree_cancels_the_last_created_first_and_awaits_all(
    site: Any, generic: list[Any], eventually: Any
) -> None:
    service = await site.start(*generic)
    calls = [
        call("testing:flaky/flaky.run", "endless", 1),
        call(SLEEP, 50),
        call(SLEEP + "-cancellable", 60_000),
        call("testing:flaky/flaky.run", "endless", 2),
    ]
    function = Ffqn.parse(GENERIC + ".submit-and-close-cancellable")
    submitted = await service.submit(function, [calls, 2])
    await eventually(lambda: taken(site, submitted.id, 1))
    assert await service.cancel(submitted.id, "enough") is CancelResult.CANCELLING
    assert await service.cancel(submitted.id, "enough") in (
        CancelResult.ALREADY_CANCELLING, CancelResult.ALREADY_FINISHED
    )  # fmt: skip
    assert await service.wait(submitted.id) == ev.Failed(ev.FailureKind.CANCELLED, "enough")
    responses = await site.store.responses(submitted.id)
    order = [response.id.rpartition("_")[2] for response in responses]
    assert order[0] == "2"
    assert [index for index in order if index in ("4", "1")] == ["4", "1"]
    assert service._node.attempts == {}
    await eventually(lambda: site.engine.engine.guests == 0)


async def taken(site: Any, execution_id: str, count: int) -> bool:
    return len(await site.store.responses(ExecutionId(execution_id))) >= count


@pytest.mark.parametrize("storage", ["memory"])
async def test_a_closing_parent_awaits_a_child_workflow_that_cannot_be_cancelled(
    site: Any, generic: list[Any], end: Any, run: Any
) -> None:
    service = await site.start(*generic)
    calls = [call(SLEEP, 100), call(SLEEP + "-cancellable", 60_000), call("testing:flaky/flaky.run", "endless", 0)]
    execution_id, outcome = await run(service, GENERIC + ".submit-and-close", [calls, 0])
    assert outcome == ev.Ok("3")
    responses = await site.store.responses(execution_id)
    assert [response.id.rpartition("_")[2] for response in responses] == ["3", "2", "1"]
    assert isinstance(responses[2].result, ev.ChildFinished)
    assert responses[2].result.outcome == ev.Ok(None)


async def test_an_activity_is_cancelled_at_once_and_its_guest_is_gone(
    site: Any, activity: Any, eventually: Any
) -> None:
    service = await site.start(activity("flaky"))
    submitted = await service.submit(Ffqn.parse("testing:flaky/flaky.run"), ["endless", 1])
    await eventually(lambda: site.engine.engine.guests == 1)
    assert await service.cancel(submitted.id, "enough") is CancelResult.CANCELLED
    assert await service.cancel(submitted.id, "enough") is CancelResult.ALREADY_FINISHED
    assert await service.wait(submitted.id) == ev.Failed(ev.FailureKind.CANCELLED, "enough")
    await eventually(lambda: site.engine.engine.guests == 0)
