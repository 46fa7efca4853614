"""Cancelling executions and delays: by a client, or because the join set they belong to closes."""

import asyncio
from collections.abc import Sequence
from enum import StrEnum

from obelisk_runtime.core import decisions
from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.ids import DelayId, ExecutionId, is_delay, parent_of
from obelisk_runtime.core.names import CANCELLABLE_SUFFIX
from obelisk_runtime.ports.store import Append, StoreUnavailable, VersionConflict
from obelisk_runtime.service.node import STORE_RETRY_SECONDS, Node
from obelisk_runtime.service.workflow_run import WorkflowRun

CLOSED = "its join set was closed"


class CancelResult(StrEnum):
    CANCELLED = "cancelled"
    CANCELLING = "cancelling"
    ALREADY_CANCELLING = "already cancelling"
    ALREADY_FINISHED = "already finished"


class NotCancellable(ObeliskError):
    """A workflow that did not agree to be cancelled."""

    def __init__(self, execution_id: ExecutionId, function: str) -> None:
        super().__init__(
            f"{execution_id} runs the workflow {function}; only activities, delays and workflows whose name ends in "
            f"{CANCELLABLE_SUFFIX} can be cancelled"
        )
        self.execution_id = execution_id


async def cancel(node: Node, response_id: ExecutionId | DelayId, reason: str) -> CancelResult:
    """Idempotent; tells what it did. Raises: ExecutionNotFound, NotCancellable, StoreUnavailable."""
    if is_delay(response_id):
        return await _cancel_delay(node, DelayId(response_id))
    execution_id = ExecutionId(response_id)
    while True:
        projection = await node.store.get(execution_id)
        if isinstance(projection.status, proj.Finished):
            return CancelResult.ALREADY_FINISHED
        if projection.lifecycle.cancelling or projection.deciding:
            return CancelResult.ALREADY_CANCELLING
        if projection.kind is not ev.ExecutionKind.WORKFLOW:
            done = await _cancel_activity(node, execution_id, projection, reason)
        elif projection.function.cancellable:
            done = _cancel_workflow(node, execution_id, projection, reason)
        else:
            raise NotCancellable(execution_id, projection.function.text)
        if done is not None:
            return done


async def cancel_open(node: Node, response_ids: Sequence[str]) -> None:
    """Cancel what a closing join set left open, in this order; workflows that are not cancellable are let be."""
    for response_id in response_ids:
        while True:
            try:
                await cancel(node, ExecutionId(response_id), CLOSED)
            except NotCancellable:
                pass
            except StoreUnavailable:
                await asyncio.sleep(STORE_RETRY_SECONDS)
                continue
            break


async def _cancel_delay(node: Node, delay_id: DelayId) -> CancelResult:
    fired = await node.store.cancel_delay(delay_id, node.clock.now())
    if fired is None:
        return CancelResult.ALREADY_FINISHED
    node.responded(fired.response)
    return CancelResult.CANCELLED


async def _cancel_activity(
    node: Node, execution_id: ExecutionId, projection: proj.Projection, reason: str
) -> CancelResult | None:
    now = node.clock.now()
    events: list[ev.Recorded] = []
    after = projection
    for event in decisions.cancel(projection, reason):
        events.append(ev.Recorded(after.version, now, event))
        after = proj.apply(after, event, now)
    finished = events[-1].event
    assert isinstance(finished, ev.Finished)
    response = None
    if parent_of(execution_id) is not None:
        response = ev.Response(0, now, execution_id, ev.ChildFinished(finished.outcome))
    append = Append(execution_id, projection.version, events, after, response=response)
    try:
        delivered = await node.store.append(append)
    except VersionConflict:
        return None
    attempt = node.attempts.get(execution_id)
    if attempt is not None:
        attempt.drop()
    node.finished(execution_id, finished.outcome)
    if delivered is not None:
        node.responded(delivered)
    return CancelResult.CANCELLED


def _cancel_workflow(
    node: Node, execution_id: ExecutionId, projection: proj.Projection, reason: str
) -> CancelResult | None:
    run = node.workflows.get(execution_id)
    if run is None:
        node.scheduler.reserve(ev.ExecutionKind.WORKFLOW, force=True)
        run = WorkflowRun(node, execution_id, projection)
        run.cancel(reason)
        run.begin()
        return CancelResult.CANCELLING
    return CancelResult.CANCELLING if run.cancel(reason) else CancelResult.ALREADY_CANCELLING
