"""Operations on executions."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.errors import InvalidName
from obelisk_runtime.core.ids import (
    ExecutionId,
    parse_execution_id,
)
from obelisk_runtime.core.short_names import AmbiguousFunction
from obelisk_runtime.ports.store import EVERY_LEVEL, ExecutionFilter, StoreUnavailable, levels_from
from obelisk_server.api import answers, render, wire
from obelisk_server.api.filters import execution_filter
from obelisk_server.api.operations import AnyOperation, Call, Context, Operation, Reply
from obelisk_server.api.problems import EXECUTION
from obelisk_server.api.waits import InvalidWait, wait_seconds


async def list_executions(context: Context, call: Call[wire.List, wire.Nothing]) -> Reply:
    """Executions, newest first."""
    where = execution_filter(context, call.caller, call.query)
    return await _page(context, where, call, oldest_first=call.query.oldest_first)


async def list_children(context: Context, call: Call[wire.Children, wire.Nothing]) -> Reply:
    """The children of an execution, or all that is below it, in the order they were submitted."""
    execution_id = parse_execution_id(call.path["id"])
    await context.service.store.get(execution_id)
    if call.query.tree:
        where = ExecutionFilter(id_prefix=execution_id + ".", top_level_only=False)
    else:
        where = ExecutionFilter(parent=execution_id)
    return await _page(context, where, call, oldest_first=True)


async def _page(
    context: Context,
    where: ExecutionFilter,
    call: Call[wire.List, wire.Nothing] | Call[wire.Children, wire.Nothing],
    *,
    oldest_first: bool,
) -> Reply:
    query = call.query
    async with context.lists.turn():
        read = context.service.store.list
        page = await read(where, cursor=query.cursor, limit=query.limit, oldest_first=oldest_first)
        items = [render.summary(item.id, item.projection) for item in page.items]
    return Reply(200, answers.Page(items=items, next_cursor=page.next_cursor))


async def get(context: Context, call: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """One execution: state, parameters, result."""
    execution_id = parse_execution_id(call.path["id"])
    store = context.service.store
    projection = await store.get(execution_id)
    (first,) = await store.log(execution_id, limit=1)
    assert isinstance(first.event, ev.Created)
    outcome = await _outcome(context, execution_id, projection)
    return Reply(200, render.execution(execution_id, projection, first.event, outcome))


async def result(context: Context, call: Call[wire.Wait, wire.Nothing]) -> Reply:
    """How an execution ended."""
    execution_id = parse_execution_id(call.path["id"])
    wait = wait_seconds(call.query.wait)
    projection = await context.service.store.get(execution_id)
    outcome = await _outcome(context, execution_id, projection)
    if outcome is None and wait:
        outcome = await context.waits.at_most(wait, context.service.wait(execution_id))
    if outcome is None:
        projection = await context.service.store.get(execution_id)
        return Reply(202, answers.ResultOrStatus(id=execution_id, status=render.status_name(projection.status)))
    return Reply(200, answers.ResultOrStatus(id=execution_id, status="finished", result=render.result(outcome)))


async def _outcome(context: Context, execution_id: ExecutionId, projection: proj.Projection) -> ev.Outcome | None:
    """The outcome of a finished execution; None of another one."""
    if not isinstance(projection.status, proj.Finished):
        return None
    (last,) = await context.service.store.log(execution_id, start=projection.version - 1, limit=1)
    assert isinstance(last.event, ev.Finished)
    return last.event.outcome


async def events(context: Context, call: Call[wire.Events, wire.Nothing]) -> Reply:
    """The event log of an execution."""
    execution_id = parse_execution_id(call.path["id"])
    store, query = context.service.store, call.query

    async def look() -> answers.EventPage:
        projection = await store.get(execution_id)  # first: what follows its end cannot grow
        total = projection.version
        end = total if query.before is None else min(query.before, total)
        start = query.cursor if query.cursor is not None else 0 if query.before is None else max(0, end - query.limit)
        found = await store.log(execution_id, start=start, limit=max(0, min(query.limit, end - start)))
        following = start + len(found)
        return answers.EventPage(
            items=[render.event(item) for item in found],
            total=total,
            next_cursor=following,
            previous_before=min(start, total) or None,
            complete=isinstance(projection.status, proj.Finished) and following >= total,
        )

    wait = wait_seconds(query.wait)
    return Reply(200, await _grown(context, execution_id, wait, look))


async def responses(context: Context, call: Call[wire.Tail, wire.Nothing]) -> Reply:
    """What children and delays answered, in the order the workflow sees."""
    execution_id = parse_execution_id(call.path["id"])
    store = context.service.store

    async def read(query: wire.Tail) -> tuple[list[Any], int]:
        found = await store.responses(execution_id, after=query.cursor, limit=query.limit)
        return [render.response(item) for item in found], found[-1].position if found else query.cursor

    return await _tail(context, execution_id, call.query, read)


async def logs(context: Context, call: Call[wire.Logs, wire.Nothing]) -> Reply:
    """What the guest of an execution wrote."""
    execution_id = parse_execution_id(call.path["id"])
    store, tree = context.service.store, call.query.tree
    levels = EVERY_LEVEL if call.query.level is None else levels_from(call.query.level)

    async def read(query: wire.Tail) -> tuple[list[Any], int]:
        found = await store.read_logs(execution_id, after=query.cursor, limit=query.limit, levels=levels, tree=tree)
        return [render.log_line(*item) for item in found], found[-1][0] if found else query.cursor

    return await _tail(context, execution_id, call.query, read)


async def requests(context: Context, call: Call[wire.Tail, wire.Nothing]) -> Reply:
    """The HTTP requests that the attempts of an execution made."""
    execution_id = parse_execution_id(call.path["id"])
    store = context.service.store

    async def read(query: wire.Tail) -> tuple[list[Any], int]:
        found = await store.read_requests(execution_id, after=query.cursor, limit=query.limit)
        return [render.request_made(*item) for item in found], found[-1][0] if found else query.cursor

    return await _tail(context, execution_id, call.query, read)


AnyTail = TypeVar("AnyTail", answers.EventPage, answers.TailPage[Any])
Read = Callable[[wire.Tail], Awaitable[tuple[list[Any], int]]]


async def _tail(context: Context, execution_id: ExecutionId, query: wire.Tail, read: Read) -> Reply:
    """A page that has something, or is complete, or is what there is when the wait is over."""
    wait = wait_seconds(query.wait)

    async def look() -> answers.TailPage[Any]:
        projection = await context.service.store.get(execution_id)  # first: what follows its end cannot grow
        items, cursor = await read(query)
        complete = isinstance(projection.status, proj.Finished) and len(items) < query.limit
        return answers.TailPage[Any](items=items, next_cursor=cursor, complete=complete)

    return Reply(200, await _grown(context, execution_id, wait, look))


async def _grown(
    context: Context, execution_id: ExecutionId, wait: float, look: Callable[[], Awaitable[AnyTail]]
) -> AnyTail:
    async def look_for_more() -> AnyTail | None:
        page = await look()
        return page if page.items or page.complete else None

    page = await context.waits.until(wait, execution_id, look_for_more) if wait else None
    return page or await look()


WAITING = (*EXECUTION, InvalidWait)
OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        "list-executions",
        list_executions,
        wire.List,
        wire.Nothing,
        answers.Page[answers.Summary],
        (InvalidName, AmbiguousFunction, StoreUnavailable),
        minds_functions=True,
    ),
    Operation("list-children", list_children, wire.Children, wire.Nothing, answers.Page[answers.Summary], EXECUTION),
    Operation("get-execution", get, wire.Nothing, wire.Nothing, answers.Execution, EXECUTION),
    Operation("get-result", result, wire.Wait, wire.Nothing, answers.ResultOrStatus, WAITING, statuses=(200, 202)),
    Operation("list-events", events, wire.Events, wire.Nothing, answers.EventPage, WAITING),
    Operation("list-responses", responses, wire.Tail, wire.Nothing, answers.TailPage[answers.ResponseItem], WAITING),
    Operation("list-logs", logs, wire.Logs, wire.Nothing, answers.TailPage[answers.LogLine], WAITING),
    Operation("list-requests", requests, wire.Tail, wire.Nothing, answers.TailPage[answers.RequestMade], WAITING),
)
