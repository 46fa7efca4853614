"""`obelisk:workflow/workflow-support` and the methods of join sets, for workflow guests.

Named join sets, schedules, stubs and what else the interface has are present and trap: a guest may import a whole
interface without calling all of it.
"""

from collections.abc import Callable, Mapping

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.errors import InvalidName
from obelisk_runtime.core.history import AllProcessed, Schedule, SetClosed, Taken
from obelisk_runtime.core.ids import Instant, valid_join_set_name
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.retry import SECOND
from obelisk_runtime.core.values import InvalidValue, project_failure, value_codec
from obelisk_runtime.ports.engine import GuestTrap, Value
from obelisk_runtime.service.calls import response_id_value
from obelisk_runtime.service.workflow_context import WorkflowContext

Arguments = tuple[Value, ...]
_UNITS = {
    "milliseconds": SECOND // 1_000,
    "seconds": SECOND,
    "minutes": 60 * SECOND,
    "hours": 3_600 * SECOND,
    "days": 86_400 * SECOND,
}


def _schedule(value: Value) -> Schedule:
    """WIT's `schedule-at`."""
    if value == "now":
        return Schedule(0, relative=True)
    ((case, payload),) = value.items()
    if case == "at":
        return Schedule(payload["seconds"] * SECOND + payload["nanoseconds"] // 1_000, relative=False)
    ((unit, count),) = payload.items()
    return Schedule(count * _UNITS[unit], relative=True)


def _datetime(instant: Instant) -> Value:
    seconds, micros = divmod(instant, SECOND)
    return {"seconds": seconds, "nanoseconds": micros * 1_000}


def _execution_id_current(context: WorkflowContext, _: Arguments) -> Value:
    return {"id": context.run.id}


def _random_u64(context: WorkflowContext, arguments: Arguments) -> Value:
    low, high = arguments[:2]
    return _random_between(context, "random-u64", low, high, high - 1)


def _random_u64_inclusive(context: WorkflowContext, arguments: Arguments) -> Value:
    low, high = arguments[:2]
    return _random_between(context, "random-u64-inclusive", low, high, high)


def _random_between(context: WorkflowContext, name: str, low: int, asked: int, last: int) -> Value:
    call = f"{name}({low}, {asked})"
    if last < low:
        raise GuestTrap(f"{call}: the range is empty")
    return int(_draw(context, call, lambda: str(low + context.recorded_random.below(last - low + 1))))


def _random_string(context: WorkflowContext, arguments: Arguments) -> Value:
    low, high = arguments[:2]
    call = f"random-string({low}, {high})"
    if high <= low:
        raise GuestTrap(f"{call}: the range of lengths is empty")
    random = context.recorded_random
    return _draw(context, call, lambda: random.text(low + random.below(high - low)))


def _draw(context: WorkflowContext, call: str, choose: Callable[[], str]) -> str:
    run = context.run
    drawn = run.history.draw(call, choose, run.node.clock.now())
    run.recorded()
    return drawn


def _sleep(context: WorkflowContext, arguments: Arguments) -> Value:
    run = context.run
    schedule, name = arguments[:2]
    if name is not None and not valid_join_set_name(name):
        raise GuestTrap(f"sleep: {name!r} is no join set name; expected letters, digits, '-' and '/'")
    run.history.sleep(_schedule(schedule), name, run.node.clock.now())

    def answer(taken: Taken | SetClosed) -> Value:
        assert isinstance(taken, Taken)
        if isinstance(taken.response.result, ev.DelayCancelled):
            return {"err": None}
        return {"ok": _datetime(run.history.now)}

    return run.wait_for(answer)


def _join_set_create(context: WorkflowContext, _: Arguments) -> Value:
    run = context.run
    join_set = run.history.create_join_set(run.node.clock.now())
    assert join_set is not None, "generated names are always free"
    run.recorded()
    return context.give_handle(join_set)


def _join_set_close(context: WorkflowContext, arguments: Arguments) -> Value:
    return context.run.close(context.join_sets.pop(arguments[0]))


def _submit_delay(context: WorkflowContext, arguments: Arguments) -> Value:
    run = context.run
    join_set = context.join_sets[arguments[0]]
    delay = run.history.submit_delay(join_set, _schedule(arguments[1]), run.node.clock.now())
    run.recorded()
    return {"id": delay}


def _join_next(context: WorkflowContext, arguments: Arguments) -> Value:
    run = context.run
    join_set = context.join_sets[arguments[0]]
    if isinstance(run.history.await_next(join_set, None, run.node.clock.now()), AllProcessed):
        return {"err": "all_processed"}

    def answer(taken: Taken | SetClosed) -> Value:
        assert isinstance(taken, Taken)
        return {"ok": _result_json(context, taken)}

    return run.wait_for(answer)


def _result_json(context: WorkflowContext, taken: Taken) -> Value:
    """A response as JSON texts of its payload; a failure as its projection into the function's type, if it has one."""
    result = taken.response.result
    match result:
        case ev.DelayDue():
            return {"ok": None}
        case ev.DelayCancelled():
            return {"err": None}
        case ev.ChildFinished():
            return _outcome_json(context, taken.function, result.outcome)


def _outcome_json(context: WorkflowContext, function: Ffqn | None, outcome: ev.Outcome) -> Value:
    match outcome:
        case ev.Ok(value):
            return {"ok": value}
        case ev.Err(value):
            return {"err": value}
        case ev.Failed():
            return {"err": _projected(context, function)}


def _projected(context: WorkflowContext, function: Ffqn | None) -> str | None:
    target = None if function is None else context.run.node.deployment.targets.get(function)
    if target is None:
        return None
    projected = project_failure(target.codec.type.result)
    error = getattr(target.codec.type.result, "err", None)
    return None if projected is None or error is None else value_codec(error).encode(projected["err"])


class _Refused(Exception):
    def __init__(self, error: str, message: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.message = message


def _submit_json(context: WorkflowContext, arguments: Arguments) -> Value:
    run = context.run
    history = run.history
    join_set = context.join_sets[arguments[0]]
    name = f"{arguments[1]['interface_name']}.{arguments[1]['function_name']}"
    now = run.node.clock.now()
    try:
        function, params = _checked(context, name, arguments[2])
    except _Refused as refused:
        refusal = ev.SubmissionRefused(join_set, name, arguments[2], refused.error, refused.message)
        history.refuse(refusal, now)
        run.recorded()
        return {"err": {refused.error: refused.message} if refused.message else refused.error}
    child = history.submit(join_set, function, params, now)
    run.recorded()
    return {"ok": {"id": child}}


def _checked(context: WorkflowContext, name: str, params: str) -> tuple[Ffqn, str]:
    """The function and its canonical parameters; on replay what was answered then, whatever is deployed now."""
    recorded = context.run.history.recorded_submission()
    if isinstance(recorded, ev.SubmissionRefused):
        raise _Refused(recorded.error, recorded.message)
    if recorded is not None and recorded.function.text == name:
        target = context.run.node.deployment.targets.get(recorded.function)
        return recorded.function, recorded.params if target is None else target.codec.check_params(params)
    try:
        function = Ffqn.parse(name)
    except InvalidName as error:
        raise _Refused("ffqn_parsing_error", str(error)) from None
    target = context.run.node.deployment.targets.get(function)
    if target is None:
        raise _Refused("function_not_found")
    try:
        return function, target.codec.check_params(params)
    except InvalidValue as error:
        raise _Refused("type_check_error", str(error)) from None


_FAILURE_KINDS = {
    ev.FailureKind.TIMED_OUT: "timed_out",
    ev.FailureKind.NONDETERMINISM: "nondeterminism_detected",
    ev.FailureKind.OUT_OF_FUEL: "out_of_fuel",
    ev.FailureKind.CANCELLED: "cancelled",
}


def _execution_failure_kind(context: WorkflowContext, arguments: Arguments) -> Value:
    """Of a child whose response was taken."""
    taken = context.run.history.processed.get(arguments[0]["id"])
    if taken is None:
        return {"err": "not_found_in_processed_responses"}
    result = taken.response.result
    if isinstance(result, ev.ChildFinished) and isinstance(result.outcome, ev.Failed):
        return {"ok": _FAILURE_KINDS.get(result.outcome.kind, "uncategorized")}
    return {"ok": None}


def _join_set_id(context: WorkflowContext, arguments: Arguments) -> Value:
    return context.join_sets[arguments[0]]


def _join_set_last_id(context: WorkflowContext, arguments: Arguments) -> Value:
    last = context.run.history.sets[context.join_sets[arguments[0]]].last
    return None if last is None else response_id_value(last)


FUNCTIONS: Mapping[str, Callable[[WorkflowContext, Arguments], Value]] = {
    "execution-id-current": _execution_id_current,
    "random-u64": _random_u64,
    "random-u64-inclusive": _random_u64_inclusive,
    "random-string": _random_string,
    "sleep": _sleep,
    "join-set-create": _join_set_create,
    "join-set-close": _join_set_close,
    "submit-json": _submit_json,
    "submit-delay": _submit_delay,
    "join-next": _join_next,
    "get-execution-failure-kind": _execution_failure_kind,
    "[method]join-set.id": _join_set_id,
    "[method]join-set.last-id": _join_set_last_id,
}
"""By name; the forms with a backtrace take one more last argument, which changes nothing here."""


def find(name: str) -> Callable[[WorkflowContext, Arguments], Value]:
    """The function of this name, or one that traps."""

    def trap(_context: WorkflowContext, _arguments: Arguments) -> Value:
        raise GuestTrap(f"{name} is not provided by this host")

    return FUNCTIONS.get(name, trap)
