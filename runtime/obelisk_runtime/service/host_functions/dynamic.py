"""Host functions of a workflow that name functions and executions by text, with parameters and results as JSON."""

from collections.abc import Callable, Mapping

import msgspec

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.errors import InvalidName
from obelisk_runtime.core.history import Forms, SetClosed, Taken
from obelisk_runtime.core.ids import ExecutionId, JoinSetId, parse_execution_id
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.values import InvalidValue, compacted
from obelisk_runtime.ports.engine import GuestTrap, Value
from obelisk_runtime.ports.store import ExecutionNotFound
from obelisk_runtime.service.host_functions.stub_calls import supply
from obelisk_runtime.service.host_functions.wit_values import (
    failure_kind_value,
    failure_named,
    result_json,
    schedule_of,
)
from obelisk_runtime.service.process.node import Node
from obelisk_runtime.service.workflows.context import WorkflowContext

Arguments = tuple[Value, ...]
_DIRECT = JoinSetId("")
"""The join set of a refused `call-json`, which got none."""


class Refused(Exception):
    """A function or its parameters cannot be had."""

    def __init__(self, error: str, message: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.message = message

    @property
    def value(self) -> Value:
        """The case of the guest's error variant."""
        return {self.error: self.message} if self.message else self.error


def function_name(function: Value) -> str:
    return f"{function['interface_name']}.{function['function_name']}"


def _submit_json(context: WorkflowContext, arguments: Arguments) -> Value:
    run = context.run
    join_set = context.join_sets[arguments[0]]
    try:
        function, params, forms = _checked(context, function_name(arguments[1]), arguments[2])
    except Refused as refused:
        return _refuse(context, join_set, arguments[1:], refused)
    child = run.history.submit(join_set, function, params, run.node.clock.now(), forms)
    run.recorded()
    return {"ok": {"id": child}}


def _call_json(context: WorkflowContext, arguments: Arguments) -> Value:
    run = context.run
    try:
        function, params, forms = _checked(context, function_name(arguments[0]), arguments[1])
    except Refused as refused:
        return _refuse(context, _DIRECT, arguments, refused)
    run.history.call(function, params, run.node.clock.now(), forms)

    def answer(taken: Taken | SetClosed) -> Value:
        assert isinstance(taken, Taken)
        return {"ok": result_json(run.node.deployment, taken)}

    return run.wait_for(answer)


def _refuse(context: WorkflowContext, join_set: JoinSetId, arguments: Arguments, refused: Refused) -> Value:
    run = context.run
    refusal = ev.SubmissionRefused(join_set, function_name(arguments[0]), arguments[1], refused.error, refused.message)
    run.history.refuse(refusal, run.node.clock.now())
    run.recorded()
    return {"err": refused.value}


async def _schedule_json(context: WorkflowContext, arguments: Arguments) -> Value:
    """Any number of times with the same content; another content under a known id traps."""
    run = context.run
    now = run.node.clock.now()
    id_, at, function, params = arguments[0]["id"], schedule_of(arguments[1]), function_name(arguments[2]), arguments[3]
    try:
        execution_id = parse_execution_id(id_)
    except InvalidName as error:
        raise GuestTrap(f"schedule-json: {error}") from None
    asked = at.scheduled(execution_id, function, params, now, generated=False)
    decided = asked
    if not run.history.replaying:
        try:
            name, canonical = resolved(run.node, function, params)
            await refuse_other_content(run.node, execution_id, name, canonical)
        except Refused as refused:
            decided = msgspec.structs.replace(asked, error=refused.error, message=refused.message)
    scheduled = run.history.schedule(asked, lambda: decided, now)
    run.recorded()
    return {"err": Refused(scheduled.error, scheduled.message).value} if scheduled.error else {"ok": None}


async def refuse_other_content(node: Node, id_: ExecutionId, function: Ffqn, params: str) -> None:
    """Raises: GuestTrap."""
    try:
        (first,) = await node.store.log(id_, limit=1)
    except ExecutionNotFound:
        return
    created = first.event
    if not isinstance(created, ev.Created) or (created.function, created.params) != (function, params):
        raise GuestTrap(f"schedule-json: {id_} exists already with another content")


def _stub_json(context: WorkflowContext, arguments: Arguments) -> Value:
    id_ = arguments[0]["id"]
    try:
        parse_execution_id(id_)
    except InvalidName as error:
        return {"err": {"execution_id_parsing_error": str(error)}}
    return supply(context, id_, arguments[1])


def _get_result_json(context: WorkflowContext, arguments: Arguments) -> Value:
    taken = _processed(context, arguments)
    return {"ok": result_json(context.run.node.deployment, taken)} if isinstance(taken, Taken) else {"err": taken}


def _get_execution_failure_kind(context: WorkflowContext, arguments: Arguments) -> Value:
    taken = _processed(context, arguments)
    if not isinstance(taken, Taken):
        return {"err": taken}
    match taken.response.result:
        case ev.ChildFinished(ev.Failed(kind=kind)):
            return {"ok": failure_kind_value(kind)}
        case _:
            return {"ok": None}


def _processed(context: WorkflowContext, arguments: Arguments) -> Taken | Value:
    """The response of this child that was taken, or the error that there is none."""
    id_ = arguments[0]["id"]
    try:
        parse_execution_id(id_)
    except InvalidName as error:
        return {"execution_id_parsing_error": str(error)}
    return context.run.history.processed.get(id_, "not_found_in_processed_responses")


def _checked(context: WorkflowContext, name: str, params: str) -> tuple[Ffqn, str, Forms]:
    """What is submitted; on replay what was answered then, whatever is deployed now."""
    recorded = context.run.history.recorded_submission()
    if isinstance(recorded, ev.SubmissionRefused):
        raise Refused(recorded.error, recorded.message)
    if recorded is None or recorded.function.text != name:
        return submitted(context.run.node, name, params)
    if recorded.failure_named is None:  # a log that does not say which text its parameters were checked from
        return recorded.function, recorded.params, Forms(recorded.text, None)
    same = params in (recorded.params, recorded.text)
    return recorded.function, params if same else compacted(params), Forms(None, recorded.failure_named)


def submitted(node: Node, name: str, params: str) -> tuple[Ffqn, str, Forms]:
    """A new submission by `submit-json` or `call-json`. Raises: Refused."""
    function, canonical = resolved(node, name, params)
    text = canonical if params == canonical else compacted(params)
    return function, canonical, Forms(None if text == canonical else text, failure_named(node.deployment, function))


def resolved(node: Node, name: str, params: str) -> tuple[Ffqn, str]:
    """Raises: Refused."""
    try:
        function = Ffqn.parse(name)
    except InvalidName as error:
        raise Refused("ffqn_parsing_error", str(error)) from None
    target = node.deployment.targets.get(function)
    if target is None:
        raise Refused("function_not_found")
    try:
        return function, target.codec.check_params(params)
    except InvalidValue as error:
        raise Refused("type_check_error", str(error)) from None


FUNCTIONS: Mapping[str, Callable[[WorkflowContext, Arguments], Value]] = {
    "submit-json": _submit_json,
    "call-json": _call_json,
    "schedule-json": _schedule_json,
    "stub-json": _stub_json,
    "get-result-json": _get_result_json,
    "get-execution-failure-kind": _get_execution_failure_kind,
}
"""By name, as in `workflow_support`."""
