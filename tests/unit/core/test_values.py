import math
from typing import Any

import pytest

from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.types import Borrow, FunctionType, ListOf, Primitive, ResultOf
from obelisk_runtime.core.values import (
    FunctionCodec,
    InvalidJson,
    ListTooLong,
    NestedTooDeep,
    NoJsonForm,
    PayloadTooLarge,
    ResultJson,
    TypeMismatch,
    ValueLimits,
    WrongParamCount,
    function_codec,
    project_failure,
    result_type_problem,
    value_codec,
)
from obelisk_runtime.core.wit_text import parse_function, parse_type


def codec(text: str) -> FunctionCodec:
    return function_codec(Ffqn.parse("shop:orders/api.place"), parse_function(text))


PLACE = "func(order: record { lines: list<record { price: f64 }> }, count: u32) -> result<u64, string>"


def test_a_mismatch_names_function_parameter_path_expected_type_and_value():
    with pytest.raises(TypeMismatch) as refused:
        codec(PLACE).check_params('[{"lines":[{"price":1},{"price":"much"}]},1]')
    assert str(refused.value) == (
        "shop:orders/api.place, parameter 'order' at .lines[1].price: "
        'expected f64 (a number, "NaN", "Infinity" or "-Infinity"), found "much"; '
        "the type is record { lines: list<record { price: f64 }> }"
    )
    assert refused.value.path == ".lines[1].price"


def test_a_wrong_count_says_what_was_expected_and_found():
    with pytest.raises(WrongParamCount) as refused:
        codec("func(n: u32, iterations: u32) -> result<u64>").check_params("[1]")
    assert str(refused.value) == (
        "shop:orders/api.place, parameters: expected 2 parameters (n: u32, iterations: u32), found 1"
    )
    with pytest.raises(WrongParamCount, match=r"expected 0 parameters \(\), found 1"):
        codec("func() -> result").check_params([None])


@pytest.mark.parametrize("params", ["{}", "1", "null", '"[]"'])
def test_parameters_that_are_no_array_are_refused(params: str):
    with pytest.raises(TypeMismatch, match="parameters: expected an array"):
        codec("func() -> result").check_params(params)


@pytest.mark.parametrize("params", ["", "[1", "[1,]", "[1] 2", "[NaN]", b"\xff", b'["\xff"]', "[1e999]", '["\ud800"]'])
def test_text_that_is_no_json_is_refused_as_such(params: str | bytes):
    with pytest.raises(InvalidJson, match="not valid JSON"):
        codec("func(s: string) -> result").check_params(params)


def test_decoded_values_are_checked_like_text():
    assert codec(PLACE).check_params([{"lines": [{"price": math.inf}]}, 2.0]) == '[{"lines":[{"price":"Infinity"}]},2]'
    with pytest.raises(TypeMismatch, match="lone surrogate"):
        codec("func(s: string) -> result").check_params(["a\ud800"])
    with pytest.raises(TypeMismatch, match="lone surrogate"):
        codec("func(c: char) -> result").check_params(["\udfff"])


def test_values_that_no_json_decoder_makes_are_mismatches():
    strange: list[Any] = [object(), b"bytes", {1: 2}, {(): 1}, 10**5000, (1,), {"a": {1}}]
    for value in strange:
        with pytest.raises(TypeMismatch):
            codec("func(s: string) -> result").check_params([value])


