"""This process as one executor of the store: what its parts share."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.deployment import RuntimeLimits
from obelisk_runtime.core.ids import ExecutionId, ExecutorId, Instant, parent_of
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.ports.clock import Clock, IdSource
from obelisk_runtime.ports.store import NewExecution, Store, StoreUnavailable
from obelisk_runtime.service.components.deployment import Deployment
from obelisk_runtime.service.process.logs import LogWriter
from obelisk_runtime.service.process.measures import Measures

STOP_POLL_SECONDS = 0.02
STORE_RETRY_SECONDS = 0.5
"""How long what has happened waits before a store that could not answer is asked again."""

T = TypeVar("T")
Commit = asyncio.Future[Any]
"""Done when what an execution begins with is durable."""

logger = logging.getLogger("obelisk.service")


class Startable(Protocol):
    """An execution that is locked for this process and waits for its turn to run."""

    @property
    def owner(self) -> str:
        """Who answers for it (`core.ids.owner_of`): owners take turns."""
        ...

    def begin(self) -> None: ...


class Resident(Protocol):
    """An execution that has children, such as a workflow, in the memory of this process."""

    inbound: int
    """Responses to it that are on their way to the store from this process."""
    idle_since: float
    """When it began to wait, on the event loop's clock."""
    left: asyncio.Event
    """Set when it is no longer in this process's memory."""

    @property
    def memory_bytes(self) -> int: ...

    @property
    def evictable(self) -> bool:
        """Whether it only waits: letting go of it loses nothing but its memory."""
        ...

    def arrive(self, response: ev.Response) -> None:
        """A response of this workflow was committed."""
        ...

    def settle(self) -> None:
        """Write what was recorded, but not while a response is under way that will wake the guest anyway."""
        ...

    def end_early(self, outcome: ev.Failed) -> bool:
        """Begin to end so, in whoever runs it next if it is about to leave; False if it is ending already.

        That is not durable yet when this returns: see `settled`.
        """
        ...

    async def settled(self) -> None:
        """Until it was read, and what was decided here is durable; or until it has left."""
        ...

    def pause(self, reason: str) -> bool:
        """Let go of the guest, and rest until it is resumed; `left` tells when. False if it cannot be paused here."""
        ...

    def evict(self) -> None:
        """Rest in the store until a response comes. Must be evictable."""
        ...

    def catch_up(self, held: proj.Projection | None) -> None:
        """Read what others wrote, if they did. `held`: how the store has it, if it is held by this process there."""
        ...

    def read_again(self) -> None:
        """Somebody appended what changes how it runs: begin again from the log."""
        ...

    def forget(self) -> None:
        """Leave memory at once; nothing is written."""
        ...


class RunningAttempt(Protocol):
    """An attempt of an activity, in this process."""

    def drop(self) -> None:
        """Stop the guest for good; nothing is appended. Its outcome no longer matters."""
        ...


class Scheduler(Protocol):
    """What runs, and when: the part of the dispatcher that others ask."""

    def reserve(
        self, kind: ev.ExecutionKind, execution_id: ExecutionId, function: Ffqn, *, force: bool = False
    ) -> bool:
        """Take a slot for this execution, if there is one for it or by `force`."""
        ...

    def release(self, kind: ev.ExecutionKind, execution_id: ExecutionId, function: Ffqn) -> None:
        """Give its slot back."""
        ...

    def room(self, kind: ev.ExecutionKind) -> int:
        """How many more of this kind may be locked now of those that wait in the store."""
        ...

    def enqueue(self, item: Startable) -> None:
        """Begin it in this or the next turns of the event loop."""
        ...

    def due_at(self, instant: Instant) -> None:
        """Something in the store comes due then."""
        ...

    def wake(self) -> None:
        """Something in the store may be ready to be locked."""
        ...


@dataclass(slots=True)
class Node:
    """State of one process. Nothing here is the truth about an execution; the store is."""

    store: Store
    clock: Clock
    ids: IdSource
    limits: RuntimeLimits
    executor: ExecutorId
    deployment: Deployment
    logs: LogWriter
    scheduler: Scheduler = field(init=False)
    run_workflow: Callable[[NewExecution, Commit], Startable] = field(init=False)
    """Makes what runs a new workflow here."""
    cancel_open: Callable[[Sequence[str]], asyncio.Task[None]] = field(init=False)
    """Cancel children and delays in this order, for a join set that closes; done when all of that is durable."""
    workflows: dict[ExecutionId, Resident] = field(default_factory=dict[ExecutionId, Resident])
    attempts: dict[ExecutionId, RunningAttempt] = field(default_factory=dict[ExecutionId, RunningAttempt])
    measures: Measures = field(default_factory=Measures)
    stopping: bool = False
    crowded: bool = False
    """A guest or a workflow that is due found no room: waiting workflows should leave memory though no other bound is
    reached.
    """
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set[asyncio.Task[Any]])
    _waiters: dict[ExecutionId, list[asyncio.Future[ev.Outcome]]] = field(
        default_factory=dict[ExecutionId, list["asyncio.Future[ev.Outcome]"]]
    )

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task that this node owns: its failure is a bug and is logged, its end is awaited by `settle`."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def complete(self, work: Coroutine[Any, Any, T]) -> T:
        """Its result. A caller that is cancelled does not stop it; only the end of this process does."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a task failed", exc_info=error)

    async def insist(self, read: Callable[[], Awaitable[T]]) -> T:
        """Ask a store that cannot answer again, until it can."""
        while True:
            try:
                return await read()
            except StoreUnavailable as error:
                logger.warning("the store could not answer; it is asked again", extra={"reason": str(error)})
            await asyncio.sleep(STORE_RETRY_SECONDS)

    async def settle(self) -> None:
        """Cancel what still runs and wait for its end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def no_attempts(self) -> None:
        """Until no activity runs here."""
        while self.attempts:  # noqa: ASYNC110 - only at shutdown, and simpler than an event
            await asyncio.sleep(STOP_POLL_SECONDS)

    def responded(self, response: ev.Response) -> None:
        """A response was committed: its parent goes on, here if it is here."""
        parent = parent_of(ExecutionId(response.id))
        assert parent is not None
        run = self.workflows.get(parent)
        if run is None:
            self.scheduler.wake()
        else:
            run.arrive(response)

    def finished(self, execution_id: ExecutionId, function: Ffqn, outcome: ev.Outcome) -> None:
        """An execution's end was committed."""
        self.measures.ended(function, outcome, self.clock.now())
        for waiter in self._waiters.pop(execution_id, ()):
            if not waiter.done():
                waiter.set_result(outcome)

    def watch(self, execution_id: ExecutionId) -> asyncio.Future[ev.Outcome]:
        """Done when the execution ends in this process; `unwatch` it when that no longer matters."""
        waiter: asyncio.Future[ev.Outcome] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(execution_id, []).append(waiter)
        return waiter

    def unwatch(self, execution_id: ExecutionId, waiter: asyncio.Future[ev.Outcome]) -> None:
        waiters = self._waiters.get(execution_id)
        if waiters is not None and waiter in waiters:
            waiters.remove(waiter)
            if not waiters:
                del self._waiters[execution_id]
