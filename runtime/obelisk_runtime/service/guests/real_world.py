"""What host functions know of a guest call that is not replayed, such as an activity: its world is the real one."""

import asyncio
from collections.abc import Awaitable, Collection, Sequence
from functools import cached_property

from obelisk_runtime.core.deployment import ComponentSettings, DirectoryGrant
from obelisk_runtime.core.ids import ExecutionId, Instant
from obelisk_runtime.core.requests import RequestMade
from obelisk_runtime.ports.guest import GuestResources
from obelisk_runtime.ports.network import NetworkGrants
from obelisk_runtime.ports.store import LogLevel
from obelisk_runtime.service.guests.log import GuestLog, LogPlace, Records
from obelisk_runtime.service.guests.network import GuestNetwork
from obelisk_runtime.service.process.node import Node


class RealWorld:
    """`run` tells the calls of one execution apart, from 1; what the guest writes and requests goes to `records`."""

    def __init__(
        self, node: Node, settings: ComponentSettings, execution_id: ExecutionId, run: int, records: Records
    ) -> None:
        self.node = node
        self.execution_id = execution_id
        self._settings = settings
        self._run = run
        self._network = GuestNetwork(records, node.ids, settings, execution_id, run)
        self._log = GuestLog(records, execution_id, node.limits)

    @cached_property
    def wasi(self) -> GuestResources:
        return self.node.deployment.library.state(self)

    def log(self, level: LogLevel, message: str) -> None:
        self._log.message(self._here(), level, message)

    def end_log(self) -> None:
        """The guest writes no more."""
        self._log.end(self._here())

    def release(self) -> Collection[Awaitable[None]]:
        """The guest has ended. What is returned must be done before its outcome counts."""
        return self.wasi.close() if "wasi" in self.__dict__ else ()

    # GuestWorld

    def wall_clock(self) -> Instant:
        return self.node.clock.now()

    def monotonic(self) -> int:
        return self.node.clock.monotonic()

    def random_bytes(self, count: int) -> bytes:
        return self.node.ids.random_bytes(count)

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
        self.node.measures.requested(made)
        self._network.requested(made)

    def write(self, source: str, data: bytes) -> None:
        self._log.output(self._here(), source, data)

    def _here(self) -> LogPlace:
        return LogPlace(self._run, self.node.clock.now())
