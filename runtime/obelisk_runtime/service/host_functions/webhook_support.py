"""`obelisk:webhook/webhook-support`, and direct and scheduled calls, for webhook guests."""

from collections.abc import Awaitable, Callable, Mapping
from typing import assert_never

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.errors import InvalidName
from obelisk_runtime.core.history import SetClosed, Taken
from obelisk_runtime.core.ids import ExecutionId, parse_execution_id
from obelisk_runtime.ports.engine import GuestTrap, Value
from obelisk_runtime.ports.store import ExecutionNotFound
from obelisk_runtime.service.executions.waiting import outcome_of, until_finished
from obelisk_runtime.service.host_functions.dynamic import (
    Refused,
    function_name,
    refuse_other_content,
    resolved,
    submitted,
)
from obelisk_runtime.service.host_functions.wit_values import (
    datetime_value,
    failure_kind_value,
    failure_named,
    outcome_json,
    result_json,
    schedule_of,
)
from obelisk_runtime.service.webhooks.context import WebhookContext

Arguments = tuple[Value, ...]


def _execution_id_current(context: WebhookContext, _: Arguments) -> Value:
    return {"id": context.execution_id}


def _execution_id_generate(context: WebhookContext, _: Arguments) -> Value:
    node = context.node
    return {"id": node.ids.execution_id(node.clock.now())}


def _last_direct_call_id(context: WebhookContext, _: Arguments) -> Value:
    last = None if context.begun is None else context.begun.history.last_direct
    return None if last is None else {"id": last}


def _call_json(context: WebhookContext, arguments: Arguments) -> Value:
    node = context.node
    try:
        function, params, forms = submitted(node, function_name(arguments[0]), arguments[1])
    except Refused as refused:
        return {"err": refused.value}
    context.run.history.call(function, params, node.clock.now(), forms)

    def answer(taken: Taken | SetClosed) -> Value:
        assert isinstance(taken, Taken)
        return {"ok": result_json(node.deployment, taken)}

    return context.run.wait_for(answer)


async def _schedule_json(context: WebhookContext, arguments: Arguments) -> Value:
    """Any number of times with the same content; another content under a known id traps."""
    node = context.node
    now = node.clock.now()
    try:
        execution_id = parse_execution_id(arguments[0]["id"])
        name, params = resolved(node, function_name(arguments[2]), arguments[3])
        await refuse_other_content(node, execution_id, name, params)
    except InvalidName as error:
        raise GuestTrap(f"schedule-json: {error}") from None
    except Refused as refused:
        return {"err": refused.value}
    at = schedule_of(arguments[1])
    asked = at.scheduled(execution_id, name.text, params, now, generated=False)
    context.run.history.schedule(asked, lambda: asked, now)
    context.run.recorded()
    return {"ok": None}


def _about(
    call: Callable[[WebhookContext, ExecutionId], Awaitable[Value]],
) -> Callable[[WebhookContext, Arguments], Awaitable[Value]]:
    """Of an execution by its id: what is wrong with that is an err."""

    async def about(context: WebhookContext, arguments: Arguments) -> Value:
        try:
            return await call(context, parse_execution_id(arguments[0]["id"]))
        except InvalidName as error:
            return {"err": {"execution_id_parsing_error": str(error)}}
        except ExecutionNotFound:
            return {"err": "not_found"}

    return about


async def _get_status(context: WebhookContext, execution_id: ExecutionId) -> Value:
    node = context.node
    projection = await node.insist(lambda: node.store.get(execution_id))
    return {"ok": await _status(context, execution_id, projection)}


async def _status(context: WebhookContext, execution_id: ExecutionId, projection: proj.Projection) -> Value:
    status = projection.status
    if not isinstance(status, proj.Finished):
        if projection.lifecycle.paused:
            return "paused"
        if projection.lifecycle.cancelling:
            return "cancelling"
    match status:
        case proj.Pending(due=due):
            return {"pending_at": datetime_value(due)}
        case proj.Locked():
            return "locked"
        case proj.Blocked():
            return "blocked_by_join_set"
        case proj.Finished():
            return {"finished": _finished(await _ended(context, execution_id))}
        case _:
            assert_never(status)


def _finished(outcome: ev.Outcome | None) -> Value:
    match outcome:
        case ev.Ok():
            return "ok"
        case ev.Err():
            return "err"
        case ev.Failed(kind=kind):
            return {"execution_failure": failure_kind_value(kind)}
        case None:
            raise AssertionError("what is finished has an outcome")
        case _:
            assert_never(outcome)


async def _get_execution_failure_kind(context: WebhookContext, execution_id: ExecutionId) -> Value:
    outcome = await _ended(context, execution_id)
    return {"ok": failure_kind_value(outcome.kind) if isinstance(outcome, ev.Failed) else None}


async def _get(context: WebhookContext, execution_id: ExecutionId) -> Value:
    """Who awaits an execution is one."""
    node = context.node
    await node.insist(lambda: node.store.get(execution_id))
    _ = context.run
    outcome = await node.insist(lambda: until_finished(node, execution_id))
    return {"ok": await _result(context, execution_id, outcome)}


async def _try_get(context: WebhookContext, execution_id: ExecutionId) -> Value:
    outcome = await _ended(context, execution_id)
    return {"err": "not_finished_yet"} if outcome is None else {"ok": await _result(context, execution_id, outcome)}


async def _ended(context: WebhookContext, execution_id: ExecutionId) -> ev.Outcome | None:
    node = context.node
    return await node.insist(lambda: outcome_of(node, execution_id))


async def _result(context: WebhookContext, execution_id: ExecutionId, outcome: ev.Outcome) -> Value:
    node = context.node
    projection = await node.insist(lambda: node.store.get(execution_id))
    return outcome_json(outcome, failure_named=failure_named(node.deployment, projection.function))


FUNCTIONS: Mapping[str, Callable[[WebhookContext, Arguments], Value]] = {
    "execution-id-current": _execution_id_current,
    "execution-id-generate": _execution_id_generate,
    "last-direct-call-id": _last_direct_call_id,
    "call-json": _call_json,
    "schedule-json": _schedule_json,
    "get-status": _about(_get_status),
    "get-execution-failure-kind": _about(_get_execution_failure_kind),
    "get": _about(_get),
    "try-get": _about(_try_get),
}
"""By name, as in `workflow_support`."""