@pytest.mark.parametrize("open_and_close", [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_refused_by_name_at_any_depth(open_and_close: tuple[str, str]):
    start, end = open_and_close
    for depth in (65, 900, 5_000, 100_000):
        with pytest.raises(NestedTooDeep, match="the limit nesting_depth is 64"):
            codec("func(s: string) -> result").check_params(f"[{start * depth}1{end * depth}]")


def test_deep_decoded_values_are_refused_without_exhausting_the_stack():
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(TypeMismatch, match="too large to show"):
        codec("func(s: list<string>) -> result").check_params([deep])


def test_brackets_in_text_are_no_nesting():
    text = '["' + "[{" * 500 + '\\"[[' + '"]'
    assert codec("func(s: string) -> result").check_params(text) == text


def test_depth_is_counted_to_the_limit_exactly():
    limits = ValueLimits(nesting_depth=3)
    function = codec("func(l: list<list<u32>>, m: list<list<u32>>) -> result")
    assert function.check_params("[[[1],[]],[[2]]]", limits) == "[[[1],[]],[[2]]]"
    with pytest.raises(NestedTooDeep):
        function.check_params("[[[1],[]],[[2]]]", ValueLimits(nesting_depth=2))
    with pytest.raises(NestedTooDeep):
        function.from_arguments(([[1]], []), ValueLimits(nesting_depth=2))


def test_payload_is_bounded_as_it_comes_and_as_it_is_stored():
    function = codec("func(b: list<u8>) -> result<string, string>")
    limits = ValueLimits(payload_bytes=20)
    assert function.check_params('["AAAAAAAA"]', limits) == "[[0,0,0,0,0,0]]"
    with pytest.raises(PayloadTooLarge, match="parameters: 21 bytes of JSON; the limit payload_bytes_max is 20"):
        function.check_params("[" + " " * 17 + "[]]", limits)
    with pytest.raises(PayloadTooLarge, match="27 bytes"):
        function.check_params('["////////"]', limits)
    with pytest.raises(PayloadTooLarge):
        function.from_arguments((bytes(20),), limits)
    with pytest.raises(PayloadTooLarge, match="result: 22 bytes"):
        function.from_result({"ok": "x" * 20}, limits)
    with pytest.raises(PayloadTooLarge):
        function.check_result({"err": "é" * 10}, limits)


def test_lists_are_bounded():
    limits = ValueLimits(list_length=3)
    for item, given in (("u32", "[1,2,3,4]"), ("u8", "[1,2,3,4]"), ("u8", '"AAAAAA=="')):
        with pytest.raises(ListTooLong, match="parameter 'l': a list of 4 items; the limit list_length is 3"):
            codec(f"func(l: list<{item}>) -> result").check_params(f"[{given}]", limits)


def test_equal_content_has_equal_text():
    function = codec("func(a: f64, b: u64, r: record { x-y: option<u8>, z: list<u8> }) -> result")
    texts = {
        function.check_params(params)
        for params in (
            '[1, 2, {"x-y":null,"z":[1,2]}]',
            '[1.0, 2.0, {"z":"AQI=","x_y":null}]',
            b'[1e0,2e0,{"z":[1,2.0]}]',
            [1, 2, {"z": "AQI="}],
        )
    }
    assert texts == {'[1.0,2,{"x_y":null,"z":[1,2]}]'}


def test_a_result_is_stored_as_its_payload():
    function = codec("func() -> result<list<u8>, variant { execution-failed, other(f64) }>")
    for value, stored, text in (
        ({"ok": b"\x01"}, ResultJson(is_ok=True, payload="[1]"), '{"ok":[1]}'),
        ({"err": {"other": math.inf}}, ResultJson(False, '{"other":"Infinity"}'), '{"err":{"other":"Infinity"}}'),
        ({"err": "execution_failed"}, ResultJson(False, '"execution_failed"'), '{"err":"execution_failed"}'),
    ):
        assert function.from_result(value) == stored
        assert stored.text == text
        assert function.to_result(stored) == value
        assert function.check_result(text) == stored


def test_a_result_without_payload_is_stored_without():
    function = codec("func() -> result")
    assert function.from_result({"ok": None}) == ResultJson(is_ok=True, payload=None)
    assert function.check_result('{"err":null}') == ResultJson(is_ok=False, payload=None)
    assert function.to_result(ResultJson(is_ok=False, payload=None)) == {"err": None}
    assert ResultJson(is_ok=True, payload=None).text == '{"ok":null}'


def test_none_is_a_payload_and_not_its_absence():
    function = codec("func() -> result<option<u8>>")
    assert function.from_result({"ok": None}) == ResultJson(is_ok=True, payload="null")
    assert function.to_result(ResultJson(is_ok=True, payload="null")) == {"ok": None}


def test_a_result_from_outside_is_checked():
    with pytest.raises(TypeMismatch, match=r"place, result at \.ok: expected u64"):
        codec(PLACE).check_result({"ok": "89"})
    with pytest.raises(InvalidJson, match="place, result: "):
        codec(PLACE).check_result("{")


def test_handles_have_no_json_form():
    with pytest.raises(NoJsonForm, match="borrow<join-set>"):
        value_codec(ListOf(Borrow("obelisk:types/join-set@5.0.0.join-set")))
    with pytest.raises(NoJsonForm):
        function_codec(Ffqn.parse("a:b/c.d"), FunctionType((("s", Borrow("s")),), ResultOf(None, None)))


def test_one_codec_is_compiled_for_each_type():
    assert value_codec(ListOf(Primitive.F32)) is value_codec(ListOf(Primitive.F32))


@pytest.mark.parametrize(
    ("result", "projected"),
    [
        ("result", {"err": None}),
        ("result<u64>", {"err": None}),
        ("result<_, string>", {"err": "execution_failed"}),
        ("result<u64, string>", {"err": "execution_failed"}),
        ("result<u64, variant { other(string), execution-failed }>", {"err": "execution_failed"}),
        ("result<u64, variant { execution-failed(string) }>", None),
        ("result<u64, variant { other }>", None),
        ("result<u64, enum { execution-failed }>", None),
        ("result<u64, u8>", None),
        ("u64", None),
    ],
)
def test_a_failure_is_projected_into_the_declared_type(result: str, projected: Any):
    assert project_failure(parse_type(result)) == projected
    assert (result_type_problem(parse_type(result)) is None) == (projected is not None)


def test_a_refused_result_type_has_a_reason():
    assert (result_type_problem(None) or "").startswith("it returns nothing; a failed execution needs a place")
    assert "its error type is u8" in (result_type_problem(parse_type("result<u64, u8>")) or "")
    missing = result_type_problem(parse_type("result<u64, variant { other }>"))
    assert "no case execution-failed" in (missing or "")
