"""Executions, their logs and their responses."""

from collections.abc import Awaitable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from obelisk_runtime.core.events import Created, Recorded, Response
from obelisk_runtime.core.ids import DelayId, Digest, ExecutionId, ExecutorId, Instant
from obelisk_runtime.core.projection import Projection

PAGE_MAX = 1_000
"""Rows a page of any list may have."""


@dataclass(frozen=True, slots=True)
class NewExecution:
    """An execution to be created: its first events (created, and locked if it starts at once)."""

    id: ExecutionId
    events: Sequence[Recorded]
    projection: Projection

    @property
    def created(self) -> Created:
        created = self.events[0].event
        assert isinstance(created, Created)
        return created


@dataclass(frozen=True, slots=True)
class NewDelay:
    id: DelayId
    wakes: Instant


@dataclass(frozen=True, slots=True)
class Append:
    """One decision about one execution, written as one transaction."""

    id: ExecutionId
    expected_version: int
    """How many events the log had when the decision was made."""
    events: Sequence[Recorded]
    projection: Projection
    """After these events, with the responses the decision saw."""
    expected_responses: int | None = None
    """How many responses the decision saw; None only for an activity, which has none."""
    children: Sequence[NewExecution] = ()
    delays: Sequence[NewDelay] = ()
    scheduled: Sequence[NewExecution] = ()
    """Top-level executions. One that exists already with the same content is left as it is."""
    response: Response | None = None
    """To the parent, when this execution finishes: `id` is this execution's. Its position is assigned by the store (any
    value here)."""


class CreateOutcome(StrEnum):
    CREATED = "created"
    EXISTED = "existed"


@dataclass(frozen=True, slots=True)
class Summary:
    """A row of a list of executions."""

    id: ExecutionId
    projection: Projection


@dataclass(frozen=True, slots=True)
class Page:
    items: Sequence[Summary]
    next_cursor: str | None
    """Continues after the last item; None at the end."""


@dataclass(frozen=True, slots=True)
class ExecutionFilter:
    """Every given condition must hold."""

    function_prefix: str | None = None
    statuses: frozenset[str] = frozenset()
    """One of these: `pending`, `locked`, `blocked`, `finished`, whatever the lifecycle; `paused`, `cancelling` for what
    is not finished, whatever the status. Empty: any."""
    results: frozenset[str] = frozenset()
    """Finished with one of these: `ok`, `err` or labels of failure kinds; empty: any."""
    id_prefix: str | None = None
    """Prefixes are plain text: no character in them means another."""
    parent: ExecutionId | None = None
    """Its direct children, also if `top_level_only`."""
    top_level_only: bool = True
    tags: Mapping[str, str] | None = None
    """All of them, with these values."""
    holder: ExecutorId | None = None
    """Held by this executor."""
    digest: Digest | None = None
    """Workflows that are pinned to this component."""
    created_since: Instant | None = None
    created_before: Instant | None = None
    finished_since: Instant | None = None
    finished_before: Instant | None = None
    text: str | None = None
    """In the canonical JSON of the parameters or of the result, or in the reason of a failure (`core.search`)."""
    within: tuple[str, ...] | None = None
    """Of these functions (`core.names.is_among`), or below such an execution. What is not does not show in cursors."""


class Executions(Protocol):
    """Executions, their logs and their responses."""

    def create(self, new: NewExecution) -> Awaitable[CreateOutcome]:
        """Create a top-level execution.

        The same id with the same content (`Created.function` and `Created.params`) again: EXISTED, nothing changes.
        Tags and times are no content: those of the first stay.
        Raises: IdConflict if the content differs, StoreUnavailable.
        """
        ...

    def create_all(self, new: Sequence[NewExecution]) -> Awaitable[Sequence[CreateOutcome]]:
        """`create` of each, in order, all of them or none; their ids differ. Raises: IdConflict, StoreUnavailable."""
        ...

    def append(self, append: Append) -> Awaitable[Response | None]:
        """Append events with their projection, create the children, delays and scheduled, respond to the parent.

        Returns the response as it was delivered, with its position, if the append had one.
        A response moves the parent's projection by `deliver` and its position is the parent's next one; the parent's
        version does not move. Appending after `finished` is a VersionConflict. If both moved, it is a VersionConflict.
        Raises: VersionConflict, ResponsesMoved, IdConflict (a child, delay or response that exists), ExecutionNotFound,
        StoreUnavailable.
        """
        ...

    async def get(self, execution_id: ExecutionId) -> Projection:
        """Raises: ExecutionNotFound."""
        ...

    async def get_all(self, ids: Collection[ExecutionId]) -> Mapping[ExecutionId, Projection]:
        """Those of these that there are, read at once."""
        ...

    async def log(self, execution_id: ExecutionId, *, start: int = 0, limit: int = PAGE_MAX) -> Sequence[Recorded]:
        """Events from version `start` on, in order. Raises: ExecutionNotFound."""
        ...

    async def responses(
        self, execution_id: ExecutionId, *, after: int = 0, limit: int = PAGE_MAX
    ) -> Sequence[Response]:
        """Responses with a position above `after`, in order. Raises: ExecutionNotFound."""
        ...

    async def list(
        self, where: ExecutionFilter, *, cursor: str | None = None, limit: int = 50, oldest_first: bool = False
    ) -> Page:
        """Newest first by creation (a parent is older than its children, they are created in the order given), or the
        other way round; a page never shows an item twice nor skips one when others are created meanwhile.

        A page may be shorter than `limit`, even empty, and not the last one: no call looks at too many executions.

        Raises: InvalidName for a cursor that this store did not give.
        """
        ...
