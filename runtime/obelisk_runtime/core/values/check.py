"""From lenient JSON to canonical JSON, one compiled check for each WIT type.

Lenient: names in kebab-case or snake_case, fields in any order, a missing field of an `option` type is none, base64
text for `list<u8>`, integers for floats and floats without a fraction for integers. Canonical: snake_case, fields and
flags in declaration order, `list<u8>` as numbers, floats as floats (`1.0`), an `f32` as a short decimal that reads back
as the same `f32`, non-finite floats as text. Two values are equal exactly if their canonical texts are (-0.0 is not
0.0; the integer `-0` is 0; there is one NaN).
"""

import base64
from collections.abc import Iterable
from functools import lru_cache
from typing import assert_never

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
from obelisk_runtime.core.values.errors import ListTooLongHere, Mismatch, shown
from obelisk_runtime.core.values.scalars import Check, as_case, as_list, as_object, found, primitive_check
from obelisk_runtime.core.values.text import Json

CODECS_MAX = 4096


class NoJsonForm(Exception):
    """A resource handle has no JSON form; functions that take or return one cannot be executions."""


@lru_cache(CODECS_MAX)
def compiled_check(wit: WitType) -> Check:  # noqa: C901 - one arm for each kind of type
    """Raises: NoJsonForm."""
    match wit:
        case Primitive():
            return primitive_check(wit)
        case ListOf(Primitive.U8):
            return _byte_list
        case ListOf(item):
            return _list(compiled_check(item))
        case OptionOf(item):
            return _option(compiled_check(item), nested=isinstance(item, OptionOf))
        case ResultOf(ok, err):
            return _result(_payload(ok), _payload(err))
        case TupleOf(items):
            return _tuple(tuple(map(compiled_check, items)))
        case RecordOf(fields):
            return _record(fields)
        case VariantOf(cases):
            return _variant(cases)
        case EnumOf(names):
            return _enum(names)
        case FlagsOf(names):
            return _flags(names)
        case Own() | Borrow():
            raise NoJsonForm(str(wit))
        case _:
            assert_never(wit)


def _list(check_item: Check) -> Check:
    def check(value: Json, longest: int) -> Json:
        return _items(as_list(value, "an array"), check_item, longest)

    return check


def _items(values: list[Json], check_item: Check, longest: int) -> Json:
    if len(values) > longest:
        raise ListTooLongHere(len(values))
    checked: list[Json] = []
    try:
        for value in values:
            checked.append(check_item(value, longest))  # noqa: PERF401 - its length is the index of a bad item
    except Mismatch as mismatch:
        mismatch.steps.append(f"[{len(checked)}]")
        raise
    return checked


_u8 = primitive_check(Primitive.U8)


def _byte_list(value: Json, longest: int) -> Json:
    if type(value) is not str:
        return _items(as_list(value, "an array of numbers, or base64 text, for list<u8>"), _u8, longest)
    try:
        decoded = base64.b64decode(value, validate=True)
    except ValueError:
        raise Mismatch("base64 text (RFC 4648, with padding) for list<u8>", found(value)) from None
    if len(decoded) > longest:
        raise ListTooLongHere(len(decoded))
    return list(decoded)


def _tuple(checks: tuple[Check, ...]) -> Check:
    expected = f"an array of {len(checks)}"

    def check(value: Json, longest: int) -> Json:
        items = as_list(value, expected)
        if len(items) != len(checks):
            raise Mismatch(expected, f"{len(items)}: {found(value)}")
        return [_step(checks[i], item, longest, f"[{i}]") for i, item in enumerate(items)]

    return check


def _step(check: Check, value: Json, longest: int, step: str) -> Json:
    try:
        return check(value, longest)
    except Mismatch as mismatch:
        mismatch.steps.append(step)
        raise


