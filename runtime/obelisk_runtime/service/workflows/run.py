"""A workflow in this process: its history, its guest, and what the guest waits for.

Host calls are recorded in the history and written when the guest waits, when its turn of the event loop ends, or when
many have gathered (`Journal`). The guest goes on with a result only after that was committed.
"""

import asyncio
from collections.abc import Sequence
from typing import Self

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.deployment import OnNondeterminism
from obelisk_runtime.core.guest_outcomes import Dropped, GuestOutcome, HostFailed, TimedOut, Trapped, outcome_of
from obelisk_runtime.core.history import History, Nondeterminism, Submission
from obelisk_runtime.core.ids import Digest, ExecutionId, JoinSetId, owner_of
from obelisk_runtime.core.poison import poisonous
from obelisk_runtime.core.values import FunctionCodec, function_codec
from obelisk_runtime.ports import engine as guest
from obelisk_runtime.ports.store import ExecutionNotFound, NewExecution
from obelisk_runtime.prompt import Prompt
from obelisk_runtime.service.components.deployed import BrokenBytes, BytesMissing, DeployedComponent
from obelisk_runtime.service.executions.creating import seed_of
from obelisk_runtime.service.executions.reading import read_log, read_responses
from obelisk_runtime.service.guests.ending import report_host_failure
from obelisk_runtime.service.process.node import Node, logger
from obelisk_runtime.service.workflows import children
from obelisk_runtime.service.workflows.context import Answer, WorkflowContext
from obelisk_runtime.service.workflows.history_limits import keep_within_limits
from obelisk_runtime.service.workflows.journal import Journal, JournalEvents

EVICTED = "evicted from memory"
PAUSED = "paused"


