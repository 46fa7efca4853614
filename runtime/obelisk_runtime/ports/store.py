"""The store: executions with their logs and responses, the work queue, signals and the catalog.

The contract of every adapter; `obelisk_runtime.testing.conformance` checks it. Rules that hold for all of it:

- Every writing call is one transaction: it happens as a whole or not at all, and is durable when its awaitable is done.
- Writing calls are applied in the order they were made. They are plain functions that return an awaitable; the write is
  under way once they return, awaited or not, and also if the waiter is cancelled. Errors come from the awaitable.
- Reads see what was acknowledged. A write after `close` is StoreUnavailable.
- The version is the fencing token: a writer whose expected version is not the stored one changes nothing.
- Decisions are the core's. An adapter stores the projections it is given, and itself applies only
  `core.projection.deliver` (a response to a parent), `core.decisions.lock`, `take_over` and `release`.
- Events, responses and delays keep the times they are given; nothing is ordered by them but what is due. The clock may
  go backwards.
- Lists answer at most `limit` rows, and never more than PAGE_MAX.
- After every call, for every execution: the stored projection equals `core.history.fold(log, responses)`.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.events import Created, ExecutionKind, Recorded, Response
from obelisk_runtime.core.ids import DelayId, Digest, ExecutionId, ExecutorId, Instant
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.projection import Projection
from obelisk_runtime.core.requests import RequestMade
from obelisk_runtime.ports.overview import Overview
from obelisk_runtime.ports.trees import Trees

PAGE_MAX = 1_000
"""Rows a page of any list may have."""


# What can go wrong


class VersionConflict(ObeliskError):
    """The log moved on: nothing was written. Read the new tail and decide again."""

    def __init__(self, execution_id: ExecutionId, expected: int, found: int) -> None:
        super().__init__(f"{execution_id} is at version {found}, not {expected}")
        self.execution_id = execution_id
        self.expected = expected
        self.found = found


class ResponsesMoved(ObeliskError):
    """A response came in that the decision had not seen: nothing was written. Read it and decide again."""

    def __init__(self, execution_id: ExecutionId, expected: int, found: int) -> None:
        super().__init__(f"{execution_id} has {found} responses, not {expected}")
        self.execution_id = execution_id
        self.expected = expected
        self.found = found


class IdConflict(ObeliskError):
    """The id is taken by an execution (or delay) with another content."""

    def __init__(self, execution_id: str, detail: str) -> None:
        super().__init__(f"{execution_id} exists already with {detail}; choose another id or submit the same content")
        self.execution_id = execution_id


class ExecutionNotFound(ObeliskError):
    def __init__(self, execution_id: str) -> None:
        super().__init__(f"there is no execution {execution_id}")
        self.execution_id = execution_id


class StoreUnavailable(ObeliskError):
    """The store cannot write or read now: disk full, read-only, corrupt. Nothing was written."""


class StoreInUse(ObeliskError):
    """Another server holds this store."""


class SchemaTooNew(ObeliskError):
    """A newer release wrote this store."""


class StoreCorrupt(ObeliskError):
    """The file is not a store, or is damaged."""


# What is written


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


# What is read


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


# The work queue


@dataclass(frozen=True, slots=True)
class Offer:
    """What an executor can run now: functions of one kind, with the digest an attempt would use (None: pinned)."""

    kind: ExecutionKind
    functions: Mapping[Ffqn, Digest | None] | None
    """None: any function, pinned."""
    limit: int

    def includes(self, function: Ffqn) -> bool:
        return self.functions is None or function in self.functions

    def digest(self, function: Ffqn) -> Digest | None:
        return None if self.functions is None else self.functions[function]


@dataclass(frozen=True, slots=True)
class Claim:
    """An execution that was locked for the caller."""

    id: ExecutionId
    created: Created
    projection: Projection


@dataclass(frozen=True, slots=True)
class DelayFired:
    """A delay came due, or was cancelled, and its response went to the parent."""

    id: DelayId
    parent: ExecutionId
    response: Response


@dataclass(frozen=True, slots=True)
class OpenDelay:
    """A delay that has not answered."""

    id: DelayId
    wakes: Instant
    paused: bool


class WorkQueue(Protocol):
    """Who runs what, and when."""

    def lock_pending(self, now: Instant, executor: ExecutorId, offers: Sequence[Offer]) -> Awaitable[Sequence[Claim]]:
        """Lock what is due (`Projection.due`), by `core.decisions.lock`. Nobody else gets the same.

        Each offer in turn, at most its limit: longest due first, then in order of creation.
        """
        ...

    async def next_due(self) -> Instant | None:
        """When the earliest delay or execution (`Projection.due`, `Projection.expires`) is due; None if there is none.

        What is paused does not count.
        """
        ...

    async def overdue(self, now: Instant, limit: int) -> Sequence[ExecutionId]:
        """Executions that have reached their deadline (`Projection.expires`), earliest first."""
        ...

    async def backlog(self, now: Instant, limit: int) -> int:
        """How many executions are due; at most `limit`, so that counting them stays cheap."""
        ...

    def fire_delays(self, now: Instant, limit: int) -> Awaitable[Sequence[DelayFired]]:
        """Respond at `now` to the parents of delays that are due, earliest first, then in order of creation."""
        ...

    def cancel_delay(self, delay_id: DelayId, now: Instant) -> Awaitable[DelayFired | None]:
        """Respond `delay cancelled` at `now`; None if it had answered already. Raises: ExecutionNotFound."""
        ...

    def hold_delay(self, delay_id: DelayId, *, paused: bool) -> Awaitable[bool | None]:
        """Keep a delay from coming due, or no longer. False: it was so already; None: it has answered.

        One that is late when it is resumed is due at once. Raises: ExecutionNotFound.
        """
        ...

    async def open_delays(self, parent: ExecutionId, *, limit: int = PAGE_MAX) -> Sequence[OpenDelay]:
        """Delays of this execution that have not answered, in order of creation. Raises: ExecutionNotFound."""
        ...

    async def last_beat(self, executor: ExecutorId) -> Instant | None:
        """When the executor said last that it lives; None: it never did."""
        ...

    def beat(self, executor: ExecutorId, now: Instant) -> Awaitable[None]:
        """The executor's heartbeat: the lease of everything it holds. The latest call counts, whatever its time."""
        ...

    def take_over(self, now: Instant, *, silent_since: Instant, living: ExecutorId) -> Awaitable[Sequence[ExecutionId]]:
        """Free, by `core.decisions.take_over`, all that executors hold whose last beat is before `silent_since`.

        One that never beat is silent; `living` is never taken from. A lost activity that is finished by it responds to
        its parent at `now`. Oldest creation first.
        """
        ...

    def retire(self, executor: ExecutorId, now: Instant) -> Awaitable[Sequence[ExecutionId]]:
        """Free everything this executor holds at once, by `core.decisions.release`: it was shut down."""
        ...


