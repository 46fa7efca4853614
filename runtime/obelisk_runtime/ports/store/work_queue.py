"""Who runs what, and when: claims, delays, heartbeats."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from obelisk_runtime.core.events import Created, ExecutionKind, Response
from obelisk_runtime.core.ids import DelayId, Digest, ExecutionId, ExecutorId, Instant
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.projection import Projection
from obelisk_runtime.ports.store.executions import PAGE_MAX


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

    async def next_due(self, *, after: Instant | None = None) -> Instant | None:
        """When the earliest delay or execution (`Projection.due`, `Projection.expires`) is due; None if there is none.

        What is paused does not count, nor what is due at `after` or before.
        """
        ...

    async def overdue(self, now: Instant, limit: int) -> Sequence[ExecutionId]:
        """Executions that have reached their deadline (`Projection.expires`), earliest first."""
        ...

    async def backlog(self, now: Instant, limit: int, kind: ExecutionKind | None = None) -> int:
        """How many executions are due, of any kind or of this one; at most `limit`, so that counting stays cheap."""
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

    async def open_delays(
        self, parent: ExecutionId, *, after: DelayId | None = None, limit: int = PAGE_MAX
    ) -> Sequence[OpenDelay]:
        """Delays of this execution that have not answered, in order of creation.

        `after`: those created after this delay of the execution, which may have answered by now; if it has no such
        delay, none. Raises: ExecutionNotFound.
        """
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
