"""What host functions know of an activity's call. Its world is the real one."""

from collections.abc import Awaitable, Collection, Sequence
from functools import cached_property

from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.ports.guest import GuestResources
from obelisk_runtime.ports.store import LogLevel
from obelisk_runtime.service.components.deployment import Target
from obelisk_runtime.service.guests.network import GuestNetwork
from obelisk_runtime.service.guests.real_world import RealWorld
from obelisk_runtime.service.process.logs import GuestLog, LogPlace
from obelisk_runtime.service.process.node import Node

ATTEMPT_VARIABLE = "OBELISK_ATTEMPT"
"""Tells an activity which attempt it is, from 1."""


class ActivityContext(RealWorld):
    def __init__(self, node: Node, target: Target, execution_id: ExecutionId, attempt: int) -> None:
        settings = target.component.settings
        super().__init__(node, settings, GuestNetwork(node.logs, node.ids, settings, execution_id, attempt))
        self.execution_id = execution_id
        self._attempt = attempt
        self._log = GuestLog(node.logs, execution_id, node.limits)

    @cached_property
    def wasi(self) -> GuestResources:
        return self._node.deployment.library.state(self)

    def log(self, level: LogLevel, message: str) -> None:
        self._log.message(self._here(), level, message)

    def end(self) -> Collection[Awaitable[None]]:
        """What is returned must be done before the attempt has ended."""
        self._log.end(self._here())
        unfinished = list(self.wasi.close()) if "wasi" in self.__dict__ else []
        drained = self._node.logs.drained(self.execution_id)
        return unfinished if drained is None else [*unfinished, drained]

    def environment(self) -> Sequence[tuple[str, str]]:
        return (*super().environment(), (ATTEMPT_VARIABLE, str(self._attempt)))

    def write(self, source: str, data: bytes) -> None:
        self._log.output(self._here(), source, data)

    def _here(self) -> LogPlace:
        return LogPlace(self._attempt, self._node.clock.now())
