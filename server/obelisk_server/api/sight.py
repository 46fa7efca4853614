"""What callers see who are limited to some functions: executions of these, with everything below them.

What they do not see is answered as if it did not exist.
"""

from collections.abc import Collection
from typing import TypeVar

from obelisk_runtime.core.ids import (
    DELAY_PREFIX,
    DelayId,
    ExecutionId,
    ResponseId,
    is_delay,
    parent_of,
    parse_delay_id,
    parse_execution_id,
)
from obelisk_runtime.ports.store import ExecutionNotFound
from obelisk_server.access import Caller
from obelisk_server.api.operations import Context

AnyId = TypeVar("AnyId", bound=ResponseId)


def parse_target(text: str) -> ExecutionId | DelayId:
    """An id as given in a path. Raises: InvalidName."""
    return parse_delay_id(text) if text.startswith(DELAY_PREFIX) else parse_execution_id(text)


async def seen(context: Context, caller: Caller, ids: Collection[AnyId]) -> Collection[AnyId]:
    """Those of them whose function, or that of an execution above them, is one of the caller's; in their order.

    Raises: StoreUnavailable.
    """
    if not caller.limited:
        return ids
    lines = {id_: _line(id_) for id_ in ids}
    found = await context.service.store.get_all({above for line in lines.values() for above in line})
    permitted = {id_ for id_, projection in found.items() if caller.permits(projection.function)}
    return [id_ for id_, line in lines.items() if not permitted.isdisjoint(line)]


def _line(id_: ResponseId) -> list[ExecutionId]:
    """The execution, unless it is a delay, and all above it."""
    line = [] if is_delay(id_) else [ExecutionId(id_)]
    above = parent_of(id_)
    while above is not None:
        line.append(above)
        above = parent_of(above)
    return line


async def require_sight(context: Context, caller: Caller, response_id: ResponseId) -> None:
    """Raises: ExecutionNotFound, StoreUnavailable."""
    if not await seen(context, caller, [response_id]):
        raise ExecutionNotFound(response_id)
