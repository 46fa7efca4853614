"""The types and functions of the host's own interfaces (`wit/`): obelisk:types, :log, :workflow and :webhook.

The order of fields and cases is part of a type. A test compares all of it with the WIT files.
"""

from collections.abc import Mapping
from types import MappingProxyType

from obelisk_runtime.core.types import (
    Borrow,
    EnumOf,
    FunctionType,
    ListOf,
    OptionOf,
    Own,
    Primitive,
    RecordOf,
    ResultOf,
    VariantOf,
    WitType,
)

JOIN_SET_INTERFACE = "obelisk:types/join-set@5.0.0"
LOG = "obelisk:log/log@1.0.0"
WORKFLOW_SUPPORT = "obelisk:workflow/workflow-support@6.0.0"
WORKFLOW_SUPPORT_BACKTRACE = "obelisk:workflow/workflow-support-backtrace@6.0.0"
WEBHOOK_SUPPORT = "obelisk:webhook/webhook-support@6.0.0"
INCOMING_HANDLER = "wasi:http/incoming-handler"
"""What a webhook exports, in any version 0.2."""

JOIN_SET_RESOURCE = f"{JOIN_SET_INTERFACE}.join-set"
JOIN_SET = Own(JOIN_SET_RESOURCE)
BORROWED_JOIN_SET = Borrow(JOIN_SET_RESOURCE)

STRING, U64 = Primitive.STRING, Primitive.U64
_U16, _U32 = Primitive.U16, Primitive.U32

# obelisk:types@5.0.0

DURATION = VariantOf(
    (("milliseconds", U64), ("seconds", U64), ("minutes", _U32), ("hours", _U32), ("days", _U32)),
)
DATETIME = RecordOf((("seconds", U64), ("nanoseconds", _U32)))
SCHEDULE_AT = VariantOf((("now", None), ("at", DATETIME), ("in", DURATION)))

EXECUTION_ID = RecordOf((("id", STRING),))
DELAY_ID = RecordOf((("id", STRING),))
FUNCTION = RecordOf((("interface-name", STRING), ("function-name", STRING)))
RESPONSE_ID = VariantOf((("execution-id", EXECUTION_ID), ("delay-id", DELAY_ID)))
FUNCTION_MISMATCH = RecordOf(
    (("specified-function", FUNCTION), ("actual-function", OptionOf(FUNCTION)), ("actual-id", RESPONSE_ID)),
)
EXECUTION_FAILURE_KIND = EnumOf(("timed-out", "nondeterminism-detected", "out-of-fuel", "cancelled", "uncategorized"))
AWAIT_NEXT_EXTENSION_ERROR = VariantOf((("all-processed", None), ("function-mismatch", FUNCTION_MISMATCH)))
GET_EXTENSION_ERROR = VariantOf(
    (("function-mismatch", FUNCTION_MISMATCH), ("not-found-in-processed-responses", None)),
)
STUB_ERROR = VariantOf((("execution-not-found", None), ("type-check-error", STRING), ("conflict", None)))
SCHEDULE_JSON_ERROR = VariantOf(
    (("ffqn-parsing-error", STRING), ("function-not-found", None), ("type-check-error", STRING)),
)

FRAME_SYMBOL = RecordOf(
    (
        ("func-name", OptionOf(STRING)),
        ("file", OptionOf(STRING)),
        ("line", OptionOf(_U32)),
        ("col", OptionOf(_U32)),
    ),
)
FRAME_INFO = RecordOf((("module", STRING), ("func-name", STRING), ("symbols", ListOf(FRAME_SYMBOL))))
WASM_BACKTRACE = RecordOf((("frames", ListOf(FRAME_INFO)),))

# obelisk:workflow@6.0.0

JOIN_SET_CREATE_ERROR = VariantOf((("conflict", None), ("invalid-name", STRING)))
GET_RESULT_JSON_ERROR = VariantOf(
    (("execution-id-parsing-error", STRING), ("not-found-in-processed-responses", None)),
)
SUBMIT_JSON_ERROR = SCHEDULE_JSON_ERROR
JOIN_NEXT_ERROR = VariantOf((("all-processed", None),))
JOIN_NEXT_TRY_ERROR = VariantOf((("all-processed", None), ("pending", None)))
STUB_JSON_ERROR = VariantOf(
    (
        ("execution-id-parsing-error", STRING),
        ("execution-not-found", None),
        ("type-check-error", STRING),
        ("conflict", None),
    ),
)
RESULT_JSON = ResultOf(OptionOf(STRING), OptionOf(STRING))
"""The result of an execution as JSON texts of its payload."""

# obelisk:webhook@6.0.0

