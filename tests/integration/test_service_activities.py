"""Attempts of activities: retries, timeouts, limits, and what their callers see."""

import asyncio
import json
from typing import Any

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.deployment import RuntimeLimits
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.retry import RetryPolicy
from obelisk_runtime.ports.store import StoreUnavailable

RUN = "testing:flaky/flaky.run"
RECOVER = "testing:recovering/recovering.run"
RACE = "testing:racer/racer.race"


@pytest.fixture
def storage() -> str:
    return "memory"


async def attempts(site: Any, execution_id: str) -> list[ev.Event]:
    """The events of its log but created and locked."""
    return [event for event in await site.log(execution_id) if not isinstance(event, ev.Created | ev.Locked)]


async def test_a_recovering_activity_is_told_which_attempt_it_is(site: Any, activity: Any, end: Any) -> None:
    service = await site.start(activity("recovering"))
    assert await end(service, RECOVER, [2]) == ev.Ok("3")


async def test_the_last_err_is_the_result(site: Any, activity: Any, run: Any) -> None:
    service = await site.start(activity("recovering"))
    execution_id, outcome = await run(service, RECOVER, [99])
    assert outcome == ev.Err('"not yet"')
    failed, again, finished = await attempts(site, execution_id)
    assert isinstance(failed, ev.AttemptFailed)
    assert isinstance(again, ev.AttemptFailed)
    assert isinstance(finished, ev.Finished)


async def test_attempts_wait_by_the_policy_with_its_jitter(site: Any, activity: Any, run: Any) -> None:
    policy = RetryPolicy(max=2, backoff=20_000, factor=3.0, jitter=0.5)
    service = await site.start(activity("recovering", retries=policy))
    execution_id, _ = await run(service, RECOVER, [99])
    log = await site.store.log(execution_id)
    waits = [entry.event.due - entry.at for entry in log if isinstance(entry.event, ev.AttemptFailed)]
    assert 10_000 <= waits[0] <= 30_000
    assert 30_000 <= waits[1] <= 90_000
    locks = [entry.at for entry in log if isinstance(entry.event, ev.Locked)][1:]
    dues = [entry.event.due for entry in log if isinstance(entry.event, ev.AttemptFailed)]
    assert all(lock >= due for lock, due in zip(locks, dues, strict=True))


async def test_a_permanent_err_is_final(site: Any, activity: Any, end: Any) -> None:
    service = await site.start(activity("flaky"))
    assert await end(service, RUN, ["permanent", 1]) == ev.Err('{"permanent":"permanent"}')
    assert len(site.attempts("flaky.run")) == 1


@pytest.mark.parametrize("mode", ["trap", "hog"])
async def test_a_trap_is_retried_and_the_last_one_is_a_failure_with_a_backtrace(
    site: Any, activity: Any, end: Any, mode: str
) -> None:
    service = await site.start(activity("flaky", memory_mib=8))
    outcome = await end(service, RUN, [mode, 1])
    assert isinstance(outcome, ev.Failed)
    assert outcome.kind is ev.FailureKind.TRAPPED
    assert outcome.backtrace
    assert len(site.attempts("flaky.run")) == 3


async def test_an_endless_loop_is_stopped_by_the_attempt_timeout_and_is_really_gone(
    site: Any, activity: Any, eventually: Any, run: Any
) -> None:
    service = await site.start(activity("flaky", attempt_timeout=30_000))
    execution_id, outcome = await run(service, RUN, ["endless", 1])
    assert isinstance(outcome, ev.Failed)
    assert outcome.kind is ev.FailureKind.TIMED_OUT
    kinds = [type(event) for event in await attempts(site, execution_id)]
    assert kinds == [ev.AttemptTimedOut, ev.AttemptTimedOut, ev.Finished]
    await eventually(lambda: site.engine.engine.guests == 0)
    loop = asyncio.get_running_loop()
    assert await asyncio.wait_for(loop.run_in_executor(None, lambda: "not starved"), 5)


@pytest.mark.parametrize(("mode", "attempts"), [("err", 3), ("trap", 1), ("endless", 2)])
async def test_errs_traps_and_timeouts_may_each_have_a_budget_of_their_own(
    site: Any, activity: Any, run: Any, mode: str, attempts: int
) -> None:
    policy = RetryPolicy(max=2, backoff=1_000, traps_max=0, timeouts_max=1)
    service = await site.start(activity("flaky", attempt_timeout=30_000, retries=policy))
    execution_id, _ = await run(service, RUN, [mode, 1])
    assert len(site.attempts("flaky.run")) == attempts
    projection = await site.store.get(execution_id)
    counted = {"err": (2, 0, 0), "trap": (0, 0, 0), "endless": (1, 0, 1)}[mode]
    assert (projection.failures, projection.traps, projection.timeouts) == counted


