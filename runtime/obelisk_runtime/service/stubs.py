"""Stub executions: no code runs, somebody supplies the result, once."""

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.ports.store import ExecutionNotFound
from obelisk_runtime.service.node import Node
from obelisk_runtime.service.outside import append_outside


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


async def supply(node: Node, execution_id: str, result: str | bytes) -> bool:
    """End a stub execution with `{"ok": v}` or `{"err": e}`. The same result again is fine; False says so.

    Raises: StubNotFound, StubConflict, InvalidValue, StoreUnavailable.
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
        checked = target.codec.check_result(result)
        outcome = ev.Ok(checked.payload) if checked.is_ok else ev.Err(checked.payload)
        if isinstance(projection.status, proj.Finished):
            return await _compare(node, id_, projection, outcome)
        if await append_outside(node, id_, projection, (ev.Finished(outcome),)):
            return True


async def _compare(node: Node, execution_id: ExecutionId, projection: proj.Projection, outcome: ev.Outcome) -> bool:
    (last,) = await node.store.log(execution_id, start=projection.version - 1, limit=1)
    assert isinstance(last.event, ev.Finished)
    if last.event.outcome != outcome:
        raise StubConflict(execution_id, str(last.event.outcome))
    return False
