"""WIT text of what a component imports and exports.

Grammar: https://github.com/WebAssembly/component-model/blob/main/design/mvp/WIT.md, with packages in one file.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

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

WORLD = "root"
_PACKAGE = "root:component"
_KEYWORDS = frozenset(
    (
        *("as", "async", "bool", "borrow", "char", "constructor", "enum", "export", "f32", "f64", "flags", "from"),
        *("func", "future", "import", "include", "interface", "list", "option", "own", "package", "record", "resource"),
        *("result", "s16", "s32", "s64", "s8", "static", "stream", "string", "tuple", "type", "u16", "u32", "u64"),
        *("u8", "use", "variant", "with", "world"),
    )
)
Nominal = RecordOf | VariantOf | EnumOf | FlagsOf
"""Types that WIT cannot write in place: they need a name."""


@dataclass(frozen=True, slots=True)
class Interface:
    """One imported or exported interface: `types` and `functions` by their names in WIT.

    A resource is an `Own` whose `resource` says which interface defines it; methods are `[method]resource.name`.
    """

    name: str
    types: Mapping[str, WitType] = field(default_factory=dict[str, WitType])
    functions: Mapping[str, FunctionType] = field(default_factory=dict[str, FunctionType])


def world_text(imports: Sequence[Interface], exports: Sequence[Interface]) -> str:
    """A world `root` with these imports and exports, and every package it needs."""
    lines = [f"package {_PACKAGE};", "", f"world {WORLD} {{"]
    lines += [f"  import {_escaped(item.name)};" for item in imports]
    lines += [f"  export {_escaped(item.name)};" for item in exports]
    lines.append("}")
    for package, interfaces in _packages(_merged([*imports, *exports])).items():
        lines += ["", f"package {package} {{"]
        for interface in interfaces:
            lines += [f"  {line}" for line in _interface_lines(interface)]
        lines.append("}")
    return "\n".join(lines) + "\n"


def _interface_lines(interface: Interface) -> Iterator[str]:
    printer = _Printer(interface)
    body = list(printer.body())
    yield f"interface {_identifier(_local(interface.name))} {{"
    for line in (*printer.uses(), *body):
        yield f"  {line}"
    yield "}"


def _merged(interfaces: Iterable[Interface]) -> list[Interface]:
    """Each interface once, also one that is both imported and exported."""
    merged: dict[str, Interface] = {}
    for item in interfaces:
        known = merged.get(item.name)
        merged[item.name] = (
            item
            if known is None
            else Interface(item.name, {**known.types, **item.types}, {**known.functions, **item.functions})
        )
    return list(merged.values())


def _packages(interfaces: Iterable[Interface]) -> dict[str, list[Interface]]:
    packages: dict[str, list[Interface]] = {}
    for item in interfaces:
        packages.setdefault(_escaped(_package(item.name)), []).append(item)
    return packages


class _Printer:
    """One interface. Types that have no name in it get `type-1`, `type-2` and so on, in the order they are met."""

    def __init__(self, interface: Interface) -> None:
        self._interface = interface
        self._names: dict[WitType, str] = {}
        for name, type_ in interface.types.items():
            self._names.setdefault(type_, name)
        self._unnamed: list[tuple[str, WitType]] = []
        self._used: dict[str, str] = {}
        """Local name of a resource of another interface -> where it is from."""

    def uses(self) -> Iterator[str]:
        """To be asked after `body`."""
        for local, resource in self._used.items():
            interface, _, name = resource.rpartition(".")
            renamed = "" if name == local else f" as {_identifier(local)}"
            here = _package(interface) == _package(self._interface.name)
            source = _identifier(_local(interface)) if here else _escaped(interface)
            yield f"use {source}.{{{_identifier(name)}{renamed}}};"

    def body(self) -> Iterator[str]:
        for name, type_ in self._interface.types.items():
            yield from self._declaration(name, type_)
        for name, type_ in self._interface.functions.items():
            if not name.startswith("["):
                yield f"{_identifier(name)}: {self._function(type_)};"
        while self._unnamed:
            yield from self._declaration(*self._unnamed.pop(0))

    def _declaration(self, name: str, type_: WitType) -> Iterator[str]:
        match type_:
            case Own():
                if type_.resource == f"{self._interface.name}.{name}":
                    yield from self._resource(name)
                else:
                    self._used[name] = type_.resource
            case RecordOf():
                yield f"record {_identifier(name)} {{"
                yield from (f"  {_identifier(part)}: {self._type(item)}," for part, item in type_.fields)
                yield "}"
            case VariantOf():
                yield f"variant {_identifier(name)} {{"
                yield from (f"  {_identifier(case)}{self._payload(item)}," for case, item in type_.cases)
                yield "}"
            case EnumOf() | FlagsOf():
                yield f"{'enum' if isinstance(type_, EnumOf) else 'flags'} {_identifier(name)} {{"
                yield from (f"  {_identifier(member)}," for member in type_.names)
                yield "}"
            case _:
                yield f"type {_identifier(name)} = {self._type(type_)};"

    def _resource(self, name: str) -> Iterator[str]:
        yield f"resource {_identifier(name)} {{"
        for function, type_ in self._interface.functions.items():
            kind, _, path = function.removeprefix("[").partition("]")
            resource, _, method = path.partition(".")
            if not function.startswith("[") or resource != name:
                continue
            match kind:
                case "constructor":
                    yield f"  constructor({self._params(type_.params)});"
                case "static":
                    yield f"  {_identifier(method)}: static {self._function(type_)};"
                case _:
                    yield f"  {_identifier(method)}: {self._function(FunctionType(type_.params[1:], type_.result))};"
        yield "}"

    def _function(self, type_: FunctionType) -> str:
        params = self._params(type_.params)
        return f"func({params})" + ("" if type_.result is None else f" -> {self._type(type_.result)}")

    def _params(self, params: Iterable[tuple[str, WitType]]) -> str:
        return ", ".join(f"{_identifier(name)}: {self._type(item)}" for name, item in params)

    def _payload(self, item: WitType | None) -> str:
        return "" if item is None else f"({self._type(item)})"

    def _type(self, type_: WitType) -> str:
        match type_:
            case Primitive():
                return type_.value
            case ListOf():
                return f"list<{self._type(type_.item)}>"
            case OptionOf():
                return f"option<{self._type(type_.item)}>"
            case TupleOf():
                return f"tuple<{', '.join(map(self._type, type_.items))}>"
            case ResultOf():
                return self._result(type_)
            case Own():
                return _identifier(self._handle(type_.resource))
            case Borrow():
                return f"borrow<{_identifier(self._handle(type_.resource))}>"
            case RecordOf() | VariantOf() | EnumOf() | FlagsOf():
                return _identifier(self._nominal(type_))

    def _result(self, type_: ResultOf) -> str:
        if type_.err is None:
            return "result" if type_.ok is None else f"result<{self._type(type_.ok)}>"
        return f"result<{'_' if type_.ok is None else self._type(type_.ok)}, {self._type(type_.err)}>"

    def _handle(self, resource: str) -> str:
        own = Own(resource)
        if own not in self._names:
            self._names[own] = resource.rpartition(".")[2]
            self._used[self._names[own]] = resource
        return self._names[own]

    def _nominal(self, type_: Nominal) -> str:
        if type_ not in self._names:
            self._names[type_] = f"type-{sum(name.startswith('type-') for name in self._names.values()) + 1}"
            self._unnamed.append((self._names[type_], type_))
        return self._names[type_]


def _package(interface: str) -> str:
    path, at, version = interface.partition("@")
    return path.partition("/")[0] + at + version


def _local(interface: str) -> str:
    return interface.partition("@")[0].rpartition("/")[2]


def _escaped(name: str) -> str:
    """A name of a package or an interface with its keywords marked."""
    path, at, version = name.partition("@")
    namespace, colon, rest = path.partition(":")
    return _identifier(namespace) + colon + "/".join(map(_identifier, rest.split("/"))) + at + version


def _identifier(name: str) -> str:
    return f"%{name}" if name in _KEYWORDS else name
