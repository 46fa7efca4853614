"""Results as outcomes: which result types a function may have, and how a failure looks to a parent that awaits it."""

from obelisk_runtime.core.types import Primitive, ResultOf, VariantOf, WitType, snake_case
from obelisk_runtime.core.values.convert import Value

_FAILED_CASE = "execution-failed"
FAILURE_JSON = f'"{snake_case(_FAILED_CASE)}"'
"""A failure as JSON, where the result type has a payload for it."""
ALLOWED_RESULTS = "result, result<T>, result<T, string> or result<T, variant { execution-failed, … }>"


def project_failure(result: WitType | None) -> Value:
    """The component value that a parent gets for a child that failed. None: it has no place, the parent's call traps.

    `result<T>`: err; `result<T, string>`: the text `execution_failed`; `result<T, variant>`: its `execution-failed`.
    """
    match result:
        case ResultOf(_, None):
            return {"err": None}
        case ResultOf(_, Primitive.STRING):
            return {"err": snake_case(_FAILED_CASE)}
        case ResultOf(_, VariantOf(cases)) if (_FAILED_CASE, None) in cases:
            return {"err": snake_case(_FAILED_CASE)}
        case _:
            return None


def names_failure(result: WitType | None) -> bool:
    """Whether a failure is projected to FAILURE_JSON, and not to an err without payload or to nothing."""
    projected = project_failure(result)
    return projected is not None and projected["err"] is not None


def result_type_problem(result: WitType | None) -> str | None:
    """Why an exported function may not have this result type; None if it may."""
    if project_failure(result) is not None:
        return None
    match result:
        case None:
            reason = "it returns nothing"
        case ResultOf(_, VariantOf()):
            reason = f"its error has no case {_FAILED_CASE} without payload"
        case ResultOf(_, error):
            reason = f"its error type is {error}"
        case _:
            reason = f"it returns {result}"
    return f"{reason}; a failed execution needs a place in the result: return {ALLOWED_RESULTS}"
