"""Who may lock what, and when; who is taken over; when a delay fires."""

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.decisions import LOST, cancel
from obelisk_runtime.core.ids import DelayId, ExecutionId, ExecutorId, Instant
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.retry import LOSSES_MAX
from obelisk_runtime.ports.store import ExecutionNotFound, Offer, Store
from obelisk_runtime.testing.clock import SECOND, START
from obelisk_runtime.testing.conformance.checks import dump
from obelisk_runtime.testing.conformance.scenes import (
    ACTIVITIES,
    ACTIVITY,
    DIGEST,
    LATER,
    OK,
    ONE,
    OTHER_ACTIVITY,
    OTHER_DIGEST,
    TWO,
    WORKFLOWS,
    activity,
    created,
    decide,
    finish,
    locked,
    numbered,
    running_workflow,
    waiting_workflow,
    workflow,
)

EVERYTHING_OFFERED = (ACTIVITIES, WORKFLOWS)


async def lock(store: Store, executor: ExecutorId = ONE, now: Instant = START) -> list[ExecutionId]:
    """Lock all that can be."""
    return [claim.id for claim in await store.lock_pending(now, executor, EVERYTHING_OFFERED)]


def after(seconds: float) -> Instant:
    return Instant(START + int(seconds * SECOND))


class TestLock:
    pytestmark = pytest.mark.asyncio

    async def test_a_due_activity_is_locked_with_the_offered_digest(self, store: Store) -> None:
        new = activity(numbered(1), params="[1]")
        await store.create(new)
        (claim,) = await store.lock_pending(LATER, ONE, [ACTIVITIES])
        assert (claim.id, claim.created) == (new.id, new.created)
        assert claim.projection == await store.get(new.id)
        assert claim.projection.status == proj.Locked(ONE)
        assert (await store.log(new.id))[-1] == ev.Recorded(
            version=1, at=LATER, event=ev.Locked(executor=ONE, attempt=1, digest=DIGEST)
        )

    async def test_a_due_workflow_is_locked_without_a_digest(self, store: Store) -> None:
        await store.create(workflow(numbered(1)))
        (claim,) = await store.lock_pending(START, ONE, [WORKFLOWS])
        assert claim.projection.digest == DIGEST
        assert (await store.log(claim.id))[-1].event == ev.Locked(executor=ONE, attempt=1)

    async def test_a_second_executor_does_not_get_what_is_locked(self, store: Store) -> None:
        await store.create(activity(numbered(1)))
        assert await lock(store, ONE) == [numbered(1)]
        assert await lock(store, TWO) == []
        assert await lock(store, ONE) == []

    async def test_what_is_not_due_is_not_locked(self, store: Store) -> None:
        await store.create(activity(numbered(1), due=after(5)))
        assert await lock(store, now=Instant(after(5) - 1)) == []
        assert await lock(store, now=after(5)) == [numbered(1)]

    async def test_a_failed_attempt_is_locked_again_only_after_its_back_off(self, store: Store) -> None:
        await store.create(locked(activity(numbered(1)), ONE))
        decision = (await decide(store, numbered(1))).life(ev.AttemptFailed(outcome=ev.Err(), due=after(3)))
        await store.append(decision.append)
        assert await lock(store, now=after(2)) == []
        assert await lock(store, TWO, now=after(3)) == [numbered(1)]
        assert (await store.get(numbered(1))).attempts == 2

    async def test_a_timed_out_attempt_is_locked_again_only_after_its_back_off(self, store: Store) -> None:
        await store.create(locked(activity(numbered(1)), ONE))
        await store.append((await decide(store, numbered(1))).life(ev.AttemptTimedOut(due=after(3))).append)
        assert await lock(store, now=after(2)) == []
        assert await lock(store, now=after(3)) == [numbered(1)]

    async def test_a_paused_execution_is_not_locked_until_it_is_resumed(self, store: Store) -> None:
        await store.create(activity(numbered(1)))
        await store.append((await decide(store, numbered(1))).life(ev.Paused(reason="a person")).append)
        assert await lock(store) == []
        assert await store.next_due() is None
        await store.append((await decide(store, numbered(1))).life(ev.Resumed(reason="a person")).append)
        assert await store.next_due() == START
        assert await lock(store) == [numbered(1)]

    async def test_a_cancelled_activity_is_not_locked(self, store: Store) -> None:
        await store.create(activity(numbered(1)))
        events = cancel(await store.get(numbered(1)), "a person")
        await store.append((await decide(store, numbered(1))).life(*events).append)
        assert await lock(store) == []

    async def test_a_cancelled_workflow_is_locked_so_that_it_can_end(self, store: Store) -> None:
        await store.create(workflow(numbered(1)))
        events = cancel(await store.get(numbered(1)), "a person")
        await store.append((await decide(store, numbered(1))).life(*events).append)
        assert (await store.get(numbered(1))).lifecycle.cancelling
        assert await lock(store) == [numbered(1)]

    async def test_a_finished_execution_is_not_locked(self, store: Store) -> None:
        await store.create(locked(activity(numbered(1)), ONE))
        await finish(store, numbered(1))
        assert await lock(store) == []

    async def test_a_blocked_workflow_is_not_locked(self, store: Store) -> None:
        parent, child = await waiting_workflow(store)
        assert await lock(store, TWO) == [child]
        resting = (await decide(store, parent)).life(ev.Unlocked(reason="evicted", parked=True))
        await store.append(resting.append)
        assert await lock(store, TWO) == []

    async def test_only_offered_functions_are_locked(self, store: Store) -> None:
        await store.create(activity(numbered(1)))
        await store.create(activity(numbered(2), function=OTHER_ACTIVITY))
        offer = Offer(ev.ExecutionKind.ACTIVITY, {OTHER_ACTIVITY: OTHER_DIGEST}, 10)
        (claim,) = await store.lock_pending(START, ONE, [offer])
        assert claim.id == numbered(2)
        assert (await store.log(claim.id))[-1].event == ev.Locked(executor=ONE, attempt=1, digest=OTHER_DIGEST)
        assert list(await store.lock_pending(START, ONE, [])) == []
        empty = Offer(ev.ExecutionKind.ACTIVITY, {}, 10)
        assert list(await store.lock_pending(START, ONE, [empty])) == []

    async def test_only_the_offered_kind_is_locked(self, store: Store) -> None:
        await store.create(activity(numbered(1)))
        workflows = Offer(ev.ExecutionKind.WORKFLOW, {ACTIVITY: None}, 10)
        assert list(await store.lock_pending(START, ONE, [workflows])) == []

    async def test_an_offer_of_any_function_locks_all_that_is_due_of_its_kind(self, store: Store) -> None:
        await store.create(workflow(numbered(1)))
        await store.create(activity(numbered(2)))
        (claim,) = await store.lock_pending(START, ONE, [Offer(ev.ExecutionKind.WORKFLOW, None, 10)])
        assert claim.id == numbered(1)
        assert (await store.log(claim.id))[-1].event == ev.Locked(executor=ONE, attempt=1)

    async def test_the_longest_due_come_first_up_to_the_limit_of_each_offer(self, store: Store) -> None:
        for number, due in ((1, 4), (2, 1), (3, 3), (4, 1), (5, 2)):
            await store.create(activity(numbered(number), due=after(due)))
        await store.create(workflow(numbered(6)))
        offers = [Offer(ACTIVITIES.kind, ACTIVITIES.functions, 3), Offer(WORKFLOWS.kind, WORKFLOWS.functions, 1)]
        claims = await store.lock_pending(after(9), ONE, offers)
        assert [claim.id for claim in claims] == [numbered(n) for n in (2, 4, 5, 6)]
        assert await lock(store, now=after(9)) == [numbered(3), numbered(1)]

    async def test_a_limit_of_zero_locks_nothing(self, store: Store) -> None:
        await store.create(activity(numbered(1)))
        offer = Offer(ACTIVITIES.kind, ACTIVITIES.functions, 0)
        assert list(await store.lock_pending(START, ONE, [offer])) == []

    async def test_a_clock_that_goes_backwards_only_delays_what_is_due_later(self, store: Store) -> None:
        await store.create(activity(numbered(1), at=LATER))
        await store.create(activity(numbered(2)))
        assert await lock(store, now=START) == [numbered(2)]
        await finish(store, numbered(2), now=after(-60))
        assert (await store.get(numbered(2))).status == proj.Finished("ok", after(-60))
        assert await store.next_due() == LATER
        assert await lock(store, now=LATER) == [numbered(1)]