async def test_an_attempt_lost_more_often_than_its_function_allows_is_a_failure_of_that_kind(
    site: Any, activity: Any, eventually: Any
) -> None:
    flaky = activity("flaky", retries=RetryPolicy(lost_max=1))
    service = await site.start(flaky)
    submitted = await service.submit(Ffqn.parse(RUN), ["endless", 1])
    for begun in (1, 2):
        await eventually(lambda begun=begun: len(site.attempts("flaky.run")) == begun)
        await eventually(lambda: is_locked(site, submitted.id))
        site.die(service)
        service = await site.start(flaky)
    outcome = await service.wait(submitted.id)
    assert isinstance(outcome, ev.Failed)
    assert outcome.kind is ev.FailureKind.LOST
    assert len(site.attempts("flaky.run")) == 2


async def is_locked(site: Any, execution_id: Any) -> bool:
    return isinstance((await site.store.get(execution_id)).status, proj.Locked)


async def test_endless_activities_do_not_keep_others_from_running(site: Any, activity: Any, end: Any) -> None:
    service = await site.start(activity("flaky"), activity("fibo_tiny"))
    for number in range(8):
        await service.submit(Ffqn.parse(RUN), ["endless", number])
    assert await end(service, "testing:fibo/fibo.fibo", [10]) == ev.Ok("89")


async def test_a_result_beyond_the_payload_limit_is_a_failure_that_says_so(site: Any, activity: Any, end: Any) -> None:
    limits = RuntimeLimits(poll=20_000, shutdown=200_000, payload_bytes_max=1_000)
    service = await site.start(activity("flaky"), limits=limits)
    outcome = await end(service, RUN, ["large", 100_000])
    assert isinstance(outcome, ev.Failed)
    assert "the limit is 1000 (payload_bytes_max)" in outcome.reason
    assert await end(service, RUN, ["large", 900]) == ev.Ok(json.dumps("x" * 900))


@pytest.mark.parametrize(
    ("mode", "outcome", "failure"),
    [
        ("trap", {"err": '"execution_failed"'}, "uncategorized"),
        ("endless", {"err": '"execution_failed"'}, "timed-out"),
        ("permanent", {"err": '{"permanent":"permanent"}'}, None),
        ("ok", {"ok": '"ok"'}, None),
    ],
)
async def test_a_failure_is_projected_into_the_type_that_the_parent_awaits_and_its_kind_can_be_read(
    site: Any, activity: Any, workflow: Any, end: Any, mode: str, outcome: Any, failure: str | None
) -> None:
    flaky = activity("flaky", attempt_timeout=30_000)
    service = await site.start(flaky, workflow("generic"), workflow("fibo_workflow_tiny"), activity("fibo_tiny"))
    call = {"interface_name": "testing:flaky/flaky", "function_name": "run", "params": json.dumps([mode, 1])}
    answered = await end(service, "testing:generic/generic.submit-all", [[call]])
    assert isinstance(answered, ev.Ok), answered
    (answer,) = json.loads(answered.value)
    assert (answer["outcome"], answer["failure"]) == (outcome, failure)


async def test_output_of_an_early_activity_is_kept_when_its_creation_is_refused_at_first(
    site: Any, activity: Any, workflow: Any, eventually: Any, run: Any
) -> None:
    store = RefusingStore(site.store)
    service = await site.start(activity("flaky"), workflow("racer"), store=store)
    execution_id, outcome = await run(service, RACE, [1, "ok", 7, 60_000, "close"])
    assert outcome == ev.Ok('"activity"')
    assert store.refused
    assert await site.lines(f"{execution_id}.g:1_1") == ["ok 7"]


class RefusingStore:
    """Refuses the first write of children as a store whose disk is full does."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.refused: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def append(self, append: Any) -> Any:
        if append.children and not self.refused:
            self.refused.append(append)
            refused = asyncio.get_running_loop().create_future()
            refused.set_exception(StoreUnavailable("the disk is full"))
            return refused
        return self._store.append(append)
