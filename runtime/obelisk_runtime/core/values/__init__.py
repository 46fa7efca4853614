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
from obelisk_runtime.core.values.outcomes import ALLOWED_RESULTS, project_failure, result_type_problem
from obelisk_runtime.core.values.text import DEFAULT_LIMITS, ValueLimits

__all__ = [
    "ALLOWED_RESULTS", "DEFAULT_LIMITS", "FunctionCodec", "InvalidJson", "InvalidValue", "ListTooLong", "NestedTooDeep",
    "NoJsonForm", "PayloadTooLarge", "ResultJson", "TypeMismatch", "Value", "ValueCodec", "ValueLimits",
    "WrongParamCount", "function_codec", "project_failure", "result_type_problem", "value_codec",
]  # fmt: skip
