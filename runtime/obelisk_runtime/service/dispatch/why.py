"""Why an execution does not run now, or that it does."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.history import History
from obelisk_runtime.core.ids import ExecutionId, ExecutorId, Instant
from obelisk_runtime.service.dispatch.slots import Slots
from obelisk_runtime.service.executions.reading import read_log, read_open_delays, read_responses
from obelisk_runtime.service.process.node import Node

NAMED_MAX = 20
"""How many of the things it waits for are named."""
TRIES_MAX = 5
"""How often what moves on while it is looked at is looked at again; then it is taken to run."""
BEATS_MISSED = 2
"""An executor whose latest heartbeat is older than so many intervals is taken to be lost."""


class Because(StrEnum):
    RUNNING = "running"
    FINISHED = "finished"
    PAUSED = "paused"
    DUE_LATER = "due later"
    BACKING_OFF = "backing off"
    NOT_DEPLOYED = "not deployed"
    FUNCTION_LIMIT = "concurrency limit of its function"
    NO_FREE_SLOT = "no free slot"
    NEXT_IN_TURN = "next in turn"
    BLOCKED = "blocked"
    CANCELLING = "cancelling"
    AWAITS_RESULT = "awaits a result from outside"
    EXECUTOR_LOST = "executor lost"


@dataclass(frozen=True, slots=True)
class Why:
    because: Because
    text: str
    """For people."""
    until: Instant | None = None
    """When that changes by itself."""
    waits_for: Sequence[str] = ()
    """Children and delays that have not answered; not more than NAMED_MAX."""


async def why(node: Node, slots: Slots, execution_id: ExecutionId) -> Why:
    """Raises: ExecutionNotFound, StoreUnavailable."""
    for _ in range(TRIES_MAX):
        found = await _why(node, slots, execution_id)
        if found is not None:
            return found
    return Why(Because.RUNNING, "it runs now")


async def _why(node: Node, slots: Slots, execution_id: ExecutionId) -> Why | None:
    """None: it has moved on while this was read."""
    projection = await node.store.get(execution_id)
    status = projection.status
    if isinstance(status, proj.Finished):
        return Why(Because.FINISHED, f"it has finished: {status.result}")
    if projection.lifecycle.paused:
        return await _paused(node, execution_id, projection)
    if projection.kind is ev.ExecutionKind.STUB:
        return Why(Because.AWAITS_RESULT, "its function is a stub: it waits until somebody supplies the result")
    match status:
        case proj.Pending(due=due):
            return _pending(node, slots, projection, due)
        case proj.Locked(executor=executor):
            return await _held(node, executor) or Why(Because.RUNNING, "it runs now")
        case proj.Blocked():
            lost = None if status.executor is None else await _held(node, status.executor)
            return lost or await _blocked(node, execution_id, projection)
        case _:
            assert_never(status)


async def _paused(node: Node, execution_id: ExecutionId, projection: proj.Projection) -> Why:
    log = await read_log(node.store, execution_id)
    reasons = [entry.event.reason for entry in log if isinstance(entry.event, ev.Paused)]
    running = isinstance(projection.status, proj.Locked)
    ending = "; the attempt that runs may end" if running else ""
    return Why(Because.PAUSED, f"it is paused: {reasons[-1]}{ending}; resume it to go on")


def _pending(node: Node, slots: Slots, projection: proj.Projection, due: Instant) -> Why:
    function = projection.function
    if due > node.clock.now():
        if projection.failures or projection.losses:
            attempts = f"{projection.failures} failed and {projection.losses} lost attempts"
            return Why(Because.BACKING_OFF, f"after {attempts} it waits before the next", due)
        return Why(Because.DUE_LATER, "it is to begin later", due)
    if projection.kind is ev.ExecutionKind.ACTIVITY and function not in node.deployment.targets:
        return Why(Because.NOT_DEPLOYED, f"no deployed component exports {function}")
    if slots.function_room(function) == 0:
        return Why(Because.FUNCTION_LIMIT, f"as many executions of {function} run as may at once")
    if slots.room(projection.kind) == 0:
        kind = projection.kind.name.lower()
        return Why(Because.NO_FREE_SLOT, f"as many executions run as may at once (of this kind: {kind})")
    return Why(Because.NEXT_IN_TURN, "it begins when it is its turn")


async def _held(node: Node, executor: ExecutorId) -> Why | None:
    """None: its executor is this one, or was heard of lately."""
    if executor == node.executor:
        return None
    now, limits = node.clock.now(), node.limits
    beat = await node.store.last_beat(executor)
    if beat is not None and now <= beat + BEATS_MISSED * limits.heartbeat:
        return None
    until = Instant(now + limits.heartbeat)
    if beat is not None and now < beat + limits.lease:
        until = Instant(beat + limits.lease)
    return Why(Because.EXECUTOR_LOST, f"{executor} is silent; if it stays so another one takes over by then", until)


async def _blocked(node: Node, execution_id: ExecutionId, projection: proj.Projection) -> Why | None:
    """None: it has moved on meanwhile."""
    log = await read_log(node.store, execution_id)
    if len(log) != projection.version:
        return None
    responses = await read_responses(node.store, execution_id)
    history = History(execution_id, log, responses)
    history.run_to_end()
    status = projection.status
    assert isinstance(status, proj.Blocked)
    if status.join_set is None:
        waits_for, submitted = list(history.open), len(history.open) + len(responses)
        text = f"it ends when {len(waits_for)} of the {submitted} it started have answered"
        because = Because.CANCELLING if projection.lifecycle.cancelling else Because.BLOCKED
    else:
        join_set = history.sets[status.join_set]
        waits_for, submitted = list(join_set.open), join_set.submitted
        text = f"it waits for join set {status.join_set}: {len(waits_for)} of {submitted} have not answered"
        because = Because.BLOCKED
    delays = {delay.id: delay for delay in await read_open_delays(node.store, execution_id)}
    paused = [delay.id for delay in delays.values() if delay.paused and delay.id in waits_for]
    if paused:
        text += f"; paused: {', '.join(paused[:NAMED_MAX])}"
    wakes = [delay.wakes for delay in delays.values() if not delay.paused and delay.id in waits_for]
    return Why(because, text, min(wakes, default=None), tuple(waits_for[:NAMED_MAX]))
