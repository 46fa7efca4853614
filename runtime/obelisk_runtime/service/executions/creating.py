"""New executions: what is in their log from the start."""

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.ids import Digest, ExecutionId, Instant
from obelisk_runtime.ports.store import NewExecution
from obelisk_runtime.service.components.deployed import Target
from obelisk_runtime.service.process.node import Node


def begun(
    node: Node, created: ev.Created, execution_id: ExecutionId, now: Instant, digest: Digest | None
) -> NewExecution:
    """A new execution that this process holds from the start."""
    locked = ev.Locked(node.executor, 1, digest)
    projection = proj.apply(proj.begin(created, now), locked, now)
    return NewExecution(execution_id, (ev.Recorded(0, now, created), ev.Recorded(1, now, locked)), projection)


def waiting(created: ev.Created, execution_id: ExecutionId, now: Instant) -> NewExecution:
    """A new execution that nobody holds yet."""
    return NewExecution(execution_id, (ev.Recorded(0, now, created),), proj.begin(created, now))


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


def stillborn(created: ev.Created, execution_id: ExecutionId, now: Instant, outcome: ev.Failed) -> NewExecution:
    """A new execution that has ended already."""
    finished = ev.Finished(outcome)
    projection = proj.apply(proj.begin(created, now), finished, now)
    return NewExecution(execution_id, (ev.Recorded(0, now, created), ev.Recorded(1, now, finished)), projection)
