"""How the end of an attempt gets into the store, and from there to the parent."""

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.decisions import response_of
from obelisk_runtime.core.ids import ExecutionId, Instant, owner_of, parent_of
from obelisk_runtime.ports.store import Append, ExecutionNotFound, StoreUnavailable, VersionConflict
from obelisk_runtime.prompt import when_done
from obelisk_runtime.service.process.node import STORE_RETRY_SECONDS, Node, logger


@dataclass(frozen=True, slots=True)
class LockedActivity:
    """An activity this process holds. `commit` is done when its creation is durable, and cancelled if it never is."""

    id: ExecutionId
    params: str
    projection: proj.Projection
    commit: "asyncio.Future[Any] | None" = None

    @property
    def owner(self) -> str:
        return owner_of(self.id, self.projection.function)


class AttemptRecord:
    """Appends the one event that an attempt ends in, however long the store takes."""

    def __init__(self, node: Node, activity: LockedActivity) -> None:
        self._node = node
        self._activity = activity
        parent = parent_of(activity.id)
        self._parent = None if parent is None else node.workflows.get(parent)

    def append(self, event: ev.LifeEvent, now: Instant) -> None:
        """Returns at once. An attempt that was cancelled or taken over meanwhile no longer counts.

        One whose creation failed never was: what has its id by now is another one's child.
        """
        node, projection, commit = self._node, self._activity.projection, self._activity.commit
        if commit is not None and commit.cancelled():
            return
        entry = ev.Recorded(projection.version, now, event)
        append = Append(
            id=self._activity.id,
            expected_version=projection.version,
            events=(entry,),
            projection=proj.apply(projection, event, now),
            response=response_of(self._activity.id, entry),
        )
        if self._parent is not None:
            self._parent.inbound += 1
        node.logs.flush(append.id)
        when_done(node.store.append(append), lambda done: self._appended(append, event, done))

    def _appended(self, append: Append, event: ev.LifeEvent, done: "asyncio.Future[ev.Response | None]") -> None:
        if self._parent is not None:
            self._parent.inbound -= 1
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        if error is None:
            self._recorded(append, event, done.result())
        else:
            self._refused(append, event, error)
        if self._parent is not None:
            self._parent.settle()

    def _recorded(self, append: Append, event: ev.LifeEvent, response: ev.Response | None) -> None:
        node = self._node
        node.measures.attempted(event)
        match event:
            case ev.Finished():
                node.finished(append.id, append.projection.function, event.outcome)
            case ev.AttemptFailed() | ev.AttemptTimedOut() | ev.AttemptLost():
                node.scheduler.due_at(event.due)
            case _:
                node.scheduler.wake()
        if response is not None:
            node.responded(response)

    def _refused(self, append: Append, event: ev.LifeEvent, error: BaseException) -> None:
        if isinstance(error, VersionConflict):
            self._node.spawn(self._decide_again(event, append.events[0].at))
            return
        commit = self._activity.commit
        if isinstance(error, ExecutionNotFound) and commit is not None and not commit.done():
            commit.add_done_callback(lambda _: self.append(event, append.events[0].at))
        elif isinstance(error, StoreUnavailable):
            later = asyncio.get_running_loop().call_later
            later(STORE_RETRY_SECONDS, self.append, event, append.events[0].at)
        elif not isinstance(error, ExecutionNotFound):
            logger.error("an attempt could not be recorded", exc_info=error, extra={"execution": append.id})

    async def _decide_again(self, event: ev.LifeEvent, now: Instant) -> None:
        """Somebody else wrote: if the attempt was only paused it still counts, else its outcome does not."""
        node, before = self._node, self._activity
        projection = await node.insist(lambda: node.store.get(before.id))
        if projection.holder == node.executor and projection.attempts == before.projection.attempts:
            self._activity = replace(before, projection=projection)
            self.append(event, now)
