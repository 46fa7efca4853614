"""Ending executions and delays from outside: by a client, at a deadline, or because their join set closes."""

from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from functools import partial

from obelisk_runtime.core import decisions
from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.ids import DelayId, ExecutionId, is_delay
from obelisk_runtime.core.names import CANCELLABLE_SUFFIX
from obelisk_runtime.ports.store import ExecutionNotFound, StoreUnavailable
from obelisk_runtime.service.executions.outside import append_outside
from obelisk_runtime.service.process.node import Node, Resident
from obelisk_runtime.service.webhooks.run import run_of

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
            f"{CANCELLABLE_SUFFIX} can be cancelled; it can be terminated"
        )
        self.execution_id = execution_id


async def cancel(node: Node, response_id: ExecutionId | DelayId, reason: str) -> CancelResult:
    """Idempotent; tells what it did, once that is durable.

    Raises: ExecutionNotFound, NotCancellable, StoreUnavailable.
    """
    if is_delay(response_id):
        return await node.complete(_cancel_delay(node, DelayId(response_id)))
    return await _end(node, ExecutionId(response_id), _cancelled(reason), only_willing=True)


async def terminate(node: Node, execution_id: ExecutionId, reason: str) -> CancelResult:
    """`cancel`, also of a workflow that did not agree to it. Raises: ExecutionNotFound, StoreUnavailable."""
    return await _end(node, execution_id, _cancelled(reason), only_willing=False)


async def expire(node: Node, execution_id: ExecutionId) -> None:
    """End an execution whose deadline is reached. Raises: ExecutionNotFound, StoreUnavailable.

    Of a workflow that may not be durable yet when this returns; until it is, the store tells of it again.
    """
    outcome = ev.Failed(kind=ev.FailureKind.TIMED_OUT, reason=decisions.DEADLINE)
    while True:
        projection = await node.store.get(execution_id)
        if decisions.ending(projection):
            return
        if projection.kind.has_children:
            await _end_here(node, execution_id, projection, outcome)
            return
        if await append_outside(node, execution_id, projection, decisions.end_early(projection, outcome)):
            return


async def cancel_open(node: Node, response_ids: Sequence[str]) -> None:
    """Cancel, durably and in this order, what a closing join set left open; workflows that do not agree are let be."""
    for response_id in response_ids:
        with suppress(NotCancellable, ExecutionNotFound):
            await node.insist(partial(cancel, node, ExecutionId(response_id), CLOSED))


def _cancelled(reason: str) -> ev.Failed:
    return ev.Failed(kind=ev.FailureKind.CANCELLED, reason=reason)


async def _end(node: Node, execution_id: ExecutionId, outcome: ev.Failed, *, only_willing: bool) -> CancelResult:
    tried = asked = False
    while True:
        projection = await node.store.get(execution_id)
        if isinstance(projection.status, proj.Finished):
            return CancelResult.CANCELLING if asked else CancelResult.ALREADY_FINISHED
        if decisions.ending(projection):
            return CancelResult.CANCELLING if asked else CancelResult.ALREADY_CANCELLING
        if projection.kind.has_children:
            if projection.kind is ev.ExecutionKind.WORKFLOW and only_willing and not projection.function.cancellable:
                raise NotCancellable(execution_id, projection.function.text)
            if tried and node.stopping:
                raise StoreUnavailable("the process that was to end it stops")
            run, begun = await _end_here(node, execution_id, projection, outcome)
            tried, asked = True, asked or begun
            await run.settled()
        elif await append_outside(node, execution_id, projection, decisions.end_early(projection, outcome)):
            return CancelResult.CANCELLED


async def _cancel_delay(node: Node, delay_id: DelayId) -> CancelResult:
    """Its parent is told, also if the caller is cancelled meanwhile."""
    fired = await node.store.cancel_delay(delay_id, node.clock.now())
    if fired is None:
        return CancelResult.ALREADY_FINISHED
    node.responded(fired.response)
    return CancelResult.CANCELLED


async def _end_here(
    node: Node, execution_id: ExecutionId, projection: proj.Projection, outcome: ev.Failed
) -> tuple[Resident, bool]:
    """Let a workflow end before whatever is written next, also if it rested in the store; False: it is ending already.

    Nothing of that needs to be durable yet.
    """
    run = node.workflows.get(execution_id)
    if run is not None:
        return run, run.end_early(outcome)
    node.scheduler.reserve(projection.kind, execution_id, projection.function, force=True)
    taken_up = run_of(node, execution_id, projection)
    taken_up.end_early(outcome)
    await node.complete(taken_up.read_and_start())
    return taken_up, True