class WorkflowRun:
    """Made when this process locks the workflow; `begin` when it is its turn; gone when it ends or is let go of."""

    history: History
    journal: Journal
    component: DeployedComponent

    def __init__(self, node: Node, execution_id: ExecutionId, projection: proj.Projection) -> None:
        self.node = node
        self.id = execution_id
        self.inbound = 0
        """Responses to this workflow that are on their way to the store from this process."""
        self.idle_since = 0.0
        """When it began to wait, on the event loop's clock."""
        self._loaded = False
        self._projection = projection
        self._early: list[ev.Response] = []
        self._cut_short: ev.Failed | None = None
        """How it is to end though it has not: cancelled, terminated, or past its deadline."""
        self._waiting: tuple[asyncio.Future[guest.Value], Answer] | None = None
        self._call: guest.GuestCall | None = None
        self._context: WorkflowContext | None = None
        self._codec: FunctionCodec
        self._seed = b""
        self._flush_scheduled = False
        self._nondeterminism: Nondeterminism | None = None
        self._leaving = False
        self.left = asyncio.Event()
        """Set when it is no longer in this process's memory."""
        self._closing = False
        self._to_cancel: list[str] = []
        """What to cancel as soon as everything recorded is durable."""
        node.workflows[execution_id] = self

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

    # Beginning

    def begin(self) -> None:
        if self._leaving:
            return
        if self._loaded:
            self._start()
        else:
            self.node.spawn(self.read_and_start())

    async def read_and_start(self) -> None:
        store = self.node.store
        log = await self.node.insist(lambda: read_log(store, self.id))
        responses = await self.node.insist(lambda: read_responses(store, self.id))
        if not self._leaving:
            self._load(log, responses, committed=len(log))
            self._start()

    def _load(self, log: Sequence[ev.Recorded], responses: Sequence[ev.Response], committed: int) -> None:
        created = log[0].event
        assert isinstance(created, ev.Created)
        self.created = created
        self._poison = poisonous(log, self.node.limits.deaths_max)
        self._seed = seed_of(created)
        self.history = History(self.id, log, responses)
        owner = JournalEvents(self._bear, self._committed, self._take_responses, self._controlled, self._overtaken)
        self.journal = Journal(self.node, self.history, committed, owner)
        self._loaded = True
        early, self._early = self._early, []
        for response in early:
            self.arrive(response)

    def _start(self) -> None:
        if self.history.deciding:
            self.history.run_to_end()
            self._go_on_closing()
        elif self._cut_short is not None:
            self._begin_to_end(self._cut_short)
        elif self.history.projection.lifecycle.paused:
            self._let_go(PAUSED, parked=False)
        elif self._poison is not None:
            self._stop(self._poison)
        else:
            digest = self.history.projection.digest
            assert digest is not None
            component = self.node.deployment.by_digest.get(digest)
            if component is None:
                self.node.spawn(self._find_component_and_call(digest))
            else:
                self._call_guest(component)

    async def _find_component_and_call(self, digest: Digest) -> None:
        pinned = self.node.deployment.pinned
        try:
            component = await self.node.insist(lambda: pinned(digest, self.created.function))
        except (BytesMissing, BrokenBytes) as error:
            if not self._leaving and not self.history.deciding:
                self._stop(str(error))
            return
        if not self._leaving and not self.history.deciding:
            self._call_guest(component)

    def _call_guest(self, component: DeployedComponent) -> None:
        self.component = component
        function = self.created.function
        self._codec = function_codec(function, component.exports[function])
        self._context = WorkflowContext(self, self._seed)
        arguments = self._codec.to_arguments(self.created.params)
        self._call = component.linked.start(function, arguments, self._context, component.limits)
        try:
            outcome = self._call.poll()
        except guest.GuestsExhausted:
            self._call.drop()
            self._call = None
            self.node.crowded = True
            asyncio.get_running_loop().call_later(self.node.limits.poll / 1e6, self._call_guest_later, component)
            return
        if outcome is None:
            self.node.spawn(self._drive(self._call))
        else:
            self._guest_ended(outcome)

    def _call_guest_later(self, component: DeployedComponent) -> None:
        """There was no room; by now others may have left memory."""
        if not self._leaving and not self.history.deciding:
            self._call_guest(component)

    async def _drive(self, call: guest.GuestCall) -> None:
        self._guest_ended(await call.wait())

    # Host calls

    def told_time(self) -> None:
        """The guest learned its now: until all of that is durable, a crash could change what it was told."""
        if self.history.version > self.journal.committed and not self.history.replaying:
            self.history.unsettled_version = self.history.version - 1

    def recorded(self) -> None:
        """A host call was recorded and answered at once: it is written soon. Raises: GuestTrap."""
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

    def wait_for(self, answer: Answer) -> "guest.Value | asyncio.Future[guest.Value]":
        """The answer to what the latest entry waits for: at once if it is there, else when it has come."""
        taken = self.history.resume()
        if taken is not None:
            self.recorded()
            return answer(taken)
        keep_within_limits(self.history, self.node)
        loop = asyncio.get_running_loop()
        future = Prompt[guest.Value](loop=loop)
        self._waiting = future, answer
        self.idle_since = loop.time()
        self.settle()
        return future

    async def durable(self) -> None:
        """Until all that the guest asked for is committed."""
        await self.journal.durable()

    async def after_commit(self, value: guest.Value) -> guest.Value:
        """An answer that the guest may know only once it is durable."""
        await self.journal.durable()
        return value

    def close(self, join_set: JoinSetId) -> "asyncio.Future[guest.Value] | None":
        """Close a join set: cancel what is open in it, last created first, and wait for all of it. None: it is done."""
        self.history.close(join_set, self.node.clock.now())
        open_ids = list(reversed(self.history.sets[join_set].open))
        closing: asyncio.Future[guest.Value] | None = self.wait_for(lambda _: None)
        if closing is not None:
            self._cancel_open(open_ids)
        return closing

    def _cancel_open(self, open_ids: list[str]) -> None:
        """Once they and the decision to close are durable."""
        if self.journal.idle:
            self.node.cancel_open(open_ids)
        else:
            self._to_cancel = open_ids

    def nondeterministic(self, error: Nondeterminism) -> None:
        self._nondeterminism = error

    def _bear(self, submission: Submission) -> children.Birth:
        settled = self.history.unsettled_version < self.journal.committed
        caller, run = self.component, self._run_child
        return children.bear(self.node, submission, self.created, caller, settled=settled, run_workflow=run)

    def _run_child(self, new: NewExecution, commit: "asyncio.Future[None]") -> "WorkflowRun":
        return WorkflowRun.new(self.node, new, commit)

    # Responses

    def arrive(self, response: ev.Response) -> None:
        """A response of this workflow was committed."""
        if not self._loaded:
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
        elif not self.history.replaying:
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
        """Write what was recorded, but not while a response is under way that will wake the guest anyway."""
        if self._loaded and (not self.inbound or self.history.submissions or self._waiting is None):
            self.journal.flush()

    # The end

    def _guest_ended(self, outcome: GuestOutcome) -> None:
        if self._leaving or self.history.deciding or isinstance(outcome, Dropped):
            return
        assert self._context is not None
        self._context.end()
        self._waiting = None
        try:
            decided = self._outcome_of(outcome)
        except Nondeterminism as error:
            frames = outcome.backtrace if isinstance(outcome, Trapped) else ()
            self._differs(str(error), frames)
        else:
            self._finish(decided)

    def _differs(self, difference: str, frames: tuple[str, ...]) -> None:
        """The guest is not the one that made the history."""
        if self.component.settings.on_nondeterminism is OnNondeterminism.FAIL:
            self.history.run_to_end()
            self._finish(ev.Failed(ev.FailureKind.NONDETERMINISM, difference, frames))
        else:
            self._stop(f"{difference}, at {frames[0]}" if frames else difference)

    def _outcome_of(self, outcome: GuestOutcome) -> ev.Outcome:
        """Raises: Nondeterminism."""
        if self._nondeterminism is not None:
            raise self._nondeterminism
        if isinstance(outcome, HostFailed) and isinstance(outcome.error, Nondeterminism):
            raise outcome.error
        self.history.finish_replay()
        assert not isinstance(outcome, TimedOut | Dropped), "workflows have no attempt timeout"
        report_host_failure(outcome, execution=self.id)
        return outcome_of(outcome, self._codec, self.node.deployment.redact)

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
                if self._cut_short is not None:
                    self.node.spawn(self._take_up_again())
            case _:
                if self._to_cancel and self.journal.idle:
                    to_cancel, self._to_cancel = self._to_cancel, []
                    self.node.cancel_open(to_cancel)

    # Leaving memory and control

    def end_early(self, outcome: ev.Failed) -> bool:
        """Begin to end so, in whoever runs it next if it is about to leave; False if it is ending already."""
        if self._loaded and not self._leaving and (self.history.deciding or self._ended):
            return False
        self._cut_short = outcome
        if self._loaded and not self._leaving:
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
        """Let go of the guest, and rest until it is resumed; `left` tells when. False if it cannot be paused here."""
        if not self._loaded or self._leaving or self.history.deciding or self._ended:
            return False
        self.history.run_to_end()
        self.history.record_life(ev.Paused(reason), self.node.clock.now())
        self._let_go(reason, parked=False)
        return True

    @property
    def _ended(self) -> bool:
        return isinstance(self.history.projection.status, proj.Finished)

    @property
    def evictable(self) -> bool:
        """Whether it only waits: letting go of it loses nothing but its memory."""
        return (
            self._loaded
            and self._waiting is not None
            and not self._leaving
            and not self.inbound
            and self.journal.idle
            and not self.history.deciding
        )

    @property
    def memory_bytes(self) -> int:
        return 0 if self._call is None else self._call.memory_bytes

    def evict(self) -> None:
        """Rest in the store until a response comes. Must be evictable."""
        self._let_go(EVICTED, parked=True)

    def _let_go(self, reason: str, *, parked: bool) -> None:
        self._leaving = True
        self.history.run_to_end()
        self.history.record_life(ev.Unlocked(reason, parked), self.node.clock.now())
        self.journal.flush()
        self._drop_guest()

    def _stop(self, reason: str) -> None:
        """Stop here until an operator resumes it; nothing is cancelled."""
        logger.warning("a workflow is paused", extra={"execution": self.id, "reason": reason})
        self.pause(reason)

    def catch_up(self, held: proj.Projection | None) -> None:
        """Read what others wrote, if they did. `held`: how the store has it, if it is held by this process there."""
        if not self._loaded or self._leaving or not self.journal.idle:
            return
        known = self.journal.committed, len(self.history.responses)
        if held is None or (held.version, held.responses) > known:
            self.node.spawn(self.journal.catch_up())

    def _controlled(self) -> None:
        ended = self._leaving or self.history.deciding or self._ended
        if self.history.projection.lifecycle.paused and not ended:
            self._let_go(PAUSED, parked=False)

    def read_again(self) -> None:
        """Somebody appended what changes how it runs: begin again from the log."""
        if not self._loaded or self.journal.idle:
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
        """Leave memory at once; nothing is written."""
        self._leaving = True
        if self._loaded:
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
