"""A response against a workflow that is about to wait: with no hint at all, none is ever slept through."""

import asyncio
from itertools import permutations

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.ports.store import ResponsesMoved, Store
from obelisk_runtime.testing.clock import START
from obelisk_runtime.testing.conformance.scenes import (
    ACTIVITIES,
    LATER,
    ONE,
    TWO,
    WORKFLOWS,
    Decision,
    decide,
    finish,
    running_workflow,
    waiting_workflow,
)

REST = ev.Unlocked(reason="evicted", parked=True)


async def with_children(store: Store, count: int) -> tuple[ExecutionId, list[ExecutionId], Decision]:
    """A running workflow with a join set of children, and its undecided next step."""
    parent = await running_workflow(store)
    decision = await decide(store, parent)
    join_set = decision.join_set()
    children = [decision.submit(join_set) for _ in range(count)]
    await store.append(decision.append)
    return parent, children, await decide(store, parent)


class TestResponseAgainstBlock:
    pytestmark = pytest.mark.asyncio

    async def test_a_response_after_the_block_wakes_a_resident_workflow(self, store: Store) -> None:
        parent, child = await waiting_workflow(store)
        assert isinstance((await store.get(parent)).status, proj.Blocked)
        await finish(store, child)
        assert (await store.get(parent)).status == proj.Locked(ONE)

    async def test_a_response_after_the_block_makes_a_resting_workflow_due(self, store: Store) -> None:
        parent, child = await waiting_workflow(store)
        await store.append((await decide(store, parent)).life(REST).append)
        assert (await store.get(parent)).due is None
        await finish(store, child, now=LATER)
        assert [claim.id for claim in await store.lock_pending(START, TWO, [WORKFLOWS])] == [parent]

    async def test_a_block_after_the_response_is_refused(self, store: Store) -> None:
        parent, (child,), block = await with_children(store, 1)
        (join_set,) = block.history.sets
        block.await_next(join_set).life(REST)
        await finish(store, child)
        with pytest.raises(ResponsesMoved):
            await store.append(block.append)
        assert (await store.get(parent)).status == proj.Locked(ONE)
        again = (await decide(store, parent)).await_next(join_set)
        await store.append(again.append)
        assert (await store.get(parent)).status == proj.Locked(ONE)

    @pytest.mark.parametrize("block_first", [True, False])
    @pytest.mark.parametrize("resting", [True, False])
    async def test_both_at_once_never_leave_it_asleep(self, store: Store, *, block_first: bool, resting: bool) -> None:
        parent, (child,), block = await with_children(store, 1)
        (join_set,) = block.history.sets
        block.await_next(join_set).life(*([REST] if resting else []))
        answer = (await decide(store, child)).finish()
        order = [block.append, answer.append] if block_first else [answer.append, block.append]
        results = await asyncio.gather(*(store.append(append) for append in order), return_exceptions=True)
        refused = [result for result in results if isinstance(result, ResponsesMoved)]
        assert len(refused) == (0 if block_first else 1)
        status = (await store.get(parent)).status
        assert not isinstance(status, proj.Blocked)
        assert isinstance(status, proj.Pending) == (block_first and resting)

    async def test_a_response_of_another_join_set_wakes_nobody(self, store: Store) -> None:
        parent, (child,), decision = await with_children(store, 1)
        other = decision.join_set()
        decision.submit(other)
        decision.await_next(other)
        await store.append(decision.append)
        before = (await store.get(parent)).status
        await finish(store, child)
        after = await store.get(parent)
        assert after.status == before
        assert after.responses == 1

    async def test_a_closing_workflow_waits_for_every_response(self, store: Store) -> None:
        parent, children, decision = await with_children(store, 3)
        (join_set,) = decision.history.sets
        await store.append(decision.close(join_set).life(REST).append)
        for child in children:
            status = (await store.get(parent)).status
            assert isinstance(status, proj.Blocked)
            await finish(store, child)
        assert [claim.id for claim in await store.lock_pending(START, TWO, [WORKFLOWS])] == [parent]

    async def test_a_decided_workflow_waits_for_the_responses_of_all_join_sets(self, store: Store) -> None:
        parent, children, decision = await with_children(store, 2)
        delay = decision.submit_delay(decision.join_set(), LATER)
        await store.append(decision.life(ev.OutcomeDecided(outcome=ev.Ok())).append)
        assert (await store.get(parent)).status == proj.Blocked(None, 3, ONE)
        for child in children:
            await finish(store, child)
        assert (await store.get(parent)).status == proj.Blocked(None, 1, ONE)
        await store.cancel_delay(delay, START)
        assert (await store.get(parent)).status == proj.Locked(ONE)
        await store.append((await decide(store, parent)).finish().append)

    async def test_an_orphan_stays_one_while_its_responses_come(self, store: Store) -> None:
        parent, children, decision = await with_children(store, 3)
        (join_set,) = decision.history.sets
        await store.append(decision.close(join_set).append)
        await store.retire(ONE, LATER)
        await finish(store, children[0])
        assert [claim.id for claim in await store.lock_pending(START, TWO, [WORKFLOWS])] == [parent]
        await finish(store, children[1])
        await finish(store, children[2])
        assert (await store.get(parent)).status == proj.Locked(TWO)


class TestResponseOrder:
    pytestmark = pytest.mark.asyncio

    @pytest.mark.parametrize("order", list(permutations(range(3))))
    async def test_responses_keep_the_order_they_were_committed_in(self, store: Store, order: tuple[int, ...]) -> None:
        parent, children, _ = await with_children(store, 3)
        answers = [(await decide(store, children[n])).finish().append for n in order]
        await asyncio.gather(*(store.append(answer) for answer in answers))
        responses = await store.responses(parent)
        assert [response.id for response in responses] == [children[n] for n in order]
        assert [response.position for response in responses] == [1, 2, 3]

    async def test_positions_are_gapless_when_many_answer_at_once(self, raw_store: Store) -> None:
        parent, children, _ = await with_children(raw_store, 100)
        await raw_store.lock_pending(START, TWO, [ACTIVITIES])
        delivered = await asyncio.gather(*(finish(raw_store, child) for child in children))
        responses = list(await raw_store.responses(parent))
        assert [response.position for response in responses] == list(range(1, 101))
        assert sorted(delivered, key=lambda response: response.position if response else 0) == responses
        assert list(await raw_store.responses(parent)) == responses

    async def test_a_refused_answer_takes_no_position(self, store: Store) -> None:
        parent, children, _ = await with_children(store, 2)
        answer = (await decide(store, children[0])).finish().append
        await asyncio.gather(store.append(answer), store.append(answer), return_exceptions=True)
        await finish(store, children[1])
        assert [response.position for response in await store.responses(parent)] == [1, 2]

    async def test_parents_count_their_own_positions(self, store: Store) -> None:
        first, first_child = await waiting_workflow(store, 1)
        second, second_child = await waiting_workflow(store, 2)
        await finish(store, first_child)
        await finish(store, second_child)
        for parent in (first, second):
            assert [response.position for response in await store.responses(parent)] == [1]
