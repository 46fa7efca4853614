"""Many executions submitted at once: all of them or none."""

from collections.abc import Sequence
from dataclasses import dataclass

from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.values import ValueLimits
from obelisk_runtime.ports.store import CreateOutcome, IdConflict, NewExecution
from obelisk_runtime.service.executions.creating import created_by
from obelisk_runtime.service.process.node import Node
from obelisk_runtime.service.submitting.terms import Terms

BATCH_MAX = 1_000


class ItemRefused(ObeliskError):
    """One of them cannot be submitted, so none was."""

    def __init__(self, index: int, reason: ObeliskError) -> None:
        super().__init__(f"item {index}: {reason}; nothing was submitted")
        self.index = index
        self.reason = reason


class IdTwice(ObeliskError):
    def __init__(self, execution_id: ExecutionId) -> None:
        super().__init__(f"the id {execution_id} is given twice")


@dataclass(frozen=True, slots=True)
class Order:
    """One of many to be submitted."""

    function: Ffqn
    params: bytes
    id: ExecutionId | None
    terms: Terms


async def submit_all(node: Node, orders: Sequence[Order], limits: ValueLimits) -> list[tuple[ExecutionId, bool]]:
    """(id, whether it existed) of each, in order. Raises: ItemRefused, StoreUnavailable."""
    new: list[NewExecution] = []
    places: dict[ExecutionId, int] = {}
    for index, order in enumerate(orders):
        try:
            item = _new(node, order, limits)
            if item.id in places:
                raise IdTwice(item.id)
        except ObeliskError as reason:
            raise ItemRefused(index, reason) from reason
        places[item.id] = index
        new.append(item)
    try:
        outcomes = await node.store.create_all(new)
    except IdConflict as conflict:
        raise ItemRefused(places[ExecutionId(conflict.execution_id)], conflict) from conflict
    node.scheduler.wake()
    return [(item.id, outcome is CreateOutcome.EXISTED) for item, outcome in zip(new, outcomes, strict=True)]


def _new(node: Node, order: Order, limits: ValueLimits) -> NewExecution:
    target = node.deployment.target(order.function)
    params = target.codec.check_params(order.params, limits)
    now = node.clock.now()
    created = order.terms.imposed(created_by(target, params, node.ids.random_bytes(16)), now)
    execution_id = node.ids.execution_id(now) if order.id is None else order.id
    return order.terms.waiting(created, execution_id, now)
