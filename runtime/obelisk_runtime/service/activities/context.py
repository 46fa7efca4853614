"""What host functions know of an activity's call."""

from collections.abc import Awaitable, Collection, Sequence

from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.service.components.deployed import Target
from obelisk_runtime.service.guests.real_world import RealWorld
from obelisk_runtime.service.process.node import Node

ATTEMPT_VARIABLE = "OBELISK_ATTEMPT"
"""Tells an activity which attempt it is, from 1."""


class ActivityContext(RealWorld):
    def __init__(self, node: Node, target: Target, execution_id: ExecutionId, attempt: int) -> None:
        super().__init__(node, target.component.settings, execution_id, attempt, node.logs)

    def end(self) -> Collection[Awaitable[None]]:
        """What is returned must be done before the attempt has ended."""
        self.end_log()
        unfinished = self.release()
        drained = self.node.logs.drained(self.execution_id)
        return unfinished if drained is None else [*unfinished, drained]

    def environment(self) -> Sequence[tuple[str, str]]:
        return (*super().environment(), (ATTEMPT_VARIABLE, str(self._run)))
