"""Hints that something has changed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from obelisk_runtime.core.ids import ExecutionId


@dataclass(frozen=True, slots=True)
class Changed:
    """A hint that something may have changed; it may be lost, late, or repeated."""

    executions: frozenset[ExecutionId]
    pending: bool
    """Something may have become lockable, or a delay was added."""
    sequence: int = field(default=0, compare=False)
    """Of the commit (`Overview.changes`); of the latest one, if it tells of several."""


class Signals(Protocol):
    def subscribe(self, listener: Callable[[Changed], None]) -> Callable[[], None]:
        """Call `listener` on the event loop after commits; the result unsubscribes. The listener must not raise."""
        ...
