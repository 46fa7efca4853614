"""Stub executions: no code runs, somebody supplies the result, once."""

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.ids import ExecutionId, parent_of
from obelisk_runtime.ports.store import Append, ExecutionNotFound, VersionConflict
from obelisk_runtime.service.node import Node


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
        try:
            await _finish(node, id_, projection, outcome)
        except VersionConflict:
            continue
        return True


async def _compare(node: Node, execution_id: ExecutionId, projection: proj.Projection, outcome: ev.Outcome) -> bool:
    (last,) = await node.store.log(execution_id, start=projection.version - 1, limit=1)
    assert isinstance(last.event, ev.Finished)
    if last.event.outcome != outcome:
        raise StubConflict(execution_id, str(last.event.outcome))
    return False


async def _finish(node: Node, execution_id: ExecutionId, projection: proj.Projection, outcome: ev.Outcome) -> None:
    now = node.clock.now()
    event = ev.Finished(outcome)
    response = None
    if parent_of(execution_id) is not None:
        response = ev.Response(0, now, execution_id, ev.ChildFinished(outcome))
    delivered = await node.store.append(
        Append(
            id=execution_id,
            expected_version=projection.version,
            events=(ev.Recorded(projection.version, now, event),),
            projection=proj.apply(projection, event, now),
            response=response,
        )
    )
    node.finished(execution_id, outcome)
    if delivered is not None:
        node.responded(delivered)
