"""Deleting old trees of executions, a little at a time: what runs must not notice."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from obelisk_runtime.core.ids import ExecutionId, Instant
from obelisk_runtime.ports.store import StoreUnavailable
from obelisk_runtime.service.process.node import Node, logger

LOOKED_SECONDS = 60.0
"""How often old trees are looked for."""
TREES_PER_WRITE_MAX = 20
ROWS_PER_WRITE_MAX = 200
WRITE_SECONDS = 0.002
"""Rows that are freed in one transaction, and how long that may take: others wait for it."""
REST_SECONDS = 0.02
"""Between two transactions, so that others have theirs."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What one look deleted, and where the next one goes on; None at the end."""

    trees: int
    next_cursor: str | None


class Retention:
    """Keeps to `limits.retention`, and frees the room of whatever was pruned."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._woken = asyncio.Event()

    async def prune(self, before: Instant, cursor: str | None = None) -> Pruned:
        """Delete the trees that finished before this instant and are not held, from a part of the store.

        Raises: InvalidName for a cursor not given here, StoreUnavailable.
        """
        found = await self._node.store.old_trees(before, cursor=cursor)
        return Pruned(len(await self.delete(found.ids, before)), found.next_cursor)

    async def delete(self, ids: Sequence[ExecutionId], before: Instant) -> Sequence[ExecutionId]:
        """Delete those of these trees that finished before this instant and are not held. Raises: StoreUnavailable."""
        deleted: list[ExecutionId] = []
        for start in range(0, len(ids), TREES_PER_WRITE_MAX):
            deleted += await self._prune(ids[start : start + TREES_PER_WRITE_MAX], before)
        self._woken.set()
        return deleted

    async def _prune(self, ids: Sequence[ExecutionId], before: Instant) -> Sequence[ExecutionId]:
        pruned = await self._node.store.prune(ids, before)
        await asyncio.sleep(REST_SECONDS)
        return pruned

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._woken.clear()
            try:
                await self._prune_old()
                await self._sweep()
            except StoreUnavailable:
                logger.warning("the store is unavailable; old executions are deleted later")
            try:
                async with asyncio.timeout(LOOKED_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                pass

    async def _sweep(self) -> None:
        while await self._node.store.sweep(ROWS_PER_WRITE_MAX, WRITE_SECONDS):  # noqa: ASYNC110 - a rest, not a wait
            await asyncio.sleep(REST_SECONDS)

    async def _prune_old(self) -> None:
        keep = self._node.limits.retention
        if keep is None:
            return
        before = Instant(max(0, self._node.clock.now() - keep))
        trees, cursor = 0, None
        while True:
            pruned = await self.prune(before, cursor)
            trees, cursor = trees + pruned.trees, pruned.next_cursor
            if cursor is None:
                break
        self._woken.clear()
        if trees:
            logger.info("old executions were deleted", extra={"trees": trees})
