"""Types and interfaces from WIT text, as far as tests need them.

Types are written as `str(WitType)` prints them (`record { a: u32, b: option<string> }`); interfaces as in a .wit file.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

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

T = TypeVar("T")

_TOKEN = re.compile(r"//[^\n]*|/\*.*?\*/|\s+|(?P<token>->|%?[A-Za-z][\w-]*|\d+\.\d+\.\d+|[{}<>(),:;.@/=_])", re.DOTALL)
_PRIMITIVES: dict[str, WitType] = {item.value: item for item in Primitive}


def parse_type(text: str) -> WitType:
    parser = _Parser(_tokens(text))
    parsed = parser.type()
    assert not parser.rest, parser.rest
    return parsed


def parse_function(text: str) -> FunctionType:
    parser = _Parser(_tokens(text))
    parsed = parser.function()
    assert not parser.rest, parser.rest
    return parsed


@dataclass
class Interface:
    types: dict[str, WitType] = field(default_factory=dict[str, WitType])
    functions: dict[str, FunctionType] = field(default_factory=dict[str, FunctionType])


def parse_package(text: str, known: Mapping[str, Interface]) -> dict[str, Interface]:
    """The interfaces of a .wit file by full name; `known` are those of the packages it uses."""
    parser = _Parser(_tokens(text))
    parser.expect("package")
    package = "".join(parser.until(";"))
    name, _, version = package.partition("@")
    interfaces: dict[str, Interface] = {}
    while parser.rest:
        parser.expect("interface")
        full = f"{name}/{parser.next()}@{version}"
        local = {key.split("/")[1].split("@")[0]: value for key, value in interfaces.items()}
        interfaces[full] = parser.interface(full, {**known, **local})
    return interfaces


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        assert match is not None, text[position : position + 20]
        position = match.end()
        if match["token"] is not None:
            found.append(match["token"].removeprefix("%"))
    return found


class _Parser:
    def __init__(
        self,
        tokens: list[str],
        named: dict[str, WitType] | None = None,
        declared: dict[str, list[str]] | None = None,
    ) -> None:
        self.rest = tokens
        self.named = {} if named is None else named
        self.declared: dict[str, list[str]] = {} if declared is None else declared
        """Types that are not parsed yet, since they may name later ones."""

    def next(self) -> str:
        return self.rest.pop(0)

    def expect(self, token: str) -> None:
        found = self.next()
        assert found == token, f"expected {token}, found {found} before {self.rest[:5]}"

    def accept(self, token: str) -> bool:
        if self.rest and self.rest[0] == token:
            self.rest.pop(0)
            return True
        return False

    def until(self, token: str) -> list[str]:
        end = self.rest.index(token)
        found, self.rest[: end + 1] = self.rest[:end], []
        return found

    def sequence(self, close: str, item: Callable[[], T]) -> tuple[T, ...]:
        """Items with commas between, and perhaps after, them."""
        items: list[T] = []
        while not self.accept(close):
            items.append(item())
            if not self.accept(","):
                self.expect(close)
                break
        return tuple(items)

    def type(self) -> WitType:
        name = self.next()
        if name in _PRIMITIVES:
            return _PRIMITIVES[name]
        match name:
            case "list" | "option":
                self.expect("<")
                item = self.type()
                self.expect(">")
                return ListOf(item) if name == "list" else OptionOf(item)
            case "tuple":
                self.expect("<")
                return TupleOf(self.sequence(">", self.type))
            case "result":
                return self._result()
            case "own" | "borrow":
                self.expect("<")
                handle = self.next()
                self.expect(">")
                named = self.named.get(handle, Own(handle))
                assert isinstance(named, Own)
                return named if name == "own" else Borrow(named.resource)
            case "record" | "variant" | "enum" | "flags":
                return self._body(name)
            case _:
                if name in self.declared:
                    self.named[name] = _Parser(self.declared.pop(name), self.named, self.declared).type()
                return self.named[name]

    def _result(self) -> ResultOf:
        if not self.accept("<"):
            return ResultOf(None, None)
        ok = None if self.accept("_") else self.type()
        err = self.type() if self.accept(",") else None
        self.expect(">")
        return ResultOf(ok, err)

    def _body(self, kind: str) -> WitType:
        self.expect("{")
        match kind:
            case "record":
                return RecordOf(self.sequence("}", self._field))
            case "variant":
                return VariantOf(self.sequence("}", self._case))
            case "enum":
                return EnumOf(self.sequence("}", self.next))
            case _:
                return FlagsOf(self.sequence("}", self.next))

    def _field(self) -> tuple[str, WitType]:
        name = self.next()
        self.expect(":")
        return name, self.type()

    def _case(self) -> tuple[str, WitType | None]:
        name = self.next()
        if not self.accept("("):
            return name, None
        payload = self.type()
        self.expect(")")
        return name, payload

    def function(self) -> FunctionType:
        self.expect("func")
        self.expect("(")
        params = self.sequence(")", self._field)
        return FunctionType(params, self.type() if self.accept("->") else None)

    def interface(self, name: str, known: Mapping[str, Interface]) -> Interface:
        """After its name, up to and with the closing brace."""
        made = Interface()
        self.named = made.types
        functions: dict[str, list[str]] = {}
        self.expect("{")
        while not self.accept("}"):
            word = self.next()
            if word == "use":
                self._use(made, known)
            elif word == "resource":
                self._resource(name, functions)
            elif self.accept(":"):
                functions[word] = self.until(";")
            else:
                declared = self.next()
                self.declared[declared] = [word, *self.until("}"), "}"]
        for declared in list(self.declared):
            _Parser([declared], self.named, self.declared).type()
        made.functions = {name: _Parser(text, self.named).function() for name, text in functions.items()}
        return made

    def _use(self, made: Interface, known: Mapping[str, Interface]) -> None:
        """The tokens of a use clause: `a:b/c@1.0.0.{x, y};` or `c.{x};`."""
        source = "".join(self.until("{")).removesuffix(".")
        for name in self.sequence("}", self.next):
            made.types[name] = known[source].types[name]
        self.expect(";")

    def _resource(self, interface: str, functions: dict[str, list[str]]) -> None:
        resource = self.next()
        self.named[resource] = Own(f"{interface}.{resource}")
        self.expect("{")
        while not self.accept("}"):
            method = self.next()
            self.expect(":")
            func, parenthesis, *params = self.until(";")
            receiver = ["self", ":", "borrow", "<", resource, ">", ","]
            functions[f"[method]{resource}.{method}"] = [func, parenthesis, *receiver, *params]
