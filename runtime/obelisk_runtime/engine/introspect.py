"""What a component imports and exports, in the terms of core.types."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from wasmtime import Engine
from wasmtime import component as wc

from obelisk_runtime.core.errors import InvalidName
from obelisk_runtime.core.names import Ffqn, InterfaceName
from obelisk_runtime.core.types import (
    Borrow,
    EnumOf,
    FlagsOf,
    FunctionType,
    ListOf,
    OptionOf,
    Own,
    Primitive,
    RecordOf,
    ResultOf,
    TupleOf,
    VariantOf,
    WitType,
)
from obelisk_runtime.core.world_text import Interface
from obelisk_runtime.ports.engine import ImportedFunction, ImportedResource, UnsupportedComponent


@dataclass(frozen=True, slots=True)
class ResourceName:
    """One name under which a component imports a resource; `id` is the same for all names of one resource."""

    interface: str
    name: str
    id: int


@dataclass(frozen=True, slots=True)
class Interfaces:
    exports: dict[Ffqn, FunctionType]
    imports: tuple[ImportedFunction, ...]
    resources: tuple[ImportedResource, ...]
    """By id: each resource once, under the name of the interface that defines it."""
    resource_names: tuple[ResourceName, ...]
    """Every name, aliases included."""


@dataclass(frozen=True, slots=True)
class Surface:
    """The interfaces of a component with the names of their types, for people."""

    imports: tuple[Interface, ...]
    exports: tuple[Interface, ...]


def inspect(engine: Engine, component: wc.Component) -> Interfaces:
    """Raises: UnsupportedComponent."""
    return _Inspection(engine).run(component)


def surface(engine: Engine, component: wc.Component) -> Surface:
    """Raises: UnsupportedComponent."""
    inspection = _Inspection(engine)
    inspection.run(component)  # names the resources
    return inspection.surface(component)


_PRIMITIVES: dict[type, Primitive] = {
    wc.Bool: Primitive.BOOL,
    wc.S8: Primitive.S8,
    wc.S16: Primitive.S16,
    wc.S32: Primitive.S32,
    wc.S64: Primitive.S64,
    wc.U8: Primitive.U8,
    wc.U16: Primitive.U16,
    wc.U32: Primitive.U32,
    wc.U64: Primitive.U64,
    wc.F32: Primitive.F32,
    wc.F64: Primitive.F64,
    wc.Char: Primitive.CHAR,
    wc.String: Primitive.STRING,
}


class _Extern(Protocol):
    @property
    def ty(self) -> wc.ComponentItem: ...


class _Inspection:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: list[tuple[wc.ResourceType, str]] = []
        self._resources: list[ImportedResource] = []
        self._names: list[ResourceName] = []

    def run(self, component: wc.Component) -> Interfaces:
        imports: list[ImportedFunction] = []
        for interface, item in self._items(component.type.imports(self._engine), "import"):
            if isinstance(item, wc.FuncType):
                raise UnsupportedComponent(f"the component imports the function {interface} outside of an interface")
            if isinstance(item, wc.ComponentInstanceType):
                imports += self._imported(interface, item)
        exports = {
            Ffqn.parse(f"{interface}.{name}"): type_
            for interface, item in self._items(component.type.exports(self._engine), "export")
            if isinstance(item, wc.ComponentInstanceType) and _is_interface(interface)
            for name, type_ in self._exported(interface, item)
        }
        return Interfaces(exports, tuple(imports), tuple(self._resources), tuple(self._names))

    def surface(self, component: wc.Component) -> Surface:
        return Surface(
            tuple(self._interfaces(component.type.imports(self._engine))),
            tuple(self._interfaces(component.type.exports(self._engine))),
        )

    def _interfaces(self, externs: "Mapping[str, _Extern]") -> Iterator[Interface]:
        for interface, item in self._items(externs, "component"):
            if isinstance(item, wc.ComponentInstanceType) and _is_interface(interface):
                types: dict[str, WitType] = {}
                functions: dict[str, FunctionType] = {}
                for name, part in self._items(item.exports(self._engine), interface):
                    if isinstance(part, wc.FuncType):
                        functions[name] = self._function(part)
                    elif isinstance(part, wc.ResourceType):
                        types[name] = Own(self._resource(part))
                    elif isinstance(part, wc.ValType):
                        types[name] = self._value(part)
                yield Interface(interface, types, functions)

    def _imported(self, interface: str, instance: wc.ComponentInstanceType) -> Iterator[ImportedFunction]:
        items = list(self._items(instance.exports(self._engine), interface))
        for name, item in items:
            if isinstance(item, wc.ResourceType):
                self._add_imported(interface, name, item)
        for name, item in items:
            if isinstance(item, wc.FuncType):
                yield ImportedFunction(interface, name, self._function(item))

    def _add_imported(self, interface: str, name: str, item: wc.ResourceType) -> None:
        for index, (known, _) in enumerate(self._known):
            if known == item:
                self._names.append(ResourceName(interface, name, index))
                return
        self._names.append(ResourceName(interface, name, len(self._known)))
        self._known.append((item, f"{interface}.{name}"))
        self._resources.append(ImportedResource(interface, name))

    def _exported(self, interface: str, instance: wc.ComponentInstanceType) -> Iterator[tuple[str, FunctionType]]:
        items = list(self._items(instance.exports(self._engine), interface))
        for name, item in items:
            if isinstance(item, wc.ResourceType) and all(known != item for known, _ in self._known):
                self._known.append((item, f"{interface}.{name}"))
        for name, item in items:
            if isinstance(item, wc.FuncType) and not name.startswith("["):
                yield name, self._function(item)

    def _items(self, externs: Mapping[str, _Extern], where: str) -> Iterator[tuple[str, wc.ComponentItem]]:
        for name, extern in externs.items():
            try:
                item = extern.ty
            except TypeError as error:
                raise UnsupportedComponent(f"{where}.{name} has a type that is not supported") from error
            yield name, item

    def _function(self, type_: wc.FuncType) -> FunctionType:
        params = tuple((name, self._value(item)) for name, item in type_.params)
        return FunctionType(params, None if type_.result is None else self._value(type_.result))

    def _optional(self, type_: wc.ValType | None) -> WitType | None:
        return None if type_ is None else self._value(type_)

    def _value(self, type_: wc.ValType) -> WitType:  # noqa: C901, PLR0911 - one line for each kind of type
        primitive = _PRIMITIVES.get(type(type_))
        if primitive is not None:
            return primitive
        match type_:
            case wc.ListType():
                return ListOf(self._value(type_.element))
            case wc.OptionType():
                return OptionOf(self._value(type_.payload))
            case wc.ResultType():
                return ResultOf(self._optional(type_.ok), self._optional(type_.err))
            case wc.TupleType():
                return TupleOf(tuple(self._value(item) for item in type_.elements))
            case wc.RecordType():
                return RecordOf(tuple((name, self._value(item)) for name, item in type_.fields))
            case wc.VariantType():
                return VariantOf(tuple((name, self._optional(item)) for name, item in type_.cases))
            case wc.EnumType():
                return EnumOf(tuple(type_.names))
            case wc.FlagsType():
                return FlagsOf(tuple(type_.names))
            case wc.OwnType():
                return Own(self._resource(type_.ty))
            case wc.BorrowType():
                return Borrow(self._resource(type_.ty))
            case _:
                raise UnsupportedComponent(f"the component uses {type(type_).__name__}, which is not supported")

    def _resource(self, type_: wc.ResourceType) -> str:
        for known, name in self._known:
            if known == type_:
                return name
        raise UnsupportedComponent("a function uses a resource that no interface of the component names")


def _is_interface(name: str) -> bool:
    try:
        InterfaceName.parse(name)
    except InvalidName:
        return False
    return True