class TestTakeOver:
    pytestmark = pytest.mark.asyncio

    async def take_over(self, store: Store, now: Instant = LATER, silent_since: Instant = LATER) -> list[ExecutionId]:
        return list(await store.take_over(now, silent_since=silent_since, living=TWO))

    async def test_what_a_silent_executor_holds_is_freed(self, store: Store) -> None:
        await store.beat(ONE, START)
        await store.create(locked(activity(numbered(1)), ONE))
        await store.create(locked(workflow(numbered(2)), ONE))
        assert await self.take_over(store) == [numbered(1), numbered(2)]
        assert (await store.log(numbered(1)))[-1].event == ev.AttemptLost(reason=LOST, due=LATER, died=True)
        assert (await store.log(numbered(2)))[-1].event == ev.Unlocked(reason=LOST, died=True)
        assert sorted(await lock(store, TWO, LATER)) == [numbered(1), numbered(2)]

    async def test_what_a_beating_executor_holds_is_not_freed(self, store: Store) -> None:
        await store.create(locked(activity(numbered(1)), ONE))
        await store.beat(ONE, LATER)
        before = await dump(store)
        assert await self.take_over(store) == []
        assert await dump(store) == before

    async def test_an_executor_that_never_beat_is_silent(self, store: Store) -> None:
        await store.create(locked(activity(numbered(1)), ONE))
        assert await self.take_over(store) == [numbered(1)]

    async def test_the_living_executor_is_never_taken_from(self, store: Store) -> None:
        await store.beat(TWO, START)
        await store.create(locked(activity(numbered(1)), TWO))
        assert await self.take_over(store) == []

    async def test_the_latest_beat_counts_also_when_the_clock_went_backwards(self, store: Store) -> None:
        await store.create(locked(activity(numbered(1)), ONE))
        await store.beat(ONE, LATER)
        await store.beat(ONE, START)
        assert await self.take_over(store, silent_since=after(1)) == [numbered(1)]

    async def test_a_paused_execution_is_freed_and_stays_paused(self, store: Store) -> None:
        await store.create(locked(activity(numbered(1)), ONE))
        await store.append((await decide(store, numbered(1))).life(ev.Paused(reason="a person")).append)
        assert await self.take_over(store) == [numbered(1)]
        assert (await store.get(numbered(1))).lifecycle.paused
        assert await lock(store, TWO, LATER) == []

    async def test_a_blocked_workflow_of_a_lost_executor_is_taken_up_again(self, store: Store) -> None:
        parent, child = await waiting_workflow(store)
        assert await self.take_over(store) == [parent]
        assert await store.next_due() is not None
        assert sorted(await lock(store, TWO, LATER)) == sorted([parent, child])
        status = (await store.get(parent)).status
        assert isinstance(status, proj.Blocked)
        assert status.executor == TWO

    async def test_a_request_to_a_webhook_whose_executor_is_lost_is_taken_up_to_end(self, store: Store) -> None:
        handler = Ffqn.parse("wasi:http/incoming-handler.handle")
        event = ev.Created(kind=ev.ExecutionKind.WEBHOOK, function=handler, params="[]", digest=DIGEST)
        await store.create(locked(created(event, numbered(1)), ONE))
        assert await self.take_over(store) == [numbered(1)]
        assert await store.next_due() is not None
        (claim,) = await store.lock_pending(LATER, TWO, [Offer(ev.ExecutionKind.WEBHOOK, None, 10)])
        assert (claim.id, claim.projection.holder, claim.created.kind) == (numbered(1), TWO, event.kind)

    async def test_a_workflow_that_rests_is_left_alone(self, store: Store) -> None:
        parent, _ = await waiting_workflow(store)
        await store.append((await decide(store, parent)).life(ev.Unlocked(reason="evicted", parked=True)).append)
        before = await dump(store)
        assert await self.take_over(store) == []
        assert await dump(store) == before

    async def test_an_attempt_lost_too_often_ends_and_responds_to_its_parent(self, store: Store) -> None:
        parent, child = await waiting_workflow(store)
        decision = await decide(store, child)
        for attempt in range(LOSSES_MAX):
            decision.life(
                ev.Locked(executor=ONE, attempt=attempt + 1), ev.AttemptLost(reason=LOST, due=START, died=True)
            )
        decision.life(ev.Locked(executor=ONE, attempt=LOSSES_MAX + 1))
        await store.append(decision.append)
        assert await self.take_over(store) == [parent, child]
        outcome = ev.Failed(kind=ev.FailureKind.LOST, reason=LOST)
        assert (await store.get(child)).status == proj.Finished("lost", LATER)
        assert list(await store.responses(parent)) == [
            ev.Response(position=1, at=LATER, id=child, result=ev.ChildFinished(outcome=outcome))
        ]
        assert await lock(store, TWO, LATER) == [parent]

    async def test_retiring_frees_at_once_what_that_executor_holds(self, store: Store) -> None:
        await store.beat(ONE, LATER)
        await store.create(locked(activity(numbered(1)), ONE))
        await store.create(locked(activity(numbered(2)), TWO))
        await store.create(locked(workflow(numbered(3)), ONE))
        assert list(await store.retire(ONE, START)) == [numbered(1), numbered(3)]
        assert (await store.get(numbered(2))).holder == TWO
        assert list(await store.retire(ONE, START)) == []
        assert await lock(store, TWO) == [numbered(1), numbered(3)]

    async def test_a_freed_execution_is_locked_though_the_clock_went_backwards(self, store: Store) -> None:
        parent = await running_workflow(store)
        assert await self.take_over(store, now=LATER) == [parent]
        assert await lock(store, TWO, now=after(1)) == [parent]


