"""Stub executions: no code runs, somebody supplies the result, once."""

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.ids import ExecutionId, parent_of
from obelisk_runtime.ports.store import ExecutionNotFound
from obelisk_runtime.service.components.deployed import Target
from obelisk_runtime.service.executions.outside import append_outside
from obelisk_runtime.service.executions.signatures import mismatch_with_parent
from obelisk_runtime.service.process.node import Node


class StubNotFound(ObeliskError):
    """No execution of this id waits for a result from outside."""

    def __init__(self, execution_id: str, reason: str) -> None:
        super().__init__(f"{execution_id} {reason}; only executions of stub functions take a result from outside")
        self.execution_id = execution_id


class StubConflict(ObeliskError):
    """The execution has ended with another result."""

    def __init__(self, execution_id: str, found: str) -> None:
        super().__init__(f"{execution_id} has ended already, with another result: {found}")
        self.execution_id = execution_id


class StubRejected(StubConflict):
    """Its function is deployed with another signature than its caller was compiled against: no result fits both."""


async def supply(node: Node, execution_id: str, result: str | bytes) -> bool:
    """End a stub execution with `{"ok": v}` or `{"err": e}`. The same result again is fine; False says so.

    An execution whose caller was compiled against another signature is rejected instead.
    Raises: StubNotFound, StubConflict, StubRejected, InvalidValue, StoreUnavailable.
    """
    id_ = ExecutionId(execution_id)
    while True:
        try:
            projection = await node.store.get(id_)
        except ExecutionNotFound:
            raise StubNotFound(execution_id, "does not exist") from None
        target = node.deployment.targets.get(projection.function)
        if projection.kind is not ev.ExecutionKind.STUB or target is None:
            raise StubNotFound(execution_id, f"runs {projection.function}")
        finished = isinstance(projection.status, proj.Finished)
        mismatch = None if finished else await _mismatch(node, id_, projection, target)
        if mismatch is not None:
            await append_outside(node, id_, projection, (ev.Finished(ev.Failed(ev.FailureKind.REJECTED, mismatch)),))
            raise StubRejected(execution_id, mismatch)
        checked = target.codec.check_result(result)
        outcome = ev.Ok(checked.payload) if checked.is_ok else ev.Err(checked.payload)
        if finished:
            return await _compare(node, id_, projection, outcome)
        if await append_outside(node, id_, projection, (ev.Finished(outcome),)):
            return True


async def _mismatch(node: Node, execution_id: ExecutionId, projection: proj.Projection, target: Target) -> str | None:
    """Why its caller could not take a result of what is deployed now; None: it can, or it has none."""
    if parent_of(execution_id) is None or projection.created > node.deployment.since:
        return None
    return await mismatch_with_parent(node, execution_id, target)


async def _compare(node: Node, execution_id: ExecutionId, projection: proj.Projection, outcome: ev.Outcome) -> bool:
    (last,) = await node.store.log(execution_id, start=projection.version - 1, limit=1)
    assert isinstance(last.event, ev.Finished)
    if last.event.outcome != outcome:
        raise StubConflict(execution_id, _shown(last.event.outcome))
    return False


def _shown(outcome: ev.Outcome) -> str:
    """As results are supplied."""
    match outcome:
        case ev.Ok(value):
            return f'{{"ok": {value or "null"}}}'
        case ev.Err(value):
            return f'{{"err": {value or "null"}}}'
        case ev.Failed(kind, reason):
            return f"{kind.label}: {reason}"