def _option(check_item: Check, *, nested: bool) -> Check:
    expected = 'null or {"some": …}'

    def check(value: Json, longest: int) -> Json:
        return None if value is None else check_item(value, longest)

    def check_nested(value: Json, longest: int) -> Json:
        if value is None:
            return None
        key, item = as_case(value, expected)
        if key != "some":
            raise Mismatch(expected, found(value))
        return {"some": _step(check_item, item, longest, ".some")}

    return check_nested if nested else check


def _payload(wit: WitType | None) -> Check:
    return _nothing if wit is None else compiled_check(wit)


def _nothing(value: Json, _: int) -> Json:
    if value is not None:
        raise Mismatch("null (there is no payload)", found(value))
    return None


def _spellings(names: Iterable[str]) -> dict[str, str]:
    """Every accepted spelling to the canonical one."""
    return {spelling: snake_case(name) for name in names for spelling in (name, snake_case(name))}


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(snake_case, names))


def _record(fields: tuple[tuple[str, WitType], ...]) -> Check:
    checks = {snake_case(name): compiled_check(item) for name, item in fields}
    optional = {snake_case(name) for name, item in fields if isinstance(item, OptionOf)}
    spellings = _spellings(name for name, _ in fields)
    expected = f"an object with the fields {', '.join(checks)}" if checks else "an empty object"

    def check(value: Json, longest: int) -> Json:
        given: dict[str, Json] = {}
        for key, item in as_object(value, expected).items():
            name = spellings.get(key)
            if name is None:
                raise Mismatch(expected, f"the unknown field {shown(key)}")
            if name in given:
                raise Mismatch(expected, f"the field {name} twice")
            given[name] = _step(checks[name], item, longest, f".{name}")
        missing = [name for name in checks if name not in given and name not in optional]
        if missing:
            raise Mismatch(expected, f"no field {' and no field '.join(missing)}")
        return {name: given.get(name) for name in checks}

    return check


def _variant(cases: tuple[tuple[str, WitType | None], ...]) -> Check:
    payloads = {snake_case(name): None if item is None else compiled_check(item) for name, item in cases}
    spellings = _spellings(name for name, _ in cases)
    forms = (f'"{name}"' if payload is None else f'{{"{name}": …}}' for name, payload in payloads.items())
    expected = "one of " + ", ".join(forms)

    def check(value: Json, longest: int) -> Json:
        if type(value) is str:
            name = spellings.get(value)
            if name is None or payloads[name] is not None:
                raise Mismatch(expected, found(value))
            return name
        key, item = as_case(value, expected)
        name = spellings.get(key)
        payload = None if name is None else payloads[name]
        if payload is None:
            raise Mismatch(expected, found(value))
        return {name: _step(payload, item, longest, f".{name}")}

    return check


def _result(ok: Check, err: Check) -> Check:
    checks = {"ok": ok, "err": err}
    expected = '{"ok": …} or {"err": …}'

    def check(value: Json, longest: int) -> Json:
        key, item = as_case(value, expected)
        if key not in checks:
            raise Mismatch(expected, found(value))
        return {key: _step(checks[key], item, longest, f".{key}")}

    return check


def _enum(names: tuple[str, ...]) -> Check:
    spellings = _spellings(names)
    expected = f"one of {_listed(names)}"

    def check(value: Json, _: int) -> Json:
        name = spellings.get(value) if type(value) is str else None
        if name is None:
            raise Mismatch(expected, found(value))
        return name

    return check


def _flags(names: tuple[str, ...]) -> Check:
    spellings = _spellings(names)
    order = list(map(snake_case, names))
    expected = f"an array of names out of {_listed(names)}" if names else "an empty array"

    def check(value: Json, _: int) -> Json:
        given: set[str] = set()
        for item in as_list(value, expected):
            name = spellings.get(item) if type(item) is str else None
            if name is None:
                raise Mismatch(expected, found(item))
            if name in given:
                raise Mismatch(expected, f"{name} twice")
            given.add(name)
        return [name for name in order if name in given]

    return check