# Signals


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


# The catalog


class LogLevel(StrEnum):
    TRACE = "trace"
    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


EVERY_LEVEL = frozenset(LogLevel)


def levels_from(lowest: LogLevel) -> frozenset[LogLevel]:
    """A level and those above it."""
    return frozenset(list(LogLevel)[list(LogLevel).index(lowest) :])


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A line a guest wrote. (execution, run, ordinal) is its identity: written again, it is the same record.

    `run` is the attempt of an activity, or the number of history entries a workflow had asked for; `ordinal` counts the
    lines from there. So a replay writes nothing twice.
    """

    execution_id: ExecutionId
    run: int
    ordinal: int
    at: Instant
    level: LogLevel
    source: str
    """`log`, `stdout`, `stderr`, or `host`: who says that something was cut."""
    message: str


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """An HTTP request of a guest. (execution, run, ordinal) is its identity, as of a LogRecord."""

    execution_id: ExecutionId
    run: int
    ordinal: int
    made: RequestMade
    more: bool = False
    """It is the last of its run that is recorded, and others may have followed."""


class Catalog(Protocol):
    """Components, what guests wrote, and what they asked of the network."""

    def put_component(self, digest: Digest, wasm: bytes) -> Awaitable[None]:
        """Keep the bytes for ever under their digest; a known digest is left as it is."""
        ...

    async def get_component(self, digest: Digest) -> bytes | None: ...

    def write_logs(self, records: Sequence[LogRecord]) -> Awaitable[None]:
        """In order with the caller's other writes. A record that exists, or of an unknown execution, is passed over."""
        ...

    async def read_logs(
        self,
        execution_id: ExecutionId,
        *,
        after: int = 0,
        limit: int = PAGE_MAX,
        levels: frozenset[LogLevel] = EVERY_LEVEL,
        tree: bool = False,
    ) -> Sequence[tuple[int, LogRecord]]:
        """(cursor, record) in the order they were written, with cursors above `after`; they grow from 1 or more.

        `tree`: also of everything below the execution.
        """
        ...

    def write_requests(self, records: Sequence[RequestRecord]) -> Awaitable[None]:
        """As `write_logs`."""
        ...

    async def read_requests(
        self, execution_id: ExecutionId, *, after: int = 0, limit: int = PAGE_MAX
    ) -> Sequence[tuple[int, RequestRecord]]:
        """As `read_logs`."""
        ...


class Store(Executions, WorkQueue, Signals, Catalog, Trees, Overview, Protocol):
    """All of it, over one medium."""

    async def close(self) -> None:
        """Finish the writes under way and release files, threads and locks."""
        ...
