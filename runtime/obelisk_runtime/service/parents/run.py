"""An execution that has children, in this process: its history, what its guest waits for, and its end.

Host calls are recorded in the history and written when the guest waits, when its turn of the event loop ends, or when
many have gathered (`Journal`). The guest goes on with a result only after that was committed.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.history import History, Submission
from obelisk_runtime.core.ids import ExecutionId, JoinSetId, owner_of
from obelisk_runtime.ports.engine import GuestCall, Value
from obelisk_runtime.ports.store import ExecutionNotFound, NewExecution
from obelisk_runtime.prompt import Prompt
from obelisk_runtime.service.components.deployed import DeployedComponent
from obelisk_runtime.service.executions.reading import read_log, read_responses
from obelisk_runtime.service.parents.calling import Answer
from obelisk_runtime.service.parents.children import Birth, bear
from obelisk_runtime.service.parents.history_limits import keep_within_limits
from obelisk_runtime.service.parents.journal import Journal, JournalEvents
from obelisk_runtime.service.process.node import Node

EVICTED = "evicted from memory"
PAUSED = "paused"


class ParentRun(ABC):
    """A `Resident`, and the `Run` of its guest: see there what is promised.

    Made when this process locks the execution; `begin` when it is its turn; gone when it ends or is let go of.
    """

    history: History
    journal: Journal
    component: DeployedComponent
    created: ev.Created

    def __init__(self, node: Node, execution_id: ExecutionId, projection: proj.Projection) -> None:
        self.node = node
        self.id = execution_id
        self.inbound = 0
        self.idle_since = 0.0
        self.left = asyncio.Event()
        self._projection = projection
        """When it was locked."""
        self._loaded = asyncio.Event()
        self._early: list[ev.Response] = []
        """Responses that came before it was loaded."""
        self._cut_short: ev.Failed | None = None
        """How it is to end though it has not: cancelled, terminated, or past its deadline."""
        self._call: GuestCall | None = None
        self._waiting: tuple[asyncio.Future[Value], Answer] | None = None
        self._flush_scheduled = False
        self._leaving = False
        self._closing = False
        self._to_cancel: list[str] = []
        """What to cancel as soon as everything recorded is durable."""
        self._cancels = 0
        """How many tasks cancel what is open, whose work is not known to be done and durable."""
        node.workflows[execution_id] = self

    # Beginning

    @classmethod
    def new(cls, node: Node, new: NewExecution, commit: "asyncio.Future[None]") -> Self:
        """A workflow that is created now; nothing has to be read. `commit`: its creation is durable, or failed."""
        run = cls(node, new.id, new.projection)
        run._load(new.events, (), committed=0)
        commit.add_done_callback(
            lambda done: run.forget() if done.cancelled() else run.journal.created(len(new.events))
        )
        return run

    @property
    def owner(self) -> str:
        return owner_of(self.id, self._projection.function)

    def begin(self) -> None:
        if self._leaving:
            return
        if self._loaded.is_set():
            self._start()
        else:
            self.node.spawn(self.read_and_start())

    async def read_and_start(self) -> None:
        store = self.node.store
        try:
            log = await self.node.insist(lambda: read_log(store, self.id))
            responses = await self.node.insist(lambda: read_responses(store, self.id))
        except ExecutionNotFound:
            self.forget()  # it ended elsewhere, and was deleted
            return
        if not self._leaving:
            self._load(log, responses, committed=len(log))
            self._start()

    def _load(self, log: Sequence[ev.Recorded], responses: Sequence[ev.Response], committed: int) -> None:
        created = log[0].event
        assert isinstance(created, ev.Created)
        self.created = created
        self.history = History(self.id, log, responses)
        owner = JournalEvents(self._bear, self._committed, self._take_responses, self._controlled, self._overtaken)
        self.journal = Journal(self.node, self.history, committed, owner)
        self._loaded.set()
        early, self._early = self._early, []
        for response in early:
            self.arrive(response)

    def _start(self) -> None:
        if self.history.deciding:
            self.history.run_to_end()
            self._go_on_closing()
        elif self._over:
            pass  # it was ended before its turn came
        elif self._cut_short is not None:
            self._begin_to_end(self._cut_short)
        else:
            self._start_guest()

    @abstractmethod
    def _start_guest(self) -> None:
        """Nothing is decided yet."""

    # Host calls

    def told_time(self) -> None:
        if self.history.version > self.journal.committed and not self.history.replaying:
            self.history.unsettled_version = self.history.version - 1

    def recorded(self) -> None:
        keep_within_limits(self.history, self.node)
        fresh = len(self.history.fresh)
        if fresh >= self.node.limits.events_per_write_max:
            self.journal.flush()
        elif fresh and not self._flush_scheduled:
            self._flush_scheduled = True
            asyncio.get_running_loop().call_soon(self._flush_soon)

    def _flush_soon(self) -> None:
        self._flush_scheduled = False
        self.settle()

    def wait_for(self, answer: Answer) -> "Value | asyncio.Future[Value]":
        taken = self.history.resume()
        if taken is not None:
            self.recorded()
            return answer(taken)
        keep_within_limits(self.history, self.node)
        loop = asyncio.get_running_loop()
        future = Prompt[Value](loop=loop)
        self._waiting = future, answer
        self.idle_since = loop.time()
        self.settle()
        return future

    async def durable(self) -> None:
        await self.journal.durable()

    async def settled(self) -> None:
        if self.left.is_set():
            return
        left = asyncio.ensure_future(self.left.wait())
        settled = asyncio.ensure_future(self._loaded_and_durable())
        try:
            await asyncio.wait((left, settled), return_when=asyncio.FIRST_COMPLETED)
        finally:
            left.cancel()
            settled.cancel()

    async def _loaded_and_durable(self) -> None:
        await self._loaded.wait()
        await self.journal.durable()

    async def after_commit(self, value: Value) -> Value:
        await self.journal.durable()
        return value

    def close(self, join_set: JoinSetId) -> "asyncio.Future[Value] | None":
        """Close a join set: cancel what is open in it, last created first, and wait for all of it. None: it is done."""
        self.history.close(join_set, self.node.clock.now())
        open_ids = list(reversed(self.history.sets[join_set].open))
        closing: asyncio.Future[Value] | None = self.wait_for(lambda _: None)
        if closing is not None:
            self._cancel_open(open_ids)
        return closing

    def _cancel_open(self, open_ids: list[str]) -> None:
        """Once they and the decision to close are durable."""
        if self.journal.idle:
            self._cancel(open_ids)
        else:
            self._to_cancel = open_ids

    def _cancel(self, open_ids: list[str]) -> None:
        self._cancels += 1
        self.node.cancel_open(open_ids).add_done_callback(self._cancels_ended)

    def _cancels_ended(self, task: "asyncio.Task[None]") -> None:
        """If it did not do all of it, whoever takes this execution up after this process does: till then it stays."""
        if not task.cancelled() and task.exception() is None:
            self._cancels -= 1

    @property
    def _has_to_cancel(self) -> bool:
        """Only this process knows of something to do: nobody would do it for an execution that rests in the store."""
        return bool(self._to_cancel) or self._cancels > 0

    def _bear(self, submission: Submission) -> Birth:
        settled = self.history.unsettled_version < self.journal.committed
        return bear(self.node, submission, self.created, self.component, settled=settled)

    # Responses

    def arrive(self, response: ev.Response) -> None:
        if not self._loaded.is_set():
            self._early.append(response)
            return
        known = len(self.history.responses)
        if response.position == known + 1:
            self._take_responses((response,))
        elif response.position > known + 1:
            self.node.spawn(self._fetch_responses())

    async def _fetch_responses(self) -> None:
        read = self.node.store.responses
        self._take_responses(await self.node.insist(lambda: read(self.id, after=len(self.history.responses))))

    def _take_responses(self, responses: Sequence[ev.Response]) -> None:
        for response in responses:
            if response.position == len(self.history.responses) + 1:
                self.history.arrive(response)
        if not self.history.deciding:
            self._wake()
        elif not self.history.replaying and not self._leaving:
            self._go_on_closing()

    def _wake(self) -> None:
        if self._waiting is None:
            return
        taken = self.history.resume()
        if taken is None:
            return
        future, answer = self._waiting
        self._waiting = None
        if future.done():
            return
        try:
            value = answer(taken)
        except Exception as error:  # noqa: BLE001 - ends the guest's call, not that of whoever brought the response
            future.set_exception(error)
        else:
            future.set_result(value)

    def settle(self) -> None:
        if self._loaded.is_set() and (not self.inbound or self.history.submissions or self._waiting is None):
            self.journal.flush()

    # The end

    def _finish(self, outcome: ev.Outcome) -> None:
        """End with this outcome once nothing is open. What replay cannot reproduce is recorded before closing."""
        now = self.node.clock.now()
        if self.history.open:
            self.history.record_life(ev.OutcomeDecided(outcome), now)
            self.journal.flush()
            self._go_on_closing()
        else:
            self.history.record_life(ev.Finished(outcome), now)
            self.journal.flush()

    def _go_on_closing(self) -> None:
        """The outcome is decided: cancel what is open, last created first, and end when all of it has answered."""
        history = self.history
        if history.open:
            if not self._closing:
                self._closing = True
                self.idle_since = asyncio.get_running_loop().time()
                self._cancel_open(list(reversed(history.open)))
        elif not self._ended:
            assert history.decided is not None
            history.record_life(ev.Finished(history.decided), self.node.clock.now())
            self.journal.flush()

    def _committed(self, last: ev.Event, response: ev.Response | None) -> None:
        match last:
            case ev.Finished():
                self._leave()
                self.node.finished(self.id, self.created.function, last.outcome)
                if response is not None:
                    self.node.responded(response)
            case ev.Unlocked():
                self._leave()
                self.node.scheduler.wake()
                if self._cut_short is not None and not self.history.deciding:
                    self.node.spawn(self._take_up_again())
            case _:
                if self._to_cancel and self.journal.idle:
                    to_cancel, self._to_cancel = self._to_cancel, []
                    self._cancel(to_cancel)

    # Leaving memory and control

    def end_early(self, outcome: ev.Failed) -> bool:
        loaded = self._loaded.is_set()
        if loaded and (self.history.deciding or self._ended):
            return False
        self._cut_short = outcome
        if loaded and not self._leaving:
            self._begin_to_end(outcome)
        return True

    def _begin_to_end(self, outcome: ev.Failed) -> None:
        history = self.history
        history.run_to_end()
        now = self.node.clock.now()
        self._drop_guest()
        if history.projection.holder is None:
            history.record_life(ev.Locked(self.node.executor, history.projection.attempts + 1), now)
        if outcome.kind is ev.FailureKind.CANCELLED:
            history.record_life(ev.CancelRequested(outcome.reason), now)
        self._finish(outcome)

    def pause(self, reason: str) -> bool:
        if not self._loaded.is_set() or self._over:
            return False
        self.history.run_to_end()
        self.history.record_life(ev.Paused(reason), self.node.clock.now())
        self._let_go(reason, parked=False)
        return True

    @property
    def _ended(self) -> bool:
        return isinstance(self.history.projection.status, proj.Finished)

    @property
    def _over(self) -> bool:
        """No guest has a say any more: how it ends is recorded, or it leaves this process. Asked once it is loaded."""
        return self._leaving or self.history.deciding or self._ended

    @property
    def evictable(self) -> bool:
        return False

    @property
    def memory_bytes(self) -> int:
        return 0 if self._call is None else self._call.memory_bytes

    def evict(self) -> None:
        self._let_go(EVICTED, parked=True)

    def _let_go(self, reason: str, *, parked: bool) -> None:
        self._leaving = True
        self.history.run_to_end()
        self.history.record_life(ev.Unlocked(reason, parked), self.node.clock.now())
        self.journal.flush()
        self._drop_guest()

    def catch_up(self, held: proj.Projection | None) -> None:
        if not self._loaded.is_set() or self._leaving or not self.journal.idle:
            return
        known = self.journal.committed, len(self.history.responses)
        if held is None or (held.version, held.responses) > known:
            self.node.spawn(self.journal.catch_up())

    def _controlled(self) -> None:
        if self.history.projection.lifecycle.paused and not self._over:
            self._let_go(PAUSED, parked=False)

    def read_again(self) -> None:
        if not self._loaded.is_set() or self.journal.idle:
            self._overtaken()
        # else the store refuses what is on its way, and the journal tells

    def _overtaken(self) -> None:
        self.forget()
        self.node.spawn(self._take_up_again())

    async def _take_up_again(self) -> None:
        """What is in memory was stale: begin again from the log, if it is ours or was to be cancelled."""
        node = self.node
        try:
            projection = await node.insist(lambda: node.store.get(self.id))
        except ExecutionNotFound:
            return  # its creation was refused with what its parent recorded
        outcome = self._cut_short
        run = node.workflows.get(self.id)
        ours = projection.holder == node.executor or outcome is not None
        if run is None and ours and not isinstance(projection.status, proj.Finished):
            node.scheduler.reserve(projection.kind, self.id, projection.function, force=True)
            run = type(self)(node, self.id, projection)
            run.begin()
        if run is not None and outcome is not None:
            run.end_early(outcome)

    def forget(self) -> None:
        self._leaving = True
        if self._loaded.is_set():
            self.journal.close()
        self._drop_guest()
        self._leave()

    def _drop_guest(self) -> None:
        if self._call is not None:
            self._call.drop()
        if self._waiting is not None:
            self._waiting[0].cancel()
            self._waiting = None

    def _leave(self) -> None:
        if self.node.workflows.get(self.id) is self:
            del self.node.workflows[self.id]
        if not self.left.is_set():
            self.left.set()
            self.node.scheduler.release(self._projection.kind, self.id, self._projection.function)
