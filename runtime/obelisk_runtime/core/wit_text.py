"""Types of functions from WIT text, as `str(FunctionType)` prints them: `func(n: u32) -> result<bool, string>`."""

import re
from collections.abc import Callable
from typing import TypeVar

from obelisk_runtime.core.errors import ObeliskError
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


class WitSyntaxError(ObeliskError):
    """The text is not the WIT that was expected; the message says what was found."""


def parse_type(text: str) -> WitType:
    """Raises: WitSyntaxError."""
    parser = TypeParser(tokens(text))
    parsed = parser.type()
    parser.end()
    return parsed


def parse_function(text: str) -> FunctionType:
    """Raises: WitSyntaxError."""
    parser = TypeParser(tokens(text))
    parsed = parser.function()
    parser.end()
    return parsed


def tokens(text: str) -> list[str]:
    """Without spaces and comments. Raises: WitSyntaxError."""
    found: list[str] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise WitSyntaxError(f"{text[position : position + 20]!r} is no WIT")
        position = match.end()
        if match["token"] is not None:
            found.append(match["token"].removeprefix("%"))
    return found


class TypeParser:
    """Tokens, taken one after the other. `named` are the types that a name may stand for."""

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
        if not self.rest:
            raise WitSyntaxError("the text ends too early")
        return self.rest.pop(0)

    def expect(self, token: str) -> None:
        found = self.next()
        if found != token:
            raise WitSyntaxError(f"expected {token!r}, found {found!r}")

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
                if not isinstance(named, Own):
                    raise WitSyntaxError(f"{handle} is no resource")
                return named if name == "own" else Borrow(named.resource)
            case "record" | "variant" | "enum" | "flags":
                return self._body(name)
            case _:
                if name in self.declared:
                    self.named[name] = TypeParser(self.declared.pop(name), self.named, self.declared).type()
                if name not in self.named:
                    raise WitSyntaxError(f"unknown type {name!r}")
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

    def end(self) -> None:
        if self.rest:
            raise WitSyntaxError(f"{self.rest[0]!r} follows where the text should end")
