"""Functions that are present and denied: the answer that a function's result type has for "you may not"."""

from typing import NoReturn

from obelisk_runtime.core.types import EnumOf, FunctionType, ListOf, OptionOf, ResultOf, snake_case
from obelisk_runtime.ports.engine import GuestTrap, Value
from obelisk_runtime.wasi.state import WasiCall, WasiState

_DENIALS = ("access-denied", "access", "not-permitted", "not-supported", "unsupported")
"""Error codes for a refusal, the most fitting first."""


def denied(function: str, type_: FunctionType) -> WasiCall:
    """An error code, none or an empty list; a function that can say nothing of the kind traps."""
    match type_.result:
        case ResultOf(err=EnumOf(names=codes)) if any(code in codes for code in _DENIALS):
            return _always({"err": snake_case(next(code for code in _DENIALS if code in codes))})
        case OptionOf():
            return _always(None)
        case ListOf():
            return _always([])
        case _:
            return _trap(f"{function} is not available to guests")


def _always(answer: Value) -> WasiCall:
    def call(_: WasiState, *_arguments: Value) -> Value:
        return answer

    return call


def _trap(message: str) -> WasiCall:
    def call(_: WasiState, *_arguments: Value) -> NoReturn:
        raise GuestTrap(message)

    return call
