"""Between canonical JSON and component values (their shape: `ports.engine`), one compiled conversion for each WIT type.

They differ only in floats that are not finite, in `f32`, and in `list<u8>`, which is `bytes`. Where a type has none of
these the conversion is None: the value is used as it is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
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
from obelisk_runtime.core.values.check import CODECS_MAX, NoJsonForm
from obelisk_runtime.core.values.floats import float_from_json, float_to_json, single_from_json, single_to_json

Value = Any
Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Direction:
    """What is done to the leaves that differ."""

    f32: Convert
    f64: Convert
    byte_list: Convert


FROM_JSON = Direction(single_from_json, float_from_json, bytes)
TO_JSON = Direction(single_to_json, float_to_json, list)


@lru_cache(CODECS_MAX)
def compiled_conversion(wit: WitType, direction: Direction) -> Convert | None:  # noqa: C901 - one arm for each kind
    """None: nothing to do. Raises: NoJsonForm."""
    match wit:
        case Primitive.F32:
            return direction.f32
        case Primitive.F64:
            return direction.f64
        case ListOf(Primitive.U8):
            return direction.byte_list
        case Primitive() | EnumOf() | FlagsOf():
            return None
        case ListOf(item):
            return _list(compiled_conversion(item, direction))
        case OptionOf(item):
            return _option(compiled_conversion(item, direction), nested=isinstance(item, OptionOf))
        case ResultOf(ok, err):
            return _cases({"ok": _payload(ok, direction), "err": _payload(err, direction)})
        case TupleOf(items):
            return _tuple([compiled_conversion(item, direction) for item in items])
        case RecordOf(fields):
            return _record({snake_case(name): compiled_conversion(item, direction) for name, item in fields})
        case VariantOf(cases):
            return _cases({snake_case(name): _payload(item, direction) for name, item in cases})
        case Own() | Borrow():
            raise NoJsonForm(str(wit))
        case _:
            assert_never(wit)


def _payload(wit: WitType | None, direction: Direction) -> Convert | None:
    return None if wit is None else compiled_conversion(wit, direction)


def _list(item: Convert | None) -> Convert | None:
    if item is None:
        return None
    return lambda values: [item(value) for value in values]


def _option(item: Convert | None, *, nested: bool) -> Convert | None:
    if item is None:
        return None
    if nested:
        return lambda value: None if value is None else {"some": item(value["some"])}
    return lambda value: None if value is None else item(value)


def _tuple(items: list[Convert | None]) -> Convert | None:
    if not any(items):
        return None
    return lambda values: [value if item is None else item(value) for item, value in zip(items, values, strict=True)]


def _record(fields: dict[str, Convert | None]) -> Convert | None:
    changed = [(name, item) for name, item in fields.items() if item is not None]
    if not changed:
        return None
    return lambda record: {**record, **{name: item(record[name]) for name, item in changed}}


def _cases(payloads: dict[str, Convert | None]) -> Convert | None:
    if not any(payloads.values()):
        return None

    def convert(value: Value) -> Value:
        if isinstance(value, str):
            return value
        ((name, payload),) = value.items()
        item = payloads[name]
        return value if item is None else {name: item(payload)}

    return convert
