"""Pausing and resuming executions and delays."""

from enum import StrEnum

from obelisk_runtime.core import decisions
from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.ids import DelayId, ExecutionId, is_delay
from obelisk_runtime.service.executions.outside import append_outside
from obelisk_runtime.service.process.node import Node
from obelisk_runtime.service.replay.upgrading import repair


class PauseResult(StrEnum):
    PAUSED = "paused"
    ALREADY_PAUSED = "already paused"
    RESUMED = "resumed"
    NOT_PAUSED = "not paused"
    ALREADY_ENDING = "already ending"
    ALREADY_FINISHED = "already finished"


class CannotPause(ObeliskError):
    """A client waits for its answer, and it could not go on."""

    def __init__(self, execution_id: ExecutionId) -> None:
        super().__init__(f"{execution_id} is a request to a webhook, which cannot be paused; it can be cancelled")


async def pause(node: Node, response_id: ExecutionId | DelayId, reason: str) -> PauseResult:
    """Idempotent; tells what it did, once that is durable. Raises: ExecutionNotFound, CannotPause, StoreUnavailable.

    An attempt of an activity that runs may end; a workflow leaves memory, its responses are kept for it.
    """
    if is_delay(response_id):
        return await _hold(node, DelayId(response_id), paused=True)
    execution_id = ExecutionId(response_id)
    asked = False
    while True:
        projection = await node.store.get(execution_id)
        if projection.lifecycle.paused:
            return PauseResult.PAUSED if asked else PauseResult.ALREADY_PAUSED
        if projection.kind is ev.ExecutionKind.WEBHOOK and projection.holder is not None:
            raise CannotPause(execution_id)
        events = decisions.pause(projection, reason, node.executor)
        if not events:
            return _ended_or_ending(projection)
        run = node.workflows.get(execution_id)
        if run is None:
            if await append_outside(node, execution_id, projection, events):
                return PauseResult.PAUSED
        elif run.pause(reason):
            asked = True
            await run.left.wait()
        else:  # it is read, ends or leaves just now
            await run.settled()


async def resume(node: Node, response_id: ExecutionId | DelayId, reason: str) -> PauseResult:
    """Idempotent; tells what it did. Raises: ExecutionNotFound, StoreUnavailable."""
    if is_delay(response_id):
        return await _hold(node, DelayId(response_id), paused=False)
    execution_id = ExecutionId(response_id)
    await repair(node, execution_id)
    while True:
        projection = await node.store.get(execution_id)
        events = decisions.resume(projection, reason)
        if not events:
            return _ended_or_ending(projection) if decisions.ending(projection) else PauseResult.NOT_PAUSED
        if await append_outside(node, execution_id, projection, events):
            node.scheduler.wake()
            return PauseResult.RESUMED


def _ended_or_ending(projection: proj.Projection) -> PauseResult:
    finished = isinstance(projection.status, proj.Finished)
    return PauseResult.ALREADY_FINISHED if finished else PauseResult.ALREADY_ENDING


async def _hold(node: Node, delay_id: DelayId, *, paused: bool) -> PauseResult:
    changed = await node.store.hold_delay(delay_id, paused=paused)
    if changed is None:
        return PauseResult.ALREADY_FINISHED
    node.scheduler.wake()
    if paused:
        return PauseResult.PAUSED if changed else PauseResult.ALREADY_PAUSED
    return PauseResult.RESUMED if changed else PauseResult.NOT_PAUSED
