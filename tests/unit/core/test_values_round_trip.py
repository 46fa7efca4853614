"""Random types with random values: nothing is lost between component values, canonical text and lenient JSON."""

import base64
import math
import struct
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.types import (
    EnumOf,
    FlagsOf,
    FunctionType,
    ListOf,
    OptionOf,
    Primitive,
    RecordOf,
    ResultOf,
    TupleOf,
    VariantOf,
    WitType,
    snake_case,
)
from obelisk_runtime.core.values import FunctionCodec, function_codec
from obelisk_runtime.core.wit_text import parse_type

P = Primitive
PROPERTY = settings(
    derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
INTEGERS = {
    item: (0, 2**bits - 1) if item.value[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for item in (P.S8, P.S16, P.S32, P.S64, P.U8, P.U16, P.U32, P.U64)
    for bits in (int(item.value[1:]),)
}
NAMES = st.lists(st.sampled_from(["a", "b-c", "d1", "e-f-g", "some", "ok", "type"]), unique=True, max_size=4)
CASES = NAMES.filter(bool)


def composed(types: st.SearchStrategy[WitType]) -> st.SearchStrategy[WitType]:
    maybe = st.none() | types
    return st.one_of(
        st.builds(ListOf, types),
        st.builds(OptionOf, types),
        st.builds(ResultOf, maybe, maybe),
        st.lists(types, min_size=1, max_size=3).map(lambda items: TupleOf(tuple(items))),
        NAMES.flatmap(lambda names: st.tuples(*(st.tuples(st.just(name), types) for name in names))).map(RecordOf),
        CASES.flatmap(lambda names: st.tuples(*(st.tuples(st.just(name), maybe) for name in names))).map(VariantOf),
    )


TYPES: st.SearchStrategy[WitType] = st.recursive(
    st.one_of(st.sampled_from(list(P)), CASES.map(tuple).map(EnumOf), NAMES.map(tuple).map(FlagsOf)),
    composed,
    max_leaves=12,
)


def values(wit: WitType) -> st.SearchStrategy[Any]:  # noqa: C901, PLR0911, PLR0912 - one arm for each kind of type
    """Component values of a type."""
    match wit:
        case P.BOOL:
            return st.booleans()
        case P.STRING:
            return st.text()
        case P.CHAR:
            return st.characters(exclude_categories=("Cs",))
        case P.F32:
            return st.floats(width=32)
        case P.F64:
            return st.floats()
        case Primitive():
            return st.integers(*INTEGERS[wit])
        case ListOf(P.U8):
            return st.binary(max_size=5)
        case ListOf(item):
            return st.lists(values(item), max_size=3)
        case OptionOf(OptionOf() as item):
            return st.none() | st.fixed_dictionaries({"some": values(item)})
        case OptionOf(item):
            return st.none() | values(item)
        case ResultOf(ok, err):
            return st.one_of(st.fixed_dictionaries({name: payloads(item)}) for name, item in (("ok", ok), ("err", err)))
        case TupleOf(items):
            return st.tuples(*map(values, items)).map(list)
        case RecordOf(fields):
            return st.tuples(*(values(item) for _, item in fields)).map(
                lambda made: {snake_case(name): item for (name, _), item in zip(fields, made, strict=True)}
            )
        case VariantOf(cases):
            return st.one_of(
                st.just(snake_case(name)) if item is None else st.fixed_dictionaries({snake_case(name): values(item)})
                for name, item in cases
            )
        case EnumOf(names):
            return st.sampled_from(list(map(snake_case, names)))
        case FlagsOf(names):
            order = list(map(snake_case, names))
            return st.sets(st.sampled_from(order) if order else st.nothing()).map(
                lambda chosen: [name for name in order if name in chosen]
            )
        case _:
            raise AssertionError(wit)


def payloads(wit: WitType | None) -> st.SearchStrategy[Any]:
    return st.none() if wit is None else values(wit)


TYPED = TYPES.flatmap(lambda wit: st.tuples(st.just(wit), values(wit)))


def codec_of(wit: WitType) -> FunctionCodec:
    return function_codec(Ffqn.parse("a:b/c.d"), FunctionType((("value", wit),), ResultOf(wit, None)))


def same(left: Any, right: Any) -> bool:
    """Equality that tells -0.0 from 0.0 and 1 from 1.0 and finds NaN equal to itself."""
    if isinstance(left, float) and isinstance(right, float):
        return struct.pack("d", left) == struct.pack("d", right) or (math.isnan(left) and math.isnan(right))
    if isinstance(left, list):
        return type(right) is list and len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return type(right) is dict and list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    return type(left) is type(right) and left == right


def leniently(wit: WitType, value: Any) -> Any:  # noqa: C901, PLR0911 - one arm for each kind of type
    """The decoded JSON of a value, written in the other allowed way where there is one."""
    match wit:
        case P.F32 | P.F64:
            if not math.isfinite(value):
                return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
            return int(value) if value.is_integer() and math.copysign(1, value) > 0 else value
        case ListOf(P.U8):
            return base64.b64encode(value).decode()
        case ListOf(item):
            return [leniently(item, each) for each in value]
        case OptionOf(OptionOf() as item):
            return None if value is None else {"some": leniently(item, value["some"])}
        case OptionOf(item):
            return None if value is None else leniently(item, value)
        case TupleOf(items):
            return [leniently(item, each) for item, each in zip(items, value, strict=True)]
        case RecordOf(fields):
            return {name: leniently(item, value[snake_case(name)]) for name, item in reversed(fields)}
        case ResultOf() | VariantOf() if isinstance(value, dict):
            cases = wit.cases if isinstance(wit, VariantOf) else (("ok", wit.ok), ("err", wit.err))
            return {
                name: None if item is None else leniently(item, value[snake_case(name)])
                for name, item in cases
                if snake_case(name) in value
            }
        case VariantOf() | EnumOf():
            return value.replace("_", "-")
        case FlagsOf():
            return [name.replace("_", "-") for name in reversed(value)]
        case _:
            return value


@PROPERTY
@given(TYPED)
def test_arguments_come_back_from_their_canonical_text(typed: tuple[WitType, Any]):
    wit, value = typed
    codec = codec_of(wit)
    canonical = codec.from_arguments((value,))
    assert same(list(codec.to_arguments(canonical)), [value])
    assert codec.check_params(canonical) == canonical


@PROPERTY
@given(TYPED)
def test_lenient_json_has_the_canonical_text_of_its_content(typed: tuple[WitType, Any]):
    wit, value = typed
    codec = codec_of(wit)
    lenient = [leniently(wit, value)]
    assert codec.check_params(lenient) == codec.from_arguments((value,))
    assert codec.check_params(msgspec.json.encode(lenient)) == codec.from_arguments((value,))


@PROPERTY
@given(TYPES.flatmap(lambda wit: st.tuples(st.just(wit), values(wit), values(wit))))
def test_equal_content_and_equal_text_are_the_same_thing(typed: tuple[WitType, Any, Any]):
    wit, left, right = typed
    codec = codec_of(wit)
    assert (codec.from_arguments((left,)) == codec.from_arguments((right,))) == same(left, right)


@PROPERTY
@given(TYPED)
def test_a_result_comes_back_from_what_is_stored(typed: tuple[WitType, Any]):
    wit, value = typed
    codec = codec_of(wit)
    stored = codec.from_result({"ok": value})
    assert same(codec.to_result(stored), {"ok": value})
    assert codec.check_result(stored.text) == stored


@PROPERTY
@given(TYPES)
def test_a_type_is_read_back_from_its_text(wit: WitType):
    assert parse_type(str(wit)) == wit
