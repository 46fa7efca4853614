"""New executions: what is in their log from the start."""

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.ids import Digest, ExecutionId, Instant
from obelisk_runtime.ports.store import NewExecution
from obelisk_runtime.service.components.deployed import Target
from obelisk_runtime.service.process.node import Node


def new_execution(execution_id: ExecutionId, created: ev.Created, now: Instant, *events: ev.LifeEvent) -> NewExecution:
    """Created, and what happens to it at once. Without that, nobody holds it yet."""
    projection = proj.begin(created, now)
    entries = [ev.Recorded(0, now, created)]
    for event in events:
        entries.append(ev.Recorded(projection.version, now, event))
        projection = proj.apply(projection, event, now)
    return NewExecution(execution_id, entries, projection)


def begun(
    node: Node, created: ev.Created, execution_id: ExecutionId, now: Instant, digest: Digest | None
) -> NewExecution:
    """A new execution that this process holds from the start."""
    return new_execution(execution_id, created, now, ev.Locked(node.executor, 1, digest))


def seed_of(created: ev.Created) -> bytes:
    return created.seed or bytes(16)


def created_by(target: Target, params: str, seed: bytes | None, *, deadline: Instant | None = None) -> ev.Created:
    """The first event of an execution of a deployed function. A workflow is pinned to the digest deployed now."""
    pinned = target.kind is ev.ExecutionKind.WORKFLOW
    return ev.Created(
        kind=target.kind,
        function=target.name,
        params=params,
        digest=target.component.digest if pinned else None,
        seed=seed if pinned else None,
        deadline=deadline,
    )
