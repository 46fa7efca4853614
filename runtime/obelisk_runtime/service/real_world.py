"""What guests see of the world that is no replay: that of activities and webhooks."""

import asyncio

from obelisk_runtime.core.ids import Instant
from obelisk_runtime.service.node import Node


class RealWorld:
    def __init__(self, node: Node) -> None:
        self._node = node

    def wall_clock(self) -> Instant:
        return self._node.clock.now()

    def monotonic(self) -> int:
        return self._node.clock.monotonic()

    def random_bytes(self, count: int) -> bytes:
        return self._node.ids.random_bytes(count)

    async def wait(self, nanoseconds: int) -> None:
        await asyncio.sleep(nanoseconds / 1e9)