class TestDelays:
    pytestmark = pytest.mark.asyncio

    async def delays(self, store: Store, *wakes: Instant) -> tuple[ExecutionId, list[DelayId]]:
        """A workflow that waits for the first of these delays."""
        parent = await running_workflow(store)
        decision = await decide(store, parent)
        join_set = decision.join_set()
        delays = [decision.submit_delay(join_set, instant) for instant in wakes]
        await store.append(decision.await_next(join_set).append)
        return parent, delays

    async def test_due_delays_fire_earliest_first_up_to_the_limit(self, store: Store) -> None:
        parent, (a, b, c, d) = await self.delays(store, after(3), after(1), after(2), after(1))
        fired = await store.fire_delays(after(2), 2)
        assert [delay.id for delay in fired] == [b, d]
        assert [delay.id for delay in await store.fire_delays(after(2), 10)] == [c]
        assert list(await store.fire_delays(after(2), 10)) == []
        assert [delay.id for delay in await store.fire_delays(after(3), 10)] == [a]
        assert [response.id for response in await store.responses(parent)] == [b, d, c, a]

    async def test_a_delay_that_fires_responds_to_its_parent(self, store: Store) -> None:
        parent, (delay,) = await self.delays(store, after(1))
        (fired,) = await store.fire_delays(after(5), 1)
        response = ev.Response(position=1, at=after(5), id=delay, result=ev.DelayDue())
        assert (fired.id, fired.parent, fired.response) == (delay, parent, response)
        assert list(await store.responses(parent)) == [response]
        assert (await store.get(parent)).status == proj.Locked(ONE)

    async def test_a_cancelled_delay_responds_once_and_never_fires(self, store: Store) -> None:
        parent, (delay,) = await self.delays(store, after(1))
        fired = await store.cancel_delay(delay, START)
        assert fired is not None
        assert fired.response == ev.Response(position=1, at=START, id=delay, result=ev.DelayCancelled())
        assert await store.cancel_delay(delay, START) is None
        assert list(await store.fire_delays(LATER, 10)) == []
        assert len(await store.responses(parent)) == 1

    async def test_a_fired_delay_cannot_be_cancelled(self, store: Store) -> None:
        parent, (delay,) = await self.delays(store, after(1))
        await store.fire_delays(after(1), 1)
        assert await store.cancel_delay(delay, after(2)) is None
        assert len(await store.responses(parent)) == 1

    async def test_an_unknown_delay_is_not_found(self, store: Store) -> None:
        _, (delay,) = await self.delays(store, after(1))
        with pytest.raises(ExecutionNotFound):
            await store.cancel_delay(DelayId(delay + "7"), START)

    async def test_next_due_is_the_earliest_of_delays_and_pending_executions(self, store: Store) -> None:
        assert await store.next_due() is None
        await self.delays(store, after(3), after(1))
        assert await store.next_due() == after(1)
        await store.create(activity(numbered(2), due=after(0.5)))
        assert await store.next_due() == after(0.5)
        assert await store.next_due(after=after(0.4)) == after(0.5)
        assert await store.next_due(after=after(0.5)) == after(1)
        assert await store.next_due(after=after(1)) == after(3)
        assert await store.next_due(after=after(3)) is None
        assert await lock(store, now=after(1)) == [numbered(2)]
        assert await store.next_due() == after(1)
        await store.fire_delays(after(1), 1)
        assert await store.next_due() == after(3)
        await store.fire_delays(after(3), 1)
        assert await store.next_due() is None

    async def test_a_paused_parent_remembers_its_responses(self, store: Store) -> None:
        parent, _ = await self.delays(store, after(1))
        resting = (await decide(store, parent)).life(
            ev.Unlocked(reason="evicted", parked=True), ev.Paused(reason="a person")
        )
        await store.append(resting.append)
        assert len(await store.fire_delays(after(1), 1)) == 1
        assert await lock(store, now=LATER) == []
        await store.append((await decide(store, parent)).life(ev.Resumed(reason="a person")).append)
        assert await lock(store, now=LATER) == [parent]
        await finish(store, parent, OK)
