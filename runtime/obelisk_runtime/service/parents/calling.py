"""What host functions ask of the run that their guest belongs to."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from obelisk_runtime.core.history import History, Nondeterminism, SetClosed, Taken
from obelisk_runtime.core.ids import ExecutionId, JoinSetId
from obelisk_runtime.ports.engine import Value
from obelisk_runtime.service.components.deployed import DeployedComponent
from obelisk_runtime.service.process.node import Node

Answer = Callable[[Taken | SetClosed], Value]
"""Turns what the workflow waited for into the value of the host call. May raise GuestTrap."""


class Run(Protocol):
    """An execution that has children and runs, as the host functions of its guest know it."""

    @property
    def id(self) -> ExecutionId: ...
    @property
    def node(self) -> Node: ...
    @property
    def history(self) -> History: ...
    @property
    def component(self) -> DeployedComponent: ...

    def told_time(self) -> None:
        """The guest learned its now."""
        ...

    def recorded(self) -> None:
        """A host call was recorded and answered at once."""
        ...

    def wait_for(self, answer: Answer) -> "Value | Awaitable[Value]":
        """The answer to what the latest entry waits for: at once if it is there, else when it has come."""
        ...

    def close(self, join_set: JoinSetId) -> "Awaitable[Value] | None":
        """Close a join set and wait for all of it. None: it is done."""
        ...

    async def durable(self) -> None:
        """Until all that the guest asked for is committed."""
        ...

    async def after_commit(self, value: Value) -> Value:
        """An answer that the guest may know only once it is durable."""
        ...

    def nondeterministic(self, error: Nondeterminism) -> None:
        """The guest asked for something else than is recorded."""
        ...
