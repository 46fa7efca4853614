"""JSON and typed values: see `FunctionCodec` for a function's parameters and result, `ValueCodec` for one type."""

from obelisk_runtime.core.values.check import NoJsonForm
from obelisk_runtime.core.values.convert import Value
from obelisk_runtime.core.values.errors import (
    InvalidJson,
    InvalidValue,
    ListTooLong,
    NestedTooDeep,
    PayloadTooLarge,
    TypeMismatch,
    WrongParamCount,
)
from obelisk_runtime.core.values.functions import FunctionCodec, ResultJson, ValueCodec, function_codec, value_codec
from obelisk_runtime.core.values.outcomes import (
    ALLOWED_RESULTS,
    FAILURE_JSON,
    names_failure,
    project_failure,
    result_type_problem,
)
from obelisk_runtime.core.values.text import DEFAULT_LIMITS, ValueLimits, compacted

__all__ = [
    "ALLOWED_RESULTS", "DEFAULT_LIMITS", "FAILURE_JSON", "FunctionCodec", "InvalidJson", "InvalidValue", "ListTooLong",
    "NestedTooDeep", "NoJsonForm", "PayloadTooLarge", "ResultJson", "TypeMismatch", "Value", "ValueCodec",
    "ValueLimits", "WrongParamCount", "compacted", "function_codec", "names_failure", "project_failure",
    "result_type_problem", "value_codec",
]  # fmt: skip
