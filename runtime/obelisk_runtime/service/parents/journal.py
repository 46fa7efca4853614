"""The way of one workflow's events to the store: batched, pipelined, decided again when the store moved on.

A batch may be sent before the last one is acknowledged, since the store applies writes in order. When one is refused,
all that follow it are too; then the tail is read, and everything refused goes out again as one batch with the
projection of now.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.decisions import response_of
from obelisk_runtime.core.entries import is_control, moved_up
from obelisk_runtime.core.history import History, Submission
from obelisk_runtime.core.ids import DelayId
from obelisk_runtime.ports.store import (
    Append,
    ExecutionNotFound,
    NewDelay,
    NewExecution,
    ResponsesMoved,
    StoreUnavailable,
    VersionConflict,
)
from obelisk_runtime.prompt import when_done
from obelisk_runtime.service.parents import children
from obelisk_runtime.service.parents.children import Birth
from obelisk_runtime.service.process.node import STORE_RETRY_SECONDS, Node, logger


@dataclass(frozen=True, slots=True)
class _Batch:
    events: list[ev.Recorded]
    births: list[Birth]
    delays: list[NewDelay]
    commit: "asyncio.Future[None]"
    scheduled: list[NewExecution]
    late: bool
    """Some of it was refused before."""

    @property
    def end(self) -> int:
        return self.events[-1].version + 1


@dataclass(frozen=True, slots=True)
class JournalEvents:
    """What the owner of a journal is told."""

    bear: Callable[[Submission], Birth]
    committed: Callable[[ev.Event, ev.Response | None], None]
    """The last event of a batch is durable, and the response to the parent that went with it."""
    responses: Callable[[Sequence[ev.Response]], None]
    """Responses that nobody told us of."""
    controlled: Callable[[], None]
    """Somebody paused or resumed it: what is in memory holds, and goes on after that."""
    overtaken: Callable[[], None]
    """Somebody else appended to this log: what is in memory is stale."""


class Journal:
    def __init__(self, node: Node, history: History, committed: int, owner: JournalEvents) -> None:
        self._node = node
        self._history = history
        self._owner = owner
        self._flying: deque[_Batch] = deque()
        self._refused: list[_Batch] = []
        self._conflicted = False
        """The first of them was refused since the log had moved on."""
        self._closed = False
        self.committed = committed
        """How many events of the log are known to be durable."""

    @property
    def idle(self) -> bool:
        """Nothing is recorded or on its way that is not durable."""
        return not self._flying and not self._refused and not self._history.fresh

    async def durable(self) -> None:
        """Until all that was recorded is committed."""
        self.flush()
        while not self.idle:
            latest = self._flying[-1] if self._flying else self._refused[-1]
            await asyncio.shield(latest.commit)
            self.flush()

    def created(self, events: int) -> None:
        """The creation of the workflow is durable."""
        self.committed = max(self.committed, events)

    def close(self) -> None:
        """The workflow left this process: acknowledgements no longer matter."""
        self._closed = True

    def flush(self) -> None:
        """Send what was recorded since the last batch."""
        if self._history.fresh and not self._refused and not self._closed:
            self._send(self._gather(()))

    def _gather(self, refused: Sequence[_Batch]) -> _Batch:
        """One batch of all that was refused and all that was recorded since. Children that may start early do."""
        fresh, submissions = self._history.take_fresh()
        batch = _Batch(
            [event for earlier in refused for event in earlier.events],
            [birth for earlier in refused for birth in earlier.births],
            [delay for earlier in refused for delay in earlier.delays],
            asyncio.get_running_loop().create_future(),
            [new for earlier in refused for new in earlier.scheduled],
            late=bool(refused),
        )
        batch.events.extend(fresh)
        for submission in submissions:
            match submission.event:
                case ev.DelaySubmitted(wakes=wakes):
                    batch.delays.append(NewDelay(DelayId(submission.id), wakes))
                case ev.Scheduled():
                    batch.scheduled.append(children.scheduled(self._node, submission))
                case ev.ChildSubmitted():
                    self._bear(batch, submission)
        for earlier in refused:
            batch.commit.add_done_callback(lambda done, commit=earlier.commit: _pass_on(done, commit))
        return batch

    def _bear(self, batch: _Batch, submission: Submission) -> None:
        birth = self._owner.bear(submission)
        batch.births.append(birth)
        if birth.early and birth.start is not None:
            self._node.logs.unborn(birth.new.id)
            self._node.scheduler.enqueue(birth.start(batch.commit))

    def _send(self, batch: _Batch) -> None:
        history = self._history
        append = Append(
            id=history.id,
            expected_version=batch.events[0].version,
            events=batch.events,
            projection=history.projection,
            expected_responses=len(history.responses),
            children=[birth.new for birth in batch.births],
            delays=batch.delays,
            scheduled=batch.scheduled,
            response=response_of(history.id, batch.events[-1]),
        )
        self._flying.append(batch)
        self._node.logs.flush(history.id)
        when_done(self._node.store.append(append), lambda done: self._answered(batch, done))

    def _answered(self, batch: _Batch, done: "asyncio.Future[ev.Response | None]") -> None:
        self._flying.remove(batch)
        if done.cancelled():
            return
        error = done.exception()
        if self._closed:
            if error is not None:
                self._give_up(batch)
            return
        if error is None:
            self._committed(batch, done.result())
            return
        if not isinstance(error, VersionConflict | ResponsesMoved | StoreUnavailable | ExecutionNotFound):
            logger.error("a workflow could not be recorded", exc_info=error, extra={"execution": self._history.id})
            self._owner.overtaken()
            return
        if not self._refused:
            self._conflicted = isinstance(error, VersionConflict)
        self._refused.append(batch)
        if not self._flying:
            self._node.spawn(self.catch_up(wait=isinstance(error, StoreUnavailable | ExecutionNotFound)))

    def _committed(self, batch: _Batch, response: ev.Response | None) -> None:
        self.committed = batch.end
        scheduler = self._node.scheduler
        batch.commit.set_result(None)
        for birth in batch.births:
            if birth.start is None:
                scheduler.wake()
            elif birth.early:
                self._node.logs.born(birth.new.id, late=batch.late)
            else:
                scheduler.enqueue(birth.start(batch.commit))
        for delay in batch.delays:
            scheduler.due_at(delay.wakes)
        for new in batch.scheduled:
            if new.projection.due is not None:
                scheduler.due_at(new.projection.due)
        self._owner.committed(batch.events[-1].event, response)

    async def catch_up(self, *, wait: bool = False) -> None:
        """Read what others wrote, and send again what was refused because of it, if it still holds.

        `wait`: not at once. Asks until the store answers or the workflow leaves: what happened is not given up.
        """
        while True:
            if wait:
                await asyncio.sleep(STORE_RETRY_SECONDS)
            if self._closed:
                return
            try:
                await self._read_on()
            except ExecutionNotFound:
                if self.committed:  # it ended, and was pruned; else its creation is on its way
                    self._stale()
                    return
            except StoreUnavailable:
                pass
            else:
                return
            wait = True

    async def _read_on(self) -> None:
        """Raises: ExecutionNotFound, StoreUnavailable."""
        store, history, start = self._node.store, self._history, self.committed
        moved = bool(self._refused) and self._conflicted
        tail = await store.log(history.id, start=start)
        responses = await store.responses(history.id, after=len(history.responses))
        if self._closed or self._flying or self.committed != start:
            return  # something was sent meanwhile; if what was read refuses it, this is done again
        if not all(is_control(entry.event) for entry in tail) or (moved and not tail):
            self._stale()  # also if nothing tells how the log moved: to send the same again would be refused again
            return
        if tail:
            self._interpose(tail)
        self._owner.responses(responses)
        refused, self._refused = self._refused, []
        if refused or history.fresh:
            self._send(self._gather(refused))

    def _interpose(self, control: Sequence[ev.Recorded]) -> None:
        self._history.interpose(control)
        for batch in self._refused:
            batch.events[:] = moved_up(batch.events, self.committed, len(control))
        self.committed += len(control)
        self._owner.controlled()

    def _stale(self) -> None:
        """What was refused will never be written."""
        for batch in self._refused:
            self._give_up(batch)
        self._owner.overtaken()

    def _give_up(self, batch: _Batch) -> None:
        """It will never be written: children that began early leave, the others never begin."""
        batch.commit.cancel()
        for birth in batch.births:
            if birth.early:
                self._node.logs.born(birth.new.id, late=False)
            elif birth.start is not None:
                created = birth.new.created
                self._node.scheduler.release(created.kind, birth.new.id, created.function)


def _pass_on(done: "asyncio.Future[None]", commit: "asyncio.Future[None]") -> None:
    """What was refused at first became of `done`, which it went out with again."""
    if commit.done():
        return
    if done.cancelled():
        commit.cancel()
    else:
        commit.set_result(None)
