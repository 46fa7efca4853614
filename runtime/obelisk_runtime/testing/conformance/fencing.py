"""A writer that is late changes nothing."""

import asyncio
from dataclasses import replace

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.ports.store import ResponsesMoved, Store, VersionConflict
from obelisk_runtime.testing.clock import START
from obelisk_runtime.testing.conformance.checks import dump
from obelisk_runtime.testing.conformance.scenes import (
    ACTIVITIES,
    LATER,
    ONE,
    TWO,
    WORKFLOWS,
    Decision,
    activity,
    decide,
    finish,
    locked,
    numbered,
    running_workflow,
    waiting_workflow,
)


def everything(decision: Decision) -> Decision:
    """A decision that creates a child and a delay beside its events."""
    join_set = decision.join_set()
    decision.submit(join_set)
    decision.submit_delay(join_set, START)
    return decision


class TestFencing:
    pytestmark = pytest.mark.asyncio

    async def test_a_stale_version_writes_nothing_at_all(self, store: Store) -> None:
        parent = await running_workflow(store)
        late = everything(await decide(store, parent))
        await store.append((await decide(store, parent)).life(ev.Paused(reason="a person")).append)
        before = await dump(store)
        with pytest.raises(VersionConflict) as caught:
            await store.append(late.append)
        assert (caught.value.execution_id, caught.value.expected, caught.value.found) == (parent, 2, 3)
        assert await dump(store) == before
        assert list(await store.fire_delays(LATER, 10)) == []

    async def test_a_version_from_the_future_writes_nothing_at_all(self, store: Store) -> None:
        parent = await running_workflow(store)
        decision = everything(await decide(store, parent))
        before = await dump(store)
        with pytest.raises(VersionConflict):
            await store.append(replace(decision.append, expected_version=3))
        assert await dump(store) == before

    async def test_unseen_responses_write_nothing_at_all(self, store: Store) -> None:
        parent, child = await waiting_workflow(store)
        late = (await decide(store, parent)).life(ev.Unlocked(reason="evicted", parked=True))
        await finish(store, child)
        before = await dump(store)
        with pytest.raises(ResponsesMoved) as caught:
            await store.append(late.append)
        assert (caught.value.execution_id, caught.value.expected, caught.value.found) == (parent, 0, 1)
        assert await dump(store) == before

    async def test_a_zombie_cannot_finish_or_respond(self, store: Store) -> None:
        parent, child = await waiting_workflow(store)
        await store.lock_pending(START, ONE, [ACTIVITIES])
        zombie = (await decide(store, child)).finish()
        await store.retire(ONE, LATER)
        before = await dump(store)
        with pytest.raises(VersionConflict):
            await store.append(zombie.append)
        assert await dump(store) == before
        assert list(await store.responses(parent)) == []

    async def test_a_zombie_cannot_go_on_when_another_runs_it(self, store: Store) -> None:
        parent = await running_workflow(store)
        zombie = everything(await decide(store, parent))
        await store.take_over(LATER, silent_since=LATER, living=TWO)
        assert [claim.id for claim in await store.lock_pending(LATER, TWO, [WORKFLOWS])] == [parent]
        before = await dump(store)
        with pytest.raises(VersionConflict):
            await store.append(zombie.append)
        assert await dump(store) == before

    async def test_a_beat_that_comes_too_late_gives_nothing_back(self, store: Store) -> None:
        await store.create(locked(activity(numbered(1)), ONE))
        await store.take_over(LATER, silent_since=LATER, living=TWO)
        await store.beat(ONE, LATER)
        assert (await store.get(numbered(1))).holder is None
        assert [claim.id for claim in await store.lock_pending(LATER, TWO, [ACTIVITIES])] == [numbered(1)]

    async def test_the_same_append_twice_is_written_once(self, store: Store) -> None:
        parent = await running_workflow(store)
        append = everything(await decide(store, parent)).append
        first, second = await asyncio.gather(store.append(append), store.append(append), return_exceptions=True)
        assert first is None
        assert isinstance(second, VersionConflict)
        assert len(await store.log(parent)) == 2 + len(append.events)

    async def test_a_lock_and_a_pause_of_the_same_moment_exclude_each_other(self, store: Store) -> None:
        await store.create(activity(numbered(1)))
        pause = (await decide(store, numbered(1))).life(ev.Paused(reason="a person")).append
        claims, paused = await asyncio.gather(
            store.lock_pending(START, ONE, [ACTIVITIES]), store.append(pause), return_exceptions=True
        )
        assert not isinstance(claims, BaseException)
        assert len(claims) == 1
        assert isinstance(paused, VersionConflict)
        assert (await store.get(numbered(1))).status == proj.Locked(ONE)
