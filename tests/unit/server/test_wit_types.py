"""WIT types as trees and JSON Schemas, beside what the codec of values takes and gives."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.types import Borrow, FunctionType, Own, ResultOf
from obelisk_runtime.core.values import InvalidValue, function_codec
from obelisk_runtime.core.wit_text import parse_type
from obelisk_server.api import wit_types

NAME = Ffqn.parse("a:b/c.d")


@pytest.mark.parametrize(
    ("wit", "tree"),
    [
        ("u64", {"kind": "u64"}),
        ("list<string>", {"kind": "list", "item": {"kind": "string"}}),
        ("option<option<char>>", {"kind": "option", "item": {"kind": "option", "item": {"kind": "char"}}}),
        ("result", {"kind": "result", "ok": None, "err": None}),
        ("result<_, f32>", {"kind": "result", "ok": None, "err": {"kind": "f32"}}),
        ("tuple<bool, s8>", {"kind": "tuple", "items": [{"kind": "bool"}, {"kind": "s8"}]}),
        ("record { first-name: u8 }", {"kind": "record", "fields": [{"name": "first_name", "type": {"kind": "u8"}}]}),
        (
            "variant { no-one, some-one(u8) }",
            {
                "kind": "variant",
                "cases": [{"name": "no_one", "type": None}, {"name": "some_one", "type": {"kind": "u8"}}],
            },
        ),
        ("enum { a-b, c }", {"kind": "enum", "names": ["a_b", "c"]}),
        ("flags { a-b, c }", {"kind": "flags", "names": ["a_b", "c"]}),
        ("own<thing>", {"kind": "own", "resource": "thing"}),
        ("borrow<thing>", {"kind": "borrow", "resource": "thing"}),
    ],
)
def test_a_type_is_a_tree_of_its_parts(wit: str, tree: Any) -> None:
    assert wit_types.tree(parse_type(wit) if "<thing>" not in wit else _handle(wit)) == tree


def _handle(wit: str) -> Any:
    return Own("thing") if wit.startswith("own") else Borrow("thing")


VALUES: list[tuple[str, list[Any], list[Any]]] = [
    ("bool", [True], [1, "x", None]),
    ("s8", [-128, 127], [-129, 128, "1", 1.5]),
    ("u64", [0, 2**64 - 1], [-1, 2**64]),
    ("s64", [-(2**63), 2**63 - 1], [2**63]),
    ("f64", [1.5, -3, "NaN", "Infinity"], ["nan", None]),
    ("char", ["é", "🦀"], ["", "ab"]),
    ("string", ["", "é"], [1]),
    ("list<u8>", [[], [1, 255]], [[256], {}]),
    ("list<string>", [["a"]], ["a"]),
    ("option<u8>", [None, 1], ["x"]),
    ("option<option<u8>>", [None, {"some": None}, {"some": 1}], [{"none": 1}]),
    ("result<u8, string>", [{"ok": 1}, {"err": "x"}], [{}, {"ok": "x"}, {"ok": 1, "err": "x"}]),
    ("result", [{"ok": None}, {"err": None}], [{"ok": 1}]),
    ("tuple<u8, bool>", [[1, True]], [[1], [1, True, 2]]),
    ("record { a-b: u8, c: option<u8> }", [{"a_b": 1, "c": None}, {"a_b": 1}], [{"c": 1}, {"a_b": 1, "d": 1}]),
    ("variant { a-b, c(u8) }", ["a_b", {"c": 1}], ["d", {"c": "x"}, {"a_b": "x"}]),
    ("enum { a-b, c }", ["a_b"], ["d", 1]),
    ("flags { a, b }", [[], ["a", "b"]], [["c"], "a"]),
]


@pytest.mark.parametrize(("wit", "good", "bad"), VALUES)
def test_a_schema_says_what_the_codec_takes(wit: str, good: list[Any], bad: list[Any]) -> None:
    type_ = parse_type(wit)
    schema = wit_types.schema(type_)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    codec = function_codec(NAME, FunctionType((("x", type_),), ResultOf(None, None)))
    for value in good:
        codec.check_params([value])
        assert validator.is_valid(value), value
    for value in bad:
        with pytest.raises(InvalidValue):
            codec.check_params([value])
        assert not validator.is_valid(value), value
