"""What callers see who are limited to some functions: executions of these, with everything below them.

What they do not see is answered as if it did not exist.
"""

from collections.abc import Sequence

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
from obelisk_runtime.ports.store import ExecutionNotFound, Summary
from obelisk_server.access import Caller
from obelisk_server.api.operations import Context


def parse_target(text: str) -> ExecutionId | DelayId:
    """An id as given in a path. Raises: InvalidName."""
    return parse_delay_id(text) if text.startswith(DELAY_PREFIX) else parse_execution_id(text)


async def sees(context: Context, caller: Caller, response_id: ResponseId) -> bool:
    """Whether its function, or that of an execution above it, is one of the caller's. Raises: StoreUnavailable."""
    if not caller.limited:
        return True
    above = parent_of(response_id) if is_delay(response_id) else ExecutionId(response_id)
    while above is not None:
        try:
            projection = await context.service.store.get(above)
        except ExecutionNotFound:
            return False
        if caller.permits(projection.function):
            return True
        above = parent_of(above)
    return False


async def require_sight(context: Context, caller: Caller, response_id: ResponseId) -> None:
    """Raises: ExecutionNotFound, StoreUnavailable."""
    if not await sees(context, caller, response_id):
        raise ExecutionNotFound(response_id)


async def seen(context: Context, caller: Caller, items: Sequence[Summary]) -> Sequence[Summary]:
    """Those of a page that the caller sees. Raises: StoreUnavailable."""
    return [item for item in items if await sees(context, caller, item.id)] if caller.limited else items
