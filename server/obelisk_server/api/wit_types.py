"""WIT types for programs: as trees, from which forms are made, and as JSON Schemas of the values."""

from collections.abc import Set
from typing import Any, assert_never

from obelisk_runtime.core.types import (
    Borrow,
    EnumOf,
    FlagsOf,
    ListOf,
    OptionOf,
    Own,
    Primitive,
    RecordOf,
    ResultOf,
    TupleOf,
    VariantOf,
    WitType,
    snake_case,
)

Json = dict[str, Any]
_INTEGERS = {
    Primitive.S8: (-(2**7), 2**7 - 1),
    Primitive.S16: (-(2**15), 2**15 - 1),
    Primitive.S32: (-(2**31), 2**31 - 1),
    Primitive.S64: (-(2**63), 2**63 - 1),
    Primitive.U8: (0, 2**8 - 1),
    Primitive.U16: (0, 2**16 - 1),
    Primitive.U32: (0, 2**32 - 1),
    Primitive.U64: (0, 2**64 - 1),
}
_FLOAT: Json = {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}


def tree(wit: WitType) -> Json:
    """`{"kind": ...}` with the parts of the type; names as in JSON values. Type names are not part of it."""
    match wit:
        case Primitive():
            return {"kind": wit.value}
        case ListOf(item):
            return {"kind": "list", "item": tree(item)}
        case OptionOf(item):
            return {"kind": "option", "item": tree(item)}
        case ResultOf(ok, err):
            return {"kind": "result", "ok": optional_tree(ok), "err": optional_tree(err)}
        case TupleOf(items):
            return {"kind": "tuple", "items": [tree(item) for item in items]}
        case RecordOf(fields):
            return {"kind": "record", "fields": [{"name": snake_case(n), "type": tree(item)} for n, item in fields]}
        case VariantOf(cases):
            return {
                "kind": "variant",
                "cases": [{"name": snake_case(n), "type": optional_tree(item)} for n, item in cases],
            }
        case EnumOf(names) | FlagsOf(names):
            kind = "enum" if isinstance(wit, EnumOf) else "flags"
            return {"kind": kind, "names": [snake_case(name) for name in names]}
        case Own(resource) | Borrow(resource):
            return {"kind": "own" if isinstance(wit, Own) else "borrow", "resource": resource}
        case _:
            assert_never(wit)


def optional_tree(wit: WitType | None) -> Json | None:
    return None if wit is None else tree(wit)


def schema(wit: WitType) -> Json:  # noqa: C901 - one case a type
    """The JSON Schema of canonical values; what is taken may be more lenient."""
    match wit:
        case Primitive():
            return _primitive(wit)
        case ListOf(item):
            return {"type": "array", "items": schema(item)}
        case OptionOf(item):
            inner = schema(item)
            return {"anyOf": [{"type": "null"}, _object({"some": inner}) if isinstance(item, OptionOf) else inner]}
        case ResultOf(ok, err):
            return {"oneOf": [_object({name: _payload(item)}) for name, item in (("ok", ok), ("err", err))]}
        case TupleOf(items):
            return array(items)
        case RecordOf(fields):
            optional = {snake_case(name) for name, item in fields if isinstance(item, OptionOf)}
            return _object({snake_case(name): schema(item) for name, item in fields}, optional)
        case VariantOf(cases):
            return {"oneOf": [_case(snake_case(name), item) for name, item in cases]}
        case EnumOf(names):
            return {"enum": [snake_case(name) for name in names]}
        case FlagsOf(names):
            return {"type": "array", "items": {"enum": [snake_case(name) for name in names]}, "uniqueItems": True}
        case Own() | Borrow():
            return {"not": {}}
        case _:
            assert_never(wit)


def array(items: tuple[WitType, ...]) -> Json:
    """Of exactly these items, in order."""
    count = len(items)
    fixed: Json = {"type": "array", "minItems": count, "maxItems": count}
    return {**fixed, "prefixItems": [schema(item) for item in items]} if items else fixed


def _primitive(wit: Primitive) -> Json:
    match wit:
        case Primitive.BOOL:
            return {"type": "boolean"}
        case Primitive.STRING:
            return {"type": "string"}
        case Primitive.CHAR:
            return {"type": "string", "minLength": 1, "maxLength": 1}
        case Primitive.F32 | Primitive.F64:
            return {**_FLOAT, "title": wit.value}
        case _:
            least, most = _INTEGERS[wit]
            return {"type": "integer", "title": wit.value, "minimum": least, "maximum": most}


def _object(properties: Json, optional: Set[str] = frozenset()) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _payload(wit: WitType | None) -> Json:
    return {"type": "null"} if wit is None else schema(wit)


def _case(name: str, payload: WitType | None) -> Json:
    return {"const": name} if payload is None else _object({name: schema(payload)})
