"""Floats as JSON. `NaN`, `Infinity` and `-Infinity` are strings, both ways; an f32 is its shortest decimal."""

import math
import struct

NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

_SINGLE = struct.Struct("<f")


def float_to_json(value: float) -> float | str:
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def single_to_json(value: float) -> float | str:
    """Of the nearest f32, ties to even. `value` fits one (`is_single`)."""
    if not math.isfinite(value):
        return float_to_json(value)
    single = _nearest_single(value)
    for digits in (6, 7, 8):
        shorter = float(f"{single:.{digits}g}")
        if is_single(shorter) and _nearest_single(shorter) == single:
            return shorter
    return float(f"{single:.9g}")  # nine digits tell any two apart


def float_from_json(value: float | str) -> float:
    return NON_FINITE[value] if isinstance(value, str) else value


def single_from_json(value: float | str) -> float:
    return NON_FINITE[value] if isinstance(value, str) else _nearest_single(value)


def is_single(value: float) -> bool:
    """Whether the nearest f32 is finite, or the value itself is not."""
    try:
        _SINGLE.pack(value)
    except OverflowError:
        return False
    return True


def _nearest_single(value: float) -> float:
    return _SINGLE.unpack(_SINGLE.pack(value))[0]
