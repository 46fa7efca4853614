"""Delays that are held, deadlines, what waits, and when an executor was heard last."""

import msgspec
import pytest

from obelisk_runtime.core import decisions
from obelisk_runtime.core import events as ev
from obelisk_runtime.core.ids import DelayId, ExecutionId, Instant
from obelisk_runtime.ports.store import ExecutionNotFound, NewExecution, OpenDelay, Store
from obelisk_runtime.testing.clock import SECOND, START
from obelisk_runtime.testing.conformance.scenes import (
    LATER,
    ONE,
    TWO,
    activity,
    created,
    decide,
    numbered,
    running_workflow,
    workflow,
)


def after(seconds: int) -> Instant:
    return Instant(START + seconds * SECOND)


def expiring(number: int, deadline: Instant) -> NewExecution:
    event = activity(numbered(number)).created
    return created(msgspec.structs.replace(event, deadline=deadline), numbered(number))


async def sleeping(store: Store, number: int = 1) -> tuple[ExecutionId, DelayId]:
    parent = await running_workflow(store, number)
    decision = await decide(store, parent)
    delay = decision.sleep(after(5))
    await store.append(decision.append)
    return parent, delay


class TestHeldDelays:
    pytestmark = pytest.mark.asyncio

    async def test_a_held_delay_does_not_fire_until_it_is_released(self, store: Store) -> None:
        parent, delay = await sleeping(store)
        assert await store.hold_delay(delay, paused=True) is True
        assert await store.hold_delay(delay, paused=True) is False
        assert await store.open_delays(parent) == [OpenDelay(delay, after(5), paused=True)]
        assert await store.next_due() is None
        assert not await store.fire_delays(LATER, 10)
        assert await store.hold_delay(delay, paused=False) is True
        assert await store.next_due() == after(5)
        assert [fired.id for fired in await store.fire_delays(LATER, 10)] == [delay]
        assert await store.hold_delay(delay, paused=True) is None
        assert await store.open_delays(parent) == []

    async def test_open_delays_are_read_in_pages_though_some_answer_meanwhile(self, store: Store) -> None:
        parent = await running_workflow(store)
        decision = await decide(store, parent)
        join_set = decision.join_set()
        delays = [decision.submit_delay(join_set, after(9 - number)) for number in range(5)]
        await store.append(decision.append)
        other, foreign = await sleeping(store, 2)
        first = await store.open_delays(parent, limit=2)
        assert [delay.id for delay in first] == delays[:2]
        await store.cancel_delay(delays[1], START)
        await store.cancel_delay(delays[2], START)
        assert [delay.id for delay in await store.open_delays(parent, after=delays[1], limit=2)] == delays[3:]
        assert await store.open_delays(parent, after=delays[4]) == []
        assert await store.open_delays(parent, after=foreign) == []
        assert await store.open_delays(other, after=foreign) == []

    async def test_a_held_delay_can_be_cancelled(self, store: Store) -> None:
        _, delay = await sleeping(store)
        await store.hold_delay(delay, paused=True)
        assert await store.cancel_delay(delay, START) is not None

    async def test_an_unknown_delay_is_not_found(self, store: Store) -> None:
        parent = await running_workflow(store)
        with pytest.raises(ExecutionNotFound):
            await store.hold_delay(DelayId(f"Delay_{parent[2:]}.o:9_1"), paused=True)
        with pytest.raises(ExecutionNotFound):
            await store.open_delays(numbered(9))


class TestDeadlines:
    pytestmark = pytest.mark.asyncio

    async def test_what_has_reached_its_deadline_is_listed_earliest_first_until_it_ends(self, store: Store) -> None:
        for number, seconds in ((1, 9), (2, 7), (3, 20)):
            await store.create(expiring(number, after(seconds)))
        assert await store.overdue(after(6), 10) == []
        assert await store.overdue(after(9), 10) == [numbered(2), numbered(1)]
        assert await store.overdue(after(9), 1) == [numbered(2)]
        decision = await decide(store, numbered(2))
        await store.append(decision.life(*decisions.expire(await store.get(numbered(2)))).append)
        assert await store.overdue(after(9), 10) == [numbered(1)]

    async def test_a_deadline_is_due_though_its_execution_is_paused(self, store: Store) -> None:
        await store.create(expiring(1, after(9)))
        await store.append((await decide(store, numbered(1))).life(ev.Paused(reason="a person")).append)
        assert await store.next_due() == after(9)


class TestWaiting:
    pytestmark = pytest.mark.asyncio

    async def test_the_backlog_counts_what_is_due_up_to_a_limit(self, store: Store) -> None:
        for number in range(1, 5):
            await store.create(activity(numbered(number), due=after(number)))
        assert [await store.backlog(after(n), 3) for n in (0, 2, 4)] == [0, 2, 3]

    async def test_the_backlog_of_a_kind_counts_no_other(self, store: Store) -> None:
        for number in range(1, 4):
            await store.create(activity(numbered(number), due=after(number)))
        await store.create(workflow(numbered(4), at=after(2)))
        kinds = ev.ExecutionKind.WORKFLOW, ev.ExecutionKind.ACTIVITY, ev.ExecutionKind.WEBHOOK
        assert [await store.backlog(after(9), 9, kind) for kind in kinds] == [1, 3, 0]
        assert await store.backlog(after(1), 9, ev.ExecutionKind.WORKFLOW) == 0

    async def test_the_last_beat_of_an_executor_is_known(self, store: Store) -> None:
        await store.beat(ONE, START)
        await store.beat(ONE, LATER)
        assert await store.last_beat(ONE) == LATER
        assert await store.last_beat(TWO) is None
