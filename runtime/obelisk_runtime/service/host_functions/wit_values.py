"""Component values of `obelisk:types`: schedules, times, ids, results as JSON."""

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.history import Taken
from obelisk_runtime.core.ids import ExecutionId, Instant, is_delay
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.retry import SECOND
from obelisk_runtime.core.schedules import Schedule
from obelisk_runtime.core.values import FAILURE_JSON, names_failure
from obelisk_runtime.ports.engine import Value
from obelisk_runtime.service.components.deployment import Deployment

_UNITS = {
    "milliseconds": SECOND // 1_000,
    "seconds": SECOND,
    "minutes": 60 * SECOND,
    "hours": 3_600 * SECOND,
    "days": 86_400 * SECOND,
}


_FAILURE_KINDS = {
    ev.FailureKind.TIMED_OUT: "timed_out",
    ev.FailureKind.NONDETERMINISM: "nondeterminism_detected",
    ev.FailureKind.OUT_OF_FUEL: "out_of_fuel",
    ev.FailureKind.CANCELLED: "cancelled",
}


def schedule_of(value: Value) -> Schedule:
    """WIT's `schedule-at`."""
    if value == "now":
        return Schedule(0, relative=True)
    ((case, payload),) = value.items()
    if case == "at":
        return Schedule(payload["seconds"] * SECOND + payload["nanoseconds"] // 1_000, relative=False)
    ((unit, count),) = payload.items()
    return Schedule(count * _UNITS[unit], relative=True)


def datetime_value(instant: Instant) -> Value:
    seconds, micros = divmod(instant, SECOND)
    return {"seconds": seconds, "nanoseconds": micros * 1_000}


def function_value(function: Ffqn) -> Value:
    """WIT's record `function`."""
    return {"interface_name": function.interface.text, "function_name": function.function}


def response_id_value(response_id: str) -> Value:
    """WIT's variant `response-id`."""
    return {"delay_id" if is_delay(ExecutionId(response_id)) else "execution_id": {"id": response_id}}


def failure_kind_value(kind: ev.FailureKind) -> Value:
    """WIT's enum `execution-failure-kind`."""
    return _FAILURE_KINDS.get(kind, "uncategorized")


def failure_named(deployment: Deployment, function: Ffqn) -> bool:
    """How a failure of the deployed function reads as JSON: see `ChildSubmitted`."""
    target = deployment.targets.get(function)
    return target is not None and names_failure(target.codec.type.result)


def result_json(deployment: Deployment, taken: Taken) -> Value:
    """A response as JSON texts of its payload; a failure as what was recorded of the function's type.

    Of what was not recorded, and so not replayed or older, the type of what is deployed now decides.
    """
    result = taken.response.result
    match result:
        case ev.DelayDue():
            return {"ok": None}
        case ev.DelayCancelled():
            return {"err": None}
        case ev.ChildFinished():
            named = taken.failure_named
            if named is None:
                named = taken.function is not None and failure_named(deployment, taken.function)
            return outcome_json(result.outcome, failure_named=named)


def outcome_json(outcome: ev.Outcome, *, failure_named: bool) -> Value:
    match outcome:
        case ev.Ok(value):
            return {"ok": value}
        case ev.Err(value):
            return {"err": value}
        case ev.Failed():
            return {"err": FAILURE_JSON if failure_named else None}