GET_ERROR = VariantOf((("execution-id-parsing-error", STRING), ("not-found", None)))
TRY_GET_ERROR = VariantOf((*GET_ERROR.cases, ("not-finished-yet", None)))
EXECUTION_STATUS_FINISHED = VariantOf((("ok", None), ("err", None), ("execution-failure", EXECUTION_FAILURE_KIND)))
EXECUTION_STATUS = VariantOf(
    (
        ("pending-at", DATETIME),
        ("locked", None),
        ("paused", None),
        ("blocked-by-join-set", None),
        ("cancelling", None),
        ("finished", EXECUTION_STATUS_FINISHED),
    ),
)


def function(result: WitType | None, **params: WitType) -> FunctionType:
    """A function type; underscores in parameter names stand for WIT's hyphens."""
    return FunctionType(tuple((name.replace("_", "-"), item) for name, item in params.items()), result)


_ID = {"execution_id": EXECUTION_ID}
_SET = {"join_set": BORROWED_JOIN_SET}
_CALL = {"function": FUNCTION, "params": STRING}
_SCHEDULED = {**_ID, "schedule_at": SCHEDULE_AT, **_CALL}

_JOIN_SET_METHODS = {
    "[method]join-set.id": function(STRING, self=BORROWED_JOIN_SET),
    "[method]join-set.last-id": function(OptionOf(RESPONSE_ID), self=BORROWED_JOIN_SET),
}
_LOG = {level: function(None, message=STRING) for level in ("trace", "debug", "info", "warn", "error")}
_RECORDED = {
    "random-u64": function(U64, min=U64, max_exclusive=U64),
    "random-u64-inclusive": function(U64, min=U64, max_inclusive=U64),
    "random-string": function(STRING, min_length=_U16, max_length_exclusive=_U16),
    "sleep": function(ResultOf(DATETIME, None), schedule_at=SCHEDULE_AT, name=OptionOf(STRING)),
    "join-set-create": function(JOIN_SET),
    "join-set-create-named": function(ResultOf(JOIN_SET, JOIN_SET_CREATE_ERROR), name=STRING),
    "join-set-close": function(None, self=JOIN_SET),
    "submit-json": function(ResultOf(EXECUTION_ID, SUBMIT_JSON_ERROR), **_SET, **_CALL),
    "submit-delay": function(DELAY_ID, **_SET, timeout=SCHEDULE_AT),
    "join-next": function(ResultOf(RESULT_JSON, JOIN_NEXT_ERROR), **_SET),
    "join-next-try": function(ResultOf(RESULT_JSON, JOIN_NEXT_TRY_ERROR), **_SET),
    "execution-id-generate": function(EXECUTION_ID),
    "schedule-json": function(ResultOf(None, SCHEDULE_JSON_ERROR), **_SCHEDULED),
    "call-json": function(ResultOf(RESULT_JSON, SCHEDULE_JSON_ERROR), **_CALL),
    "stub-json": function(ResultOf(None, STUB_JSON_ERROR), **_ID, result_json=STRING),
}
"""The workflow functions that leave an event, and so have a form with a backtrace."""
_FAILURE_KIND = OptionOf(EXECUTION_FAILURE_KIND)
_WORKFLOW = {
    **_RECORDED,
    "execution-id-current": function(EXECUTION_ID),
    "get-result-json": function(ResultOf(RESULT_JSON, GET_RESULT_JSON_ERROR), **_ID),
    "get-execution-failure-kind": function(ResultOf(_FAILURE_KIND, GET_RESULT_JSON_ERROR), **_ID),
    "last-direct-call-id": function(OptionOf(EXECUTION_ID)),
    "last-oneoff-id": function(OptionOf(RESPONSE_ID)),
}
_WITH_BACKTRACE = {
    name: FunctionType((*item.params, ("backtrace", OptionOf(WASM_BACKTRACE))), item.result)
    for name, item in _RECORDED.items()
}
_SHARED = ("execution-id-generate", "execution-id-current", "call-json", "schedule-json", "last-direct-call-id")
_WEBHOOK = {
    **{name: _WORKFLOW[name] for name in _SHARED},
    "get-status": function(ResultOf(EXECUTION_STATUS, GET_ERROR), **_ID),
    "get-execution-failure-kind": function(ResultOf(_FAILURE_KIND, GET_ERROR), **_ID),
    "get": function(ResultOf(RESULT_JSON, GET_ERROR), **_ID),
    "try-get": function(ResultOf(RESULT_JSON, TRY_GET_ERROR), **_ID),
}
_INTERFACES = {
    JOIN_SET_INTERFACE: _JOIN_SET_METHODS,
    LOG: _LOG,
    WORKFLOW_SUPPORT: _WORKFLOW,
    WORKFLOW_SUPPORT_BACKTRACE: _WITH_BACKTRACE,
    WEBHOOK_SUPPORT: _WEBHOOK,
}

HOST_FUNCTIONS: Mapping[tuple[str, str], FunctionType] = MappingProxyType(
    {(interface, name): item for interface, functions in _INTERFACES.items() for name, item in functions.items()},
)
