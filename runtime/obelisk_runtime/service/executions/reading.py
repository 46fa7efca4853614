"""The whole log and the whole list of responses of an execution, page by page."""

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.ports.store import PAGE_MAX, Store


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
