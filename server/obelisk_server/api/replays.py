"""Histories that are run again and compared: one, or all that a filter matches. Nothing is written."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from obelisk_runtime.core.errors import InvalidName
from obelisk_runtime.core.events import ExecutionKind
from obelisk_runtime.core.ids import ExecutionId, parse_execution_id
from obelisk_runtime.core.short_names import AmbiguousFunction
from obelisk_runtime.ports.store import ExecutionNotFound, StoreUnavailable
from obelisk_runtime.service import BrokenBytes, BytesMissing, Differs, Matches, NotAWorkflow, TooManyReplays, Unfit
from obelisk_server.api import answers, wire
from obelisk_server.api.bulk import matching
from obelisk_server.api.filters import execution_filter
from obelisk_server.api.operations import AnyOperation, Call, Context, Operation, Reply
from obelisk_server.api.problems import COMPONENT, EXECUTION

COMPONENT_BYTES_MAX = 64 * 1024 * 1024
"""Of a component sent with a request."""
BODY_BYTES_MAX = COMPONENT_BYTES_MAX // 3 * 4 + 64 * 1024
REPLAYS_MAX = 100


class Replay(wire.Request, frozen=True):
    component: bytes | None = None
    """Another component than its own; base64 on the wire."""


class BulkReplay(wire.Request, frozen=True):
    filter: wire.Filter
    component: bytes | None = None
    """Another component than their own; base64 on the wire."""
    cursor: wire.Text | None = None
    limit: Annotated[int, Meta(ge=1, le=REPLAYS_MAX)] = 10
    """How many are looked at in this call."""


class ReplayAnswer(answers.Answer, frozen=True, kw_only=True):
    id: str
    matches: bool
    digest: str
    entries: int | UnsetType = UNSET
    difference: answers.Json | UnsetType = UNSET


class BulkReplayAnswer(answers.Page[ReplayAnswer], frozen=True, kw_only=True):
    """Of the workflows among what the filter matches."""

    matching: int | UnsetType = UNSET
    """In the first answer: how many executions the filter matches, workflows and others; counted up to a bound."""


async def replay(context: Context, call: Call[wire.Nothing, Replay]) -> Reply:
    """Run the history of a workflow against its component, or another one, and compare; nothing is written."""
    return Reply(200, await _replayed(context, parse_execution_id(call.path["id"]), call.body.component))


async def bulk_replay(context: Context, call: Call[wire.Nothing, BulkReplay]) -> Reply:
    """Run the histories of all workflows that a filter matches, page by page, and compare; nothing is written."""
    body = call.body
    where = execution_filter(context, call.caller, body.filter)
    count = UNSET if body.cursor is not None else (await matching(context, where))[0]
    async with context.lists.turn():
        page = await context.service.store.list(where, cursor=body.cursor, limit=body.limit)
    items: list[ReplayAnswer] = []
    for item in page.items:
        if item.projection.kind is ExecutionKind.WORKFLOW:
            try:
                items.append(await _replayed(context, item.id, body.component))
            except ExecutionNotFound:
                continue  # deleted meanwhile
            except (BytesMissing, BrokenBytes) as error:
                pinned = item.projection.digest
                if body.component is not None or pinned is None:
                    raise
                items.append(_unfit(item.id, Unfit(pinned, str(error))))
    return Reply(200, BulkReplayAnswer(items=items, next_cursor=page.next_cursor, matching=count))


async def _replayed(context: Context, execution_id: ExecutionId, component: bytes | None) -> ReplayAnswer:
    match await context.service.replay(execution_id, component):
        case Matches(digest, entries):
            return ReplayAnswer(id=execution_id, matches=True, digest=digest, entries=entries)
        case Differs() | Unfit() as difference:
            return _unfit(execution_id, difference)


def _unfit(execution_id: ExecutionId, difference: Differs | Unfit) -> ReplayAnswer:
    return ReplayAnswer(
        id=execution_id, matches=False, digest=difference.digest, difference=difference_json(difference)
    )


def difference_json(difference: Differs | Unfit) -> answers.Json:
    """Why a component does not repeat a history."""
    if isinstance(difference, Unfit):
        return {"reason": difference.reason}
    return {
        "version": difference.version,
        "recorded": difference.recorded,
        "asked": difference.asked,
        "position": difference.position,
    }


_ERRORS = (*COMPONENT, TooManyReplays)
OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        "replay",
        replay,
        wire.Nothing,
        Replay,
        ReplayAnswer,
        (*EXECUTION, *_ERRORS, NotAWorkflow),
        body_bytes_max=BODY_BYTES_MAX,
    ),
    Operation(
        "bulk-replay",
        bulk_replay,
        wire.Nothing,
        BulkReplay,
        BulkReplayAnswer,
        (*_ERRORS, InvalidName, AmbiguousFunction, StoreUnavailable),
        body_bytes_max=BODY_BYTES_MAX,
        minds_functions=True,
    ),
)
