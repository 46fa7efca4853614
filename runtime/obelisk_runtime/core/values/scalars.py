"""Checks of the primitive types: lenient JSON to canonical JSON."""

from collections.abc import Callable
from typing import cast

from obelisk_runtime.core.types import Primitive
from obelisk_runtime.core.values.errors import Mismatch, shown
from obelisk_runtime.core.values.floats import NON_FINITE, float_to_json, is_single, single_to_json
from obelisk_runtime.core.values.text import Json, RepeatedKey

Check = Callable[[Json, int], Json]
"""`(value, longest list) -> canonical`. Raises: Mismatch, ListTooLongHere."""

_EXACT_FLOAT = 2**53
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


def primitive_check(wit: Primitive) -> Check:
    match wit:
        case Primitive.BOOL:
            return _bool
        case Primitive.STRING:
            return _string
        case Primitive.CHAR:
            return _char
        case Primitive.F32:
            return _f32
        case Primitive.F64:
            return _f64
        case _:
            return _integer(wit.value, *_INTEGERS[wit])


def found(value: Json) -> str:
    if isinstance(value, RepeatedKey):
        return f"an object that gives the key {shown(value.key)} more than once"
    return shown(value)


def as_list(value: Json, expected: str) -> list[Json]:
    """Raises: Mismatch."""
    if type(value) is not list:
        raise Mismatch(expected, found(value))
    return cast("list[Json]", value)


def as_object(value: Json, expected: str) -> dict[str, Json]:
    """Raises: Mismatch, also for an object that gives a key twice."""
    if type(value) is not dict:
        raise Mismatch(expected, found(value))
    return cast("dict[str, Json]", value)


def as_case(value: Json, expected: str) -> tuple[str, Json]:
    """(key, value) of an object with one key. Raises: Mismatch."""
    entries = as_object(value, expected)
    if len(entries) != 1:
        raise Mismatch(expected, found(value))
    return next(iter(entries.items()))


def _bool(value: Json, _: int) -> Json:
    if value is True or value is False:
        return value
    raise Mismatch("bool (true or false)", found(value))


def _string(value: Json, _: int) -> Json:
    if type(value) is not str:
        raise Mismatch("string", found(value))
    if not value.isascii():
        _refuse_surrogates(value, "string")
    return value


def _refuse_surrogates(value: str, expected: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Mismatch(f"{expected} of Unicode scalar values", f"a lone surrogate in {shown(value)}") from None


def _char(value: Json, _: int) -> Json:
    if type(value) is not str or len(value) != 1:
        raise Mismatch("char (a string of one Unicode scalar value)", found(value))
    _refuse_surrogates(value, "char")
    return value


def _integer(name: str, lowest: int, highest: int) -> Check:
    expected = f"{name} (an integer from {lowest} to {highest})"

    def check(value: Json, _: int) -> Json:
        if type(value) is int and lowest <= value <= highest:
            return value
        # beyond 2**53 a float is not the integer that was meant
        if type(value) is float and value.is_integer() and abs(value) <= _EXACT_FLOAT and lowest <= value <= highest:
            return int(value)
        raise Mismatch(expected, found(value))

    return check


def _number(value: Json, expected: str) -> float:
    if type(value) is float:
        return value
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise Mismatch(expected, f"{found(value)}, which is out of range") from None
    number = NON_FINITE.get(value) if type(value) is str else None
    if number is None:
        raise Mismatch(f'{expected} (a number, "NaN", "Infinity" or "-Infinity")', found(value))
    return number


def _f64(value: Json, _: int) -> Json:
    return float_to_json(_number(value, "f64"))


def _f32(value: Json, _: int) -> Json:
    number = _number(value, "f32")
    if not is_single(number):
        raise Mismatch("f32", f"{found(value)}, which is out of range")
    return single_to_json(number)
