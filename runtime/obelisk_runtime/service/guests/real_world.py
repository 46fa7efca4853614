"""What guests see of the world that is no replay: that of activities and webhooks."""

import asyncio
from collections.abc import Sequence

from obelisk_runtime.core.deployment import ComponentSettings, DirectoryGrant
from obelisk_runtime.core.ids import Instant
from obelisk_runtime.core.requests import RequestMade
from obelisk_runtime.ports.network import NetworkGrants
from obelisk_runtime.service.guests.network import GuestNetwork
from obelisk_runtime.service.process.node import Node


class RealWorld:
    def __init__(self, node: Node, settings: ComponentSettings, network: GuestNetwork) -> None:
        self._node = node
        self._settings = settings
        self._network = network

    def wall_clock(self) -> Instant:
        return self._node.clock.now()

    def monotonic(self) -> int:
        return self._node.clock.monotonic()

    def random_bytes(self, count: int) -> bytes:
        return self._node.ids.random_bytes(count)

    async def wait(self, nanoseconds: int) -> None:
        await asyncio.sleep(nanoseconds / 1e9)

    def environment(self) -> Sequence[tuple[str, str]]:
        return (*self._settings.env.items(), *self._network.placeholders())

    def directories(self) -> Sequence[DirectoryGrant]:
        return self._settings.directories

    @property
    def network(self) -> NetworkGrants:
        return self._network.grants

    def requested(self, made: RequestMade) -> None:
        self._node.measures.requested(made)
        self._network.requested(made)
