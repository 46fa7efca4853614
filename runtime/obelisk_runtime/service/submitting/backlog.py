"""Backpressure: submits are refused while more waits in the store than the server takes on."""

import asyncio

from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.ports.store import StoreUnavailable
from obelisk_runtime.service.process.node import Node

COUNT_SECONDS = 0.5


class Overloaded(ObeliskError):
    """More is asked than the server takes on now; try again later."""


class Backlog:
    """An estimate of what is due and has no slot: counted now and then, and what is submitted since."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._waiting = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(COUNT_SECONDS)
            if self._waiting:
                await self._count()

    async def _count(self) -> None:
        node = self._node
        try:
            self._waiting = await node.store.backlog(node.clock.now(), node.limits.backlog_max)
        except StoreUnavailable:
            return  # whoever submits finds out as well

    def added(self) -> None:
        """One more was left in the store."""
        self._waiting += 1

    def admit(self) -> None:
        """Raises: Overloaded."""
        if self._waiting >= self._node.limits.backlog_max:
            raise Overloaded(
                f"{self._node.limits.backlog_max} executions wait for a slot ([limits] backlog_max); try again later"
            )
