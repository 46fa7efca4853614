"""What the host derives from every exported function, and what an import of a guest is.

Of `foo: func(a: A) -> result<T, E>` in `ns:pkg/ifc@1.0.0` the host offers, beside the direct call:

    ns:pkg-obelisk-ext/ifc@1.0.0        foo-submit, foo-await-next, foo-get
    ns:pkg-obelisk-schedule/ifc@1.0.0   foo-schedule
    ns:pkg-obelisk-stub/ifc@1.0.0       foo-stub
"""

from dataclasses import dataclass

from obelisk_runtime.core.errors import InvalidName
from obelisk_runtime.core.host_types import (
    AWAIT_NEXT_EXTENSION_ERROR,
    BORROWED_JOIN_SET,
    EXECUTION_ID,
    GET_EXTENSION_ERROR,
    SCHEDULE_AT,
    STUB_ERROR,
)
from obelisk_runtime.core.names import EXTENSION_SUFFIXES, Ffqn, InterfaceName
from obelisk_runtime.core.types import FunctionType, ResultOf, WitType

EXT, SCHEDULE, STUB = EXTENSION_SUFFIXES


@dataclass(frozen=True, slots=True)
class DirectCall:
    function: Ffqn


@dataclass(frozen=True, slots=True)
class Submit:
    function: Ffqn


@dataclass(frozen=True, slots=True)
class AwaitNext:
    function: Ffqn


@dataclass(frozen=True, slots=True)
class Get:
    function: Ffqn


@dataclass(frozen=True, slots=True)
class Schedule:
    function: Ffqn


@dataclass(frozen=True, slots=True)
class Stub:
    function: Ffqn


@dataclass(frozen=True, slots=True)
class HostFunction:
    """A function of the namespace `obelisk`, whether the host has it or not (`host_types.HOST_FUNCTIONS`)."""

    interface: str
    name: str


@dataclass(frozen=True, slots=True)
class WasiFunction:
    interface: str
    name: str


@dataclass(frozen=True, slots=True)
class UnknownImport:
    """Neither of the above: no function name, a resource method, or a derived interface without such a function."""

    interface: str
    name: str


DerivedImport = Submit | AwaitNext | Get | Schedule | Stub
FunctionImport = DirectCall | DerivedImport
Import = FunctionImport | HostFunction | WasiFunction | UnknownImport

_DERIVED: tuple[tuple[str, str, type[DerivedImport]], ...] = (
    (EXT, "-submit", Submit),
    (EXT, "-await-next", AwaitNext),
    (EXT, "-get", Get),
    (SCHEDULE, "-schedule", Schedule),
    (STUB, "-stub", Stub),
)


def classify(interface: str, name: str) -> Import:
    """What a function import is, by its name alone. Total: what makes no sense is an UnknownImport."""
    match interface.partition(":")[0]:
        case "obelisk":
            return HostFunction(interface, name)
        case "wasi":
            return WasiFunction(interface, name)
        case _:
            return _of_a_component(interface, name) or UnknownImport(interface, name)


def _of_a_component(interface: str, name: str) -> FunctionImport | None:
    try:
        base = InterfaceName.parse(interface).base()
        if base is None:
            return DirectCall(Ffqn.parse(f"{interface}.{name}"))
        exported, suffix = base
        for derived, ending, kind in _DERIVED:
            if derived == suffix and name.endswith(ending):
                return kind(Ffqn.parse(f"{exported}.{name.removesuffix(ending)}"))
    except InvalidName:
        pass
    return None


def derive(exported: Ffqn, exported_type: FunctionType) -> dict[tuple[str, str], FunctionType]:
    """The functions the host offers of an exported function, without the direct call, by (interface, name)."""
    result = exported_type.result
    params = exported_type.params
    ids = ("execution-id", EXECUTION_ID)
    join_set = ("join-set", BORROWED_JOIN_SET)
    types = {
        Submit: FunctionType((join_set, *params), EXECUTION_ID),
        AwaitNext: FunctionType((join_set,), ResultOf(result, AWAIT_NEXT_EXTENSION_ERROR)),
        Get: FunctionType((ids,), ResultOf(result, GET_EXTENSION_ERROR)),
        Schedule: FunctionType((("schedule-at", SCHEDULE_AT), *params), EXECUTION_ID),
        Stub: FunctionType((ids, *_stubbed(result)), ResultOf(None, STUB_ERROR)),
    }
    return {
        (exported.interface.extension(suffix).text, exported.function + ending): types[kind]
        for suffix, ending, kind in _DERIVED
    }


def _stubbed(result: WitType | None) -> tuple[tuple[str, WitType], ...]:
    return () if result is None else (("execution-result", result),)
