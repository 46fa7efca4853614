"""Which waiting workflows stay in memory: bounded by memory and time, the least recently used leave first."""

import asyncio

from obelisk_runtime.core.deployment import MEBIBYTE
from obelisk_runtime.core.events import ExecutionKind
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.core.projection import Projection
from obelisk_runtime.ports.store import PAGE_MAX, ExecutionFilter, StoreUnavailable
from obelisk_runtime.service.process.node import Node, Resident

SWEEP_SECONDS = 1.0
EVICTIONS_PER_SWEEP_MAX = 1_000
ROOMY = 0.75
"""When there is no place for one more workflow, so many of those taken remain taken after a sweep."""


class Residents:
    def __init__(self, node: Node) -> None:
        self._node = node

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            await self.sweep()

    async def sweep(self) -> None:
        """Let go of those that should leave now."""
        if await self._keep_others_out():
            self._node.crowded = True
        for run in self.surplus(asyncio.get_running_loop().time()):
            run.evict()

    async def _keep_others_out(self) -> bool:
        """Whether a workflow is due for which there is no room: some slots are kept, so not all need to be taken."""
        node, kind = self._node, ExecutionKind.WORKFLOW
        if node.scheduler.room(kind) > 0:
            return False
        try:
            return await node.store.backlog(node.clock.now(), 1, kind) > 0
        except StoreUnavailable:
            return False  # the next sweep asks again

    async def catch_up(self) -> None:
        """Notice what other processes did to the workflows in memory. Raises: StoreUnavailable."""
        residents = list(self._node.workflows.items())
        where = ExecutionFilter(holder=self._node.executor, top_level_only=False)
        held: dict[ExecutionId, Projection] = {}
        cursor: str | None = None
        while residents:
            page = await self._node.store.list(where, cursor=cursor, limit=PAGE_MAX)
            held.update({item.id: item.projection for item in page.items})
            cursor = page.next_cursor
            if cursor is None:
                break
        for execution_id, run in residents:
            run.catch_up(held.get(execution_id))

    def surplus(self, now: float) -> list[Resident]:
        """Waiting workflows to let go of now, on the event loop's clock."""
        limits = self._node.limits
        waiting = sorted((run for run in self._node.workflows.values() if run.evictable), key=lambda r: r.idle_since)
        used = sum(run.memory_bytes for run in self._node.workflows.values())
        count = len(self._node.workflows)
        full = count >= limits.workflows_max or self._node.crowded
        enough = min(count, limits.workflows_max) * ROOMY if full else limits.workflows_max
        self._node.crowded = False
        chosen: list[Resident] = []
        for run in waiting[:EVICTIONS_PER_SWEEP_MAX]:
            crowded = used > limits.resident_memory_mib * MEBIBYTE or count > enough
            if not crowded and now - run.idle_since < limits.resident_seconds:
                break
            used -= run.memory_bytes
            count -= 1
            chosen.append(run)
        return chosen
