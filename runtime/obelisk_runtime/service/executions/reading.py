"""The whole log of an execution, all its responses, all its open delays, page by page."""

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.ids import DelayId, ExecutionId
from obelisk_runtime.ports.store import PAGE_MAX, OpenDelay, Store


async def read_log(store: Store, execution_id: ExecutionId) -> list[ev.Recorded]:
    """The whole log. Raises: ExecutionNotFound, StoreUnavailable."""
    log: list[ev.Recorded] = []
    while page := await store.log(execution_id, start=len(log), limit=PAGE_MAX):
        log += page
        if len(page) < PAGE_MAX:
            break
    return log


async def read_responses(store: Store, execution_id: ExecutionId) -> list[ev.Response]:
    """The whole list of responses. Raises: ExecutionNotFound, StoreUnavailable."""
    responses: list[ev.Response] = []
    while page := await store.responses(execution_id, after=len(responses), limit=PAGE_MAX):
        responses += page
        if len(page) < PAGE_MAX:
            break
    return responses


async def read_open_delays(store: Store, execution_id: ExecutionId) -> list[OpenDelay]:
    """All that have not answered. Raises: ExecutionNotFound, StoreUnavailable."""
    delays: list[OpenDelay] = []
    after: DelayId | None = None
    while page := await store.open_delays(execution_id, after=after, limit=PAGE_MAX):
        delays += page
        after = page[-1].id
        if len(page) < PAGE_MAX:
            break
    return delays
