"""Events that somebody else than the holder of an execution decides: appended if it stands as it was read."""

from collections.abc import Sequence

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.decisions import response_of
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.ports.store import Append, ResponsesMoved, VersionConflict
from obelisk_runtime.service.process.node import Node


async def append_outside(
    node: Node, execution_id: ExecutionId, projection: proj.Projection, events: Sequence[ev.LifeEvent]
) -> bool:
    """Append what was decided on this projection; False if the execution moved on, and nothing was written.

    If the events end it, its parent is answered and an attempt that runs here is stopped, also if the caller is
    cancelled when they are on their way. Raises: StoreUnavailable.
    """
    return await node.complete(_append_and_tell(node, execution_id, projection, events))


async def _append_and_tell(
    node: Node, execution_id: ExecutionId, projection: proj.Projection, events: Sequence[ev.LifeEvent]
) -> bool:
    now = node.clock.now()
    entries: list[ev.Recorded] = []
    after = projection
    for event in events:
        entries.append(ev.Recorded(after.version, now, event))
        after = proj.apply(after, event, now)
    response = response_of(execution_id, entries[-1])
    append = Append(execution_id, projection.version, entries, after, projection.responses, response=response)
    try:
        delivered = await node.store.append(append)
    except (VersionConflict, ResponsesMoved):
        return False
    last = entries[-1].event
    if isinstance(last, ev.Finished):
        attempt = node.attempts.get(execution_id)
        if attempt is not None:
            attempt.drop()
        node.finished(execution_id, after.function, last.outcome)
    if delivered is not None:
        node.responded(delivered)
    return True
