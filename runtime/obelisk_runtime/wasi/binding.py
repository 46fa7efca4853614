"""Which functions a component imports from WASI, each with what answers it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.ports.engine import (
    CompiledComponent,
    HostFunction,
    ImportedFunction,
    ResourceDestructor,
    Value,
)
from obelisk_runtime.wasi import cli, clocks, filesystem, http, io, random, sockets
from obelisk_runtime.wasi.state import Interfaces, WasiCall, WasiContext

_NAMESPACE = "wasi:"
_PACKAGES: Mapping[str, Interfaces] = {
    "cli": cli.INTERFACES,
    "clocks": clocks.INTERFACES,
    "filesystem": filesystem.INTERFACES,
    "http": http.INTERFACES,
    "io": io.INTERFACES,
    "random": random.INTERFACES,
    "sockets": sockets.INTERFACES,
}
# Within 0.2 an interface may gain functions; those that it has stay as they are.
_INTERFACE = re.compile(r"wasi:(?P<package>[a-z0-9-]+)/(?P<name>[a-z0-9-]+)@0\.2\.\d+")


@dataclass(frozen=True, slots=True)
class WasiBinding:
    functions: Mapping[tuple[str, str], HostFunction]
    """By (interface, name): exactly what the component imports from WASI."""
    destructors: Mapping[tuple[str, str], ResourceDestructor]
    """By (interface, resource)."""


@dataclass(frozen=True, slots=True)
class UnknownWasiInterface:
    interface: str

    def __str__(self) -> str:
        return (
            f"it imports {self.interface}, which this host does not have; "
            f"it has version 0.2 of wasi:{', wasi:'.join(_PACKAGES)}"
        )


@dataclass(frozen=True, slots=True)
class WasiFunctionDiffers:
    imported: str
    imported_type: str
    wasi_type: str

    def __str__(self) -> str:
        return (
            f"it imports {self.imported} with another type than WASI has it:\n"
            f"  imported: {self.imported_type}\n"
            f"  WASI: {self.wasi_type}"
        )


@dataclass(frozen=True, slots=True)
class UnknownWasiFunction:
    imported: str

    def __str__(self) -> str:
        return f"it imports {self.imported}, which version 0.2 of that interface does not have on this host"


Problem = UnknownWasiInterface | UnknownWasiFunction | WasiFunctionDiffers


class WasiNotProvided(ObeliskError):
    """A component imports from WASI what this host does not have."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def bind(component: CompiledComponent) -> WasiBinding:
    """Any version 0.2.x of an interface is taken.

    Raises: WasiNotProvided, with everything that is wrong.
    """
    functions = [item for item in component.imports if item.interface.startswith(_NAMESPACE)]
    resources = [item for item in component.resources if item.interface.startswith(_NAMESPACE)]
    interfaces = dict.fromkeys(item.interface for item in (*functions, *resources))
    known = {name: found for name in interfaces if (found := _functions_of(name)) is not None}
    unknown = (UnknownWasiInterface(name) for name in interfaces if name not in known)
    if problems := (*unknown, *_different(functions, known)):
        raise WasiNotProvided(problems)
    return WasiBinding(
        {(item.interface, item.name): _host_function(known[item.interface][item.name].call) for item in functions},
        {(item.interface, item.name): _drop for item in resources},
    )


@dataclass(frozen=True, slots=True)
class _Implementation:
    type: str
    """As WIT; empty: not compared."""
    call: WasiCall


def _different(
    imported: Sequence[ImportedFunction], known: Mapping[str, Mapping[str, _Implementation]]
) -> Iterator[Problem]:
    for item in imported:
        if item.interface not in known:
            continue
        name = f"{item.interface}.{item.name}"
        implementation = known[item.interface].get(item.name)
        if implementation is None:
            yield UnknownWasiFunction(name)
        elif implementation.type not in ("", str(item.type)):
            yield WasiFunctionDiffers(name, str(item.type), implementation.type)


def _functions_of(interface: str) -> Mapping[str, _Implementation] | None:
    """The functions of an interface, by name; None for an unknown interface."""
    match = _INTERFACE.fullmatch(interface)
    functions = match and _PACKAGES.get(match["package"], {}).get(match["name"])
    if functions is None:
        return None
    split = ((*signature.partition(": "), call) for signature, call in functions.items())
    return {name: _Implementation(type_, call) for name, _, type_, call in split}


def _host_function(call: WasiCall) -> HostFunction:
    def answer(context: WasiContext, arguments: tuple[Value, ...]) -> Value:
        return call(context.wasi, *arguments)

    return answer


def _drop(context: WasiContext, rep: int) -> None:
    context.wasi.drop(rep)
