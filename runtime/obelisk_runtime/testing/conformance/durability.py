"""What was acknowledged is there when the store is opened again."""

import pytest

from obelisk_runtime.ports.store import ExecutionFilter, IdConflict
from obelisk_runtime.testing.clock import START
from obelisk_runtime.testing.conformance.catalog import read, record
from obelisk_runtime.testing.conformance.checks import dump
from obelisk_runtime.testing.conformance.fixtures import Reopen
from obelisk_runtime.testing.conformance.scenes import (
    ACTIVITIES,
    DIGEST,
    LATER,
    ONE,
    TWO,
    activity,
    decide,
    finish,
    locked,
    numbered,
    running_workflow,
    waiting_workflow,
)


class TestReopening:
    pytestmark = pytest.mark.asyncio

    async def test_every_execution_is_kept(self, reopen: Reopen) -> None:
        store = await reopen()
        _, child = await waiting_workflow(store, 1)
        await store.create(activity(numbered(2), due=LATER, tags={"team": "blue"}))
        await finish(store, child)
        await waiting_workflow(store, 3)
        before = await dump(store)
        assert await dump(await reopen()) == before

    async def test_the_catalog_is_kept(self, reopen: Reopen) -> None:
        store = await reopen()
        await store.create(activity(numbered(1)))
        await store.put_component(DIGEST, b"bytes")
        await store.write_logs([record(numbered(1), 1, 0)])
        store = await reopen()
        assert await store.get_component(DIGEST) == b"bytes"
        await store.write_logs([record(numbered(1), 1, 0), record(numbered(1), 1, 1)])
        assert await read(store, numbered(1)) == [record(numbered(1), 1, 0), record(numbered(1), 1, 1)]

    async def test_delays_fire_at_their_time_and_once(self, reopen: Reopen) -> None:
        store = await reopen()
        parent = await running_workflow(store)
        decision = await decide(store, parent)
        join_set = decision.join_set()
        first, second = decision.submit_delay(join_set, START), decision.submit_delay(join_set, LATER)
        await store.append(decision.append)
        await store.fire_delays(START, 10)
        store = await reopen()
        assert await store.next_due() == LATER
        assert [fired.id for fired in await store.fire_delays(LATER, 10)] == [second]
        store = await reopen()
        assert list(await store.fire_delays(LATER, 10)) == []
        assert await store.cancel_delay(first, LATER) is None
        assert [response.id for response in await store.responses(parent)] == [first, second]

    async def test_locks_and_beats_are_kept(self, reopen: Reopen) -> None:
        store = await reopen()
        await store.create(locked(activity(numbered(1)), ONE))
        await store.beat(ONE, LATER)
        store = await reopen()
        assert list(await store.lock_pending(LATER, TWO, [ACTIVITIES])) == []
        assert list(await store.take_over(LATER, silent_since=LATER, living=TWO)) == []
        assert list(await store.retire(ONE, LATER)) == [numbered(1)]

    async def test_ids_are_still_taken(self, reopen: Reopen) -> None:
        store = await reopen()
        parent, child = await waiting_workflow(store)
        await finish(store, child)
        store = await reopen()
        with pytest.raises(IdConflict):
            await store.create(activity(numbered(1)))
        again = await decide(store, parent)
        again.submit(again.join_set())
        again.children.append(activity(child))
        with pytest.raises(IdConflict):
            await store.append(again.append)

    async def test_a_cursor_goes_on_where_it_was(self, reopen: Reopen) -> None:
        store = await reopen()
        for number in range(4):
            await store.create(activity(numbered(number)))
        cursor = (await store.list(ExecutionFilter(), limit=2)).next_cursor
        store = await reopen()
        await store.create(activity(numbered(9)))
        page = await store.list(ExecutionFilter(), cursor=cursor, limit=2)
        assert [summary.id for summary in page.items] == [numbered(1), numbered(0)]

    async def test_a_write_that_was_acknowledged_only_at_closing_is_kept(self, reopen: Reopen) -> None:
        store = await reopen()
        creating = store.create(activity(numbered(1)))
        store = await reopen()
        await creating
        assert (await store.get(numbered(1))).version == 1
