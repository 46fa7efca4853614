"""Whether the components of a deployment fit together: every import has an exporter of the same type, and so on.

Everything that is wrong is found at once, as values whose text tells an operator what to change.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from obelisk_runtime.core import interfaces
from obelisk_runtime.core.deployment import ComponentKind
from obelisk_runtime.core.host_types import (
    HOST_FUNCTIONS,
    INCOMING_HANDLER,
    JOIN_SET_INTERFACE,
    LOG,
    WEBHOOK_SUPPORT,
    WORKFLOW_SUPPORT,
    WORKFLOW_SUPPORT_BACKTRACE,
)
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.types import FunctionType
from obelisk_runtime.core.values import NoJsonForm, function_codec, result_type_problem

CLOSEST_MAX = 3
_HANDLER = re.compile(rf"{re.escape(INCOMING_HANDLER)}@0\.2\.[0-9]+\.handle")
THE_HOST = "the host"
_HOST_INTERFACES: Mapping[ComponentKind, frozenset[str]] = {
    ComponentKind.ACTIVITY: frozenset({LOG}),
    ComponentKind.WORKFLOW: frozenset({LOG, JOIN_SET_INTERFACE, WORKFLOW_SUPPORT, WORKFLOW_SUPPORT_BACKTRACE}),
    ComponentKind.WEBHOOK: frozenset({LOG, WEBHOOK_SUPPORT}),
    ComponentKind.STUB: frozenset(),
}
_CALLERS = frozenset({ComponentKind.WORKFLOW, ComponentKind.WEBHOOK})
"""Kinds that may call exported functions."""
_ONLY_WORKFLOWS = interfaces.Submit | interfaces.AwaitNext | interfaces.Get | interfaces.Stub


@dataclass(frozen=True, slots=True)
class ComponentSurface:
    """What a component exports and imports."""

    name: str
    kind: ComponentKind
    exports: Mapping[Ffqn, FunctionType]
    imports: Sequence[tuple[str, str, FunctionType]]
    """(interface, function, type)"""


@dataclass(frozen=True, slots=True)
class ExportedFunction:
    type: FunctionType
    component: str
    kind: ComponentKind


@dataclass(frozen=True, slots=True)
class NotExported:
    component: str
    imported: str
    closest: tuple[str, ...]
    """Functions with similar names, best first."""

    def __str__(self) -> str:
        hint = f"; did you mean {' or '.join(self.closest)}?" if self.closest else ""
        return f"{self.component} imports {self.imported}, which no component and no host interface exports{hint}"


@dataclass(frozen=True, slots=True)
class SignatureDiffers:
    component: str
    imported: str
    imported_type: FunctionType
    exporter: str
    """A component, or `the host`."""
    exported_type: FunctionType

    def __str__(self) -> str:
        return (
            f"{self.component} imports {self.imported} with another type than {self.exporter} exports it:\n"
            f"  {self.component}: {self.imported_type}\n"
            f"  {self.exporter}: {self.exported_type}"
        )


@dataclass(frozen=True, slots=True)
class ImportNotAllowed:
    component: str
    kind: ComponentKind
    imported: str
    allowed: str

    def __str__(self) -> str:
        return f"the {self.kind} {self.component} imports {self.imported}; it may import only {self.allowed}"


@dataclass(frozen=True, slots=True)
class ExportedTwice:
    function: Ffqn
    components: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.function} is exported by {' and '.join(self.components)}; deploy one of them"


@dataclass(frozen=True, slots=True)
class ReservedExport:
    component: str
    function: Ffqn

    def __str__(self) -> str:
        return (
            f"{self.component} exports {self.function}; the namespaces obelisk and wasi and packages that end in "
            "-obelisk-ext, -obelisk-schedule or -obelisk-stub belong to the host"
        )


@dataclass(frozen=True, slots=True)
class ExportNotAllowed:
    component: str
    function: Ffqn
    type: FunctionType
    reason: str

    def __str__(self) -> str:
        return f"{self.component} exports {self.function}: {self.type}, but {self.reason}"


@dataclass(frozen=True, slots=True)
class ExportsNothing:
    component: str

    def __str__(self) -> str:
        return f"{self.component} exports no function of an interface, so nothing of it can be run"


@dataclass(frozen=True, slots=True)
class NoHandler:
    component: str

    def __str__(self) -> str:
        return f"{self.component} does not export {INCOMING_HANDLER}@0.2.x, so it cannot handle HTTP requests"


Problem = (
    NotExported
    | SignatureDiffers
    | ImportNotAllowed
    | ExportedTwice
    | ReservedExport
    | ExportNotAllowed
    | ExportsNothing
    | NoHandler
)


@dataclass(frozen=True, slots=True)
class Wiring:
    functions: Mapping[Ffqn, ExportedFunction]
    """Every exported function. Where two components export one, the first counts."""
    problems: tuple[Problem, ...]
    """Empty: the components may be linked."""


def wire(components: Sequence[ComponentSurface]) -> Wiring:
    """Check all components of a deployment against one another and against the host."""
    functions: dict[Ffqn, ExportedFunction] = {}
    for component in components:
        for name, item in component.exports.items():
            if not name.interface.reserved:
                functions.setdefault(name, ExportedFunction(item, component.name, component.kind))
    offered = _offered(functions)
    problems: list[Problem] = []
    for component in components:
        problems += _export_problems(component)
        problems += _import_problems(component, offered)
    problems += _exported_twice(components)
    return Wiring(functions, tuple(problems))


@dataclass(frozen=True, slots=True)
class _Offer:
    type: FunctionType
    exporter: str


def _offered(functions: Mapping[Ffqn, ExportedFunction]) -> dict[tuple[str, str], _Offer]:
    """Everything that can be imported, by (interface, name)."""
    offered = {key: _Offer(item, THE_HOST) for key, item in HOST_FUNCTIONS.items()}
    for name, exported in functions.items():
        derived = interfaces.derive(name, exported.type)
        derived[name.interface.text, name.function] = exported.type
        offered |= {key: _Offer(item, exported.component) for key, item in derived.items()}
    return offered


def _export_problems(component: ComponentSurface) -> Iterator[Problem]:
    if component.kind is ComponentKind.WEBHOOK:
        yield from _webhook_problems(component)
        return
    if not component.exports:
        yield ExportsNothing(component.name)
    for name, item in component.exports.items():
        if name.interface.reserved:
            yield ReservedExport(component.name, name)
        elif (reason := _refused(name, item)) is not None:
            yield ExportNotAllowed(component.name, name, item, reason)


def _webhook_problems(component: ComponentSurface) -> Iterator[Problem]:
    if handler_of(component.exports) is None:
        yield NoHandler(component.name)
    for name, item in component.exports.items():
        if not name.interface.reserved:
            yield ExportNotAllowed(component.name, name, item, f"a webhook exports {INCOMING_HANDLER} only")


def handler_of(exports: Iterable[Ffqn]) -> Ffqn | None:
    """The function that handles requests."""
    return next((name for name in exports if _HANDLER.fullmatch(name.text)), None)


def _refused(name: Ffqn, item: FunctionType) -> str | None:
    """Why a function of this type cannot be an execution."""
    if (reason := result_type_problem(item.result)) is not None:
        return reason
    try:
        function_codec(name, item)
    except NoJsonForm as error:
        return f"{error} is a resource handle, which cannot be stored"
    return None


def _import_problems(component: ComponentSurface, offered: Mapping[tuple[str, str], _Offer]) -> Iterator[Problem]:
    for interface, name, item in component.imports:
        imported = f"{interface}.{name}"
        kind = interfaces.classify(interface, name)
        if isinstance(kind, interfaces.WasiFunction):
            continue  # the WASI layer knows what it has
        offer = offered.get((interface, name))
        if not _may_import(component.kind, kind):
            yield ImportNotAllowed(component.name, component.kind, imported, _allowed(component.kind))
        elif offer is None:
            yield NotExported(component.name, imported, _closest(imported, offered))
        elif offer.type != item:
            yield SignatureDiffers(component.name, imported, item, offer.exporter, offer.type)


def _may_import(importer: ComponentKind, kind: interfaces.Import) -> bool:
    if isinstance(kind, interfaces.HostFunction):
        known = any(kind.interface == interface for interface, _ in HOST_FUNCTIONS)
        return not known or kind.interface in _HOST_INTERFACES[importer]
    if importer is ComponentKind.WEBHOOK:
        return not isinstance(kind, _ONLY_WORKFLOWS)
    return importer in _CALLERS


def _allowed(importer: ComponentKind) -> str:
    names = sorted(interface.partition("@")[0] for interface in _HOST_INTERFACES[importer])
    return ", ".join((*names, "wasi:*", *(("functions of components",) if importer in _CALLERS else ())))


def _closest(imported: str, offered: Mapping[tuple[str, str], _Offer]) -> tuple[str, ...]:
    names = [f"{interface}.{name}" for interface, name in offered]
    return tuple(difflib.get_close_matches(imported, names, CLOSEST_MAX))


def _exported_twice(components: Sequence[ComponentSurface]) -> Iterator[Problem]:
    exporters: dict[Ffqn, list[str]] = {}
    for component in components:
        if component.kind is ComponentKind.WEBHOOK:
            continue  # they all export the same handler
        for name in component.exports:
            exporters.setdefault(name, []).append(component.name)
    for name, names in exporters.items():
        if len(names) > 1:
            yield ExportedTwice(name, tuple(names))
