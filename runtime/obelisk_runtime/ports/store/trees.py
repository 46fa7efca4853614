"""Whole trees of executions: put in at once, found when they are old, held, and deleted little by little.

A tree is a top-level execution with everything below it. The rules on top of `ports.store` hold here as well.
"""

import math
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol

from obelisk_runtime.core.events import Created, Recorded, Response
from obelisk_runtime.core.ids import DelayId, ExecutionId, Instant
from obelisk_runtime.core.projection import Projection
from obelisk_runtime.ports.store.catalog import LogRecord, RequestRecord


@dataclass(frozen=True, slots=True)
class GraftedDelay:
    """A delay as it stands; it has answered if a response of its parent is its."""

    id: DelayId
    wakes: Instant
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Grafted:
    """An execution with all that is known of it."""

    id: ExecutionId
    log: Sequence[Recorded]
    responses: Sequence[Response]
    """They may be of children and delays that are in no store: they keep what they say."""
    projection: Projection
    """`core.history.fold` of the two."""
    delays: Sequence[GraftedDelay] = ()
    logs: Sequence[LogRecord] = ()
    requests: Sequence[RequestRecord] = ()

    @property
    def created(self) -> Created:
        created = self.log[0].event
        assert isinstance(created, Created)
        return created


@dataclass(frozen=True, slots=True)
class OldTrees:
    ids: Sequence[ExecutionId]
    next_cursor: str | None
    """Where to go on; None at the end. A part of the store may have none and still not be the last one."""


class Trees(Protocol):
    def graft(self, tree: Sequence[Grafted]) -> Awaitable[None]:
        """Put in executions with their logs, responses, delays and records; each parent comes before its children.

        All of it or nothing. What answered its parent is known by the parent's responses.
        Raises: IdConflict if the first one, which is a top-level execution, exists; StoreUnavailable.
        """
        ...

    def hold(self, execution_id: ExecutionId, *, held: bool) -> Awaitable[bool]:
        """Keep the tree of a top-level execution from being pruned, or no longer; False: it was so already.

        Raises: ExecutionNotFound.
        """
        ...

    async def is_held(self, execution_id: ExecutionId) -> bool: ...

    async def old_trees(self, before: Instant, *, cursor: str | None = None) -> OldTrees:
        """Some of the trees that finished before this instant and are not held, oldest creation first."""
        ...

    def prune(self, trees: Sequence[ExecutionId], before: Instant) -> Awaitable[Sequence[ExecutionId]]:
        """Delete those of these trees that finished before this instant and are not held; which ones it was.

        They are gone at once and as a whole, and their ids are free. The room they take is freed by `sweep`.
        """
        ...

    def sweep(self, limit: int, seconds: float = math.inf) -> Awaitable[int]:
        """Free the room of about so many rows of what was pruned, and of fewer if that takes longer than `seconds`.

        How many it was; 0 when nothing is left.
        """
        ...
