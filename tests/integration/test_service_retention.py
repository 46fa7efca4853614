"""Old trees are deleted in the background, as wholes, while others run; what is held stays."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.deployment import RuntimeLimits
from obelisk_runtime.core.history import fold
from obelisk_runtime.core.ids import ExecutionId, Instant, parent_of, top_level_id
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.ports.store import ExecutionFilter, ExecutionNotFound, Grafted
from obelisk_runtime.service.trees.retention import ROWS_PER_WRITE_MAX, TREES_PER_WRITE_MAX
from obelisk_runtime.storage.sqlite import SqliteStore

FIBOA = "testing:fibo-workflow/workflow.fiboa"
FIBO = Ffqn.parse("testing:fibo/fibo.fibo")
OLD = Instant(1_600_000_000_000_000)
TREES = 3_000
DAY = 86_400_000_000


def old_execution(number: int) -> Grafted:
    created = ev.Created(ev.ExecutionKind.ACTIVITY, FIBO, "[1]", tags={"batch": str(number % 7)})
    log = [ev.Recorded(0, OLD, created), ev.Recorded(1, OLD, ev.Finished(ev.Ok("1")))]
    id_ = top_level_id(OLD // 1_000, number)
    return Grafted(id_, log, (), fold(id_, log, ()))


@pytest.fixture
def fibo(workflow: Any, activity: Any) -> tuple[Any, ...]:
    return activity("fibo_tiny"), workflow("fibo_workflow_tiny")


async def count(site: Any) -> int:
    found, cursor = 0, None
    while True:
        page = await site.store.list(ExecutionFilter(), cursor=cursor, limit=1_000)
        found, cursor = found + len(page.items), page.next_cursor
        if cursor is None:
            return found


async def test_old_executions_are_deleted_in_the_background_while_others_run_and_held_ones_stay(
    site: Any, fibo: Any, run: Any, eventually: Any
) -> None:
    for number in range(TREES):
        await site.store.graft([old_execution(number)])
    held = old_execution(5).id
    await site.store.hold(held, held=True)
    store = Watched(site.store)
    service = await site.start(*fibo, limits=RuntimeLimits(retention=DAY), store=store)
    ran: list[ExecutionId] = []

    async def work() -> None:
        while True:
            id_, outcome = await run(service, FIBOA, [10, 3])
            assert outcome == ev.Ok("89")
            ran.append(id_)

    working = asyncio.ensure_future(work())
    await eventually(lambda: _gone(site, TREES - 1))
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await eventually(lambda: _swept(site))
    assert ran
    assert sum(store.trees) == TREES - 1
    assert max(store.trees) <= TREES_PER_WRITE_MAX
    assert max(store.rows, default=0) <= ROWS_PER_WRITE_MAX
    assert (await site.store.get(held)).version == 2
    for id_ in ran:
        await site.store.get(id_)
    assert [item.id for item in (await site.store.list(ExecutionFilter(tags={"batch": "5"}))).items] == [held]


class Watched:
    """A store that notes how much is deleted at once."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.trees: list[int] = []
        self.rows: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def prune(self, trees: Any, before: Instant) -> Any:
        pruned = await self._store.prune(trees, before)
        self.trees.append(len(pruned))
        return pruned

    async def sweep(self, limit: int, seconds: float) -> int:
        swept = await self._store.sweep(limit, seconds)
        self.rows.append(swept)
        return swept


async def test_a_sweep_ends_early_when_its_time_is_up_and_the_next_one_goes_on(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "obelisk.sqlite")
    trees = [old_execution(number) for number in range(100)]
    for tree in trees:
        await store.graft([tree])
    await store.prune([tree.id for tree in trees], Instant(OLD + DAY))
    swept = [await store.sweep(ROWS_PER_WRITE_MAX, 0)]
    while swept[-1]:
        swept.append(await store.sweep(ROWS_PER_WRITE_MAX, 0))
    assert sum(swept) == 200
    assert max(swept) < ROWS_PER_WRITE_MAX
    await store.close()


async def _gone(site: Any, number: int) -> bool:
    try:
        await site.store.get(old_execution(number).id)
    except ExecutionNotFound:
        return True
    return False


async def _swept(site: Any) -> bool:
    return await site.store.sweep(1) == 0


async def test_without_a_retention_nothing_is_deleted(site: Any, fibo: Any, run: Any) -> None:
    await site.store.graft([old_execution(1)])
    service = await site.start(*fibo)
    await run(service, FIBOA, [10, 3])
    assert await count(site) == 2


async def test_a_prune_deletes_the_trees_that_finished_before_and_their_children(
    site: Any, fibo: Any, run: Any
) -> None:
    service = await site.start(*fibo)
    await site.store.graft([old_execution(1)])
    id_, _ = await run(service, FIBOA, [10, 3])
    assert (await service.trees.prune(10**30)).trees == 0
    assert (await service.trees.prune(DAY)).trees == 1
    children = (await site.store.list(ExecutionFilter(parent=id_))).items
    assert (await service.trees.prune(0)).trees == 1
    for child in children:
        with pytest.raises(ExecutionNotFound):
            await site.store.get(child.id)


async def test_a_child_is_held_with_its_tree(site: Any, fibo: Any, run: Any) -> None:
    service = await site.start(*fibo)
    id_, _ = await run(service, FIBOA, [10, 3])
    child = ExecutionId(f"{id_}.o:1_1")
    assert await service.trees.hold(child, held=True)
    assert await service.trees.is_held(id_)
    assert (await service.trees.prune(0)).trees == 0
    assert parent_of((await site.store.list(ExecutionFilter(parent=id_))).items[0].id) == id_
    assert await service.trees.hold(id_, held=False)
    assert (await service.trees.prune(0)).trees == 1


@pytest.mark.parametrize("made", [False, True], ids=["last write lost", "last write made"])
@pytest.mark.parametrize("write", ["prune", "sweep"])
async def test_a_killed_process_leaves_no_half_of_a_tree(
    site: Any, fibo: Any, run: Any, dying_at: Any, eventually: Any, write: str, made: bool
) -> None:
    service = await site.start(*fibo)
    tops = [(await run(service, FIBOA, [10, 3]))[0] for _ in range(3)]
    await site.die_and_reopen(service)
    store = dying_at(site.store, write, made=made)
    dying = await site.start(*fibo, store=store, limits=RuntimeLimits(retention=0))
    async with asyncio.timeout(120):
        await store.died.wait()
    await site.die_and_reopen(dying)
    assert await check_whole(site, tops) == (3 if write == "prune" and not made else 0)
    await site.start(*fibo, limits=RuntimeLimits(retention=0))
    await eventually(lambda: _all_gone(site))
    await eventually(lambda: _swept(site))


async def check_whole(site: Any, tops: list[str]) -> int:
    """A tree is there with its log, responses and children, or not at all; how many are."""
    found = 0
    for top in tops:
        try:
            projection = await site.store.get(ExecutionId(top))
        except ExecutionNotFound:
            with pytest.raises(ExecutionNotFound):
                await site.store.get(ExecutionId(f"{top}.o:1_1"))
            continue
        found += 1
        log = await site.store.log(ExecutionId(top))
        responses = await site.store.responses(ExecutionId(top))
        assert projection == fold(ExecutionId(top), log, responses)
        for response in responses:
            await site.store.get(ExecutionId(response.id))
    return found


async def _all_gone(site: Any) -> bool:
    return not (await site.store.list(ExecutionFilter(top_level_only=False))).items
