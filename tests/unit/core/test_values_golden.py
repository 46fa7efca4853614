"""Every row of tests/golden/values: JSON as a client writes it, its canonical text and value, or the error."""

import json
from pathlib import Path

import pytest

from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.types import FunctionType, ResultOf
from obelisk_runtime.core.values import FunctionCodec, InvalidValue, function_codec, value_codec
from obelisk_runtime.core.wit_text import parse_type

GOLDEN = Path(__file__).parents[2] / "golden" / "values"
ROWS = [
    pytest.param(group["type"], row, id=f"{group['type'][:40]} {row['json'][:30]}")
    for file in sorted(GOLDEN.glob("*.json"))
    for group in json.loads(file.read_text())
    for row in group["rows"]
]


def of_one_parameter(wit_text: str) -> FunctionCodec:
    params = (("value", parse_type(wit_text)),)
    return function_codec(Ffqn.parse("a:b/c.d"), FunctionType(params, ResultOf(None, None)))


@pytest.mark.parametrize(("wit_text", "row"), ROWS)
def test_a_parameter_has_its_golden_form(wit_text: str, row: dict[str, str]):
    codec = of_one_parameter(wit_text)
    if "error" in row:
        with pytest.raises(InvalidValue) as refused:
            codec.check_params(f"[{row['json']}]")
        assert str(refused.value) == f"a:b/c.d, {row['error']}"
        return
    canonical = codec.check_params(f"[{row['json']}]")
    assert canonical == f"[{row['canonical']}]"
    arguments = codec.to_arguments(canonical)
    assert repr(arguments[0]) == row["value"]
    assert codec.from_arguments(arguments) == canonical
    assert codec.check_params(canonical) == canonical
    assert value_codec(parse_type(wit_text)).encode(arguments[0]) == row["canonical"]


def test_every_kind_of_type_has_rows():
    kinds = {"bool", "s8", "s16", "s32", "s64", "u8", "u16", "u32", "u64", "f32", "f64", "char", "string"}
    kinds |= {"list", "option", "result", "tuple", "record", "variant", "enum", "flags"}
    assert {str(row.values[0]).partition("<")[0].partition(" ")[0] for row in ROWS} == kinds
