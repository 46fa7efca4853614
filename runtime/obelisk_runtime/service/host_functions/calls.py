"""Host functions of a workflow that call functions of components: direct, submit, await-next, get, schedule, stub."""

from collections.abc import Callable

import msgspec

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.history import AllProcessed, Forms, SetClosed, Taken
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.types import FunctionType, ResultOf
from obelisk_runtime.core.values import FunctionCodec, ResultJson, function_codec, project_failure
from obelisk_runtime.ports.engine import GuestTrap, Value
from obelisk_runtime.service.host_functions.stub_calls import supply
from obelisk_runtime.service.host_functions.wit_values import (
    failure_named,
    function_value,
    response_id_value,
    schedule_of,
)
from obelisk_runtime.service.workflows.context import WorkflowContext

Call = Callable[[WorkflowContext, tuple[Value, ...]], Value]


def direct(function: Ffqn, type_: FunctionType) -> Call:
    """`foo(a) -> result<T, E>`: a child in a one-off join set, awaited."""
    codec = function_codec(function, type_)

    def answer(taken: Taken | SetClosed) -> Value:
        assert isinstance(taken, Taken)
        return _result(codec, taken.response)

    def call(context: WorkflowContext, arguments: tuple[Value, ...]) -> Value:
        run = context.run
        forms = Forms(None, failure_named(run.node.deployment, function))
        run.history.call(function, codec.from_arguments(arguments), run.node.clock.now(), forms)
        return run.wait_for(answer)

    return call


def submit(function: Ffqn, type_: FunctionType) -> Call:
    """`foo-submit(join-set, a) -> execution-id`"""
    codec = function_codec(function, FunctionType(type_.params[1:], ResultOf(None, None)))

    def call(context: WorkflowContext, arguments: tuple[Value, ...]) -> Value:
        run = context.run
        join_set = context.join_sets[arguments[0]]
        params = codec.from_arguments(arguments[1:])
        forms = Forms(None, failure_named(run.node.deployment, function))
        child = run.history.submit(join_set, function, params, run.node.clock.now(), forms)
        run.recorded()
        return {"id": child}

    return call


def schedule(function: Ffqn, type_: FunctionType) -> Call:
    """`foo-schedule(schedule-at, a) -> execution-id`: a new top-level execution."""
    codec = function_codec(function, FunctionType(type_.params[1:], ResultOf(None, None)))

    def call(context: WorkflowContext, arguments: tuple[Value, ...]) -> Value:
        run = context.run
        at = schedule_of(arguments[0])
        now = run.node.clock.now()
        params = codec.from_arguments(arguments[1:])
        asked = at.scheduled(ExecutionId(""), function.text, params, now, generated=True)
        scheduled = run.history.schedule(
            asked, lambda: msgspec.structs.replace(asked, id=run.node.ids.execution_id(now)), now
        )
        run.recorded()
        return {"id": scheduled.id}

    return call


def stub(function: Ffqn, type_: FunctionType) -> Call:
    """`foo-stub(execution-id, result<T, E>) -> result<_, stub-error>`: supply the result of a stub execution."""
    codec = function_codec(function, FunctionType((), type_.params[1][1]))

    def call(context: WorkflowContext, arguments: tuple[Value, ...]) -> Value:
        result = codec.from_result(arguments[1]).text
        return supply(context, arguments[0]["id"], result)

    return call


def await_next(function: Ffqn, type_: FunctionType) -> Call:
    """`foo-await-next(join-set) -> result<result<T, E>, await-next-extension-error>`"""
    codec = _codec_of_ok(function, type_)

    def answer(taken: Taken | SetClosed) -> Value:
        assert isinstance(taken, Taken)
        return _expected(function, codec, taken)

    def call(context: WorkflowContext, arguments: tuple[Value, ...]) -> Value:
        run = context.run
        join_set = context.join_sets[arguments[0]]
        if isinstance(run.history.await_next(join_set, function, run.node.clock.now()), AllProcessed):
            return {"err": "all_processed"}
        return run.wait_for(answer)

    return call


def get(function: Ffqn, type_: FunctionType) -> Call:
    """`foo-get(execution-id) -> result<result<T, E>, get-extension-error>`: a response that was taken before."""
    codec = _codec_of_ok(function, type_)

    def call(context: WorkflowContext, arguments: tuple[Value, ...]) -> Value:
        taken = context.run.history.processed.get(arguments[0]["id"])
        if taken is None:
            return {"err": "not_found_in_processed_responses"}
        return _expected(function, codec, taken)

    return call


def _codec_of_ok(function: Ffqn, type_: FunctionType) -> FunctionCodec:
    assert isinstance(type_.result, ResultOf)
    return function_codec(function, FunctionType((), type_.result.ok))


def _expected(function: Ffqn, codec: FunctionCodec, taken: Taken) -> Value:
    """The result of a response of this function; another one is consumed all the same, and told."""
    if taken.function == function:
        return {"ok": _result(codec, taken.response)}
    mismatch = {
        "specified_function": function_value(function),
        "actual_function": None if taken.function is None else function_value(taken.function),
        "actual_id": response_id_value(taken.response.id),
    }
    return {"err": {"function_mismatch": mismatch}}


def _result(codec: FunctionCodec, response: ev.Response) -> Value:
    """What the awaiting guest gets. Raises: GuestTrap for a failure that its type has no place for."""
    result = response.result
    assert isinstance(result, ev.ChildFinished)
    match result.outcome:
        case ev.Ok(value):
            return codec.to_result(ResultJson(is_ok=True, payload=value))
        case ev.Err(value):
            return codec.to_result(ResultJson(is_ok=False, payload=value))
        case ev.Failed(kind, reason):
            projected = project_failure(codec.type.result)
            if projected is None:
                raise GuestTrap(f"{response.id} failed: {kind.label}: {reason}")
            return projected
