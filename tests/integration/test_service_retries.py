"""Attempts of activities on a clock that a test moves: backoffs to the microsecond, and who keeps what it runs."""

import json
from dataclasses import replace
from textwrap import dedent
from typing import Any

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.deployment import RuntimeLimits, StubSettings
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.retry import RetryPolicy
from obelisk_runtime.core.wit_text import parse_function
from obelisk_runtime.testing.clock import SECOND, VirtualClock

FLAKY = Ffqn.parse("testing:flaky/flaky.run")
RECOVER = Ffqn.parse("testing:recovering/recovering.run")
SCRIPT = Ffqn.parse("testing:script-workflow/script.run")
STUB = StubSettings(
    Ffqn.parse("testing:approval/desk.decide"), parse_function("func(order: u64) -> result<bool, string>")
)
LIMITS = RuntimeLimits(poll=5_000, shutdown=200_000)
HOUR = 3_600 * SECOND
CAPPED = RetryPolicy(max=3, backoff=SECOND, factor=3.0, backoff_max=5 * SECOND, jitter=0.0)
WAITS = (SECOND, 3 * SECOND, 5 * SECOND)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def attempts(site: Any, clock: VirtualClock, noted: Any, activity: Any, eventually: Any) -> Any:
    """Submit, and move the clock to each next attempt; the service, the id, and what was waited between attempts."""

    async def made(name: str, function: Ffqn, params: list[Any]) -> Any:
        store = noted(site.store)
        limited = activity(name, retries=CAPPED)
        service = await site.start(limited, store=store, clock=clock, limits=LIMITS)
        submitted = await service.submit(function, params)
        waits: list[int] = []
        while True:
            ended = await eventually(lambda: end_of_attempt(site, submitted.id, len(waits)))
            if isinstance(ended, ev.Finished):
                return service, submitted.id, waits
            waits.append(ended.due - clock.now())
            clock.set(ended.due - 1)
            looks = store.count("next_due")
            await eventually(lambda looks=looks: store.count("next_due") > looks + 1)
            assert len(site.attempts(function.text)) == len(waits), "an attempt before its time"
            clock.advance(1)

    return made


async def end_of_attempt(site: Any, execution_id: ExecutionId, number: int) -> ev.Event | None:
    ends = ev.AttemptFailed | ev.AttemptTimedOut | ev.Finished
    found = [event for event in await site.log(execution_id) if isinstance(event, ends)]
    return found[number] if len(found) > number else None


async def test_an_activity_that_errs_twice_waits_exactly_as_its_policy_says_and_then_succeeds(
    site: Any, attempts: Any
) -> None:
    service, id_, waits = await attempts("recovering", RECOVER, [2])
    assert await service.wait(id_) == ev.Ok("3")
    assert waits == list(WAITS[:2])
    log = await site.store.log(id_)
    kinds = [type(entry.event) for entry in log]
    assert kinds == [ev.Created, ev.Locked, ev.AttemptFailed, ev.Locked, ev.AttemptFailed, ev.Locked, ev.Finished]
    dues = [entry.event.due for entry in log if isinstance(entry.event, ev.AttemptFailed)]
    assert [entry.at for entry in log if isinstance(entry.event, ev.Locked)][1:] == dues


async def test_with_no_retries_left_the_last_err_is_the_result_after_capped_backoffs(attempts: Any) -> None:
    service, id_, waits = await attempts("recovering", RECOVER, [99])
    assert await service.wait(id_) == ev.Err('"not yet"')
    assert waits == list(WAITS)


@pytest.mark.parametrize(("mode", "reason"), [("err", "transient"), ("trap", "unreachable")])
async def test_every_attempt_is_in_the_log_with_its_reason_and_what_it_wrote(
    site: Any, attempts: Any, mode: str, reason: str
) -> None:
    _, id_, waits = await attempts("flaky", FLAKY, [mode, 7])
    assert waits == list(WAITS)
    failed = [event for event in await site.log(id_) if isinstance(event, ev.AttemptFailed | ev.Finished)]
    assert all(reason in str(event.outcome) for event in failed)
    records = [record for _, record in await site.store.read_logs(id_)]
    assert [record.message for record in records] == [f"{mode} 7"] * 4
    assert len({record.run for record in records}) == 4


async def test_a_permanent_err_is_not_tried_again(site: Any, attempts: Any) -> None:
    service, id_, waits = await attempts("flaky", FLAKY, ["permanent", 1])
    assert await service.wait(id_) == ev.Err('{"permanent":"permanent"}')
    assert waits == []


async def test_a_trap_and_a_timeout_are_failures_of_their_kind_projected_into_the_parents_type(
    site: Any, workflow: Any, activity: Any, run: Any
) -> None:
    source = """
        answer = {}
        join_set = support.join_set_create()
        for mode in ("trap", "endless", "permanent", "ok"):
            function = Function("testing:flaky/flaky", "run")
            child = support.submit_json(join_set, function, f'["{mode}", 1]')
            got = support.join_next(join_set)
            kind = support.get_execution_failure_kind(child)
            answer[mode] = (type(got).__name__, got.value, kind and kind.name)
    """
    flaky = activity("flaky", attempt_timeout=30_000, retries=RetryPolicy(max=0))
    service = await site.start(workflow("script_workflow"), activity("fibo_tiny"), flaky, stubs=[STUB])
    id_, outcome = await run(service, SCRIPT.text, [dedent(source)])
    assert isinstance(outcome, ev.Ok), outcome
    expected = {
        "trap": ("Err", '"execution_failed"', "UNCATEGORIZED"),
        "endless": ("Err", '"execution_failed"', "TIMED_OUT"),
        "permanent": ("Err", '{"permanent":"permanent"}', None),
        "ok": ("Ok", '"ok"', None),
    }
    assert json.loads(outcome.value or "") == str(expected)
    kinds = [await service.outcome(ExecutionId(f"{id_}.g:1_{number}")) for number in (1, 2)]
    assert [kind.kind for kind in kinds] == [ev.FailureKind.TRAPPED, ev.FailureKind.TIMED_OUT]


async def test_an_attempt_that_outlasts_many_leases_is_not_lost_while_its_executor_beats(
    site: Any, activity: Any, clock: VirtualClock, noted: Any, eventually: Any
) -> None:
    limits = replace(LIMITS, heartbeat=2_000, lease=SECOND)
    store = noted(site.store)
    components = activity("flaky", attempt_timeout=HOUR)
    holder = await site.start(components, store=store, clock=clock, limits=limits, sole=False)
    submitted = await holder.submit(FLAKY, ["endless", 1])
    other = noted(site.store)
    await site.start(components, store=other, clock=clock, limits=limits, sole=False)
    for _ in range(5):
        for seen in (store, other, store, other):
            calls = seen.count("take_over")
            await eventually(lambda seen=seen, calls=calls: seen.count("take_over") > calls)
        clock.advance(SECOND)
    projection = await site.store.get(submitted.id)
    assert (projection.attempts, projection.losses) == (1, 0)
    await holder.cancel(submitted.id, "enough")
