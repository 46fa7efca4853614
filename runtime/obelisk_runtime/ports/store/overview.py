"""The part of a store that answers questions about many executions: how many, which failed, what has changed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from obelisk_runtime.core.events import Outcome, Recorded
from obelisk_runtime.core.ids import Digest, ExecutionId, Instant
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.projection import Projection
from obelisk_runtime.ports.figures import StoreFigures

CHANGES_MAX = 1_000
"""More changes than these are not told one by one."""


@dataclass(frozen=True, slots=True)
class Counts:
    """By the words of `ExecutionFilter.statuses` and `results`; a paused execution counts under its status as well."""

    statuses: Mapping[str, int]
    results: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class VersionCount:
    """Executions of some functions that are pinned to a component."""

    digest: Digest | None
    """None: not pinned; each attempt of an activity takes what is deployed."""
    unfinished: int
    finished: int


@dataclass(frozen=True, slots=True)
class Failure:
    """An execution that ended in an err or a failure."""

    id: ExecutionId
    function: Ffqn
    at: Instant
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Change:
    """An execution as it is now. `sequence`: of the latest commit that changed it."""

    sequence: int
    id: ExecutionId
    projection: Projection


@dataclass(frozen=True, slots=True)
class Added:
    """An event of a log. `sequence`: of the commit that added it."""

    sequence: int
    id: ExecutionId
    event: Recorded


class Overview(Protocol):
    """Reads that may look at very many rows: to be asked now and then, not for every request."""

    @property
    def figures(self) -> StoreFigures: ...

    async def counts(self, *, top_level_only: bool, within: tuple[str, ...] | None = None) -> Counts:
        """`within`: as of an ExecutionFilter."""
        ...

    async def versions(self, functions: Sequence[Ffqn]) -> Sequence[VersionCount]:
        """Executions of these functions, by the digest they are pinned to."""
        ...

    async def failures(self, limit: int) -> Sequence[Failure]:
        """What ended in an err or a failure, newest creation first."""
        ...

    async def oldest_due(self) -> Instant | None:
        """Since when the execution that has waited longest to be locked is due (`Projection.due`); None: none is."""
        ...

    @property
    def sequence(self) -> int:
        """Of the latest commit that `Signals` told of, or of an earlier one. It grows for ever, also over restarts."""
        ...

    async def changes(self, after: int, *, tree: ExecutionId | None = None) -> Sequence[Change] | None:
        """Executions that commits above this sequence changed, in the order of their latest change.

        `tree`: only this one and what is below it, which is quick where the tree is small. Raises: ExecutionNotFound.

        None: it cannot be told, or there are more than CHANGES_MAX; whoever asks must read everything again.
        """
        ...

    async def added(
        self, ids: Collection[ExecutionId], *, after: int, until: int, skip: int = 0, limit: int
    ) -> Sequence[Added]:
        """Events that commits above `after` and up to `until` added to the logs of these executions.

        They are in the order of commits; within one in that of the creation of executions, then of the log. So whoever
        asks again for these and for more executions is told the same ones in the same order, and more between or after
        them only if they belong to the others. `skip`: without so many of the first.
        """
        ...
