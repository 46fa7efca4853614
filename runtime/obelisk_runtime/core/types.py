"""WIT types as structural values: equal and hashed by structure, printed as WIT text.

The names of records, variants and so on are not part of a type (linking in the component model is structural); the
names of fields, cases, flags and parameters are. Names are kebab-case as in WIT.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache


class Primitive(StrEnum):
    BOOL = "bool"
    S8 = "s8"
    S16 = "s16"
    S32 = "s32"
    S64 = "s64"
    U8 = "u8"
    U16 = "u16"
    U32 = "u32"
    U64 = "u64"
    F32 = "f32"
    F64 = "f64"
    CHAR = "char"
    STRING = "string"


@dataclass(frozen=True, slots=True)
class ListOf:
    item: "WitType"

    def __str__(self) -> str:
        return f"list<{self.item}>"


@dataclass(frozen=True, slots=True)
class OptionOf:
    item: "WitType"

    def __str__(self) -> str:
        return f"option<{self.item}>"


@dataclass(frozen=True, slots=True)
class ResultOf:
    ok: "WitType | None"
    err: "WitType | None"

    def __str__(self) -> str:
        if self.err is None:
            return "result" if self.ok is None else f"result<{self.ok}>"
        return f"result<{'_' if self.ok is None else self.ok}, {self.err}>"


@dataclass(frozen=True, slots=True)
class TupleOf:
    items: "tuple[WitType, ...]"

    def __str__(self) -> str:
        return f"tuple<{', '.join(map(str, self.items))}>"


@dataclass(frozen=True, slots=True)
class RecordOf:
    fields: "tuple[tuple[str, WitType], ...]"

    def __str__(self) -> str:
        return "record { " + ", ".join(f"{name}: {item}" for name, item in self.fields) + " }"


@dataclass(frozen=True, slots=True)
class VariantOf:
    cases: "tuple[tuple[str, WitType | None], ...]"

    def __str__(self) -> str:
        cases = (name if item is None else f"{name}({item})" for name, item in self.cases)
        return "variant { " + ", ".join(cases) + " }"


@dataclass(frozen=True, slots=True)
class EnumOf:
    names: tuple[str, ...]

    def __str__(self) -> str:
        return "enum { " + ", ".join(self.names) + " }"


@dataclass(frozen=True, slots=True)
class FlagsOf:
    names: tuple[str, ...]

    def __str__(self) -> str:
        return "flags { " + ", ".join(self.names) + " }"


@dataclass(frozen=True, slots=True)
class Own:
    """A handle that is given away. `resource` is `interface.name` of the defining import, or `name` of a guest's."""

    resource: str

    def __str__(self) -> str:
        return f"own<{self.resource.rpartition('.')[2]}>"


@dataclass(frozen=True, slots=True)
class Borrow:
    resource: str

    def __str__(self) -> str:
        return f"borrow<{self.resource.rpartition('.')[2]}>"


WitType = Primitive | ListOf | OptionOf | ResultOf | TupleOf | RecordOf | VariantOf | EnumOf | FlagsOf | Own | Borrow


@dataclass(frozen=True, slots=True)
class FunctionType:
    params: tuple[tuple[str, WitType], ...]
    result: WitType | None

    def __str__(self) -> str:
        params = ", ".join(f"{name}: {item}" for name, item in self.params)
        return f"func({params})" + ("" if self.result is None else f" -> {self.result}")


@cache
def snake_case(name: str) -> str:
    """A WIT name in the canonical form of JSON values."""
    return name.replace("-", "_")
